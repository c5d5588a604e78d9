"""The previews of the guide for CI, and their exit codes."""

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.docs.ci_guide import PAGE, previews
from tests.docs.pages import read
from tests.mesh.consul_entries import WEB, stack_config

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

DRIFT = "--refresh --expect-no-changes"
CODES = "0 without drift, 7 with drift, 1 if Consul cannot be read"


def exit_code(stack: Project, options: str) -> int:
    try:
        stack.preview_without_diff(*options.split())
    except ProgramFailedError as error:
        return error.exit_code
    return 0


@pytest.fixture
def own_consul(programs: Programs) -> Consul:
    """A Consul that the test can stop."""
    started = Consul(programs)
    started.wait_until_ready()
    return started


def test_exit_codes_of_previews_are_those_of_the_guide(programs: Programs, own_consul: Consul) -> None:
    assert sorted({*previews()}) == ["--diff", DRIFT]
    stack = Project(programs, CHECKOUT, stack_config(own_consul), stack="prod")
    assert exit_code(stack, "--diff") == 0
    stack.up()
    assert exit_code(stack, DRIFT) == 0
    own_consul.delete_config_entry(*WEB)
    assert exit_code(stack, DRIFT) == 7
    own_consul.stop()
    assert exit_code(stack, DRIFT) == 1
    assert CODES in read(PAGE)
    stack.configure(stack_config(own_consul, sampling={"random": 200}))
    assert exit_code(stack, "--diff") == 1
    assert "0, also with changes; 1 if the inputs are invalid or the program fails" in read(PAGE)
