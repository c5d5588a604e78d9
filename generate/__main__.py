"""Write the generated files: `make generate`."""

from .files import ROOT, generated

for path, text in generated().items():
    (ROOT / path).write_text(text)
