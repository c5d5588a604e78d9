import json
from typing import Any

import pytest

from toolchain.consul_plugin.normal_form import UnreadableEntry, entry_body, entry_meaning, normal_config_json

PROXY, SERVICE = "proxy-defaults", "service-defaults"
FILLED_IN: dict[str, Any] = {"AccessLogs": {}, "Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}


def says_the_same(kind: str, one: object, other: object) -> bool:
    return entry_meaning(kind, json.dumps(one)) == entry_meaning(kind, json.dumps(other))


@pytest.mark.parametrize(
    ("kind", "written", "read_back"),
    [
        (PROXY, {"Config": {"a": 1, "b": "x"}, **FILLED_IN}, {**FILLED_IN, "Config": {"b": "x", "a": 1}}),
        (PROXY, {"config": {"Protocol": "http"}}, {"Config": {"Protocol": "http"}}),
        (PROXY, {"Config": {"timeout": 10.0}}, {"Config": {"timeout": 10}}),
        (PROXY, {"Mode": "", "MutualTLSMode": None}, {}),
        (PROXY, {"AccessLogs": {"Enabled": False}}, {"AccessLogs": {}}),
        (PROXY, {"Config": {}, "Kind": "ProxyDefaults", "ModifyIndex": 7}, {"Config": {}}),
        (SERVICE, {"Protocol": "http", "MaxInboundConnections": "0"}, {"Protocol": "http"}),
        (SERVICE, {"MaxInboundConnections": "12"}, {"MaxInboundConnections": 12}),
        (SERVICE, {"TransparentProxy": {"DialedDirectly": "true"}}, {"TransparentProxy": {"DialedDirectly": True}}),
        (
            SERVICE,
            {"UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": "1m30s"}}}},
            {"UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": 90_000_000_000}}}},
        ),
        (
            SERVICE,
            {"Destination": {"Addresses": "db.example", "Port": 5432}},
            {"Destination": {"Addresses": ["db.example"], "Port": 5432}},
        ),
    ],
)
def test_spellings_of_one_entry_are_no_change(kind: str, written: object, read_back: object) -> None:
    assert says_the_same(kind, written, read_back)


@pytest.mark.parametrize("filled_in", ["AccessLogs", "Expose", "MeshGateway", "TransparentProxy"])
def test_a_group_that_consul_fills_in_is_a_change_when_it_is_left_out(filled_in: str) -> None:
    assert not says_the_same(PROXY, {}, {filled_in: {}})


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (PROXY, {"Config": {"a": 1}}, {"Config": {"A": 1}}),
        (PROXY, {"Config": {"a": 1}}, {"Config": {"a": "1"}}),
        (PROXY, {"Meta": {"managed-by": "pulumi"}}, {}),
        (SERVICE, {"Protocol": "http"}, {"Protocol": "grpc"}),
        (SERVICE, {"MaxRequestHeadersKB": 0}, {}),
    ],
)
def test_a_different_value_is_a_change(kind: str, old: object, new: object) -> None:
    assert not says_the_same(kind, old, new)


def test_a_field_that_consul_does_not_have_is_dropped_without_a_word() -> None:
    assert says_the_same(
        SERVICE, {"Protocol": "http", "Protocoll": "grpc", "mesh_gateway": {"Mode": "local"}}, {"Protocol": "http"}
    )


def test_what_is_read_loses_its_identity_and_indexes() -> None:
    live: dict[str, Any] = {"Kind": PROXY, "Name": "global", "Partition": "default", "Namespace": "default"}
    live |= {"Config": {"b": "<&>", "a": 1}, "CreateIndex": 3, "ModifyIndex": 9, "Hash": 5, "AccessLogs": {}}
    assert normal_config_json(PROXY, live) == (
        r'{"AccessLogs":{},"Config":{"a":1,"b":"\u003c\u0026\u003e"},"Expose":{},"MeshGateway":{}}'
    )


@pytest.mark.parametrize(
    ("meaning", "body"),
    [
        ({}, {"Expose": {}, "MeshGateway": {}}),
        ({"Meta": {}, "EnvoyExtensions": []}, {"Expose": {}, "MeshGateway": {}}),
        (
            {"Expose": {"Paths": [{"Path": "/metrics"}]}},
            {"Expose": {"Paths": [{"Path": "/metrics", "ParsedFromCheck": False}]}, "MeshGateway": {}},
        ),
        (
            {"UpstreamConfig": {"Defaults": {"Limits": {"MaxConnections": 0}}}},
            {
                "UpstreamConfig": {
                    "Defaults": {
                        "Limits": {"MaxConnections": 0, "MaxPendingRequests": None, "MaxConcurrentRequests": None},
                        "MeshGateway": {},
                    }
                },
                "Expose": {},
                "MeshGateway": {},
            },
        ),
        (
            {"EnvoyExtensions": [{"Name": "builtin/lua"}]},
            {
                "EnvoyExtensions": [
                    {
                        "Name": "builtin/lua",
                        "Required": False,
                        "Arguments": None,
                        "ConsulVersion": "",
                        "EnvoyVersion": "",
                    }
                ],
                "Expose": {},
                "MeshGateway": {},
            },
        ),
    ],
)
def test_an_entry_is_written_as_go_writes_its_struct(meaning: dict[str, Any], body: dict[str, Any]) -> None:
    assert entry_body(SERVICE, meaning) == body


@pytest.mark.parametrize(
    ("kind", "config_json", "told"),
    [
        (SERVICE, "", "failed to unmarshal configMap: unexpected end of JSON input"),
        (SERVICE, "{", "failed to unmarshal configMap: Expecting property name"),
        (SERVICE, "[]", "failed to unmarshal configMap: json: cannot unmarshal list into Go value"),
        (
            SERVICE,
            '{"Protocol": {"a": 1}}',
            "'Protocol' expected type 'string', got unconvertible type 'map[string]interface {}'",
        ),
        (SERVICE, '{"TransparentProxy": "on"}', "'TransparentProxy' expected a map or struct, got \"string\""),
        (
            SERVICE,
            '{"Expose": {"Paths": [{"ListenerPort": "x"}]}}',
            "'Expose.Paths[0].ListenerPort' cannot parse value as 'int'",
        ),
        (PROXY, '{"Meta": "x"}', "'Meta' expected a map, got 'string'"),
        ("ServiceDefaults", "{}", "invalid config entry kind: ServiceDefaults"),
        ("service-router", "{}", 'config entry kind "service-router" is not served by this stand-in'),
    ],
)
def test_an_entry_that_cannot_be_read_says_why(kind: str, config_json: str, told: str) -> None:
    with pytest.raises(UnreadableEntry) as unreadable:
        entry_meaning(kind, config_json)
    assert told in str(unreadable.value)


def test_a_refused_value_stays_out_of_the_message() -> None:
    with pytest.raises(UnreadableEntry) as unreadable:
        entry_meaning(SERVICE, '{"MaxInboundConnections": "hunter2"}')
    assert "hunter2" not in str(unreadable.value)
