"""Whatever edits a program goes through, the entries that it declares exist, and fields of other owners stay."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from testbed.consul import Consul
from testbed.processes import ProgramFailed, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, clear, entries, live, put

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

HELD = "x"
"""The service whose entry holds a field of another owner."""

PROGRAM = """
import pulumi
from consul_tracing import MeshTracing

def declare(opts=None):
    args = {{"collector": {{"host": "zipkin"}}, "existing": {existing!r}, "services": {services}}}
    MeshTracing({component!r}, args, opts)

class Platform(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("acme:index:Platform", "platform")
        declare(pulumi.ResourceOptions(parent=self))
        self.register_outputs({{}})

Platform() if {nested} else declare()
"""
EDITS = st.lists(
    st.fixed_dictionaries(
        {
            "component": st.sampled_from(["mesh", "tracing"]),
            "nested": st.booleans(),
            "existing": st.sampled_from(["refuse", "adopt"]),
            "services": st.lists(st.sampled_from("abc"), unique=True).flatmap(
                lambda keys: st.permutations("xyz").map(lambda names: dict(zip(keys, names, strict=False)))
            ),
        }
    ),
    min_size=3,
    max_size=4,
)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(EDITS)
def test_no_sequence_of_edits_loses_an_entry_or_a_foreign_field(
    programs: Programs, consul: Consul, edits: list[dict[str, Any]]
) -> None:
    clear(consul)
    put(consul, MESH, Config={"theirs": "1"})
    put(consul, ("service-defaults", HELD), LocalRequestTimeoutMs=5000)
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    stack = Project(programs, directory, {"consul:address": consul.address}, stack="edited")
    edits[0]["existing"] = "adopt"
    for edit in edits:
        # An entry of another owner that the program has not declared before has to be adopted.
        adopts = HELD in edit["services"].values() and "Meta" not in live(consul, ("service-defaults", HELD))
        declared = {key: {"name": name, "protocol": "http"} for key, name in edit["services"].items()}
        source = {**edit, "existing": "adopt" if adopts else edit["existing"], "services": declared}
        (directory / "__main__.py").write_text(PROGRAM.format(**source))
        applied(stack)
        there = {("service-defaults", name) for name in edit["services"].values()}
        assert entries(consul) == there | {MESH, ("service-defaults", HELD)}
        assert {live(consul, entry)["Protocol"] for entry in there} <= {"http"}
        assert live(consul)["Config"]["theirs"] == "1"
        assert "envoy_tracing_json" in live(consul)["Config"]
        assert live(consul, ("service-defaults", HELD))["LocalRequestTimeoutMs"] == 5000
        stack.preview(expect_no_changes=True)


def applied(stack: Project) -> None:
    """`up`, after the commands that a rejected run recommends."""
    try:
        stack.up()
    except ProgramFailed as failed:
        commands = [line.split("'")[1] for line in failed.said.splitlines() if "pulumi state delete '" in line]
        assert commands, failed.said
        for urn in dict.fromkeys(commands):
            stack.delete_from_state(urn)
        stack.up()
