"""Metrics of repeated runs in Prometheus' text format.

Ref: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from consul_tracing.codes import CODES

from .outcomes import Outcome, outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .report import Result

VERSION = version("consul-tracing")

PREFIX = "consul_tracing_verify_"

CAUSES = tuple(code for code in CODES if code.startswith("CT4"))
"""The codes of causes. Each one has a sample in each run, so that a cause that disappears is 0."""


@dataclass(frozen=True)
class History:
    """The runs so far."""

    interval: int
    """Seconds between the starts of two runs."""
    runs: Mapping[Outcome, int] = field(default_factory=dict)
    """Number of runs by outcome."""
    last: Result | None = None
    """The result of the last run. None if it could not run."""
    ended: float | None = None
    """Time at which the last run ended, in seconds since the epoch."""

    def with_run(self, result: Result | None, ended: float) -> History:
        """Return the history with one more run."""
        outcome = outcome_of(result)
        return History(self.interval, {**self.runs, outcome: self.runs.get(outcome, 0) + 1}, result, ended)


Samples = Mapping[tuple[tuple[str, str], ...], float]
"""Numbers by the names and values of their labels."""


@dataclass(frozen=True)
class Metric:
    """A metric and its samples."""

    name: str
    kind: str
    text: str
    samples: Samples


def exposition(history: History) -> str:
    """Return the metrics in Prometheus' text format."""
    return "".join(f"{line}\n" for metric in metrics(history) for line in _lines(metric))


def metrics(history: History) -> list[Metric]:
    """Return the metrics. Those of the last run have no samples before the first run and after one that could not run.

    Their names and labels are part of the interface: examples/monitoring uses them.
    """
    last, gauge = history.last, "gauge"
    return [
        Metric(
            "consul_tracing_build_info",
            gauge,
            "Version of consul-tracing.",
            _by("version", {VERSION: 1}),
        ),
        Metric(f"{PREFIX}interval_seconds", gauge, "Time between the starts of two runs.", {(): history.interval}),
        Metric(
            f"{PREFIX}runs_total",
            "counter",
            "Runs by result. A failed run could not verify anything.",
            _by("result", {outcome: history.runs.get(outcome, 0) for outcome in Outcome}),
        ),
        Metric(
            f"{PREFIX}last_run_timestamp_seconds", gauge, "Time at which the last run ended.", _value(history.ended)
        ),
        Metric(
            f"{PREFIX}complete",
            gauge,
            "Whether all traces of the last run are complete.",
            _value(last.trace.is_complete if last else None),
        ),
        Metric(
            f"{PREFIX}missing_service",
            gauge,
            "Whether an expected service has no span in the last run.",
            _by("service", _missing(last) if last else {}),
        ),
        Metric(f"{PREFIX}causes", gauge, "Causes of an incomplete trace in the last run.", _causes(last)),
        Metric(
            f"{PREFIX}arrival_seconds",
            gauge,
            "Time from the request of the last run until its last span was in the trace store.",
            _value(last.trace.seconds if last else None),
        ),
    ]


def _missing(result: Result) -> dict[str, bool]:
    missing = result.trace.missing
    return {service: service in missing for service in (*result.trace.expected, *missing)}


def _causes(result: Result | None) -> Samples:
    if result is None:
        return {}
    found = Counter(cause.code for cause in result.causes)
    return {(("code", code), ("title", CODES[code].title)): found[code] for code in CAUSES}


def _by(label: str, values: Mapping[str, float]) -> Samples:
    return {((label, value),): number for value, number in values.items()}


def _value(value: float | None) -> Samples:
    return {} if value is None else {(): value}


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.text}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in metric.samples.items():
        listed = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
        yield f"{metric.name}{{{listed}}} {float(value):.15g}" if listed else f"{metric.name} {float(value):.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
