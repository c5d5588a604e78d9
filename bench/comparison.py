"""Comparison of a baseline and the component in pairs of runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Timing:
    """Duration of one run, in seconds."""

    wall: float
    cpu: float | None = None
    """User CPU time; None if the run involves other programs."""


@dataclass(frozen=True)
class Comparison:
    """One quantity of one measure in seconds, run by run."""

    measure: str
    quantity: str
    baseline: tuple[float, ...]
    component: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ratios of component to baseline by pair. Both runs of a pair have a similar machine load."""
        return [component / baseline for baseline, component in zip(self.baseline, self.component, strict=True)]

    @property
    def ratio(self) -> float:
        """Median of the ratios, which is robust against a disturbed run."""
        return median(self.ratios)


Pair = tuple[Timing, Timing]
"""A run of the baseline and the following run of the component."""


def run_pairs(baseline: Callable[[], Timing], component: Callable[[], Timing], count: int) -> list[Pair]:
    """Run both alternately `count` times, after a warm-up pair that fills the caches."""
    return [(baseline(), component()) for _ in range(count + 1)][1:]


def compare(measure: str, pairs: Iterable[Pair]) -> list[Comparison]:
    """Compare the pairs by CPU time, if measured, and by wall time."""
    baseline, component = zip(*pairs, strict=True)
    quantities = {
        "user CPU": [tuple(run.cpu for run in runs if run.cpu is not None) for runs in (baseline, component)],
        "wall": [tuple(run.wall for run in runs) for runs in (baseline, component)],
    }
    return [Comparison(measure, quantity, *seconds) for quantity, seconds in quantities.items() if all(seconds)]
