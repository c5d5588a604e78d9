"""`make picture`: terminal pictures of a real `consul-tracing verify`, for the README.

The sidecar of web starts before the mesh is traced, so the first result has a cause. After its restart the trace is
complete.
"""

from dataclasses import replace

from rich.console import Console

from consul_tracing.cli.verify.report import print_text
from consul_tracing.cli.verify.verification import verify
from demo.demonstration import is_successful, plan
from testbed import CHECKOUT
from testbed.mesh import Mesh
from testbed.processes import Programs
from testbed.pulumi import Project, stack_configuration
from testbed.signals import raise_on_signals

DOCS = CHECKOUT / "docs"
CAUSE, TRACE = DOCS / "no-traces.svg", DOCS / "trace.svg"
COMMAND = "$ consul-tracing verify http://… --store zipkin=http://… --expect client,web,api --admin …"
COLUMNS = 92


def write_pictures(programs: Programs) -> None:
    """Write the picture of an incomplete trace with its cause, and the picture of a complete one."""
    mesh = Mesh(programs)
    mesh.register_services()
    mesh.start_sidecars("web")
    Project(programs, CHECKOUT, stack_configuration("dev", mesh.consul.address, mesh.zipkin.port)).up()
    mesh.start_sidecars("client", "api")
    mesh.zipkin.wait_until_ready()
    CAUSE.write_text(picture(mesh))
    mesh.restart_sidecars("web")
    TRACE.write_text(picture(mesh))


def picture(mesh: Mesh) -> str:
    """Return the output of `verify` as SVG, without notes and the page of the trace, which are wider than a picture."""
    mesh.programs.wait_until(lambda: is_successful(mesh), "a successful request through the mesh")
    console = Console(record=True, width=COLUMNS, force_terminal=True)
    console.print(COMMAND, style="bold", soft_wrap=True, highlight=False, markup=False)
    result = verify(replace(plan(mesh), requests=1))
    print_text(replace(result, notes=(), page=""), console)
    return console.export_svg(title="consul-tracing verify")


if __name__ == "__main__":
    raise_on_signals()
    with Programs() as started:
        write_pictures(started)
