"""The stand-in for Pulumi's Consul plugin. Every test also runs with the official plugin if it is installed."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testbed.consul import Consul
from testbed.consul_stand_in import INTRODUCTION
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, clear, entries, live, put
from toolchain import consul_plugin, search_path
from toolchain.consul_plugin import STAND_IN

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

DIRECTORY_VARIABLE = "CONSUL_TRACING_OFFICIAL_CONSUL_PLUGIN"

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
TRACING = {"Config": {"envoy_tracing_json": "{}"}, "AccessLogs": {}, "TransparentProxy": {}}
HTTP = {"Protocol": "http", "TransparentProxy": {}}

ENTRIES_OF_THE_CONFIGURATION = """
import json, pulumi
import pulumi_consul as consul

for resource, properties in pulumi.Config("test").require_object("entries").items():
    ignored = pulumi.ResourceOptions(ignore_changes=properties.pop("ignore", []))
    config_json = json.dumps(properties.pop("config"))
    consul.ConfigEntry(resource, config_json=config_json, opts=ignored, **properties)
"""

LOOKUP = """
import pulumi, pulumi_consul as consul

pulumi.export("found", consul.get_config_entry(kind="{kind}", name="{name}").config_json)
"""


def official_plugin() -> Path | None:
    """Return the directory of the official plugin, or None if it is not installed."""
    if named := os.environ.get(DIRECTORY_VARIABLE):
        return Path(named)
    found = consul_plugin.plugin_directory()
    return None if found == STAND_IN else found


OFFICIAL = official_plugin()
PLUGINS = {"stand-in": STAND_IN, **({"official": OFFICIAL} if OFFICIAL else {})}

Stacks = Callable[..., Project]


@pytest.fixture(params=PLUGINS)
def plugin(request: pytest.FixtureRequest) -> Path:
    """The directory of the plugin under test."""
    return PLUGINS[request.param]


@pytest.fixture
def new_stack(programs: Programs, plugin: Path) -> Stacks:
    """Return a function that creates a stack. The default program writes the entries of its configuration."""

    return partial(stack_with, programs, plugin)


def stack_with(programs: Programs, plugin: Path, address: str, program: str = ENTRIES_OF_THE_CONFIGURATION) -> Project:
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: mesh\nruntime: python\n")
    (directory / "__main__.py").write_text(program)
    path = os.pathsep.join([str(plugin), search_path(), os.environ["PATH"]])
    return Project(programs, directory, {"consul:address": address}, environment={"PATH": path})


@pytest.fixture
def stack(new_stack: Stacks, consul: Consul) -> Project:
    return new_stack(consul.address)


def entry(address: tuple[str, str], config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    kind, name = address
    return {"kind": kind, "name": name, "config": config, **fields}


def set_entries(project: Project, consul: Consul, **resources: dict[str, Any]) -> None:
    project.configure({"consul:address": consul.address, "test:entries": resources})


def failure(operation: Callable[..., str], **arguments: Any) -> str:
    with pytest.raises(ProgramFailedError) as error:
        operation(**arguments)
    return error.value.output


def properties(project: Project, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs and outputs of a resource in the state."""
    resource = next(one for one in project.resources() if one["urn"].endswith(f"::{name}"))
    # The official plugin adds a list of generated inputs.
    inputs = {key: value for key, value in resource["inputs"].items() if key != "__defaults"}
    return inputs, resource["outputs"]


def test_official_plugin_is_compared() -> None:
    if OFFICIAL is None:
        pytest.skip(
            f"NOT COMPARED with the official Consul plugin: it is not installed; {DIRECTORY_VARIABLE} names one"
        )
    assert OFFICIAL != STAND_IN


def test_only_the_stand_in_logs_an_introduction(stack: Project, consul: Consul, plugin: Path) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING))
    introductions = [line.strip() for line in stack.up().splitlines()].count(INTRODUCTION)
    assert introductions == (1 if plugin == STAND_IN else 0)


def test_second_preview_is_empty(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING), web=entry(WEB, HTTP))
    stack.up()
    stack.preview(expect_no_changes=True)
    assert live(consul, WEB)["Protocol"] == "http"


def test_state_has_the_normal_form_of_the_live_entry(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING))
    stack.up()
    _, outputs = properties(stack, "mesh")
    assert outputs == {
        "configJson": '{"AccessLogs":{},"Config":{"envoy_tracing_json":"{}"},"Expose":{},"MeshGateway":{},'
        '"TransparentProxy":{}}',
        "id": "proxy-defaults-global",
        "kind": "proxy-defaults",
        "name": "global",
    }


def test_second_preview_shows_fields_that_consul_added(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, web=entry(WEB, {"Protocol": "http"}))
    stack.up()
    failure(stack.preview, expect_no_changes=True)


def test_create_overwrites_an_existing_entry(stack: Project, consul: Consul) -> None:
    put(consul, MESH, Config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
    set_entries(stack, consul, mesh=entry(MESH, TRACING))
    stack.up()
    assert live(consul)["Config"] == {"envoy_tracing_json": "{}"}


def test_unknown_field_is_not_written(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, web=entry(WEB, {**HTTP, "MaxRequestHeadersKB": 96, "Unknown": 1}))
    stack.up()
    assert "MaxRequestHeadersKB" not in live(consul, WEB)
    stack.preview(expect_no_changes=True)


def test_drift_is_shown_after_a_refresh_and_reverted_by_an_update(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING))
    stack.up()
    put(consul, MESH, Config={"by": "hand"})
    stack.preview(expect_no_changes=True)
    stack.refresh()
    failure(stack.preview, expect_no_changes=True)
    stack.up()
    assert live(consul)["Config"] == {"envoy_tracing_json": "{}"}


def test_ignored_change_is_not_written(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING, ignore=["configJson"]))
    stack.up()
    put(consul, MESH, Config={"by": "hand"})
    stack.refresh()
    stack.preview(expect_no_changes=True)


def test_deleted_entry_is_removed_from_the_state_by_a_refresh(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING))
    stack.up()
    clear(consul)
    stack.refresh()
    assert not [one for one in stack.resources() if one["type"] == CONFIG_ENTRY]


def test_entry_is_imported_by_kind_and_name(stack: Project, consul: Consul) -> None:
    put(consul, MESH, Config={"by": "hand"})
    stack.import_resource(CONFIG_ENTRY, "mesh", "proxy-defaults/global")
    inputs, outputs = properties(stack, "mesh")
    normal = '{"AccessLogs":{},"Config":{"by":"hand"},"Expose":{},"MeshGateway":{},"TransparentProxy":{}}'
    assert inputs == {"kind": "proxy-defaults", "name": "global", "configJson": normal}
    assert outputs["id"] == "proxy-defaults-global"
    set_entries(stack, consul, mesh=entry(MESH, {**TRACING, "Config": {"by": "hand"}}))
    stack.preview(expect_no_changes=True)


def test_import_of_a_missing_entry_fails(stack: Project) -> None:
    output = failure(stack.import_resource, token=CONFIG_ENTRY, name="mesh", identifier="proxy-defaults/global")
    assert "resource 'proxy-defaults/global' does not exist" in output


def test_destroy_deletes_a_changed_entry(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING))
    stack.up()
    put(consul, MESH, Config={"by": "hand"})
    stack.destroy()
    assert entries(consul) == set()


def test_changed_name_replaces_the_entry(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, web=entry(WEB, HTTP))
    stack.up()
    set_entries(stack, consul, web=entry(("service-defaults", "shop"), HTTP))
    stack.up()
    assert entries(consul) == {("service-defaults", "shop")}


@pytest.mark.parametrize("field", ["namespace", "partition"])
def test_consul_enterprise_field_is_sent_to_consul(stack: Project, consul: Consul, field: str) -> None:
    set_entries(stack, consul, web=entry(WEB, HTTP, **{field: "shop"}))
    output = failure(stack.up)
    assert "failed to set 'web' config entry: Unexpected response code: 400 (Request decoding failed: " in output
    assert f'invalid config key "{field.capitalize()}"' in output


def test_unknown_value_can_be_previewed(new_stack: Stacks, consul: Consul) -> None:
    stack = new_stack(
        consul.address,
        """
import json
import pulumi_consul as consul

first = consul.ConfigEntry("first", kind="service-defaults", name="first", config_json='{"Protocol": "http"}')
consul.ConfigEntry("second", kind="service-defaults", name="second",
                   config_json=first.id.apply(lambda id: json.dumps({"ExternalSNI": id})))
""",
    )
    stack.preview()
    stack.up()
    assert live(consul, ("service-defaults", "second"))["ExternalSNI"] == "service-defaults-first"


def test_lookup_returns_the_normal_form_without_unknown_fields(new_stack: Stacks, consul: Consul) -> None:
    put(
        consul,
        WEB,
        Protocol="http",
        MaxRequestHeadersKB=96,
        UpstreamConfig={"Defaults": {"PassiveHealthCheck": {"Interval": "10s"}, "Limits": {"MaxConnections": 3}}},
        Meta={"owner": "team <a>"},
    )
    stack = new_stack(consul.address, LOOKUP.format(kind=WEB[0], name=WEB[1]))
    stack.up()
    assert stack.output("found") == (
        r'{"Expose":{},"MeshGateway":{},"Meta":{"owner":"team \u003ca\u003e"},"Protocol":"http",'
        r'"TransparentProxy":{},"UpstreamConfig":{"Defaults":{"Limits":{"MaxConcurrentRequests":null,'
        r'"MaxConnections":3,"MaxPendingRequests":null},"MeshGateway":{},"PassiveHealthCheck":{'
        r'"Interval":10000000000,"MaxFailures":0}}}}'
    )


def test_lookup_of_a_missing_entry_fails_with_the_message_of_consul(new_stack: Stacks, consul: Consul) -> None:
    output = failure(new_stack(consul.address, LOOKUP.format(kind=MESH[0], name=MESH[1])).preview)
    assert 'Unexpected response code: 404 (Config entry not found for "proxy-defaults" / "global")' in output


def test_service_names_of_the_catalog_are_returned(new_stack: Stacks, consul: Consul) -> None:
    program = 'import pulumi, pulumi_consul\n\npulumi.export("names", pulumi_consul.get_services().names)\n'
    stack = new_stack(consul.address, program)
    consul.register({"Name": "web", "Tags": ["v1"]})
    stack.up()
    consul.put("/v1/agent/service/deregister/web")
    assert sorted(stack.output("names")) == ["consul", "web"]


def test_entries_can_be_previewed_while_consul_is_down(new_stack: Stacks, consul: Consul) -> None:
    unreachable = f"{LOOPBACK}:{free_port()}"
    stack = new_stack(unreachable)
    stack.configure({"consul:address": unreachable, "test:entries": {"mesh": entry(MESH, TRACING)}})
    stack.preview()
    output = failure(stack.up)
    assert "failed to set 'global' config entry: Put \"http://" in output
    assert f'{unreachable}/v1/config": dial tcp {unreachable}: connect: connection refused' in output
    assert entries(consul) == set()


def test_rejection_by_consul_is_reported_with_its_message(stack: Project, consul: Consul) -> None:
    set_entries(stack, consul, mesh=entry(("proxy-defaults", "not-global"), {}))
    output = failure(stack.up)
    assert "failed to set 'not-global' config entry: Unexpected response code: " in output
    assert 'invalid name ("not-global"), only "global" is supported' in output


def test_missing_permission_of_a_token_is_reported(programs: Programs, new_stack: Stacks) -> None:
    acl = 'acl { enabled = true default_policy = "deny" tokens { initial_management = "root-of-the-test" } }'
    guarded = Consul(programs, hcl=acl, token="root-of-the-test")  # noqa: S106 - of this Consul only
    guarded.wait_until_ready()
    token = guarded.put("/v1/acl/token", {})["SecretID"]
    stack = new_stack(
        guarded.address,
        f"""
import pulumi, pulumi_consul as consul

provider = consul.Provider("reader", address="{guarded.address}", token="{token}")
consul.ConfigEntry("mesh", kind="proxy-defaults", name="global", config_json="{{}}",
                   opts=pulumi.ResourceOptions(provider=provider))
""",
    )
    output = failure(stack.up)
    programs.stop(guarded.program)
    assert "Unexpected response code: 403 (Permission denied: " in output
    assert "lacks permission 'mesh:write'" in output
    assert token not in output


def test_secrets_are_encrypted_in_the_state(new_stack: Stacks, consul: Consul) -> None:
    stack = new_stack(
        consul.address,
        f"""
import pulumi, pulumi_consul as consul

provider = consul.Provider("mine", address="{consul.address}", token="hunter2")
consul.ConfigEntry("mesh", kind="proxy-defaults", name="global",
                   config_json=pulumi.Output.secret('{{"Config": {{"key": "hunter2"}}}}'),
                   opts=pulumi.ResourceOptions(provider=provider))
""",
    )
    output = stack.up()
    stack.refresh()
    assert "hunter2" not in output + json.dumps(stack.resources())


def test_many_entries_are_written_concurrently(stack: Project, consul: Consul) -> None:
    names = [f"service-{number}" for number in range(100)]
    set_entries(stack, consul, **{name: entry(("service-defaults", name), HTTP) for name in names})
    stack.up()
    assert entries(consul) == {("service-defaults", name) for name in names}


@pytest.mark.skipif(OFFICIAL is None, reason="NOT COMPARED with the official Consul plugin: it is not installed")
def test_stack_of_one_plugin_has_no_changes_with_the_other(
    programs: Programs, new_stack: Stacks, consul: Consul, plugin: Path
) -> None:
    stack = new_stack(consul.address)
    set_entries(stack, consul, mesh=entry(MESH, TRACING), web=entry(WEB, HTTP))
    stack.up()
    other = next(one for one in PLUGINS.values() if one != plugin)
    successor = stack_with(programs, other, consul.address)
    set_entries(successor, consul, mesh=entry(MESH, TRACING), web=entry(WEB, HTTP))
    successor.import_state(json.dumps(stack.state()))
    successor.preview(expect_no_changes=True)
    successor.refresh()
    successor.preview(expect_no_changes=True)
