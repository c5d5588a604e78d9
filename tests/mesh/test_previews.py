"""Previews without a network and with invalid input."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from testbed import CHECKOUT
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project

pytestmark = pytest.mark.mesh

PROGRAM = """
import pulumi
from consul_tracing import MeshTracing

host = pulumi.Output.{made}.apply(lambda host: host)
MeshTracing("mesh", {{"collector": {{"host": host}}, "services": {{"web": {{"protocol": "http"}}}}}})
"""

CreateProject = Callable[[str], Project]


@pytest.fixture
def program(programs: Programs) -> CreateProject:
    """Create a stack of a given program, with an unreachable Consul."""

    def create(source: str) -> Project:
        directory = programs.make_directory("program")
        (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
        (directory / "__main__.py").write_text(source)
        return Project(programs, directory, {"consul:address": f"{LOOPBACK}:{free_port()}"}, stack="test")

    return create


def failure(project: Project) -> str:
    """Return the output of a preview that fails without a traceback."""
    with pytest.raises(ProgramFailedError) as error:
        project.preview()
    assert "Traceback" not in error.value.output
    return error.value.output


def test_consul_stack_previews_without_a_network(programs: Programs) -> None:
    config = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.dev.yaml").read_text())["config"]
    assert "5 to create" in Project(programs, CHECKOUT, config, stack="dev").preview()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "missing configuration value"),
        ({"consul-tracing:mesh": "zipkin"}, "consul-tracing:mesh"),
        ({"consul-tracing:mesh": {}}, "collector: is required"),
        (
            {
                "consul-tracing:mesh": {
                    "collector": {"host": "http://zipkin:9411"},
                    "services": {"web": {"protocol": "x"}},
                }
            },
            'consul-tracing: CT101: 2 inputs of "mesh" are invalid',
        ),
    ],
)
def test_invalid_input_fails_with_its_path_and_no_traceback(
    programs: Programs, config: dict[str, Any], message: str
) -> None:
    assert message in failure(Project(programs, CHECKOUT, config, stack="wrong"))


def test_invalid_output_fails_with_its_path(program: CreateProject) -> None:
    output = failure(program(PROGRAM.format(made='from_input("http://zipkin:9411")')))
    assert 'collector.host: must be a host name or IP address, got a URL ("http://zipkin:9411")' in output
    assert 'Set host: "zipkin" and port: 9411' in output
