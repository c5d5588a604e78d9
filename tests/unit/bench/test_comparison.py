from collections.abc import Callable, Iterator

from bench.comparison import Comparison, Timing, run_pairs


def runs(name: str, seconds: list[float], order: list[str]) -> Callable[[], Timing]:
    remaining: Iterator[float] = iter(seconds)

    def run() -> Timing:
        order.append(name)
        return Timing(next(remaining))

    return run


def test_reported_ratio_is_the_median() -> None:
    comparison = Comparison("import", "wall", baseline=(1.0, 1.0, 1.0), component=(1.1, 1.2, 90.0))
    assert comparison.ratio == 1.2


def test_runs_alternate_and_the_first_pair_is_a_warm_up() -> None:
    order: list[str] = []
    pairs = run_pairs(runs("baseline", [9.0, 1.0, 2.0], order), runs("component", [9.0, 3.0, 4.0], order), 2)
    assert order == ["baseline", "component"] * 3
    assert [(plain.wall, ours.wall) for plain, ours in pairs] == [(1.0, 3.0), (2.0, 4.0)]
