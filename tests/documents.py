"""Code blocks of the documentation, for tests that run the documented examples."""

import re

from testbed import CHECKOUT


def code_blocks(document: str, language: str) -> list[str]:
    """Return the code blocks of a language, in order. `document` is a path in the repository."""
    text = (CHECKOUT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
