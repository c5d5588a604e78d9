import pytest
from rich.console import Console

from bench.comparison import Comparison
from bench.table import HEADINGS, row, table

IMPORT = Comparison("import", "wall", baseline=(0.5, 0.5, 0.6), component=(0.55, 0.5, 0.72))


def lines(*, ruled: bool) -> list[str]:
    console = Console(width=110)
    with console.capture() as said:
        console.print(table([IMPORT], ruled=ruled))
    return said.get().splitlines()


def test_a_row_tells_the_middle_ratio_and_how_far_the_others_lie_from_it() -> None:
    figures = dict(zip(HEADINGS, row(IMPORT), strict=True))
    assert (figures["ratio"], figures["lowest"], figures["highest"], figures["pairs"]) == ("1.10", "1.00", "1.20", "3")
    assert (figures["baseline, s"], figures["component, s"]) == ("0.50", "0.55")


def test_away_from_a_terminal_the_table_is_aligned_lines_alone() -> None:
    headings, figures = lines(ruled=False)
    assert headings.index("ratio") + len("ratio") == figures.index("1.10") + len("1.10")
    assert headings.isascii()


@pytest.mark.parametrize("ruled", [True, False])
def test_no_line_is_wider_than_a_terminal_of_110_columns(ruled: bool) -> None:  # noqa: FBT001
    assert max(len(line) for line in lines(ruled=ruled)) <= 110
