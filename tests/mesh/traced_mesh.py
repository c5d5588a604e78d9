"""The embedded mesh with tracing arguments chosen by a test."""

import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf import json_format

from consul_tracing.entries.bodies import bootstrap_hash, proxy_defaults, service_defaults
from consul_tracing.inputs.mesh_settings import MeshSettings
from testbed import CHECKOUT
from testbed.envoy import Envoy
from testbed.http import RequestError, Response
from testbed.mesh import DEMO_SERVICES, Mesh, Service
from testbed.ports import LOOPBACK
from testbed.pulumi import Project
from testbed.zipkin import Span
from tests.unit.envoy_messages import Tracing, listener

SERVICES = (
    *DEMO_SERVICES,
    Service("db", protocol="tcp"),
    Service("db-client", protocol="none", calls=("db",)),
    Service("legacy-client", protocol="none", calls=("legacy",)),
)
TRACED = ("client", "web", "api")
"""Services whose sidecars are available to every test."""

PERCENT = 10
"""Sampling rate of the mesh, as in production, unless a test writes another one."""

TRACE_ALL = {"random": 100}
"""Sampling for tests in which a proxy or an application, not the test, starts the request that must be sampled."""

UNTRACED = Tracing(random_sampling={})
"""Listener tracing that Consul writes if the entry has none."""

Entries = list[dict[str, Any]]


def rendered(args: dict[str, Any]) -> Entries:
    """Render the config entries for the arguments, services first, without ownership metadata."""
    settings = MeshSettings.of("mesh", args)  # type: ignore[arg-type]
    entries = [*service_defaults(settings).values(), proxy_defaults(settings)]
    return [{"Kind": entry.kind, "Name": entry.name, **entry.body} for entry in entries]


@dataclass
class TracedMesh:
    """The embedded mesh, its sidecars, and the arguments of its tracing."""

    mesh: Mesh
    bootstrap_hash: str = field(default="", init=False)

    @property
    def proxies(self) -> list[Envoy]:
        """The sidecars of TRACED, which run after the first `apply`."""
        return [self.mesh.sidecars[name] for name in TRACED]

    def arguments(self, **args: Any) -> dict[str, Any]:
        """Return arguments that send the sampled traces to Zipkin, updated with `args`.

        The tests choose which requests are sampled: by `sampled_id`, or by headers of a caller.
        """
        return {
            "collector": {"host": LOOPBACK, "port": self.mesh.zipkin.port},
            "sampling": {"random": PERCENT},
            "services": {name: {"protocol": "http"} for name in ("web", "api")},
            "envoy_version": "1.36",
            **args,
        }

    def apply(self, **args: Any) -> None:
        """Write the rendered entries to Consul over its API, and wait until the sidecars apply them.

        A `pulumi up` writes the same `Config` (test_traces.py) and takes longer.
        """
        entries = rendered(self.arguments(**args))
        for entry in entries:
            self.mesh.consul.write_config_entry(entry)
        declared = {entry["Name"] for entry in entries}
        for entry in self.mesh.consul.get("/v1/config/service-defaults") or []:
            if entry["Name"] not in declared:
                self.mesh.consul.delete_config_entry("service-defaults", entry["Name"])
        self.follow()

    def configuration(self, **args: Any) -> dict[str, object]:
        """Return a stack configuration that overwrites the entries of `apply`."""
        mesh = self.arguments(**{"existing": "overwrite", "accept_broken_traces": True, **args})
        return {"consul:address": self.mesh.consul.address, "consul-tracing:mesh": mesh}

    def stack(self, **args: Any) -> Project:
        """Create a stack of the program of this repository, without an `up`."""
        return Project(self.mesh.programs, CHECKOUT, self.configuration(**args), stack="traced")

    def follow(self) -> None:
        """Restart the sidecars if the bootstrap changed, and wait until each has the live tracing block."""
        entry = self.proxy_defaults()
        if (current := bootstrap_hash(entry)) != self.bootstrap_hash:
            self.bootstrap_hash = current
            self.mesh.restart_sidecars(*TRACED) if self.mesh.sidecars else self.mesh.start_sidecars(*TRACED)
        text = entry["Config"].get("envoy_listener_tracing_json")
        expected = listener(text) if text else UNTRACED
        for proxy in self.proxies:
            self.wait_until(partial(traces_as, proxy, expected), f"{proxy.name}'s sidecar with {expected}")

    def proxy_defaults(self) -> dict[str, Any]:
        """Return the live entry, with an empty `Config` instead of null."""
        entry = self.mesh.consul.config_entry("proxy-defaults", "global")
        assert entry is not None
        return {**entry, "Config": entry["Config"] or {}}

    def wait_until(self, condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """Wait until the condition is true, and return its value."""
        return self.mesh.programs.wait_until(condition, what, seconds=seconds)

    def request(self, headers: Mapping[str, str] | None = None, *, path: str = "") -> Response:
        """Send a request from client to web that the Zipkin and Datadog tracers sample at every rate above 0 %."""
        return self.mesh.request(path or unique_path(), {"x-request-id": sampled_id(), **(headers or {})})

    def spans_of(self, response: Response, count: int) -> list[Span]:
        """Return the spans of the trace of a request when `count` have arrived."""
        assert response.status == 200, response.text
        return self.mesh.zipkin.wait_for_spans(response.json()["headers"]["x-b3-traceid"], count)


def traces_as(sidecar: Envoy, expected: Tracing) -> bool:
    """Return whether every connection has this tracing block. Raises RequestError with blocks that differ."""
    blocks = [json_format.ParseDict(block, Tracing()) for block in listener_tracing(sidecar.config_dump())]
    if not blocks or any(block != expected for block in blocks):
        raise RequestError(f"{blocks}")
    return not sidecar.is_draining


def listener_tracing(config_dump: Any) -> Iterator[dict[str, Any]]:
    """Yield the tracing block of each active HTTP listener in a config dump."""
    if isinstance(config_dump, dict):
        # The options of a cluster have filters too.
        if {"http_filters", "stat_prefix"} <= config_dump.keys():
            yield config_dump.get("tracing", {})
        for key, value in config_dump.items():
            if key not in {"draining_state", "error_state", "warming_state"}:
                yield from listener_tracing(value)
    elif isinstance(config_dump, list):
        for value in config_dump:
            yield from listener_tracing(value)


def span_names(spans: list[Span]) -> list[tuple[str, str]]:
    """Return the service and kind of each span, sorted."""
    return sorted(span_name(span) for span in spans)


def span_name(span: Span) -> tuple[str, str]:
    """Return the service and kind of a span."""
    return span["localEndpoint"]["serviceName"], span["kind"]


def parents(spans: list[Span]) -> dict[tuple[str, str], tuple[str, str] | None]:
    """Return the parent of each span, None for a span without a parent id."""
    by_id = {span["id"]: span_name(span) for span in spans}
    return {span_name(span): by_id[span["parentId"]] if "parentId" in span else None for span in spans}


def retried(request: Callable[[], Response]) -> Callable[[], Response]:
    """Wrap a request so that a status other than 200 raises RequestError."""

    def send() -> Response:
        response = request()
        if response.status != 200:
            raise RequestError(f"{response.status} {response.text}")
        return response

    return send


def request_id(number: int) -> str:
    """Return a unique request id whose first eight digits are the number.

    A proxy without trace context samples the request if the number is below its rate in hundredths of a percent. The
    sampler of the OpenTelemetry tracer ignores the request id.
    """
    return f"{number:08x}{str(uuid.uuid4())[8:]}"


def sampled_id() -> str:
    """Return the id of a request that is sampled at every rate above 0 %."""
    return request_id(0)


def sampled_parent(trace_id: str) -> dict[str, str]:
    """Return the header of a caller with a sampled trace, which the OpenTelemetry tracer follows at every rate."""
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}


def unique_path() -> str:
    """Return a path that no other request uses."""
    return f"/{secrets.token_hex(8)}"
