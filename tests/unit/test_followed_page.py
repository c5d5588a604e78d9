"""The comparison of pages with what their readers see."""

import re

import pytest

from tests.followed_page import change, pattern, words


@pytest.mark.parametrize(
    ("shown", "output", "is_equal"),
    [
        ("a: 1\nb: 2\n", "a: 1\nb: 2", True),
        ("name   value\n", "name value\n", True),
        ("a: 1\n", "a: 1\nb: 2\n", False),
        ("a: 1\n…\n", "a: 1\nb: 2\n", True),
        ("trace …\nspans: 4\n", "trace 7a\nspans: 4\n", True),
        ("trace …\nspans: 4\n", "trace 7a\nspans: 5\n", False),
        ("100.0 %\n", "100x0 %\n", False),
    ],
)
def test_shown_output_is_compared_whole(shown: str, output: str, is_equal: bool) -> None:  # noqa: FBT001 - a case
    assert bool(re.fullmatch(pattern(shown), words(output))) is is_equal


def test_diff_changes_its_lines_and_keeps_their_context() -> None:
    assert change(" a\n-b\n+c\n d\n") == ("a\nb\nd", "a\nc\nd")
    assert change("     a\n+    b\n") == ("    a", "    a\n    b")
    with pytest.raises(AssertionError, match="starts with"):
        change("a\n")
