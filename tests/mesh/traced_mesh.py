"""The embedded mesh with a stack whose arguments a test chooses, and what tests ask of it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from testbed.http import Answer, NotAnswered
from testbed.mesh import DEMO_SERVICES, Mesh, Service
from testbed.ports import LOOPBACK
from testbed.pulumi import Project
from testbed.zipkin import Span

SERVICES = (
    *DEMO_SERVICES,
    Service("db", speaks="tcp"),
    Service("db-client", speaks="nothing", calls=("db",)),
    Service("legacy-client", speaks="nothing", calls=("legacy",)),
)
TRACED = ("client", "web", "api")
"""The services whose sidecars every test may need."""


@dataclass
class TracedMesh:
    """The embedded mesh, traced by this project's own program with the arguments that a test chooses."""

    mesh: Mesh
    project: Project
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

    def configure(self, **args: Any) -> None:
        """Choose the arguments of the next `pulumi` command."""
        self.project.configure(
            {"consul:address": self.mesh.consul.address, "consul-tracing:mesh": self.arguments(**args)}
        )

    def apply(self, **args: Any) -> dict[str, Any]:
        """`pulumi up`, and a restart of the sidecars when the bootstrap changed. Returns the stack's outputs."""
        self.configure(**args)
        self.project.up()
        outputs = self.project.outputs()
        if outputs["bootstrap_hash"] != self.bootstrap_hash:
            self.bootstrap_hash = outputs["bootstrap_hash"]
            self.mesh.restart_sidecars(*TRACED) if self.mesh.sidecars else self.mesh.start_sidecars(*TRACED)
        return outputs

    def proxy_defaults(self) -> dict[str, Any]:
        """The live entry."""
        entry = self.mesh.consul.config_entry("proxy-defaults", "global")
        assert entry is not None
        return entry

    def wait_until(self, condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """Ask until the answer is true, and return it."""
        return self.mesh.programs.wait_until(condition, what, seconds=seconds)

    def spans_of(self, answer: Answer, count: int) -> list[Span]:
        """The spans of the trace that a request became, once `count` have arrived."""
        assert answer.status == 200, answer.text
        return self.mesh.zipkin.wait_for_spans(answer.json()["headers"]["x-b3-traceid"], count)


def told(spans: list[Span]) -> list[tuple[str, str]]:
    """Service and kind of each span, sorted."""
    return sorted((span["localEndpoint"]["serviceName"], span["kind"]) for span in spans)


def retried(request: Callable[[], Answer]) -> Callable[[], Answer]:
    """The same request, with an answer other than 200 told as "not yet"."""

    def once() -> Answer:
        answer = request()
        if answer.status != 200:
            raise NotAnswered(f"{answer.status} {answer.text}")
        return answer

    return once


def unique_path() -> str:
    """A path that no other request has."""
    return f"/{secrets.token_hex(8)}"
