"""Further fields of entries: names in Consul's case and values of Consul's types, at every depth."""

from collections.abc import Callable
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


REJECTED = [
    of_mesh(MeshGateway={"mode": "local"}),
    of_mesh(MeshGateway={"Modee": "local"}),
    of_mesh(AccessLogs={"enabled": True}),
    of_mesh(AccessLogs={"JsonFormat": "{}"}),
    of_mesh(accessLogs={}),
    of_mesh(Expose={"Paths": [{"path": "/"}]}),
    of_mesh(EnvoyExtensions=[{"Nam": "x"}]),
    of_mesh(FailoverPolicy={"Regions": "eu"}),
    of_mesh(FailoverPolicy={"Regions": [1]}),
    of_mesh(Meta={"a": 1}),
    of_mesh(MaxInboundConnections=5),
    of_service(LocalRequestTimeoutMs="5000"),
    of_service(LocalRequestTimeoutMs=1.5),
    of_service(LocalRequestTimeoutMs=True),
    of_service(TransparentProxy={"DialedDirectly": "yes"}),
    of_service(UpstreamConfig={"Defaults": {"Limits": {"MaxConnection": 1}}}),
    of_service(UpstreamConfig={"Overrides": [{"PassiveHealthCheck": {"Interval": "10"}}]}),
    of_service(RateLimits={"InstanceLevel": {"Routes": [{"PathPrefix": 1}]}}),
    of_service(Destination={"Addresses": {}}),
]


def test_messages_about_fields_match_the_golden_file(golden: Callable[[str, Any], None]) -> None:
    golden("rejected-fields", ["\n".join(rejection(args)) for args in REJECTED])


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
