"""The embedded mesh with tracing whose arguments a test chooses."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf import json_format

from consul_tracing.entries import bootstrap_hash, proxy_defaults, service_defaults
from consul_tracing.settings import MeshSettings
from testbed import CHECKOUT
from testbed.envoy import Envoy
from testbed.http import Answer, NotAnswered
from testbed.mesh import DEMO_SERVICES, Mesh, Service
from testbed.ports import LOOPBACK
from testbed.pulumi import Project
from testbed.zipkin import Span
from tests.unit.envoy_messages import Tracing, listener

SERVICES = (
    *DEMO_SERVICES,
    Service("db", speaks="tcp"),
    Service("db-client", speaks="nothing", calls=("db",)),
    Service("legacy-client", speaks="nothing", calls=("legacy",)),
)
TRACED = ("client", "web", "api")
"""The services whose sidecars every test may need."""

UNTRACED = Tracing(random_sampling={})
"""The listener tracing that Consul writes where the entry has none."""

Entries = list[dict[str, Any]]


def rendered(args: dict[str, Any]) -> Entries:
    """The config entries that the package renders for the arguments, services first, without ownership metadata."""
    settings = MeshSettings.of("mesh", args)  # type: ignore[arg-type]
    entries = [*service_defaults(settings).values(), proxy_defaults(settings)]
    return [{"Kind": entry.kind, "Name": entry.name, **entry.body} for entry in entries]


@dataclass
class TracedMesh:
    """The embedded mesh, its sidecars, and the arguments of its tracing."""

    mesh: Mesh
    bootstrap_hash: str = field(default="", init=False)

    def arguments(self, **args: Any) -> dict[str, Any]:
        """Arguments that trace every request into the mesh's Zipkin, with `args` beside or instead."""
        return {
            "collector": {"host": LOOPBACK, "port": self.mesh.zipkin.port},
            "sampling": {"random": 100},
            "services": {name: {"protocol": "http"} for name in ("web", "api")},
            "envoy_version": "1.36",
            **args,
        }

    def apply(self, **args: Any) -> None:
        """Write what the package renders for the arguments straight into Consul, and wait until the sidecars follow.

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
        """The configuration of a stack that may write over what `apply` wrote."""
        mesh = self.arguments(**{"existing": "overwrite", **args})
        return {"consul:address": self.mesh.consul.address, "consul-tracing:mesh": mesh}

    def stack(self, **args: Any) -> Project:
        """A new stack of this project's own program, not yet applied."""
        return Project(self.mesh.programs, CHECKOUT, self.configuration(**args), stack="traced")

    def follow(self) -> None:
        """Restart the sidecars where the bootstrap changed, and wait until each traces as Consul's entry says."""
        entry = self.proxy_defaults()
        if (current := bootstrap_hash(entry)) != self.bootstrap_hash:
            self.bootstrap_hash = current
            self.mesh.restart_sidecars(*TRACED) if self.mesh.sidecars else self.mesh.start_sidecars(*TRACED)
        text = entry["Config"].get("envoy_listener_tracing_json")
        wanted = listener(text) if text else UNTRACED
        for name in TRACED:
            self.wait_until(partial(traces_as, self.mesh.sidecars[name], wanted), f"{name}'s sidecar with {wanted}")

    def proxy_defaults(self) -> dict[str, Any]:
        """The live entry, with `Config` an object where Consul has null."""
        entry = self.mesh.consul.config_entry("proxy-defaults", "global")
        assert entry is not None
        return {**entry, "Config": entry["Config"] or {}}

    def wait_until(self, condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """Ask until the answer is true, and return it."""
        return self.mesh.programs.wait_until(condition, what, seconds=seconds)

    def spans_of(self, answer: Answer, count: int) -> list[Span]:
        """The spans of the trace that a request became, once `count` have arrived."""
        assert answer.status == 200, answer.text
        return self.mesh.zipkin.wait_for_spans(answer.json()["headers"]["x-b3-traceid"], count)


def traces_as(sidecar: Envoy, wanted: Tracing) -> bool:
    """Whether every HTTP listener that serves has this tracing block; otherwise NotAnswered with what they have."""
    blocks = [json_format.ParseDict(block, Tracing()) for block in listener_tracing(sidecar.config_dump())]
    if not blocks or any(block != wanted for block in blocks):
        raise NotAnswered(f"{blocks}")
    return True


def listener_tracing(dumped: Any) -> Iterator[dict[str, Any]]:
    """The tracing block of each HTTP listener in an Envoy's dump that serves; one that is replaced is left out."""
    if isinstance(dumped, dict):
        if "http_filters" in dumped:
            yield dumped.get("tracing", {})
        for key, value in dumped.items():
            if key not in {"draining_state", "warming_state"}:
                yield from listener_tracing(value)
    elif isinstance(dumped, list):
        for value in dumped:
            yield from listener_tracing(value)


def told(spans: list[Span]) -> list[tuple[str, str]]:
    """Service and kind of each span, sorted."""
    return sorted(span_name(span) for span in spans)


def span_name(span: Span) -> tuple[str, str]:
    """Service and kind of a span."""
    return span["localEndpoint"]["serviceName"], span["kind"]


def parents(spans: list[Span]) -> dict[tuple[str, str], tuple[str, str] | None]:
    """The parent of each span; None for the span without a parent id."""
    by_id = {span["id"]: span_name(span) for span in spans}
    return {span_name(span): by_id[span["parentId"]] if "parentId" in span else None for span in spans}


def retried(request: Callable[[], Answer]) -> Callable[[], Answer]:
    """The same request; an answer other than 200 counts as not yet answered."""

    def once() -> Answer:
        answer = request()
        if answer.status != 200:
            raise NotAnswered(f"{answer.status} {answer.text}")
        return answer

    return once


def unique_path() -> str:
    """A path that no other request has."""
    return f"/{secrets.token_hex(8)}"
