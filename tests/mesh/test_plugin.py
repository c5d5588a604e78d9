"""The plugin under Pulumi's engine, on a real Consul, with the inputs of a program in another language.

The test programs register the components remotely, as generated SDKs do. All except the example in YAML are in Python,
because the toolchain has no language host for others.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, clear, entries, live, put
from tests.plugin_executable import write_plugin_executable

pytestmark = pytest.mark.mesh

PROGRAM = """
import json

import pulumi
import pulumi_consul

config = pulumi.Config()
address = pulumi_consul.Provider("named", address=config.require("provider"))
source = pulumi.ComponentResource("test:index:Source", "source")
source.register_outputs({})
inputs = json.loads(config.require("inputs"))
if inputs["collector"].get("host") == "output":
    inputs["collector"]["host"] = source.urn.apply(lambda _: "late.example.com")
pulumi.ComponentResource(
    "consul-tracing:index:MeshTracing",
    "mesh",
    inputs,
    pulumi.ResourceOptions(providers=[address], version="0.1.0"),
    remote=True,
)
"""
INPUTS: dict[str, Any] = {
    "collector": {"host": "output", "connectTimeoutMs": 1500},
    "services": {"web": {"protocol": "http", "serviceDefaults": {"LocalRequestTimeoutMs": 5000}}},
    "proxyConfig": {"local_connect_timeout_ms": 7000},
}
Stack = Callable[..., Project]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """PATH with the plugin."""
    directory = tmp_path / "bin"
    directory.mkdir()
    write_plugin_executable(directory)
    return os.pathsep.join([str(directory), toolchain.search_path(), os.environ.get("PATH", os.defpath)])


@pytest.fixture
def stack(programs: Programs, consul: Consul, tmp_path: Path, path: str) -> Stack:
    """Return a function that configures a stack whose program declares a mesh with the inputs."""
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("name: mesh\nruntime: python\n")
    (program / "__main__.py").write_text(PROGRAM)
    project = Project(programs, program, {}, environment={"PATH": path})

    def configured(inputs: dict[str, Any] = INPUTS) -> Project:
        project.configure({"mesh:inputs": json.dumps(inputs), "mesh:provider": consul.address})
        return project

    return configured


def rejection(project: Project) -> str:
    """Return the engine's message about the component. The program's own traceback follows it."""
    with pytest.raises(ProgramFailedError) as error:
        project.up()
    _, _, after = error.value.output.partition("Diagnostics:")
    message = after.partition("resource 'mesh' has a problem: ")[2].partition("error: Program failed")[0]
    assert message.startswith("consul-tracing: CT")
    assert "Traceback" not in message
    return message


def test_mesh_is_written_through_the_named_provider(stack: Stack, consul: Consul) -> None:
    project = stack()
    project.preview()
    project.up()
    assert "late.example.com" in live(consul)["Config"]["envoy_extra_static_clusters_json"]
    assert live(consul)["Config"]["local_connect_timeout_ms"] == 7000
    assert live(consul, WEB)["LocalRequestTimeoutMs"] == 5000
    project.preview(expect_no_changes=True)
    project.destroy()
    assert entries(consul) == set()


def test_invalid_inputs_are_reported_without_a_traceback(stack: Stack, consul: Consul) -> None:
    output = rejection(stack({**INPUTS, "collector": {"host": "http://zipkin:9411", "connectTimeoutMs": 0.5}}))
    assert 'CT101: 2 inputs of "mesh" are invalid' in output
    assert "collector.connectTimeoutMs: must be a whole number" in output
    assert entries(consul) == set()


def test_conflict_is_reported_without_a_traceback(stack: Stack, consul: Consul) -> None:
    put(consul, MESH, Config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
    assert "CT201: proxy-defaults/global is an unmanaged entry" in rejection(stack())
    stack({**INPUTS, "existing": "adopt"}).up()
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    clear(consul)


def test_yaml_example_is_applied(programs: Programs, consul: Consul, path: str) -> None:
    with_yaml = os.pathsep.join([str(toolchain.program("pulumi-language-yaml").parent), path])
    configuration = {"consul:address": consul.address}
    project = Project(programs, CHECKOUT / "examples" / "yaml", configuration, environment={"PATH": with_yaml})
    project.up()
    assert "zipkin.example.com" in live(consul)["Config"]["envoy_extra_static_clusters_json"]
    assert live(consul, WEB)["LocalRequestTimeoutMs"] == 5000
    project.preview(expect_no_changes=True)
    project.destroy()
    assert entries(consul) == set()
