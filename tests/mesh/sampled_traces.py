"""Requests to a mesh at its default rate: callers without a trace, and callers with a sampled one."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import pytest

from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.tracer_settings import Tracer
from testbed.envoy import SEND_SPANS_IMMEDIATELY
from testbed.http import Response
from tests.mesh.trace_stores import SpanName, TraceProbe
from tests.mesh.traced_mesh import PERCENT, TRACED, TracedMesh

REQUESTS = 400
CALLERS = 40

EXPECTED = REQUESTS * PERCENT / 100
# Five standard deviations of a binomial distribution: one failure by chance in a million cells.
TOLERANCE = 5 * (EXPECTED * (1 - PERCENT / 100)) ** 0.5

VERSIONS = pytest.mark.parametrize("version", [pytest.param("1.36.4", marks=pytest.mark.slow), "1.40.0"])
"""The oldest and the newest tested Envoy with all inputs of collectors."""

Shapes = Counter[tuple[SpanName, ...]]
"""Numbers of traces by their spans."""


def measure(
    probe: TraceProbe, tracer: str, seed: str, send: Callable[[Mapping[str, str]], Response]
) -> tuple[Shapes, Shapes]:
    """Return the shapes of the traces of requests without a trace, and of those that callers have started.

    `send` sends a request with the given headers. `seed` determines the ids. It must be unique, because a store keeps
    all traces.
    """
    chance = random.Random(seed)  # noqa: S311 - not for cryptography
    callers = dict(own_headers(tracer, chance) for _ in range(CALLERS))
    traces = probe.collect([partial(send, headers) for headers in request_ids(chance)])
    followed = probe.collect([partial(send, headers) for headers in callers.values()])
    of_callers = Counter(tuple(spans) for trace_id, spans in followed.items() if trace_id in callers)
    return Counter(map(tuple, traces.values())), of_callers


def request_ids(chance: random.Random) -> list[dict[str, str]]:
    """Return headers for REQUESTS requests. The Zipkin and Datadog tracers decide by them, so each run is the same."""
    return [{"x-request-id": str(uuid.UUID(int=chance.getrandbits(128), version=4))} for _ in range(REQUESTS)]


def assert_whole(shapes: tuple[Shapes, Shapes], *spans: SpanName) -> None:
    """Assert that all traces have these spans, and that their numbers are those of the rate and of the callers."""
    traces, traces_of_callers = shapes
    whole = tuple(sorted(spans))
    assert traces.keys() == {whole}
    assert abs(traces[whole] - EXPECTED) <= TOLERANCE
    assert traces_of_callers == {whole: CALLERS}


def own_headers(tracer: str, chance: random.Random) -> tuple[str, dict[str, str]]:
    """Return the id of a caller's trace in the store, and its headers for the tracer, sampled."""
    trace_id, span_id = f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(64):016x}"
    match tracer:
        case "zipkin-b3":
            return trace_id, {"x-b3-traceid": trace_id, "x-b3-spanid": span_id, "x-b3-sampled": "1"}
        case "datadog":
            short, parent = int(trace_id[16:], 16), int(span_id, 16)
            ids = {"x-datadog-trace-id": str(short), "x-datadog-parent-id": str(parent)}
            return trace_id[16:], {**ids, "x-datadog-sampling-priority": "1"}
        case _:
            return trace_id, {"traceparent": f"00-{trace_id}-{span_id}-01"}


def choose(traced: TracedMesh, version: str | None, tracer: Tracer | None) -> None:
    """Set the Envoy version and the environment of the sidecars, which the next `apply` restarts."""
    if not traced.mesh.sidecars:
        traced.apply()
    for name in TRACED:
        sidecar = traced.mesh.sidecars[name]
        sidecar.version, sidecar.environment = version, proxy_environment(tracer, name) if tracer else {}
    traced.bootstrap_hash = ""


@contextmanager
def running(traced: TracedMesh, version: str) -> Iterator[None]:
    """Run the sidecars with a version of Envoy."""
    choose(traced, version, None)
    try:
        yield
    finally:
        choose(traced, None, None)


def flushing(arguments: list[str]) -> list[str]:
    """Add the runtime layer of the testbed, with which proxies report each span at once, to the output's arguments."""
    option, text = arguments
    runtime = json.loads(text)
    runtime["layered_runtime"]["layers"].append({"name": "testbed", "static_layer": SEND_SPANS_IMMEDIATELY})
    return [option, json.dumps(runtime)]
