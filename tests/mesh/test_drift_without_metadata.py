"""An entry that another tool wrote whole is drift that the preview rejects: docs/guides/ci.md."""

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import WEB, stack_config

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

DOCUMENTED = "1 if Consul cannot be read or an entry has lost its ownership metadata"


def test_drift_check_ends_with_1(programs: Programs, consul: Consul) -> None:
    assert DOCUMENTED in (CHECKOUT / "docs/guides/ci.md").read_text()
    stack = Project(programs, CHECKOUT, stack_config(consul), stack="prod")
    stack.up()
    written = consul.config_entry(*WEB) or {}
    consul.write_config_entry({field: value for field, value in written.items() if field != "Meta"})
    with pytest.raises(ProgramFailedError, match="CT201") as failed:
        stack.preview_without_diff("--refresh", "--expect-no-changes")
    assert failed.value.exit_code == 1
