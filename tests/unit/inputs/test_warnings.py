import json
from typing import Any

import pytest

from consul_tracing.inputs.warnings import setting_warnings
from tests.unit.inputs.test_tracers import listener, manager
from tests.unit.meshes import settings

WEB = {"web": {"protocol": "http"}}


def warnings_of(*, single_machine: bool = False, **args: Any) -> list[str]:
    return list(setting_warnings(settings(**{"services": WEB, **args}), single_machine=single_machine))


def test_valid_mesh_has_no_warnings() -> None:
    assert warnings_of() == []


@pytest.mark.parametrize("name", ["random", "overall"])
def test_zero_sampling_is_a_warning(name: str) -> None:
    (warning,) = warnings_of(sampling={name: 0})
    assert warning.startswith(f"consul-tracing: CT515: sampling.{name}: 0 also disables tracing in applications")
    assert warning.endswith("(envoyproxy/envoy#38222). To remove tracing from the proxies only, set enabled: false.")


def test_fractional_client_sampling_is_a_warning() -> None:
    assert warnings_of(sampling={"client": 12.5}) == [
        "consul-tracing: CT516: sampling.client: Envoy rounds 12.5 down to 12 percent. Set a whole number."
    ]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"tracer": {"opentelemetry": {"service_name": "mesh"}}}, "the sampler of tracer.opentelemetry"),
        ({"tracer": {"zipkin": {"propagation": "b3+w3c"}}, "envoy_version": "1.36"}, "tracer.zipkin.propagation"),
    ],
)
def test_tracer_in_the_listener_that_older_consuls_cannot_parse_is_a_warning(args: dict[str, Any], reason: str) -> None:
    (warning,) = warnings_of(**args, gateways="skip")
    assert "CT531" in warning
    assert reason in warning
    assert warnings_of(**args, gateways="join") == []


def test_tracer_in_the_listener_that_all_consuls_parse_is_no_warning() -> None:
    assert warnings_of(gateways="skip") == []
    assert warnings_of(tracer={"opentelemetry": {"service_name": "mesh"}}, envoy_version="1.34", gateways="skip") == []


def test_opentelemetry_without_a_service_name_is_a_warning() -> None:
    assert "unknown_service:envoy" in warnings_of(tracer={"opentelemetry": {}})[0]
    assert warnings_of(tracer={"opentelemetry": {"service_name": "mesh"}}) == []
    assert warnings_of(tracer={"opentelemetry": {"resource_attributes": {"service.name": "mesh"}}}) == []
    assert len(warnings_of(tracer={"opentelemetry": {"resource_attributes": {"service.namespace": "shop"}}})) == 1


@pytest.mark.parametrize("services", [{}, {"db": {"protocol": "tcp"}}])
def test_mesh_without_an_http_service_is_a_warning(services: dict[str, Any]) -> None:
    assert ["Envoy does not trace" in warning for warning in warnings_of(services=services)] == [True]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_collector_on_localhost_is_a_warning(host: str) -> None:
    assert f'collector.host: "{host}" is the own host of each proxy' in warnings_of(collector={"host": host})[0]


def test_collector_on_localhost_is_accepted_on_a_single_machine() -> None:
    assert warnings_of(collector={"host": "localhost"}, single_machine=True) == []


def test_collector_beside_every_proxy_is_accepted_on_localhost() -> None:
    assert warnings_of(collector={"host": "127.0.0.1", "per_host": True}) == []
    assert warnings_of(collector={"host": "localhost", "per_host": True}, target="kubernetes") == []


def test_localhost_is_the_own_pod_on_kubernetes() -> None:
    (warning,) = warnings_of(collector={"host": "localhost"}, target="kubernetes")
    assert '"localhost" is the own pod of each proxy. Pods without a collector lose their spans.' in warning
    assert warning.endswith("If a collector runs in every pod, set collector.per_host: true.")


def test_port_of_another_protocol_is_a_warning() -> None:
    (warning,) = warnings_of(collector={"host": "jaeger", "port": 4317})
    assert (
        "CT527: collector.port: 4317 is the port of OTLP over gRPC, and the protocol of the tracer is Zipkin. "
        in warning
    )
    assert "Set the tracer of this protocol, or collector.port: 9411." in warning
    tracer = {"opentelemetry": {"service_name": "mesh"}}
    assert warnings_of(collector={"host": "jaeger", "port": 4317}, tracer=tracer) == []


def test_port_of_https_without_tls_is_a_warning() -> None:
    (warning,) = warnings_of(collector={"host": "zipkin", "port": 443})
    assert "Set collector.tls, or collector.port: 9411." in warning
    assert warnings_of(collector={"host": "zipkin", "port": 443, "tls": {"ca_file": "/ca.pem"}}) == []


def test_host_without_a_namespace_is_a_warning_on_kubernetes() -> None:
    (warning,) = warnings_of(collector={"host": "zipkin"}, target="kubernetes")
    assert "CT528: collector.host: " in warning
    assert warning.endswith("such as zipkin.<namespace>.svc.cluster.local.")
    assert warnings_of(collector={"host": "zipkin"}) == []


@pytest.mark.parametrize("target", ["consul", "kubernetes"])
def test_address_of_the_mesh_is_a_warning(target: str) -> None:
    (warning,) = warnings_of(collector={"host": "zipkin.virtual.consul"}, target=target)
    assert warning.startswith("consul-tracing: CT530: collector.host: ")


UNTRACED, TRACED = json.dumps(listener(manager())), json.dumps(listener(manager(tracing={})))


@pytest.mark.parametrize("key", ["envoy_public_listener_json", "Envoy_Public_Listener_JSON"])
def test_replaced_public_listener_is_a_warning(key: str) -> None:
    (warning,) = warnings_of(proxy_config={key: UNTRACED})
    assert warning.startswith(f"consul-tracing: CT529: proxy_config.{key} replaces a listener of Consul")
    assert warnings_of(proxy_config={key: TRACED}) == []


@pytest.mark.parametrize("key", ["envoy_extra_static_listeners_json", "envoy_local_cluster_json"])
def test_key_that_replaces_no_listener_is_no_warning(key: str) -> None:
    assert warnings_of(proxy_config={key: UNTRACED}) == []


@pytest.mark.parametrize(
    ("upstreams", "path"),
    [
        ({"Defaults": {"EnvoyListenerJSON": UNTRACED}}, "Defaults.EnvoyListenerJSON"),
        ({"Overrides": [{"Name": "a"}, {"EnvoyListenerJSON": UNTRACED}]}, "Overrides.1.EnvoyListenerJSON"),
    ],
)
def test_replaced_listener_of_an_upstream_is_a_warning(upstreams: dict[str, Any], path: str) -> None:
    web = {"protocol": "http", "service_defaults": {"UpstreamConfig": upstreams}}
    (warning,) = warnings_of(services={"web": web})
    assert f"CT529: services.web.service_defaults.UpstreamConfig.{path} replaces a listener" in warning


def test_bootstrap_template_without_the_tracer_is_a_warning() -> None:
    assert "envoy_bootstrap_json_tpl" in warnings_of(proxy_config={"Envoy_bootstrap_json_tpl": "{}"})[0]


def test_disabled_tracing_warns_only_about_the_proxy_restart() -> None:
    warnings = warnings_of(enabled=False, services={}, sampling={"random": 0})
    assert ["Restart every proxy after this update" in warning for warning in warnings] == [True]


def test_field_dropped_by_the_consul_provider_is_a_warning() -> None:
    declared = {"web": {"protocol": "http", "service_defaults": {"MaxRequestHeadersKB": 96}}}
    assert "MaxRequestHeadersKB: is not written" in warnings_of(services=declared)[0]
    assert warnings_of(services=declared, target="kubernetes", collector={"host": "zipkin.example.com"}) == []


def test_unknown_cluster_field_is_a_warning() -> None:
    warnings = warnings_of(static_clusters=[{"name": "a", "http4_options": {}, "type": "STATIC"}])
    assert len(warnings) == 1
    assert "CT517: static_clusters.0.http4_options: is not a field of an Envoy cluster" in warnings[0]
