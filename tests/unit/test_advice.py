from typing import Any

import pytest

from consul_tracing.advice import advice
from tests.unit.meshes import settings

WEB = {"web": {"protocol": "http"}}


def told(*, single_machine: bool = False, **args: Any) -> list[str]:
    return list(advice(settings(**{"services": WEB, **args}), single_machine=single_machine))


def test_a_mesh_that_is_fine_gets_no_advice() -> None:
    assert told() == []


@pytest.mark.parametrize("name", ["random", "overall"])
def test_no_sampling_silences_applications(name: str) -> None:
    assert [f"sampling.{name}: 0 is not neutral" in warning for warning in told(sampling={name: 0})] == [True]


def test_envoy_cuts_a_fraction_of_client_sampling() -> None:
    assert told(sampling={"client": 12.5}) == ["sampling.client: 12.5 is cut by Envoy to 12 percent."]


def test_opentelemetry_without_a_service_name_says_what_spans_will_be_called() -> None:
    assert "unknown_service:envoy" in told(tracer={"opentelemetry": {}})[0]
    assert told(tracer={"opentelemetry": {"service_name": "mesh"}}) == []


@pytest.mark.parametrize("services", [{}, {"db": {"protocol": "tcp"}}])
def test_without_an_http_service_nothing_is_traced(services: dict[str, Any]) -> None:
    assert ["which is never traced" in warning for warning in told(services=services)] == [True]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_a_collector_on_localhost_is_every_proxys_own_machine(host: str) -> None:
    assert f'collector.host: "{host}" is each proxy\'s own machine' in told(collector={"host": host})[0]


def test_on_a_single_machine_localhost_is_the_collector() -> None:
    assert told(collector={"host": "localhost"}, single_machine=True) == []


def test_a_bootstrap_template_has_no_tracer_of_ours() -> None:
    assert "envoy_bootstrap_json_tpl" in told(proxy_config={"Envoy_bootstrap_json_tpl": "{}"})[0]


def test_a_mesh_that_does_not_trace_is_x_to_restart_its_proxies() -> None:
    warnings = told(enabled=False, services={}, sampling={"random": 0})
    assert ["Restart every proxy after this up" in warning for warning in warnings] == [True]


def test_a_field_that_the_consul_provider_drops_is_a_warning() -> None:
    declared = {"web": {"protocol": "http", "extra": {"MaxRequestHeadersKB": 96}}}
    assert "MaxRequestHeadersKB: is not written" in told(services=declared)[0]
    assert told(services=declared, target="kubernetes") == []


def test_an_unknown_cluster_field_is_a_warning_since_envoy_may_be_newer() -> None:
    warnings = told(static_clusters=[{"name": "a", "conect_timeout": "1s", "type": "STATIC"}])
    assert len(warnings) == 1
    assert warnings[0].startswith("static_clusters.0.conect_timeout: is not a field of an Envoy cluster")
    assert warnings[0].endswith('Did you mean "connect_timeout"?')
