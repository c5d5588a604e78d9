"""The faults of test_verify.py, for measurements: each one is made while a monitor runs, and removed afterwards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK, free_port
from tests.mesh.sampled_traces import choose
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TRACE_ALL, TracedMesh, request_id
from tests.mesh.verify_runs import NONE, OTLP, SAMPLE_ALL, SAMPLED, W3C, web_without_headers, write, write_listener

Break = Callable[[TracedMesh, Jaeger], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A fault, and the cause that `verify` must find."""

    code: str
    name: str
    made: Break
    """Makes the fault, and at the end of the block removes what `TracedMesh.apply` does not."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the mesh before the fault."""
    options: Sequence[str] = ()
    """Options of `verify`."""

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


def applied(**args: Any) -> Break:
    """Return a fault of the entries, with restarted sidecars."""

    @contextmanager
    def made(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
        traced.apply(**args)
        yield

    return made


def rejected(**fields: Any) -> Break:
    """Return a listener that proxies reject."""

    @contextmanager
    def made(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
        write_listener(traced, **SAMPLE_ALL, **fields)
        yield

    return made


@contextmanager
def old_tracer(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Start the proxies before the tracer is written."""
    traced.apply(enabled=False)
    write(traced)
    yield
    traced.follow()


@contextmanager
def old_collector(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Restart all proxies but one after the collector moved."""
    traced.apply(collector={"host": LOOPBACK, "port": free_port()})
    write(traced)
    traced.mesh.restart_sidecars("client", "api")
    yield
    traced.follow()


@contextmanager
def lost_headers(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Stop the propagation in an application."""
    with web_without_headers(traced):
        yield


@contextmanager
def no_protocol(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Delete the protocol of a service."""
    traced.mesh.consul.delete_config_entry("service-defaults", "api")
    yield


@contextmanager
def store_down(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Stop Zipkin."""
    traced.mesh.zipkin.stop()
    yield
    traced.mesh.zipkin.start()
    traced.mesh.zipkin.wait_until_ready()


@contextmanager
def other_store(traced: TracedMesh, jaeger: Jaeger) -> Iterator[None]:
    """Send the spans of OpenTelemetry tracers to another store."""
    traced.apply(**to_jaeger(OTLP, jaeger))
    yield


@contextmanager
def no_service(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Stop a service."""
    traced.mesh.stop_service("web")
    yield
    traced.mesh.restart_service("web")


@contextmanager
def no_listener(traced: TracedMesh, _: Jaeger) -> Iterator[None]:
    """Stop the proxy that receives the request."""
    traced.mesh.stop_sidecars("client")
    yield
    traced.mesh.start_sidecars("client")


@contextmanager
def no_sampler(traced: TracedMesh, jaeger: Jaeger) -> Iterator[None]:
    """Run OpenTelemetry tracers without a sampler in Envoy 1.40."""
    choose(traced, "1.40.0", None)
    traced.apply(**to_jaeger(OTLP, jaeger), envoy_version="1.34")
    yield
    choose(traced, None, None)


UNKNOWN_CLUSTER = {
    "name": "envoy.tracers.zipkin",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
        "collector_cluster": "nope",
        "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON",
    },
}
EMPTY_TAG = {"tag": "team", "literal": {"value": ""}}
UNSAMPLED: dict[str, Any] = {"sampling": {"random": 0}}
TLS = {"ca_file": "/etc/ssl/certs/ca-certificates.crt"}

FAULTS = [
    Fault("CT401", "old-tracer", old_tracer),
    Fault("CT401", "old-collector", old_collector),
    Fault("CT402", "unknown-cluster", rejected(provider=UNKNOWN_CLUSTER), UNSAMPLED, [NONE]),
    Fault("CT403", "refused", applied(collector={"host": LOOPBACK, "port": free_port()})),
    Fault("CT403", "unknown-name", applied(collector={"host": "no-such-host.invalid"})),
    Fault("CT404", "path", applied(tracer={"zipkin": {"path": "/nope"}})),
    Fault("CT405", "no-sampling", applied(**UNSAMPLED), options=SAMPLED),
    Fault("CT407", "rejected-listener", rejected(custom_tags=[EMPTY_TAG]), UNSAMPLED, [NONE]),
    Fault("CT408", "lost-headers", lost_headers, {"sampling": TRACE_ALL}),
    Fault("CT409", "no-protocol", no_protocol),
    Fault("CT410", "store-down", store_down),
    Fault("CT410", "other-store", other_store, options=[W3C]),
    Fault("CT411", "no-service", no_service),
    Fault("CT411", "no-listener", no_listener),
    Fault("CT412", "no-sampler", no_sampler, options=[W3C, f"--header=x-request-id: {request_id(9999)}"]),
]
