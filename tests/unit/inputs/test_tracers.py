"""Values of tracers and listeners that cannot work. tests/mesh/test_tracers_of_envoy.py compares them with Envoys."""

import json
from typing import Any

import pytest

from consul_tracing import InvalidInputError
from consul_tracing.envoy_messages.messages import HTTP_CONNECTION_MANAGER
from consul_tracing.envoy_messages.tracers import XRAY
from consul_tracing.inputs.tracers import has_untraced_requests, upstream_listeners
from tests.unit.meshes import settings

TYPE = "type.googleapis.com/"

V1_PATHS = [
    "/api/v1/spans",
    "/api/v1/spans/",
    "/zipkin/api/v1/spans",
    "//api//v1/spans",
    "/api/v1/spans?local=true",
    "/api/v1/spans;a=b",
    "/API/V1/Spans",
    "/api/%76%31/spans",
]
OTHER_PATHS = [
    "/api/v2/spans",
    "/zipkin/api/v2/spans?api=/api/v1/spans",
    "/api/v1/namespaces/observability/services/zipkin:9411/proxy/api/v2/spans",
    "/api/v1/traces",
    "/v1/spans",
    "/my-api/v1/spans",
]


@pytest.mark.parametrize("path", V1_PATHS)
def test_path_of_zipkins_api_v1_is_rejected(path: str) -> None:
    with pytest.raises(InvalidInputError, match="tracer.zipkin.path: must end with /api/v2/spans, got"):
        settings(tracer={"zipkin": {"path": path}})


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_other_path_is_accepted(path: str) -> None:
    mesh = settings(tracer={"zipkin": {"path": path}})
    assert mesh.tracer.zipkin is not None
    assert mesh.tracer.zipkin.path == path


def xray(**daemon: Any) -> dict[str, Any]:
    """An X-Ray tracer. Its daemon is at this address, or it has none."""
    config = {"@type": f"{TYPE}{XRAY}", "segment_name": "web", **({"daemon_endpoint": daemon} if daemon else {})}
    return {"name": "envoy.tracers.xray", "typed_config": config}


def daemon(address: str, **fields: Any) -> dict[str, Any]:
    return xray(**{"address": address, "protocol": "UDP", "port_value": 2000, **fields})


VALID_DAEMONS = [daemon("127.0.0.1"), daemon("10.0.0.1", protocol="udp"), daemon("[::1]")]
INVALID_DAEMONS = [
    (xray(), "daemon_endpoint: is required"),
    (daemon("127.0.0.1", protocol="TCP"), 'protocol: must be UDP, got "TCP"'),
    (xray(address="127.0.0.1", port_value=2000), 'protocol: must be UDP, got "TCP"'),
    (xray(address="127.0.0.1", protocol="UDP"), "port_value: is required"),
    (xray(address="127.0.0.1", protocol="UDP", named_port="xray"), "port_value: is required"),
]
"""X-Ray tracers that Envoy rejects."""

CRASHES = [
    (
        daemon(host),
        f'address: must be an IP address, IPv6 in brackets; got "{host}". Envoy crashes at any other address',
    )
    for host in ("xray-daemon", "localhost", "::1", "1.2.3", "127.0.0.01", "127.0.0.1:2000", "fe80::1%eth0")
]
"""X-Ray tracers with which Envoy ends with a segmentation fault."""


def manager(**fields: Any) -> dict[str, Any]:
    return {
        "@type": f"{TYPE}{HTTP_CONNECTION_MANAGER}",
        "stat_prefix": "public",
        "route_config": {"name": "public"},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
        **fields,
    }


def listener(*managers: dict[str, Any]) -> dict[str, Any]:
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": one} for one in managers]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {"name": "public", "address": address, "filter_chains": [{"filters": [one]} for one in filters]}


@pytest.mark.parametrize(("provider", "reason"), [*INVALID_DAEMONS, *CRASHES])
@pytest.mark.parametrize("key", ["envoy_public_listener_json", "Envoy_Extra_Static_Listeners_JSON"])
def test_xray_tracer_with_which_envoy_does_not_run_is_rejected(key: str, provider: Any, reason: str) -> None:
    text = json.dumps(listener(manager(tracing={"provider": provider})))
    with pytest.raises(InvalidInputError) as error:
        settings(proxy_config={key: text})
    place = f"proxy_config.{key}.filter_chains.0.filters.0.typed_config.tracing.provider.typed_config.daemon_endpoint"
    assert place in str(error.value)
    assert reason in str(error.value)


def test_xray_tracer_in_the_listener_of_an_upstream_is_rejected() -> None:
    text = json.dumps(listener(manager(tracing={"provider": daemon("xray-daemon")})))
    web = {"protocol": "http", "service_defaults": {"UpstreamConfig": {"Defaults": {"EnvoyListenerJSON": text}}}}
    place = "services.web.service_defaults.UpstreamConfig.Defaults.EnvoyListenerJSON.filter_chains.0.filters.0."
    with pytest.raises(InvalidInputError, match=place):
        settings(services={"web": web})


@pytest.mark.parametrize("provider", VALID_DAEMONS)
def test_xray_tracer_with_the_address_of_its_daemon_is_accepted(provider: Any) -> None:
    text = json.dumps(listener(manager(tracing={"provider": provider})))
    assert settings(proxy_config={"envoy_public_listener_json": text}).proxy_config["envoy_public_listener_json"]


def test_listener_is_untraced_if_one_connection_manager_has_no_tracing_block() -> None:
    assert has_untraced_requests(listener(manager()))
    assert has_untraced_requests(listener(manager(tracing={}), manager()))
    assert not has_untraced_requests(listener(manager(tracing={})))
    assert not has_untraced_requests(
        listener({"@type": f"{TYPE}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"})
    )
    assert not has_untraced_requests(None)


@pytest.mark.parametrize("upstreams", [None, [], {"Overrides": {}}, {"Overrides": ["a"], "Defaults": 1}])
def test_service_defaults_of_another_shape_replace_no_listener(upstreams: Any) -> None:
    assert list(upstream_listeners({"UpstreamConfig": upstreams})) == []
