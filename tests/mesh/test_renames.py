"""Renamed components and stacks, and the state of earlier releases."""

import json
from pathlib import Path
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from testbed.request_recorder import RequestRecorder
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, add_to_config, live, put, rejection, stack_config

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

STATES = Path(__file__).parent / "states"

COMPONENT = """
import pulumi
from consul_tracing import MeshTracing

MeshTracing({name!r}, {{"collector": {{"host": "zipkin"}}, "services": {{"web": {{"protocol": "http"}}}}}},
            pulumi.ResourceOptions(aliases={aliases}))
"""


def test_renamed_component_with_an_alias_keeps_its_entries(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    program = directory / "__main__.py"
    program.write_text(COMPONENT.format(name="old", aliases="[]"))
    stack = Project(programs, directory, {"consul:address": recorder.address}, stack="test")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    before = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    recorder.requests.clear()
    program.write_text(COMPONENT.format(name="new", aliases='[pulumi.Alias(name="old")]'))
    stack.up()
    assert "DELETE" not in {request.method for request in recorder.requests}
    # A deleted and recreated entry would have another create index.
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == before
    names = {one["urn"].rpartition("::")[2] for one in stack.resources() if "ConfigEntry" in one["type"]}
    assert names == {"new-proxy-defaults", "new-service-web"}
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    stack.preview(expect_no_changes=True)


def test_renamed_stack_requires_renamed_from_for_one_up(programs: Programs, consul: Consul) -> None:
    stack = Project(programs, CHECKOUT, stack_config(consul), stack="former")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    stack.rename("later")
    output = rejection(stack)
    assert "renamed_from: organization/consul-tracing/former" in output
    stack.configure(stack_config(consul, renamed_from="organization/consul-tracing/former"))
    stack.up()
    assert live(consul)["Meta"]["pulumi-stack"] == "organization/consul-tracing/later"
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(consul))
    stack.preview(expect_no_changes=True)


RELEASED: dict[str, Any] = {
    "proxy_config": {"local_connect_timeout_ms": 1000},
    "services": {"web": {"protocol": "http"}, "payments": {"protocol": "grpc", "name": "payments-v2"}},
}
"""The arguments of the states in `states/`. Each file is named after the release that wrote it."""


@pytest.mark.parametrize("release", ["0.1.0"])
def test_preview_of_the_state_of_a_release_is_empty(programs: Programs, consul: Consul, release: str) -> None:
    state = (STATES / f"{release}.json").read_text().replace("127.0.0.1:8500", consul.address)
    for one in json.loads(state)["deployment"]["resources"]:
        if one["type"] == "consul:index/configEntry:ConfigEntry":
            inputs = one["inputs"]
            put(consul, (inputs["kind"], inputs["name"]), **json.loads(inputs["configJson"]))
    stack = Project(programs, CHECKOUT, stack_config(consul, **RELEASED), stack="released")
    stack.import_state(state)
    stack.preview(expect_no_changes=True)
    stack.up()
    stack.preview(expect_no_changes=True)
