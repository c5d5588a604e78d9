"""The files that `make generate` writes."""

from pathlib import Path

import pytest

from generate.files import ROOT, generated


@pytest.mark.parametrize(("path", "text"), generated().items())
def test_generated_file_is_up_to_date(path: str, text: str) -> None:
    assert Path(ROOT / path).read_text() == text, "run make generate"
