"""Values in messages."""

import pytest

from consul_tracing.errors import format_rate


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (0, "0 %"),
        (1, "1 %"),
        (1.0, "1 %"),
        (12.5, "12.5 %"),
        (100, "100 %"),
        (0.5, "0.5 % = 1 in 200 requests"),
        (0.1, "0.1 % = 1 in 1,000 requests"),
        (0.01, "0.01 % = 1 in 10,000 requests"),
        (0.3, "0.3 % = about 1 in 333 requests"),
        (0.99, "0.99 % = about 1 in 101 requests"),
        (-0.5, "-0.5 %"),
    ],
)
def test_rate_below_one_percent_is_shown_with_its_meaning(percent: float, text: str) -> None:
    assert format_rate(percent) == text
