"""Code blocks of the documents, for tests that run what a document shows."""

import re

from testbed import CHECKOUT


def code_blocks(document: str, language: str) -> list[str]:
    """The blocks of a language, in order; `document` is a path in the repository."""
    text = (CHECKOUT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
