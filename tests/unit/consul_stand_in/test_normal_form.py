import json
from typing import Any

import pytest

from testbed.consul_stand_in import PluginError
from testbed.consul_stand_in.normal_form import decoded_config, encoded_config, normal_config_json, same_config

PROXY, SERVICE = "proxy-defaults", "service-defaults"


def same(kind: str, old: object, new: object) -> bool:
    return same_config(kind, json.dumps(old), json.dumps(new))


@pytest.mark.parametrize(
    ("kind", "written", "read_back"),
    [
        (PROXY, {"Config": {"a": 1, "b": "x"}}, {"Config": {"b": "x", "a": 1}}),
        (PROXY, {"config": {"Protocol": "http"}}, {"Config": {"Protocol": "http"}}),
        (PROXY, {"Config": {"timeout": 10.0}}, {"Config": {"timeout": 10}}),
        (PROXY, {"Mode": "", "MutualTLSMode": None}, {}),
        (PROXY, {"Expose": {}, "MeshGateway": {}}, {}),
        (PROXY, {"AccessLogs": {"Enabled": False}}, {"AccessLogs": {}}),
        (PROXY, {"Config": {}, "Kind": "ProxyDefaults", "ModifyIndex": 7}, {"Config": {}}),
        (
            SERVICE,
            {"UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": "1m30s"}}}},
            {"UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": 90_000_000_000}}}},
        ),
    ],
)
def test_equivalent_configs_are_not_a_change(kind: str, written: object, read_back: object) -> None:
    assert same(kind, written, read_back)


@pytest.mark.parametrize("pointer", ["AccessLogs", "TransparentProxy"])
def test_empty_pointer_field_is_a_change(pointer: str) -> None:
    assert not same(PROXY, {}, {pointer: {}})


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (PROXY, {"Config": {"a": 1}}, {"Config": {"A": 1}}),
        (PROXY, {"Config": {"a": 1}}, {"Config": {"a": "1"}}),
        (PROXY, {"Config": {"a": 1}}, {"Config": {"a": True}}),
        (PROXY, {"Config": {}}, {}),
        (PROXY, {"Meta": {"managed-by": "pulumi"}}, {}),
        (SERVICE, {"Protocol": "http"}, {"Protocol": "grpc"}),
    ],
)
def test_different_value_is_a_change(kind: str, old: object, new: object) -> None:
    assert not same(kind, old, new)


@pytest.mark.parametrize("unknown", ["Protocoll", "mesh_gateway", "MaxRequestHeadersKB"])
def test_field_unknown_to_the_official_plugin_is_dropped(unknown: str) -> None:
    assert "http" in normal_config_json(SERVICE, {"Protocol": "http", unknown: 1})
    assert unknown not in normal_config_json(SERVICE, {"Protocol": "http", unknown: 1})


def test_read_entry_omits_identity_and_indexes() -> None:
    live: dict[str, Any] = {"Kind": PROXY, "Name": "global", "Partition": "default", "Namespace": "default"}
    live |= {"Config": {"b": "<&>", "a": 1}, "CreateIndex": 3, "ModifyIndex": 9, "Hash": 5, "AccessLogs": {}}
    assert normal_config_json(PROXY, live) == (
        r'{"AccessLogs":{},"Config":{"a":1,"b":"\u003c\u0026\u003e"},"Expose":{},"MeshGateway":{}}'
    )


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({}, {}),
        ({"Meta": {}, "EnvoyExtensions": []}, {}),
        (
            {"Expose": {"Paths": [{"Path": "/metrics"}]}},
            {"Expose": {"Paths": [{"Path": "/metrics", "ParsedFromCheck": False}]}},
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
            },
        ),
    ],
)
def test_entry_is_encoded_like_the_go_struct(config: object, body: dict[str, Any]) -> None:
    written = encoded_config(SERVICE, decoded_config(SERVICE, json.dumps(config)))
    assert written == {"Expose": {}, "MeshGateway": {}, **body}


@pytest.mark.parametrize(
    ("kind", "config_json", "text"),
    [
        (SERVICE, "", "failed to unmarshal configMap: Expecting value"),
        (SERVICE, "[]", "failed to unmarshal configMap: must be an object, got list"),
        (SERVICE, '{"Protocol": {"a": 1}}', "config_json.Protocol must be text, got dict"),
        (
            SERVICE,
            '{"MaxInboundConnections": true}',
            "config_json.MaxInboundConnections must be a whole number, got bool",
        ),
        (SERVICE, '{"TransparentProxy": "on"}', "config_json.TransparentProxy must be an object, got str"),
        (
            SERVICE,
            '{"UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": "1 day"}}}}',
            'config_json.UpstreamConfig.Defaults.PassiveHealthCheck.Interval must be a duration such as "10s", got str',
        ),
        (SERVICE, '{"Expose": {"Paths": [{"Path": 1}]}}', "config_json.Expose.Paths[0].Path must be text, got int"),
        (PROXY, '{"Meta": "x"}', "config_json.Meta must be an object, got str"),
    ],
)
def test_invalid_entry_is_rejected_with_its_field(kind: str, config_json: str, text: str) -> None:
    with pytest.raises(PluginError) as error:
        decoded_config(kind, config_json)
    assert text in str(error.value)


def test_rejected_value_is_not_shown() -> None:
    with pytest.raises(PluginError) as error:
        decoded_config(SERVICE, '{"MaxInboundConnections": "hunter2"}')
    assert "hunter2" not in str(error.value)
