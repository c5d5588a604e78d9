"""Previews without a network and with invalid input."""

from typing import Any

import pytest
import yaml

from testbed import CHECKOUT
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project

pytestmark = pytest.mark.mesh


def failure(project: Project) -> str:
    """Return the output of a preview that fails without a traceback."""
    with pytest.raises(ProgramFailedError) as error:
        project.preview()
    assert "Traceback" not in error.value.output
    return error.value.output


def test_consul_stack_previews_without_a_network(programs: Programs) -> None:
    config = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.dev.yaml").read_text())["config"]
    # A Consul may run at the address of the stack.
    unused = {"consul:address": f"{LOOPBACK}:{free_port()}"}
    assert "5 to create" in Project(programs, CHECKOUT, {**config, **unused}, stack="dev").preview()


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
