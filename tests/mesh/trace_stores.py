"""Stores of spans, with the spans of each tracer in one form."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from testbed.collectors import Received
from testbed.envoy import Envoy
from testbed.http import Response
from testbed.jaeger import Jaeger
from testbed.processes import Programs
from testbed.zipkin import Zipkin


class SpanName(NamedTuple):
    """The service and the kind of a span."""

    service: str
    kind: str


ACTIVE_REQUESTS = r"http\.(?!admin\.).*\.downstream_rq_active"
CONCURRENT_REQUESTS = 8

Traces = dict[str, list[SpanName]]
"""The names of the spans of each trace, sorted, by the trace id in hexadecimal digits."""


class Store(Protocol):
    """A store of spans."""

    counters: ClassVar[str]
    """Regular expression of the counters in Envoy that add up to the spans for this store."""

    def traces(self, since: float) -> Traces:
        """Return the traces since a Unix time."""

    def count(self, since: float) -> int:
        """Return the number of received spans since a Unix time."""


@dataclass
class ZipkinStore:
    """Zipkin."""

    counters: ClassVar[str] = r"tracing\.zipkin\.spans_sent"
    zipkin: Zipkin

    def traces(self, since: float) -> Traces:
        """Return the traces since a Unix time."""
        traces = self.zipkin.traces(5000, since=since)
        names = [[SpanName(span["localEndpoint"]["serviceName"], span["kind"]) for span in trace] for trace in traces]
        return {trace[0]["traceId"]: sorted(spans) for trace, spans in zip(traces, names, strict=True)}

    def count(self, since: float) -> int:
        """Return the number of spans since a Unix time."""
        return sum(map(len, self.traces(since).values()))


@dataclass
class JaegerStore:
    """Jaeger with spans of the OpenTelemetry and Zipkin tracers."""

    counters: ClassVar[str] = r"tracing\.(opentelemetry|zipkin)\.spans_sent"
    jaeger: Jaeger

    def traces(self, since: float) -> Traces:
        """Return the traces since a Unix time."""
        traces = self.jaeger.traces(since=since)
        return {key: sorted(SpanName(span.service, span.kind) for span in trace) for key, trace in traces.items()}

    def count(self, since: float) -> int:
        """Return the number of spans since a Unix time."""
        return sum(map(len, self.traces(since).values()))


@dataclass
class DatadogStore:
    """A receiver in place of Datadog's agent. As the agent does, it keeps the traces of a positive priority."""

    # Every proxy reports every request, with its sampling priority.
    counters: ClassVar[str] = r"http\.(?!admin\.).*\.downstream_rq_total"
    received: Received

    def traces(self, since: float) -> Traces:
        """Return the kept traces since a Unix time, by the lower half of the trace id, which all spans have."""
        traces: defaultdict[str, list[SpanName]] = defaultdict(list)
        for span in self._spans(since):
            if span["metrics"]["_sampling_priority_v1"] > 0:
                kind = "SERVER" if span["resource"] == "ingress" else "CLIENT"
                traces[f"{span['trace_id']:016x}"].append(SpanName(span["service"], kind))
        return {key: sorted(names) for key, names in traces.items()}

    def count(self, since: float) -> int:
        """Return the number of received spans since a Unix time."""
        return len(list(self._spans(since)))

    def _spans(self, since: float) -> Iterator[Mapping[str, Any]]:
        return (span for span in self.received.datadog_spans() if span["start"] >= since * 1e9)


@dataclass(frozen=True)
class TraceProbe:
    """Sends requests through proxies and collects their traces."""

    programs: Programs
    store: Store
    proxies: Sequence[Envoy]

    def collect(self, requests: Sequence[Callable[[], Response]]) -> Traces:
        """Send the requests, and return their traces when every span that the proxies reported is in the store."""
        reported, since = self._total(self.store.counters), time.time()
        with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
            responses = list(pool.map(lambda request: request(), requests))
        assert Counter(response.status for response in responses) == {200: len(requests)}
        # A proxy reports a span when the request ends, which may be after the caller has the response.
        self.programs.wait_until(lambda: self._total(ACTIVE_REQUESTS) == 0, "the end of all requests")
        expected = self._total(self.store.counters) - reported
        self.programs.wait_until(lambda: self.store.count(since) == expected, f"{expected} spans in the store")
        return self.store.traces(since)

    def _total(self, pattern: str) -> int:
        """Return the sum of the matching counters and gauges of all proxies."""
        return sum(
            value for proxy in self.proxies for name, value in proxy.stats().items() if re.fullmatch(pattern, name)
        )
