"""Refreshes before an operation: the option of the project, `--refresh`, and `--run-program`."""

import shutil

import pytest
import yaml

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import (
    MESH,
    PROMETHEUS,
    WEB,
    add_to_config,
    entries,
    live,
    stack_config,
)

pytestmark = pytest.mark.mesh


def project(programs: Programs, configuration: dict[str, object], **environment: str) -> Project:
    """Create a stack of the program of this repository with `refresh: always` in its Pulumi.yaml."""
    directory = programs.make_directory("refreshed")
    shutil.copy(CHECKOUT / "__main__.py", directory)
    name = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["name"]
    settings = {"name": name, "runtime": "python", "options": {"refresh": "always"}}
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(settings))
    return Project(programs, directory, configuration, stack="refreshed", environment=environment)


def assert_no_drift(stack: Project) -> None:
    assert "CT506" not in stack.preview_without_diff("--expect-no-changes")


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"PULUMI_RUN_PROGRAM": "true"}])
def test_refresh_always_restores_entries_and_reports_no_other_drift(
    programs: Programs, consul: Consul, environment: dict[str, str]
) -> None:
    stack = project(programs, stack_config(consul), **environment)
    stack.up()
    assert_no_drift(stack)
    before = live(consul)
    add_to_config(consul, envoy_listener_tracing_json="{}", **PROMETHEUS)
    consul.delete_config_entry(*WEB)
    stack.up()
    assert live(consul)["Config"] == {**before["Config"], **PROMETHEUS}
    assert live(consul)["CreateIndex"] == before["CreateIndex"]
    assert live(consul, WEB)["Protocol"] == "http"
    assert_no_drift(stack)
    stack.destroy()
    assert entries(consul) == {MESH}
    assert live(consul)["Config"] == {**before["Config"], **PROMETHEUS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operations", "remaining"),
    [
        ([("destroy", "--run-program")], {MESH}),
        ([("refresh", "--run-program"), ("destroy",)], {MESH}),
        ([("destroy",)], set()),
    ],
)
def test_only_operations_that_run_the_program_see_fields_that_were_written_after_the_last_up(
    programs: Programs, consul: Consul, operations: list[tuple[str, ...]], remaining: set[tuple[str, str]]
) -> None:
    stack = Project(programs, CHECKOUT, stack_config(consul), stack="running")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    before = live(consul)
    for operation, *arguments in operations:
        getattr(stack, operation)(*arguments)
    assert entries(consul) == remaining
    if remaining:
        assert live(consul) == before
