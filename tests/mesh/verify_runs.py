"""Runs of `consul-tracing verify` on the real mesh."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from consul_tracing.cli.verify import traces, verification
from testbed.envoy import Envoy
from testbed.http import url
from testbed.jaeger import Jaeger
from testbed.zipkin import Zipkin
from tests.command_line import consul_tracing
from tests.mesh.trace_stores import DeliveredToZipkin, JaegerStore, TraceProbe, total
from tests.mesh.traced_mesh import TracedMesh, rendered, sampled_id, unique_path

SECONDS = 20
"""Time for the spans of a complete trace."""

NONE = "--propagation=none"
SAMPLED = (NONE, f"--header=x-request-id: {sampled_id()}")
"""Options for requests without a trace, which the Zipkin tracer samples at every rate above 0 %."""

SAMPLE_ALL = {"random_sampling": {"value": 100}}

OTLP: dict[str, Any] = {"opentelemetry": {"service_name": "mesh"}}
W3C = "--propagation=w3c"


@dataclass(frozen=True)
class Verification:
    """The exit code and the JSON report of a run."""

    exit_code: int
    report: dict[str, Any]

    @property
    def codes(self) -> set[str]:
        return {cause["code"] for cause in self.report["causes"]}

    @property
    def proxies(self) -> set[str]:
        return {cause["proxy"].partition(" ")[0] for cause in self.report["causes"]}

    @property
    def evidence(self) -> str:
        return " | ".join(cause["evidence"] for cause in self.report["causes"])


@dataclass
class Wait:
    """The clock of `verify`. A wait lasts until all spans have arrived, and then all time has passed."""

    spans: Callable[[], object]
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        self.spans()
        self.now += SECONDS


def arguments(  # noqa: PLR0913 - keyword options
    traced: TracedMesh,
    *options: str,
    port: int = 0,
    expect: str = "client,web,api",
    zipkin: Zipkin | None = None,
    jaeger: Jaeger | None = None,
    proxies: Sequence[Envoy] | None = None,
) -> list[str]:
    """Return the arguments of the command. Default: the Zipkin of the mesh is the trace store."""
    mesh = traced.mesh
    admins = traced.proxies if proxies is None else proxies
    return [
        "verify",
        url(port or mesh.upstream_port(), unique_path()),
        f"--store={f'jaeger={url(jaeger.port)}' if jaeger else f'zipkin={(zipkin or mesh.zipkin).url}'}",
        *([f"--expect={expect}"] if expect else []),
        *(f"--admin=127.0.0.1:{admin.admin_port}" for admin in admins),
        f"--timeout={SECONDS}",
        "--format=json",
        *options,
    ]


def verify(traced: TracedMesh, *options: str, consul: bool = True, **more: Any) -> Verification:
    """Run the command. An incomplete trace ends it after at most SECONDS."""
    environment = traced.mesh.consul.environment if consul else {}
    run = consul_tracing(*arguments(traced, *options, **more), environment=environment)
    assert (run.exit_code in {0, 1}, run.stderr) == (True, "")
    return Verification(run.exit_code, json.loads(run.stdout))


def diagnosis(traced: TracedMesh, *options: str, exported: bool = False, **more: Any) -> Verification:
    """Run the command for an incomplete trace. It ends when the proxies have delivered or lost all their spans.

    `exported`: each proxy exports a span with OTLP, which it buffers for some seconds.
    """
    proxies = [one for one in more.get("proxies", []) if one not in traced.proxies]
    jaeger: Jaeger | None = more.get("jaeger")
    store = JaegerStore(jaeger) if jaeger else DeliveredToZipkin(traced.mesh.zipkin)
    probe = TraceProbe(traced.mesh.programs, store, [*traced.proxies, *proxies])
    delivered, before = probe.watch(), [total([one], JaegerStore.counters) for one in traced.proxies]

    def have_exported() -> bool:
        return all(total([one], JaegerStore.counters) > sent for one, sent in zip(traced.proxies, before, strict=True))

    def spans() -> None:
        if exported:
            traced.wait_until(have_exported, "a span of each proxy")
        delivered()

    # The proxies have the clock of this machine. Spans of the test before this one are none of its proxies.
    no_skew = patch.object(verification, "CLOCK_SKEW_MICROSECONDS", 0)
    with no_skew, patch.object(traces, "time", Wait(spans)):
        return verify(traced, *options, **more)


def assert_complete(traced: TracedMesh, *options: str, **more: Any) -> None:
    result = verify(traced, *options, **more)
    assert (result.exit_code, result.codes, result.report["missing"]) == (0, set(), []), json.dumps(result.report)


def assert_causes(result: Verification, code: str, *proxies: str) -> None:
    assert (result.exit_code, result.codes, result.proxies) == (1, {code}, set(proxies)), result.report["causes"]


def write(traced: TracedMesh, **args: Any) -> None:
    """Write the entries without a restart of the proxies."""
    for entry in rendered(traced.arguments(**args)):
        traced.mesh.consul.write_config_entry(entry)


def write_listener(traced: TracedMesh, **fields: Any) -> None:
    """Change the tracing block of listeners, which proxies will reject, and wait until they have."""
    entry = traced.proxy_defaults()
    block = json.loads(entry["Config"]["envoy_listener_tracing_json"]) | fields
    config = entry["Config"] | {"envoy_listener_tracing_json": json.dumps(block)}
    traced.mesh.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": config})
    for sidecar in traced.proxies:
        traced.wait_until(lambda one=sidecar: "error_state" in json.dumps(one.config_dump()), "a rejected listener")


def web_without_headers(traced: TracedMesh) -> AbstractContextManager[None]:
    """Run web so that it does not pass the trace headers on."""
    return web_with(traced, "--propagate=none")


@contextmanager
def web_with(traced: TracedMesh, *options: str) -> Iterator[None]:
    """Run web with options of `testbed.services`."""
    traced.mesh.restart_service("web", *options)
    try:
        yield
    finally:
        traced.mesh.restart_service("web")
