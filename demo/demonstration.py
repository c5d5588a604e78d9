"""The demo: a mesh, the project's stack `dev` applied to it, and the proof that requests leave traces."""

import sys
import time
from http import HTTPStatus
from typing import NoReturn

from demo.steps import Steps
from demo.trace_tree import trace_lines, trace_table
from testbed import CHECKOUT
from testbed.errors import Failure
from testbed.http import Answer, NotAnswered, url
from testbed.mesh import Mesh
from testbed.processes import Programs
from testbed.pulumi import Project, stack_configuration
from testbed.zipkin import Span

REQUESTS = 5

PROOF = [("client", "CLIENT"), ("web", "SERVER"), ("web", "CLIENT"), ("api", "SERVER")]
"""The spans of a request from client over web to api, each caused by the one before."""

_STILL_THERE_SECONDS = 0.5


class NoProof(Failure):
    """Requests passed the mesh, and yet their trace is not what it must be."""


def demonstrate(steps: Steps) -> None:
    """Run the demo. At a terminal it stays up, until an exception such as KeyboardInterrupt ends it."""
    with Programs() as programs:
        steps.say("[bold]The programs[/]")
        programs.show("toolchain", [sys.executable, "-m", "toolchain"], directory=CHECKOUT)
        steps.say("\n[bold]The mesh[/]")
        mesh = traced_mesh(programs, steps)
        show_proof(mesh, steps)
        if steps.at_terminal:
            stay(mesh, steps)
    steps.say("Nothing of the demo is left.")


def traced_mesh(programs: Programs, steps: Steps) -> Mesh:
    """A mesh that the project's stack was applied to before its sidecars started."""
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


def show_proof(mesh: Mesh, steps: Steps) -> None:
    """Send requests and show the trace of the last one."""
    with steps.step(f"{REQUESTS} requests through the mesh and their traces"):
        answers = [successful_request(mesh) for _ in range(REQUESTS)]
        spans = proven_trace(mesh, answers[-1])
    steps.say()
    steps.say(trace_table(spans))
    steps.say(f"\nThis trace in Zipkin: {mesh.zipkin.page_of(spans[0]['traceId'])}")


def successful_request(mesh: Mesh) -> Answer:
    """A request from client to web that web, and api behind it, answered."""

    def answered() -> Answer:
        answer = mesh.request("/hello")
        if answer.status != HTTPStatus.OK:
            raise NotAnswered(f"{answer.status} {answer.text.strip()}")
        return answer

    return mesh.programs.wait_until(answered, "an answered request through the mesh")


def proven_trace(mesh: Mesh, answer: Answer) -> list[Span]:
    """The spans that a request left, after a look that they are those of `PROOF`."""
    trace_id = answer.json()["headers"].get("x-b3-traceid")
    if trace_id is None:
        raise NoProof("the request reached web without a trace: client's sidecar does not trace")
    spans = mesh.zipkin.wait_for_spans(trace_id, len(PROOF))
    seen = [(line.service, line.kind) for line in trace_lines(spans)]
    if seen != PROOF:
        raise NoProof(f"trace {trace_id} has the spans {_told(seen)}; expected {_told(PROOF)}")
    return spans


def stay(mesh: Mesh, steps: Steps) -> NoReturn:
    """Show where to look around, and stay until interrupted or until a program ends."""
    steps.say(f"A request of your own: curl {url(mesh.entrance())}/hello")
    steps.say(f"Zipkin:                {mesh.zipkin.url}")
    steps.say(f"Consul:                {mesh.consul.url}/ui")
    steps.say("\nCtrl-C ends it all.")
    while True:
        mesh.programs.check()
        time.sleep(_STILL_THERE_SECONDS)


def _told(spans: list[tuple[str, str]]) -> str:
    return ", ".join(f"{service} {kind}" for service, kind in spans)
