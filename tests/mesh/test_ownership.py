"""Ownership of entries and fields on a real Consul, with the program of this repository."""

import os
import shutil

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, add_to_config, entries, live, put, rejection, stack_config

pytestmark = pytest.mark.mesh

CLUSTERS = "envoy_extra_static_clusters_json"
FOREIGN_CLUSTER = '{ "name" : "statsd",\n   "type":"STATIC" , "connect_timeout": "0.250s" }'
"""A static cluster with unusual formatting."""


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> Project:
    return Project(programs, CHECKOUT, stack_config(consul), stack="prod")


def write_unmanaged_entries(consul: Consul) -> None:
    """Write unmanaged entries with every kind of foreign field."""
    config = {
        "envoy_prometheus_bind_addr": "0.0.0.0:9102",
        "nested": {"a": [1.5, {"b": "c"}]},
        CLUSTERS: FOREIGN_CLUSTER,
    }
    put(consul, MESH, Config=config, MeshGateway={"Mode": "local"}, Meta={"team": "core"})
    put(consul, WEB, Protocol="tcp", LocalRequestTimeoutMs=5000, Meta={"team": "shop"})


def test_destroy_retains_an_entry_with_foreign_fields(consul: Consul, stack: Project) -> None:
    write_unmanaged_entries(consul)
    stack.configure(stack_config(consul, existing="adopt"))
    output = stack.up()
    assert "fields of other owners are preserved, so pulumi destroy leaves them in Consul, including tracing" in output
    retained = {
        release_command["urn"].rpartition("::")[2]
        for release_command in stack.resources()
        if release_command.get("retainOnDelete")
    }
    assert retained == {"mesh-proxy-defaults", "mesh-service-web"}
    before = live(consul), live(consul, WEB)
    stack.destroy()
    assert (live(consul), live(consul, WEB)) == before


def test_destroy_retains_foreign_fields_only_after_an_up(consul: Consul, stack: Project) -> None:
    """`destroy` does not run the program, so the last `up` decides which entries are retained."""
    stack.up()
    add_to_config(consul, envoy_stats_bind_addr="0.0.0.0:9103")
    stack.destroy()
    assert entries(consul) == set()
    stack.up()
    add_to_config(consul, envoy_stats_bind_addr="0.0.0.0:9103")
    stack.up()
    stack.destroy()
    assert live(consul)["Config"]["envoy_stats_bind_addr"] == "0.0.0.0:9103"
    assert entries(consul) == {MESH}


def test_destroy_deletes_declared_fields_of_a_disabled_mesh_unless_released(consul: Consul, stack: Project) -> None:
    put(consul, MESH, Config=PROMETHEUS, MeshGateway={"Mode": "local"})
    declared = {"proxy_config": PROMETHEUS, "proxy_defaults": {"MeshGateway": {"Mode": "local"}}, "existing": "adopt"}
    for released in (False, True):
        stack.configure(stack_config(consul, **declared))
        assert "CT536" not in stack.up()
        stack.configure(stack_config(consul, **declared, enabled=False))
        text = "pulumi destroy also deletes MeshGateway.Mode, envoy_prometheus_bind_addr. To keep them in Consul: set"
        assert text in stack.up()
        if released:
            stack.configure(stack_config(consul, **declared, enabled=False, release=True))
            assert "CT536" not in stack.up()
        stack.destroy()
        assert (MESH in entries(consul)) is released


def test_disabled_and_destroyed_stack_restores_the_adopted_entry(consul: Consul, stack: Project) -> None:
    write_unmanaged_entries(consul)
    before = live(consul)
    stack.configure(stack_config(consul, existing="adopt"))
    stack.up()
    stack.configure(stack_config(consul, existing="adopt", enabled=False))
    stack.up()
    stack.destroy()
    after = live(consul)
    assert {field: after[field] for field in ("Config", "MeshGateway", "Meta")} == {
        field: before[field] for field in ("Config", "MeshGateway", "Meta")
    }


def test_reported_command_releases_the_entries_of_a_removed_stack(
    programs: Programs, consul: Consul, stack: Project
) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not on PATH")
    write_unmanaged_entries(consul)
    stack.configure(stack_config(consul, existing="adopt"))
    stack.up()
    stack.destroy()
    successor = Project(programs, CHECKOUT, stack_config(consul, existing="adopt"), stack="successor")
    output = rejection(successor)
    assert "If organization/consul-tracing/prod no longer exists:" in output
    command = next(line for line in output.splitlines() if "consul config read" in line).partition(". ")[2]
    path = [str(toolchain.program("consul").parent), os.environ["PATH"]]
    environment = {"CONSUL_HTTP_ADDR": consul.address, "PATH": os.pathsep.join(path)}
    for release_command in (
        command,
        command.replace("-kind proxy-defaults -name global", "-kind service-defaults -name web"),
    ):
        programs.run("release", ["sh", "-c", release_command], environment=environment)
    assert live(consul)["Meta"] == {"team": "core"}
    successor.up()
    assert live(consul)["Meta"]["pulumi-stack"] == "organization/consul-tracing/successor"
    assert live(consul)["MeshGateway"] == {"Mode": "local"}


def test_http_services_of_other_stacks_suppress_the_warning(consul: Consul, stack: Project) -> None:
    warning = "no service has the protocol http, http2 or grpc"
    stack.configure(stack_config(consul, services={}))
    assert warning in stack.preview_without_diff()
    consul.register({"Name": "web", "Port": 9999})
    put(consul, WEB, Protocol="grpc")
    assert warning not in stack.preview_without_diff()
    consul.put("/v1/agent/service/deregister/web")


def test_managed_keys_can_exceed_one_metadata_value(consul: Consul, stack: Project) -> None:
    many_keys = {f"managed_setting_{number:02}": number for number in range(60)}
    stack.configure(stack_config(consul, proxy_config=many_keys))
    stack.up()
    meta = live(consul)["Meta"]
    assert len(meta["consul-tracing-keys"]) == 512
    assert "consul-tracing-keys-3" in meta
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(consul))
    stack.up()
    assert not set(many_keys) & set(live(consul)["Config"])
    assert {key for key in live(consul)["Meta"] if key.startswith("consul-tracing-keys")} == {"consul-tracing-keys"}
