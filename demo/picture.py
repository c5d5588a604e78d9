"""`make picture`: a terminal picture of a real `consul-tracing verify` that finds a cause, for the README.

The sidecar of web starts before the mesh is traced.
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

FILE = CHECKOUT / "docs" / "no-traces.svg"
COMMAND = "$ consul-tracing verify http://… --store zipkin=http://… --expect client,web,api --admin …"
COLUMNS = 110


def picture(programs: Programs) -> str:
    """Return the picture of the output as SVG."""
    mesh = Mesh(programs)
    mesh.register_services()
    mesh.start_sidecars("web")
    Project(programs, CHECKOUT, stack_configuration("dev", mesh.consul.address, mesh.zipkin.port)).up()
    mesh.start_sidecars("client", "api")
    mesh.zipkin.wait_until_ready()
    mesh.programs.wait_until(lambda: is_successful(mesh), "a successful request through the mesh")
    console = Console(record=True, width=COLUMNS, force_terminal=True)
    console.print(COMMAND, style="bold", soft_wrap=True, highlight=False, markup=False)
    print_text(verify(replace(plan(mesh), requests=1)), console)
    return console.export_svg(title="consul-tracing verify")


if __name__ == "__main__":
    raise_on_signals()
    with Programs() as started:
        FILE.write_text(picture(started))
