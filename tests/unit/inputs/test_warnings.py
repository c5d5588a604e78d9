from typing import Any

import pytest

from consul_tracing.inputs.warnings import setting_warnings
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
    assert "CT539" in warning
    assert reason in warning
    assert warnings_of(**args, gateways="join") == []


def test_tracer_in_the_listener_that_all_consuls_parse_is_no_warning() -> None:
    assert warnings_of(gateways="skip") == []
    assert warnings_of(tracer={"opentelemetry": {"service_name": "mesh"}}, envoy_version="1.34", gateways="skip") == []


def test_opentelemetry_without_a_service_name_is_a_warning() -> None:
    assert "unknown_service:envoy" in warnings_of(tracer={"opentelemetry": {}})[0]
    assert warnings_of(tracer={"opentelemetry": {"service_name": "mesh"}}) == []


@pytest.mark.parametrize("services", [{}, {"db": {"protocol": "tcp"}}])
def test_mesh_without_an_http_service_is_a_warning(services: dict[str, Any]) -> None:
    assert ["Envoy does not trace" in warning for warning in warnings_of(services=services)] == [True]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_collector_on_localhost_is_a_warning(host: str) -> None:
    assert f'collector.host: "{host}" is the own host of each proxy' in warnings_of(collector={"host": host})[0]


def test_collector_on_localhost_is_accepted_on_a_single_machine() -> None:
    assert warnings_of(collector={"host": "localhost"}, single_machine=True) == []


def test_bootstrap_template_without_the_tracer_is_a_warning() -> None:
    assert "envoy_bootstrap_json_tpl" in warnings_of(proxy_config={"Envoy_bootstrap_json_tpl": "{}"})[0]


def test_disabled_tracing_warns_only_about_the_proxy_restart() -> None:
    warnings = warnings_of(enabled=False, services={}, sampling={"random": 0})
    assert ["Restart every proxy after this update" in warning for warning in warnings] == [True]


def test_field_dropped_by_the_consul_provider_is_a_warning() -> None:
    declared = {"web": {"protocol": "http", "service_defaults": {"MaxRequestHeadersKB": 96}}}
    assert "MaxRequestHeadersKB: is not written" in warnings_of(services=declared)[0]
    assert warnings_of(services=declared, target="kubernetes") == []


def test_unknown_cluster_field_is_a_warning() -> None:
    warnings = warnings_of(static_clusters=[{"name": "a", "http4_options": {}, "type": "STATIC"}])
    assert len(warnings) == 1
    assert "CT517: static_clusters.0.http4_options: is not a field of an Envoy cluster" in warnings[0]
