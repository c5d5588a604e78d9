"""Two ways to the same end, measured in pairs: what the second costs, as a multiple of the first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Cost:
    """What one run took, in seconds."""

    wall: float
    """From its start to its end."""

    cpu: float | None = None
    """The processor's time in the program's own code; None where programs that are not ours took part."""


@dataclass(frozen=True)
class Comparison:
    """One quantity of one measure, in seconds: the plain way's and ours, run by run."""

    measure: str
    quantity: str
    plain: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def plain_seconds(self) -> float:
        """The middle one of the plain way's runs."""
        return median(self.plain)

    @property
    def our_seconds(self) -> float:
        """The middle one of our runs."""
        return median(self.ours)

    @property
    def ratios(self) -> list[float]:
        """Ours as a multiple of the plain way, pair by pair: the machine's mood of a moment is in both of a pair."""
        return [ours / plain for plain, ours in zip(self.plain, self.ours, strict=True)]

    @property
    def ratio(self) -> float:
        """The middle one of the ratios: one run that was disturbed does not move it."""
        return median(self.ratios)


Pair = tuple[Cost, Cost]
"""A run of the plain way, and the run of ours that followed it."""


def in_pairs(plain: Callable[[], Cost], ours: Callable[[], Cost], count: int) -> list[Pair]:
    """Run both in turn, so that what drifts meanwhile drifts for both.

    One pair more comes first and does not count: it fills the caches of bytecode and files.
    """
    pairs = [(plain(), ours()) for _ in range(count + 1)]
    return pairs[1:]


def comparisons(measure: str, pairs: Iterable[Pair]) -> list[Comparison]:
    """What `pairs` tell: CPU time first, which a busy machine disturbs least, then the time on the wall."""
    plain, ours = zip(*pairs, strict=True)
    return [*_in_cpu_time(measure, plain, ours), Comparison(measure, "wall", _walls(plain), _walls(ours))]


def _in_cpu_time(measure: str, plain: tuple[Cost, ...], ours: tuple[Cost, ...]) -> list[Comparison]:
    of_plain = tuple(cost.cpu for cost in plain if cost.cpu is not None)
    of_ours = tuple(cost.cpu for cost in ours if cost.cpu is not None)
    return [Comparison(measure, "user CPU", of_plain, of_ours)] if of_plain and of_ours else []


def _walls(costs: tuple[Cost, ...]) -> tuple[float, ...]:
    return tuple(cost.wall for cost in costs)
