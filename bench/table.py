"""The figures as one table: ruled at a terminal, aligned lines anywhere else."""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from bench.comparison import Comparison

HEADINGS = ("measure", "quantity", "plain, s", "ours, s", "ratio", "lowest", "highest", "pairs")
NUMBERS_FROM = HEADINGS.index("plain, s")


def table(comparisons: Iterable[Comparison], *, ruled: bool) -> Table:
    """One row for each of `comparisons`; seconds are the middle ones of the runs, ratios those of the pairs."""
    shown = Table(box=box.SIMPLE_HEAD if ruled else None, pad_edge=False)
    for index, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if index >= NUMBERS_FROM else "left", no_wrap=True)
    for comparison in comparisons:
        shown.add_row(*row(comparison))
    return shown


def row(comparison: Comparison) -> list[str]:
    """The cells of one comparison, under `HEADINGS`."""
    ratios = comparison.ratios
    return [
        comparison.measure,
        comparison.quantity,
        f"{comparison.plain_seconds:.2f}",
        f"{comparison.our_seconds:.2f}",
        f"{comparison.ratio:.2f}",
        f"{min(ratios):.2f}",
        f"{max(ratios):.2f}",
        str(len(ratios)),
    ]
