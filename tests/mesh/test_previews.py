"""What Pulumi's engine shows of a program: without a network, and when the input is wrong."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from testbed import CHECKOUT
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailed, Programs
from testbed.pulumi import Project

pytestmark = pytest.mark.mesh

PROGRAM = """
import pulumi
from consul_tracing import MeshTracing

host = pulumi.Output.{made}.apply(lambda host: host)
MeshTracing("mesh", {{"collector": {{"host": host}}, "services": {{"web": {{"protocol": "http"}}}}}})
"""

Written = Callable[[str], Project]


@pytest.fixture
def program(programs: Programs) -> Written:
    """A stack of a program of its own, with no Consul to be reached."""

    def written(source: str) -> Project:
        directory = programs.make_directory("program")
        (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
        (directory / "__main__.py").write_text(source)
        return Project(programs, directory, {"consul:address": f"{LOOPBACK}:{free_port()}"}, stack="test")

    return written


def failure(project: Project) -> str:
    """What Pulumi says when a preview fails: cleanly, without a traceback."""
    with pytest.raises(ProgramFailed) as failed:
        project.preview()
    assert "Traceback" not in failed.value.said
    return failed.value.said


def test_the_stack_on_consul_previews_without_a_network(programs: Programs) -> None:
    config = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.dev.yaml").read_text())["config"]
    assert "5 to create" in Project(programs, CHECKOUT, config, stack="dev").preview()


@pytest.mark.parametrize(
    ("config", "told"),
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
            'consul-tracing: 2 inputs of "mesh" cannot be used',
        ),
    ],
)
def test_wrong_input_fails_with_its_path_and_no_traceback(
    programs: Programs, config: dict[str, Any], told: str
) -> None:
    assert told in failure(Project(programs, CHECKOUT, config, stack="wrong"))


def test_an_output_that_turns_out_wrong_fails_with_the_same_message(program: Written) -> None:
    said = failure(program(PROGRAM.format(made='from_input("http://zipkin:9411")')))
    assert 'collector.host: "http://zipkin:9411" holds a scheme and a port; write host: "zipkin" and port: 9411' in said


def test_a_secret_as_host_fails_without_being_repeated(program: Written) -> None:
    said = failure(program(PROGRAM.format(made='secret("hush")')))
    assert "collector.host: is a secret, which everyone could read in the entry" in said
    assert "hush" not in said


def test_an_output_that_is_right_is_previewed(program: Written) -> None:
    assert "4 to create" in program(PROGRAM.format(made='from_input("zipkin")')).preview()
