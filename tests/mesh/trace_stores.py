"""Stores of spans, with the spans of each tracer in one form."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from testbed.collectors import Received, http_collector
from testbed.envoy import Envoy
from testbed.http import Response
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from testbed.zipkin import Zipkin


class SpanName(NamedTuple):
    """The service and the kind of a span."""

    service: str
    kind: str


# Not the requests to the admin interface, and those for xDS, which never end.
ACTIVE_REQUESTS = (
    r"http\.(?!admin\.).*\.downstream_rq_active|cluster\.(?!local_agent\.).*\.upstream_rq_(pending_)?active"
)
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
class DeliveredToZipkin(ZipkinStore):
    """Zipkin, for meshes in which spans are lost on purpose. It responds before it stores a span."""

    # Each proxy sends each span as a report.
    counters: ClassVar[str] = r"tracing\.zipkin\.reports_sent"


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
        traces = self.watch()
        with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
            responses = list(pool.map(lambda request: request(), requests))
        assert Counter(response.status for response in responses) == {200: len(requests)}
        return traces()

    def watch(self) -> Callable[[], Traces]:
        """Return a function that waits until all spans from now on are in the store, and returns their traces."""
        wait_until_idle(self.programs, self.proxies)
        reported, since = total(self.proxies, self.store.counters), time.time()

        def traces() -> Traces:
            wait_until_idle(self.programs, self.proxies)
            expected = total(self.proxies, self.store.counters) - reported
            self.programs.wait_until(lambda: self.store.count(since) == expected, f"{expected} spans in the store")
            return self.store.traces(since)

        return traces


@contextmanager
def open_store(tracer: Mapping[str, Mapping[str, Any]], zipkin: Zipkin, jaeger: Jaeger) -> Iterator[tuple[Store, int]]:
    """Yield the store for the spans of the tracer, and its port."""
    if "datadog" in tracer:
        with http_collector() as received:
            yield DatadogStore(received), received.port
    elif "zipkin" in tracer:
        yield ZipkinStore(zipkin), zipkin.port
    else:
        yield JaegerStore(jaeger), jaeger_port(tracer, jaeger)


def to_jaeger(tracer: Mapping[str, Mapping[str, Any]], jaeger: Jaeger) -> dict[str, Any]:
    """Return the arguments that send the spans of the tracer to Jaeger."""
    return {"collector": {"host": LOOPBACK, "port": jaeger_port(tracer, jaeger)}, "tracer": tracer}


def jaeger_port(tracer: Mapping[str, Mapping[str, Any]], jaeger: Jaeger) -> int:
    """Return the port of Jaeger for the protocol of the tracer."""
    if "zipkin" in tracer:
        return jaeger.zipkin_port
    is_http = tracer["opentelemetry"].get("transport") == "http"
    return jaeger.otlp_http_port if is_http else jaeger.otlp_grpc_port


def wait_until_idle(programs: Programs, proxies: Sequence[Envoy]) -> None:
    """Wait until the proxies have ended all requests, those to the collector included.

    A proxy sends a span shortly after the end of its request, which may be after the caller has the response. So it is
    idle if it is so in two successive reads.
    """
    programs.wait_until(
        lambda: all(total(proxies, ACTIVE_REQUESTS) == 0 for _ in range(2)), "the end of all requests of the proxies"
    )


def total(proxies: Sequence[Envoy], pattern: str) -> int:
    """Return the sum of the counters and gauges of the proxies whose names match."""
    return sum(value for proxy in proxies for name, value in proxy.stats().items() if re.fullmatch(pattern, name))
