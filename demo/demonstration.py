"""The demo: start a mesh, apply stack `dev`, send requests and verify their traces."""

import sys
import time
from http import HTTPStatus
from typing import NoReturn

from consul_tracing.cli.verify.report import summary, without_caller
from consul_tracing.cli.verify.store import StoreOptions, store_of
from consul_tracing.cli.verify.trace_tree import trace_table
from consul_tracing.cli.verify.verification import Plan, verify
from consul_tracing.sources.envoy import admin_client
from demo.steps import Steps
from testbed import CHECKOUT
from testbed.errors import OperationalError
from testbed.http import RequestError, url
from testbed.mesh import Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from testbed.pulumi import Project, stack_configuration

REQUESTS = 5

_CHECK_SECONDS = 0.5


class IncompleteTraceError(OperationalError):
    """A request through the mesh has no complete trace."""


def demonstrate(steps: Steps) -> None:
    """Run the demo. On a terminal it runs until an exception such as KeyboardInterrupt."""
    with Programs() as programs:
        steps.print("[bold]Programs[/]")
        programs.show("toolchain", [sys.executable, "-m", "toolchain", "--for", "demo"], directory=CHECKOUT)
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
    """Send requests and show the trace of the last one. Raises `IncompleteTraceError`."""
    with steps.step(f"{REQUESTS} requests through the mesh and their traces"):
        mesh.programs.wait_until(lambda: is_successful(mesh), "a successful request through the mesh")
        result = verify(plan(mesh))
    if not result.trace.is_complete:
        raise IncompleteTraceError("\n".join(summary(result)))
    steps.print()
    steps.print(trace_table(without_caller(result.trace)))
    steps.print(f"\nTrace in Zipkin: {result.page}")


def is_successful(mesh: Mesh) -> bool:
    """Send a request from client through web to api. Raises `RequestError` unless it succeeds."""
    response = mesh.request("/hello")
    if response.status != HTTPStatus.OK:
        raise RequestError(f"{response.status} {response.text.strip()}")
    return True


def plan(mesh: Mesh) -> Plan:
    """Return the verification of requests from client through web to api."""
    return Plan(
        url=url(mesh.upstream_port(), "/hello"),
        store=store_of(StoreOptions(zipkin=mesh.zipkin.url, environment={})),
        expected=tuple(mesh.instances),
        proxies=[admin_client(f"{LOOPBACK}:{sidecar.admin_port}") for sidecar in mesh.sidecars.values()],
        # Envoy uses the host in the names of spans.
        headers={"host": "web"},
        requests=REQUESTS,
        environment=mesh.consul.environment,
    )


def keep_running(mesh: Mesh, steps: Steps) -> NoReturn:
    """Show the URLs and wait until an interruption or the end of a program."""
    steps.print(f"Request: curl {url(mesh.upstream_port())}/hello")
    steps.print(f"Zipkin:  {mesh.zipkin.url}")
    steps.print(f"Consul:  {mesh.consul.url}/ui")
    steps.print("\nPress Ctrl-C to stop.")
    while True:
        mesh.programs.check()
        time.sleep(_CHECK_SECONDS)
