import pytest
from rich.console import Console

from bench.comparison import Comparison
from bench.table import HEADINGS, row, table

IMPORT = Comparison("import", "wall", baseline=(0.5, 0.5, 0.6), component=(0.55, 0.5, 0.72))


def lines(*, ruled: bool) -> list[str]:
    console = Console(width=110)
    with console.capture() as captured:
        console.print(table([IMPORT], ruled=ruled))
    return captured.get().splitlines()


def test_row_has_the_median_the_lowest_and_the_highest_ratio() -> None:
    figures = dict(zip(HEADINGS, row(IMPORT), strict=True))
    assert (figures["ratio"], figures["lowest"], figures["highest"], figures["pairs"]) == ("1.10", "1.00", "1.20", "3")
    assert (figures["baseline, s"], figures["component, s"]) == ("0.50", "0.55")


def test_table_without_a_terminal_has_only_aligned_lines() -> None:
    headings, figures = lines(ruled=False)
    assert headings.index("ratio") + len("ratio") == figures.index("1.10") + len("1.10")
    assert headings.isascii()


@pytest.mark.parametrize("ruled", [True, False])
def test_table_fits_into_110_columns(ruled: bool) -> None:  # noqa: FBT001
    assert max(len(line) for line in lines(ruled=ruled)) <= 110
