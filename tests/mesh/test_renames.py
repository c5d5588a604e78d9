"""A component or a stack that is renamed, and the state that a release left."""

import json
from pathlib import Path
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.gate import Gate
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, add_to_config, live, on, put, refusal

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

STATES = Path(__file__).parent / "states"

COMPONENT = """
import pulumi
from consul_tracing import MeshTracing

MeshTracing({name!r}, {{"collector": {{"host": "zipkin"}}, "services": {{"web": {{"protocol": "http"}}}}}},
            pulumi.ResourceOptions(aliases={aliases}))
"""


def test_a_component_renamed_with_an_alias_keeps_its_entries_without_a_gap(
    programs: Programs, consul: Consul, gate: Gate
) -> None:
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    program = directory / "__main__.py"
    program.write_text(COMPONENT.format(name="old", aliases="[]"))
    stack = Project(programs, directory, {"consul:address": gate.address}, stack="test")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    before = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    gate.asked.clear()
    program.write_text(COMPONENT.format(name="new", aliases='[pulumi.Alias(name="old")]'))
    stack.up()
    assert "DELETE" not in {request.method for request in gate.asked}
    # An entry that was gone for any moment would have been created anew.
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == before
    names = {one["urn"].rpartition("::")[2] for one in stack.resources() if "ConfigEntry" in one["type"]}
    assert names == {"new-proxy-defaults", "new-service-web"}
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    stack.preview(expect_no_changes=True)


def test_a_stack_renamed_says_its_former_name_once(programs: Programs, consul: Consul) -> None:
    stack = Project(programs, CHECKOUT, on(consul), stack="former")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    stack.rename("later")
    told = refusal(stack)
    assert "renamed_from: organization/consul-tracing/former" in told
    stack.configure(on(consul, renamed_from="organization/consul-tracing/former"))
    stack.up()
    assert live(consul)["Meta"]["pulumi-stack"] == "organization/consul-tracing/later"
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    stack.preview(expect_no_changes=True)
    stack.configure(on(consul))
    stack.preview(expect_no_changes=True)


RELEASED: dict[str, Any] = {
    "proxy_config": {"local_connect_timeout_ms": 1000},
    "services": {"web": {"protocol": "http"}, "payments": {"protocol": "grpc", "name": "payments-v2"}},
}
"""The arguments with which the states in `states/` were made, each by the release that it is named after."""


@pytest.mark.parametrize("release", ["0.1.0"])
def test_the_state_of_a_release_previews_empty(programs: Programs, consul: Consul, release: str) -> None:
    state = (STATES / f"{release}.json").read_text().replace("127.0.0.1:8500", consul.address)
    for one in json.loads(state)["deployment"]["resources"]:
        if one["type"] == "consul:index/configEntry:ConfigEntry":
            inputs = one["inputs"]
            put(consul, (inputs["kind"], inputs["name"]), **json.loads(inputs["configJson"]))
    stack = Project(programs, CHECKOUT, on(consul, **RELEASED), stack="released")
    stack.take_state(state)
    stack.preview(expect_no_changes=True)
    stack.up()
    stack.preview(expect_no_changes=True)
