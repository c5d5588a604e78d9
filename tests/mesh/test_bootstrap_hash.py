"""The output `bootstrap_hash` is that of the written entry, and CT507 reports its changes."""

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from tests.mesh.consul_entries import MESH, live, put
from tests.mesh.edited_stack import PLAIN, EditedStack

pytestmark = pytest.mark.mesh

EXPORTED = f'pulumi.export("bootstrap_hash", {PLAIN.strip()}.bootstrap_hash)\n'
CHANGED = EXPORTED.replace("COLLECTOR", '{"host": "other"}')
IGNORED = """
def ignored(args):
    opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(ignore_changes=["configJson"]))
    return pulumi.ResourceTransformationResult(args.props, opts if "ConfigEntry" in args.type_ else args.opts)

pulumi.runtime.register_stack_transformation(ignored)
"""
RESTART = "CT507"


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> EditedStack:
    stack = EditedStack(programs, consul.address)
    assert RESTART in stack.up(EXPORTED)
    assert RESTART not in stack.project.up()
    return stack


def test_update_of_other_targets_does_not_change_the_hash(stack: EditedStack) -> None:
    before = stack.project.output("bootstrap_hash")
    targets = [f"--target={stack.urn(name)}" for name in ("mesh-service-web", "mesh", "other-test")]
    assert RESTART not in stack.up(CHANGED, *targets)
    assert stack.project.output("bootstrap_hash") == before
    assert RESTART in stack.project.preview_without_diff()
    assert RESTART in stack.project.up()
    assert stack.project.output("bootstrap_hash") != before


@pytest.mark.slow
def test_ignored_change_does_not_change_the_hash(stack: EditedStack) -> None:
    before = stack.project.output("bootstrap_hash")
    assert RESTART not in stack.up(IGNORED + CHANGED)
    assert stack.project.output("bootstrap_hash") == before
    assert RESTART in stack.up(CHANGED)
    assert stack.project.output("bootstrap_hash") != before


@pytest.mark.slow
def test_preserved_key_of_another_owner_changes_the_hash(consul: Consul, stack: EditedStack) -> None:
    before, entry = stack.project.output("bootstrap_hash"), live(consul)
    put(consul, MESH, **{**entry, "Config": {**entry["Config"], "envoy_stats_bind_addr": "0.0.0.0:9103"}})
    stack.project.up()
    assert stack.project.output("bootstrap_hash") != before
