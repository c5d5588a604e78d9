"""The demo: start a mesh, apply stack `dev`, send requests and verify their traces."""

import sys
import time
from http import HTTPStatus
from typing import NoReturn

from consul_tracing.cli.verify.trace_tree import trace_lines, trace_table
from demo.steps import Steps
from testbed import CHECKOUT
from testbed.errors import OperationalError
from testbed.http import RequestError, Response, url
from testbed.mesh import Mesh
from testbed.processes import Programs
from testbed.pulumi import Project, stack_configuration
from testbed.zipkin import Span

REQUESTS = 5

EXPECTED_SPANS = [("client", "CLIENT"), ("web", "SERVER"), ("web", "CLIENT"), ("api", "SERVER")]
"""Service and kind of the spans of a request from client through web to api, each the parent of the next."""

_CHECK_SECONDS = 0.5


class TraceMismatchError(OperationalError):
    """The trace of a request is not the expected one."""


def demonstrate(steps: Steps) -> None:
    """Run the demo. On a terminal it runs until an exception such as KeyboardInterrupt."""
    with Programs() as programs:
        steps.print("[bold]Programs[/]")
        programs.show("toolchain", [sys.executable, "-m", "toolchain"], directory=CHECKOUT)
        steps.print("\n[bold]Mesh[/]")
        mesh = start_traced_mesh(programs, steps)
        show_trace(mesh, steps)
        if steps.is_terminal:
            keep_running(mesh, steps)
    steps.print("All programs of the demo have ended.")


def start_traced_mesh(programs: Programs, steps: Steps) -> Mesh:
    """Start a mesh and apply the stack before the sidecars read their bootstrap."""
    mesh = Mesh(programs)
    with steps.step("Consul with the services client, web and api"):
        mesh.register_services()
    with steps.step("pulumi up of stack dev"):
        configuration = stack_configuration("dev", mesh.consul.address, mesh.zipkin.port)
        Project(programs, CHECKOUT, configuration).up()
    with steps.step("Sidecars of client, web and api"):
        mesh.start_sidecars()
    with steps.step("Zipkin"):
        mesh.zipkin.wait_until_ready()
    return mesh


def show_trace(mesh: Mesh, steps: Steps) -> None:
    """Send requests and show the trace of the last one."""
    with steps.step(f"{REQUESTS} requests through the mesh and their traces"):
        responses = [send_until_successful(mesh) for _ in range(REQUESTS)]
        spans = verified_trace(mesh, responses[-1])
    steps.print()
    steps.print(trace_table(spans))
    steps.print(f"\nTrace in Zipkin: {mesh.zipkin.trace_url(spans[0]['traceId'])}")


def send_until_successful(mesh: Mesh) -> Response:
    """Send a request from client through web to api, with retries, and return the response."""

    def send() -> Response:
        response = mesh.request("/hello")
        if response.status != HTTPStatus.OK:
            raise RequestError(f"{response.status} {response.text.strip()}")
        return response

    return mesh.programs.wait_until(send, "a successful request through the mesh")


def verified_trace(mesh: Mesh, response: Response) -> list[Span]:
    """Return the spans of a request. Raises `TraceMismatchError` unless they are `EXPECTED_SPANS`."""
    trace_id = response.json()["headers"].get("x-b3-traceid")
    if trace_id is None:
        raise TraceMismatchError("web received a request without trace headers: the sidecar of client does not trace")
    spans = mesh.zipkin.wait_for_spans(trace_id, len(EXPECTED_SPANS))
    found = [(line.service, line.kind) for line in trace_lines(spans)]
    if found != EXPECTED_SPANS:
        raise TraceMismatchError(f"spans of trace {trace_id} must be {_joined(EXPECTED_SPANS)}, got {_joined(found)}")
    return spans


def keep_running(mesh: Mesh, steps: Steps) -> NoReturn:
    """Show the URLs and wait until an interruption or the end of a program."""
    steps.print(f"Request: curl {url(mesh.upstream_port())}/hello")
    steps.print(f"Zipkin:  {mesh.zipkin.url}")
    steps.print(f"Consul:  {mesh.consul.url}/ui")
    steps.print("\nPress Ctrl-C to stop.")
    while True:
        mesh.programs.check()
        time.sleep(_CHECK_SECONDS)


def _joined(spans: list[tuple[str, str]]) -> str:
    return ", ".join(f"{service} {kind}" for service, kind in spans)
