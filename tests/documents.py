"""Code blocks of the documentation, for tests that run the documented examples."""

import re
from textwrap import dedent

from testbed import CHECKOUT


def code_blocks(document: str, language: str) -> list[str]:
    """Return the code blocks of a language, in order. `document` is a path in the repository."""
    text = (CHECKOUT / document).read_text()
    block = re.compile(rf"^( *)```{language}(?: \S+)?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    return [dedent(found[2]) for found in block.finditer(text)]
