"""Comparisons as a table, with rules on a terminal."""

from collections.abc import Iterable
from statistics import median

from rich import box
from rich.table import Table

from bench.comparison import Comparison

HEADINGS = ("measure", "quantity", "baseline, s", "component, s", "ratio", "lowest", "highest", "pairs")
FIRST_NUMBER = HEADINGS.index("baseline, s")


def table(comparisons: Iterable[Comparison], *, ruled: bool) -> Table:
    """Return one row per comparison, with the medians of seconds and ratios."""
    result = Table(box=box.SIMPLE_HEAD if ruled else None, pad_edge=False)
    for index, heading in enumerate(HEADINGS):
        result.add_column(heading, justify="right" if index >= FIRST_NUMBER else "left", no_wrap=True)
    for comparison in comparisons:
        result.add_row(*row(comparison))
    return result


def row(comparison: Comparison) -> list[str]:
    """Return the cells of one comparison, in the order of `HEADINGS`."""
    ratios = comparison.ratios
    figures = [median(comparison.baseline), median(comparison.component), comparison.ratio, min(ratios), max(ratios)]
    return [comparison.measure, comparison.quantity, *(f"{figure:.2f}" for figure in figures), str(len(ratios))]
