"""Metrics of repeated runs for Prometheus.

Their names and labels are part of the interface: examples/monitoring uses them.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from consul_tracing.codes import CODES
from consul_tracing.errors import CommandError, error_reason

from .outcomes import Outcome, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

    from .report import Result

PREFIX = "consul_tracing_verify_"

CAUSES = tuple(code for code in CODES if code.startswith("CT4"))
"""The codes of causes. Each one has a sample in each run, so that a cause that disappears is 0."""

LOOPBACK = "127.0.0.1"
"""Address without a host in the option: the metrics are for this machine only."""

ADDRESS = re.compile(r"(?:(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):)?(?P<port>[0-9]{1,5})")

MAX_PORT = 65535

Address = tuple[str, int]


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


def metrics(history: History) -> Iterator[Metric]:
    """Yield the metrics. Those of the last run have no samples if there is none, or if it could not run."""
    last = history.last
    yield _gauge(
        "consul_tracing_build_info", "Version of consul-tracing.", {(version("consul-tracing"),): 1}, "version"
    )
    yield _gauge(f"{PREFIX}interval_seconds", "Time between the starts of two runs.", {(): history.interval})
    runs = CounterMetricFamily(
        f"{PREFIX}runs", "Runs by result. A failed run could not verify anything.", labels=["result"]
    )
    for outcome in Outcome:
        runs.add_metric([outcome], history.runs.get(outcome, 0))
    yield runs
    yield _gauge(f"{PREFIX}last_run_timestamp_seconds", "Time at which the last run ended.", _sample(history.ended))
    complete = _sample(last.trace.is_complete if last else None)
    yield _gauge(f"{PREFIX}complete", "Whether all traces of the last run are complete.", complete)
    missing = _missing(last) if last else {}
    yield _gauge(
        f"{PREFIX}missing_service", "Whether an expected service has no span in the last run.", missing, "service"
    )
    causes = _causes(last) if last else {}
    yield _gauge(f"{PREFIX}causes", "Causes of an incomplete trace in the last run.", causes, "code", "title")
    yield _gauge(
        f"{PREFIX}arrival_seconds",
        "Time from the request of the last run until its last span was in the trace store.",
        _sample(last.trace.seconds if last else None),
    )


def listen_address(text: str) -> Address:
    """Return the host and the port of `HOST:PORT`, `[IPV6]:PORT` or `PORT`. Raises CommandError."""
    match = ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= MAX_PORT:
        raise CommandError("--metrics must have the form HOST:PORT or PORT")
    return match["ipv6"] or match["host"] or LOOPBACK, int(match["port"])


@contextmanager
def serving(address: Address, history: Callable[[], History]) -> Iterator[None]:
    """Serve the metrics in the background. Raises CommandError if the address is not available."""

    class Current(Collector):
        def collect(self) -> Iterator[Metric]:
            return metrics(history())

    registry = CollectorRegistry()
    registry.register(Current())
    host, port = address
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise CommandError(f"the metrics cannot be served at {shown}: {error_reason(error)}") from None
    with server:
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _gauge(name: str, text: str, samples: Mapping[tuple[str, ...], float], *labels: str) -> GaugeMetricFamily:
    """Return a gauge with these samples, by the values of the labels."""
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples.items():
        gauge.add_metric(values, number)
    return gauge


def _sample(value: float | None) -> dict[tuple[str, ...], float]:
    return {} if value is None else {(): float(value)}


def _missing(result: Result) -> dict[tuple[str, ...], float]:
    missing = result.trace.missing
    return {(service,): service in missing for service in (*result.trace.expected, *missing)}


def _causes(result: Result) -> dict[tuple[str, ...], float]:
    found = Counter(cause.code for cause in result.causes)
    return {(code, CODES[code].title): found[code] for code in CAUSES}
