"""A stack whose program a test edits between runs of `up`."""

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, live

HEAD = """
import json
import pulumi
import pulumi_consul
from consul_tracing import MeshTracing

COLLECTOR = {"host": "zipkin"}
"""
PLAIN = 'MeshTracing("mesh", {"collector": COLLECTOR, "services": {"web": {"protocol": "http"}}})\n'
KEY_RENAMED = PLAIN.replace('"web": {"protocol": "http"}', '"frontend": {"name": "web", "protocol": "http"}')
COMPONENT_RENAMED = PLAIN.replace('"mesh"', '"tracing"')
NESTED = """
class Platform(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("acme:index:Platform", name)
        MeshTracing("mesh", {"collector": COLLECTOR, "services": {"web": {"protocol": "http"}}},
                    pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

Platform("platform")
"""


class EditedStack:
    """A stack whose program a test edits between runs of `up`."""

    def __init__(self, programs: Programs, consul_address: str) -> None:
        self.directory = programs.make_directory("program")
        (self.directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
        self.edit(PLAIN)
        self.project = Project(programs, self.directory, {"consul:address": consul_address}, stack="test")

    def edit(self, program: str) -> None:
        (self.directory / "__main__.py").write_text(HEAD + program)

    def up(self, program: str, *arguments: str) -> str:
        self.edit(program)
        return self.project.up(*arguments)

    def urn(self, name: str) -> str:
        """Return the URN of the resource with this name in the state."""
        return next(one["urn"] for one in self.project.resources() if one["urn"].endswith(f"::{name}"))


def with_args(program: str, **args: object) -> str:
    """Return the program with further arguments of its component."""
    return program.replace(
        '"collector"', "".join(f'"{name}": {value!r}, ' for name, value in args.items()) + '"collector"'
    )


def created(consul: Consul) -> dict[tuple[str, str], int]:
    """Return the create index of both entries, which another one has after a deletion."""
    return {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}


def state_deletions(output: str) -> list[str]:
    """Return the URNs in the `pulumi state delete` commands of a message."""
    return [line.split("'")[1] for line in output.splitlines() if "pulumi state delete '" in line]


def replace(project: Project, urn: str) -> None:
    project.up(f"--replace={urn}")


def taint(project: Project, urn: str) -> None:
    project.taint(urn)
    project.up()


REPLACEMENTS = pytest.mark.parametrize("replaced", [replace, taint])
"""Ways to replace a resource that has not changed."""
