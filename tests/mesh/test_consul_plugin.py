"""The stand-in for Pulumi's Consul plugin. Every test also runs with the official plugin if it is installed."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import provider_pb2 as rpc
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from consul_tracing.entry_structs import (
    DROPPED_BY_PROVIDER,
    ENTRY_STRUCTS,
    FreeForm,
    ListOf,
    MapOf,
    PointerTo,
    Scalar,
    Shape,
    Struct,
)
from testbed.consul import Consul
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, put
from toolchain import search_path
from toolchain.consul_plugin import PLUGIN, official_directory, stand_in_directory

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

DIRECTORY_VARIABLE = "CONSUL_TRACING_OFFICIAL_CONSUL_PLUGIN"
OFFICIAL = Path(os.environ[DIRECTORY_VARIABLE]) if DIRECTORY_VARIABLE in os.environ else official_directory()
NOT_COMPARED = f"NOT COMPARED with the official Consul plugin: it is not installed; {DIRECTORY_VARIABLE} names one"

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
URN = f"urn:pulumi:test::mesh::{CONFIG_ENTRY}::one"
SCOPE = "ConfigEntry, getConfigEntry and getServices only"
INTRODUCTION = f"consul-tracing stand-in for pulumi-resource-consul 3.15.2: {SCOPE}"
SECONDS_TO_END = 5.0

TRACING = {"Config": {"envoy_tracing_json": "{}"}, "AccessLogs": {}, "TransparentProxy": {}, "Meta": {"a": "hunter2"}}
HTTP = {"Protocol": "http", "TransparentProxy": {}}
PROGRAM = """
import json, pulumi
import pulumi_consul as consul

for resource, properties in pulumi.Config("test").require_object("entries").items():
    config_json = pulumi.Output.secret(json.dumps(properties.pop("config")))
    consul.ConfigEntry(resource, config_json=config_json, **properties)
"""

LUA = {"ProxyType": "connect-proxy", "Listener": "inbound", "Script": "x"}
UPSTREAM = {"Limits": {"MaxConnections": 0}, "PassiveHealthCheck": {"Interval": "90s", "MaxFailures": 3}}
EXAMPLES = {
    "proxy-defaults/global": {"config": {"b": "<&>", "a": 10.0}, "AccessLogs": {"Enabled": False}},
    "service-defaults/web": {"Protocol": "http", "MaxRequestHeadersKB": 96, "Protocoll": 1},
    "service-defaults/exposed": {"Expose": {"Paths": [{"Path": "/m"}]}, "maxinboundconnections": "5"},
    "service-defaults/upstream": {"UpstreamConfig": {"Defaults": UPSTREAM}},
    "service-defaults/lua": {"EnvoyExtensions": [{"Name": "builtin/lua", "Arguments": LUA}]},
    "service-router/web": {"Routes": [{"Destination": {"RequestTimeout": "1m30s"}}]},
    "service-splitter/web": {"Splits": [{"Weight": 100}]},
    "service-resolver/web": {"ConnectTimeout": "5s", "Subsets": {"v1": {"Filter": "Service.Meta.v == 1"}}},
    "service-intentions/web": {"Sources": [{"Name": "api", "Action": "allow"}]},
    "ingress-gateway/in": {"Listeners": [{"Port": 80, "Protocol": "http", "Services": [{"Name": "*"}]}]},
    "terminating-gateway/out": {"Services": [{"Name": "db", "SNI": "db"}]},
    "mesh/mesh": {"TransparentProxy": {"MeshDestinationsOnly": True}},
    "exported-services/default": {"Services": []},
    "api-gateway/api": {"Listeners": [{"Name": "one", "Port": 80, "Protocol": "http"}], "Status": {}},
    "http-route/route": {"Parents": [{"Name": "api"}], "Status": {}},
    "tcp-route/tcp": {"Services": [{"Name": "db"}]},
    "file-system-certificate/file": {"Certificate": "/c.pem", "PrivateKey": "/k.pem"},
    "jwt-provider/jwt": {"Issuer": "i", "JSONWebKeySet": {"Local": {"JWKS": "e30="}}},
}


class Plugin:
    """A plugin, called as the engine calls it."""

    def __init__(self, port: str) -> None:
        self.stub = ResourceProviderStub(grpc.insecure_channel(f"{LOOPBACK}:{port}"))

    def configure(self, **settings: object) -> "Plugin":
        self.stub.Configure(rpc.ConfigureRequest(args=settings))
        return self

    def check(self, **entry: str) -> Any:
        return self.stub.Check(rpc.CheckRequest(urn=URN, type=CONFIG_ENTRY, name="one", news=entry)).inputs

    def create(self, **entry: str) -> Any:
        return self.stub.Create(rpc.CreateRequest(urn=URN, properties=self.check(**entry)))

    def diff(self, state: Mapping[str, str], program: Mapping[str, str], ignored: tuple[str, ...] = ()) -> Any:
        olds, news = {**state, "id": "one"}, self.check(**program)
        return self.stub.Diff(rpc.DiffRequest(id="one", urn=URN, olds=olds, news=news, ignoreChanges=ignored))

    def read(self, identifier: str) -> Any:
        return self.stub.Read(rpc.ReadRequest(id=identifier, urn=URN))

    def look_up(self) -> dict[str, Any]:
        request = rpc.InvokeRequest(tok="consul:index/getConfigEntry:getConfigEntry", args=ENTRY)
        return MessageToDict(getattr(self.stub.Invoke(request), "return"))


ENTRY = {"kind": "proxy-defaults", "name": "global"}


@contextmanager
def started(directory: Path, **environment: str) -> Iterator[Plugin]:
    """Start a plugin without an engine."""
    command: list[str | Path] = [directory / PLUGIN, f"{LOOPBACK}:1"]
    variables = {**os.environ, **environment}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as one:
        assert one.stdout is not None
        try:
            yield Plugin(one.stdout.readline().strip())
        finally:
            one.kill()


def error_of(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **named)
    return str(error.value.details())  # type: ignore[attr-defined]


@pytest.fixture(params=[None, *([OFFICIAL] if OFFICIAL else [])], ids=lambda one: "official" if one else "stand-in")
def directory(request: pytest.FixtureRequest) -> Path:
    """The directory of the plugin under test."""
    return request.param or stand_in_directory()


@pytest.fixture
def plugin(directory: Path, consul: Consul) -> Iterator[Plugin]:
    with started(directory) as started_plugin:
        yield started_plugin.configure(address=consul.address)


def test_entry_of_each_kind_has_the_normal_form_of_the_official_plugin(
    plugin: Plugin, consul: Consul, golden: Callable[[str, Any], None]
) -> None:
    normal = {}
    for identifier, config in EXAMPLES.items():
        kind, name = identifier.split("/")
        created = plugin.create(kind=kind, name=name, configJson=json.dumps(config))
        state = {"kind": kind, "name": name, "configJson": created.properties["configJson"]}
        assert not plugin.diff(state, state).diffs
        imported = MessageToDict(plugin.read(identifier).inputs)
        assert imported.keys() - {"__defaults"} == state.keys()
        # Consul writes the time to the status.
        normal[created.id] = re.sub(r',"Status":.*', "}", imported["configJson"])
        put(consul, MESH, Config={"protocol": "http"})
    for identifier in reversed(EXAMPLES):
        kind, name = identifier.split("/")
        plugin.stub.Delete(rpc.DeleteRequest(urn=URN, id=name, properties={"kind": kind, "name": name}))
        assert not plugin.read(identifier).id
    golden("consul_plugin", normal)


SAME, CHANGED = [], ["configJson"]


@pytest.mark.parametrize(
    ("kind", "before", "after", "changes"),
    [
        ("proxy-defaults", {"Config": {"a": 1, "b": "x"}}, {"config": {"b": "x", "a": 1.0}}, SAME),
        ("proxy-defaults", {"Mode": "", "MutualTLSMode": None, "Expose": {}, "Unknown": 1}, {}, SAME),
        ("service-defaults", {"MaxInboundConnections": "5"}, {"MaxInboundConnections": 5}, SAME),
        ("http-route", {"Status": {"Conditions": []}}, {}, SAME),
        ("service-defaults", {}, {"RateLimits": {}}, CHANGED),
        ("proxy-defaults", {"Config": {"a": 1}}, {"Config": {"A": 1}}, CHANGED),
        ("proxy-defaults", {"Config": {"a": 1}}, {"Config": {"a": "1"}}, CHANGED),
        ("proxy-defaults", {"Config": {}}, {}, CHANGED),
    ],
)
def test_config_is_compared_as_go_structs(
    plugin: Plugin, kind: str, before: object, after: object, changes: list[str]
) -> None:
    state, program = ({"kind": kind, "name": "global", "configJson": json.dumps(config)} for config in (before, after))
    assert list(plugin.diff(state, program).diffs) == changes
    assert not plugin.diff(state, program, ("configJson",)).diffs


def test_change_of_the_address_is_a_replacement(plugin: Plugin) -> None:
    state = {"kind": "service-defaults", "name": "web", "configJson": "{}"}
    for name, change in (("kind", "UPDATE"), ("name", "UPDATE"), ("namespace", "ADD"), ("partition", "ADD")):
        found = plugin.diff(state, {**state, name: "mesh"})
        assert (list(found.replaces), found.deleteBeforeReplace) == ([name], True)
        assert found.detailedDiff[name].kind == rpc.PropertyDiff.Kind.Value(f"{change}_REPLACE")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"configJson": "["}, "failed to unmarshal configMap: unexpected end of JSON input"),
        ({"configJson": "[]"}, "failed to unmarshal configMap: json: cannot unmarshal array into Go value of type map"),
        ({"configJson": '{"Protocol": {"a": 1}}'}, "'Protocol' expected type 'string', got unconvertible type 'map"),
        ({"configJson": '{"MaxInboundConnections": "x"}'}, "cannot parse 'MaxInboundConnections' as int"),
        ({"kind": "services"}, "failed to decode config entry: invalid config entry kind: services"),
        (
            {"kind": "proxy-defaults"},
            'Unexpected response code: 500 (invalid name ("web"), only "global" is supported)',
        ),
        ({"namespace": "shop"}, "failed to set 'web' config entry: Unexpected response code: 400 (Request decoding f"),
        ({"partition": "shop"}, 'invalid config key "Partition"'),
    ],
)
def test_invalid_entry_is_rejected(plugin: Plugin, entry: dict[str, str], text: str) -> None:
    invalid = {"kind": "service-defaults", "name": "web", "configJson": "{}", **entry}
    assert text in error_of(plugin.create, **invalid)


def test_missing_entry_is_reported(plugin: Plugin) -> None:
    assert not plugin.read("proxy-defaults/global").id
    assert '"<kind>/<name>" or "<partition>/<namespace>/<kind>/<name>"' in error_of(plugin.read, "a/b/c")
    text = 'Unexpected response code: 404 (Config entry not found for "proxy-defaults" / "global")'
    assert text in error_of(plugin.look_up)


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        ({"address": "{}"}, {"CONSUL_ADDRESS": "x:1"}),
        ({"address": "http://{}"}, {}),
        ({}, {"CONSUL_HTTP_ADDR": "{}"}),
        ({"scheme": "http"}, {"CONSUL_ADDRESS": "{}", "CONSUL_HTTP_ADDR": "x:1", "CONSUL_SCHEME": "https"}),
    ],
)
def test_settings_take_precedence_over_the_environment(
    directory: Path, consul: Consul, settings: dict[str, str], environment: dict[str, str]
) -> None:
    put(consul, MESH, Config={"a": 1})
    settings, environment = (
        {name: value.format(consul.address) for name, value in one.items()} for one in (settings, environment)
    )
    with started(directory, **environment) as plugin:
        assert plugin.configure(**settings).look_up()["id"] == "proxy-defaults/global"


def test_unsupported_features_are_rejected_by_the_stand_in() -> None:
    with started(stand_in_directory()) as plugin:
        assert plugin.stub.GetPluginInfo(Empty()).version == "3.15.2"
        error = error_of(plugin.configure, httpAuth="s3cret", header=[{"name": "a", "value": "b"}])
        assert error == "header, httpAuth: not supported by this stand-in"
        rejection = f"keys is not supported by this stand-in for the official plugin: {SCOPE}"
        assert rejection in error_of(plugin.stub.Check, rpc.CheckRequest(type="keys"))
        assert rejection in error_of(plugin.stub.Invoke, rpc.InvokeRequest(tok="keys"))
        assert "name: is required" in error_of(plugin.check, kind="mesh")


def test_stand_in_listens_on_loopback_and_exits_with_a_killed_engine() -> None:
    command = ["/bin/sh", "-c", '"$0" & echo $!; wait', stand_in_directory() / PLUGIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        process = psutil.Process(int(engine.stdout.readline()))
        port = int(engine.stdout.readline())
        listening = {(one.laddr.ip, one.laddr.port) for one in process.net_connections()}
        engine.kill()
    assert psutil.wait_procs([process], SECONDS_TO_END)[1] == []
    assert listening == {(LOOPBACK, port)}


def test_stand_in_of_a_background_job_is_stopped_by_sigint() -> None:
    command = ["/bin/sh", "-c", 'trap "" INT; exec "$0"', stand_in_directory() / PLUGIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_TO_END) == 0


def test_table_of_the_component_describes_the_structs_of_consul() -> None:
    structs = json.loads(subprocess.check_output([stand_in_directory() / PLUGIN, "-structs"]))
    table = {kind: go_type(struct) for kind, struct in ENTRY_STRUCTS.items()}
    for kind, fields in DROPPED_BY_PROVIDER.items():
        for field in fields:
            del table[kind][field]
    identity = {"Kind", "Name", "Partition", "Namespace", "CreateIndex", "ModifyIndex"}
    assert table == {
        kind: {name: struct[name] for name in struct.keys() - identity} for kind, struct in structs.items()
    }


def go_type(shape: Shape) -> Any:
    match shape:
        case Struct(fields=fields):
            omitted = {
                name
                for name, field in fields.items()
                if shape.omits_empty and name not in shape.never_omitted and not isinstance(field, Struct)
            }
            return {name: [go_type(field), name in omitted] for name, field in fields.items()}
        case PointerTo(target=element) | ListOf(element=element) | MapOf(value=element):
            return [{PointerTo: "ptr", ListOf: "slice", MapOf: "map"}[type(shape)], go_type(element)]
        case FreeForm():
            return "interface"
        case Scalar():
            return {"TEXT": "string", "FLAG": "bool", "DURATION": "time.Duration", "INTEGER": "int"}[shape.name]


def stack_with(programs: Programs, directory: Path, address: str) -> Project:
    """Return a stack of a program that writes the entries of its configuration."""
    program = programs.make_directory("program")
    (program / "Pulumi.yaml").write_text("name: mesh\nruntime: python\n")
    (program / "__main__.py").write_text(PROGRAM)
    path = os.pathsep.join([str(directory), search_path(), os.environ["PATH"]])
    return Project(programs, program, {"consul:address": address}, environment={"PATH": path})


@pytest.fixture
def stack(programs: Programs, directory: Path, consul: Consul) -> Project:
    return stack_with(programs, directory, consul.address)


def entry(address: tuple[str, str], config: dict[str, Any]) -> dict[str, Any]:
    return {"kind": address[0], "name": address[1], "config": config}


def set_entries(project: Project, consul: Consul, **resources: dict[str, Any]) -> None:
    project.configure({"consul:address": consul.address, "test:entries": resources})


def test_stand_in_introduces_itself_once(stack: Project, consul: Consul, directory: Path) -> None:
    set_entries(stack, consul, web=entry(WEB, HTTP))
    introductions = [line.strip() for line in stack.up().splitlines()].count(INTRODUCTION)
    assert introductions == (0 if directory == OFFICIAL else 1)


@pytest.mark.skipif(OFFICIAL is None, reason=NOT_COMPARED)
def test_stack_of_one_plugin_has_no_changes_with_the_other(
    programs: Programs, stack: Project, consul: Consul, directory: Path
) -> None:
    set_entries(stack, consul, mesh=entry(MESH, TRACING), web=entry(WEB, HTTP))
    stack.up()
    other = stand_in_directory() if directory == OFFICIAL or OFFICIAL is None else OFFICIAL
    successor = stack_with(programs, other, consul.address)
    set_entries(successor, consul, mesh=entry(MESH, TRACING), web=entry(WEB, HTTP))
    successor.import_state(json.dumps(stack.state()))
    successor.preview(expect_no_changes=True)
    successor.refresh()
    successor.preview(expect_no_changes=True)
