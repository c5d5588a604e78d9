"""Further fields of entries: names in Consul's case and values of Consul's types, at every depth."""

from typing import Any

import pytest

from consul_tracing import InvalidInputError
from consul_tracing.inputs.mesh_settings import MeshSettings
from tests.unit.meshes import mesh, settings


def rejection(args: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as rejected:
        MeshSettings.of("mesh", args)
    return [str(problem) for problem in rejected.value.problems]


def of_mesh(**fields: Any) -> Any:
    return mesh(proxy_defaults=fields)


def of_service(**fields: Any) -> Any:
    return mesh(services={"web": {"protocol": "http", "service_defaults": fields}})


SERVICE = "services.web.service_defaults"


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (
            of_mesh(MeshGateway={"mode": "local"}),
            'proxy_defaults.MeshGateway.mode: is not a field of MeshGateway; did you mean "Mode"? Allowed: Mode',
        ),
        (
            of_mesh(MeshGateway={"Modee": "local"}),
            'MeshGateway.Modee: is not a field of MeshGateway; did you mean "Mode"?',
        ),
        (
            of_mesh(AccessLogs={"enabled": True}),
            'AccessLogs.enabled: is not a field of AccessLogs; did you mean "Enabled"?',
        ),
        (of_mesh(AccessLogs={"JsonFormat": "{}"}), 'did you mean "JSONFormat"?'),
        (
            of_mesh(accessLogs={}),
            'proxy_defaults.accessLogs: is not a field of proxy-defaults; did you mean "AccessLogs"?',
        ),
        (
            of_mesh(Expose={"Paths": [{"path": "/"}]}),
            "Expose.Paths.0.path: is not a field of Expose.Paths; did you mean",
        ),
        (
            of_mesh(EnvoyExtensions=[{"Nam": "x"}]),
            "EnvoyExtensions.0.Nam: is not a field of EnvoyExtensions; did you mean",
        ),
        (of_mesh(FailoverPolicy={"Regions": "eu"}), 'FailoverPolicy.Regions: must be a list, got "eu"'),
        (of_mesh(FailoverPolicy={"Regions": [1]}), "FailoverPolicy.Regions.0: must be text, got 1"),
        (of_mesh(Meta={"a": 1}), "proxy_defaults.Meta.a: must be text, got 1"),
        (of_mesh(MaxInboundConnections=5), "proxy_defaults.MaxInboundConnections: is not a field of proxy-defaults"),
        (
            of_service(LocalRequestTimeoutMs="5000"),
            f'{SERVICE}.LocalRequestTimeoutMs: must be a whole number, got "5000"',
        ),
        (of_service(LocalRequestTimeoutMs=1.5), f"{SERVICE}.LocalRequestTimeoutMs: must be a whole number, got 1.5"),
        (of_service(LocalRequestTimeoutMs=True), f"{SERVICE}.LocalRequestTimeoutMs: must be a whole number, got true"),
        (of_service(TransparentProxy={"DialedDirectly": "yes"}), "must be true or false"),
        (of_service(UpstreamConfig={"Defaults": {"Limits": {"MaxConnection": 1}}}), 'did you mean "MaxConnections"?'),
        (
            of_service(UpstreamConfig={"Overrides": [{"PassiveHealthCheck": {"Interval": "10"}}]}),
            f'{SERVICE}.UpstreamConfig.Overrides.0.PassiveHealthCheck.Interval: must be a duration such as "10s"',
        ),
        (
            of_service(RateLimits={"InstanceLevel": {"Routes": [{"PathPrefix": 1}]}}),
            "Routes.0.PathPrefix: must be text, got 1",
        ),
        (of_service(Destination={"Addresses": {}}), f"{SERVICE}.Destination.Addresses: must be a list, got a map"),
    ],
)
def test_field_in_another_case_or_of_another_type_is_rejected_at_every_depth(args: Any, problem: str) -> None:
    (found,) = rejection(args)
    assert problem in found


def test_all_problems_of_an_entry_are_reported_together() -> None:
    found = rejection(of_service(meshGateway={}, Expose={"Check": True}, LocalConnectTimeoutMs="1"))
    assert [one.split(":")[0].removeprefix(f"{SERVICE}.") for one in found] == [
        "Expose.Check",
        "LocalConnectTimeoutMs",
        "meshGateway",
    ]


def test_valid_fields_are_accepted_at_every_depth() -> None:
    defaults = {"Limits": {"MaxConnections": 5, "MaxPendingRequests": None}, "PassiveHealthCheck": {"Interval": "10s"}}
    fields = {
        "MaxRequestHeadersKB": 96,
        "LocalRequestTimeoutMs": 5000.0,
        "UpstreamConfig": {"Defaults": defaults, "Overrides": [{"Name": "db", "MeshGateway": {"Mode": "local"}}]},
        "EnvoyExtensions": [{"Name": "builtin/lua", "Required": True, "Arguments": {"any": ["thing"]}}],
        "Expose": {"Checks": True, "Paths": [{"Path": "/health", "ListenerPort": 21500, "LocalPathPort": 8080}]},
    }
    assert settings(services={"web": {"protocol": "http", "service_defaults": fields}}).services
