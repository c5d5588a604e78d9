"""After any sequence of program edits, declared entries exist and fields of other owners are preserved."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from testbed.consul import Consul
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, clear, entries, live, put

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

HELD = "x"
"""The service whose entry has a field of another owner."""

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
    put(consul, MESH, Config={"foreign": "1"})
    put(consul, ("service-defaults", HELD), LocalRequestTimeoutMs=5000)
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    stack = Project(programs, directory, {"consul:address": consul.address}, stack="edited")
    edits[0]["existing"] = "adopt"
    for edit in edits:
        # The first declaration of an unmanaged entry requires adopt.
        adopts = HELD in edit["services"].values() and "Meta" not in live(consul, ("service-defaults", HELD))
        declared = {key: {"name": name, "protocol": "http"} for key, name in edit["services"].items()}
        source = {**edit, "existing": "adopt" if adopts else edit["existing"], "services": declared}
        (directory / "__main__.py").write_text(PROGRAM.format(**source))
        up_with_state_commands(stack)
        declared_entries = {("service-defaults", name) for name in edit["services"].values()}
        assert entries(consul) == declared_entries | {MESH, ("service-defaults", HELD)}
        assert {live(consul, entry)["Protocol"] for entry in declared_entries} <= {"http"}
        assert live(consul)["Config"]["foreign"] == "1"
        assert "envoy_tracing_json" in live(consul)["Config"]
        assert live(consul, ("service-defaults", HELD))["LocalRequestTimeoutMs"] == 5000
        stack.preview(expect_no_changes=True)


def up_with_state_commands(stack: Project) -> None:
    """Run `up`. If it is rejected, run the commands of the message and run `up` again."""
    try:
        stack.up()
    except ProgramFailedError as error:
        commands = [line.split("'")[1] for line in error.output.splitlines() if "pulumi state delete '" in line]
        assert commands, error.output
        for urn in dict.fromkeys(commands):
            stack.delete_from_state(urn)
        stack.up()
