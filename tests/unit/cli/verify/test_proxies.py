from typing import Any

import pytest

from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.proxies import Proxy, increases, proxy_from, rejection
from consul_tracing.cli.verify.tracers import Tracer
from consul_tracing.sources.envoy import admin_client, read_proxy
from tests.unit.cli.verify.dumps import SAMPLE_ALL, TCP, TRACER, dump, http, listener
from tests.unit.http_server import serving

PUBLIC = "public_listener:127.0.0.1:20000"


def facts(*listeners: Any, **more: Any) -> Proxy:
    with serving(lambda *_: (200, {"configs": dump(*listeners, **more)})) as address:
        return proxy_from(read_proxy(admin_client(address)), {})


def test_facts_of_a_sidecar() -> None:
    web = facts(
        listener(PUBLIC, 20000, http(SAMPLE_ALL)),
        listener("api:127.0.0.1:9192", 9192, TCP, direction="OUTBOUND"),
        clusters=1000,
    )
    assert (web.label, web.running.started, web.collector) == (
        f"web ({web.running.address})",
        "2026-01-01T00:00:00Z",
        "tracing_collector",
    )
    assert web.clusters["tracing_collector"] == (("zipkin", 9411),)
    public, upstream = web.listeners
    assert (public.port, public.is_http, public.is_outbound, public.tracing) == (20000, True, False, SAMPLE_ALL)
    assert (upstream.port, upstream.is_http, upstream.is_outbound, upstream.tracing) == (9192, False, True, None)
    assert not web.is_gateway


def test_gateway_has_no_public_listener() -> None:
    gateway = facts(listener("ingress:8080", 8080, http({"random_sampling": {}}), direction="OUTBOUND"))
    assert gateway.is_gateway
    assert gateway.sampling == 0


@pytest.mark.parametrize(
    ("value", "percent"), [({"numerator": 50, "denominator": "TEN_THOUSAND"}, 0.5), ({"numerator": 5}, 5), (100, 100)]
)
def test_runtime_replaces_the_sampling_of_the_listener(value: Any, percent: float) -> None:
    layers = {"layers": [{"name": "a"}, {"static_layer": {"tracing.random_sampling": value}}]}
    gateway = facts(listener("ingress:8080", 8080, http({"random_sampling": {}})), layered_runtime=layers)
    assert gateway.sampling == percent


def test_omitted_sampling_rates_are_100_percent() -> None:
    assert facts(listener(PUBLIC, 1, http({}))).sampling == 100
    assert facts(listener(PUBLIC, 1, http({"overall_sampling": {}}))).sampling == 0


def test_rejected_listeners_may_have_no_name_or_no_active_state() -> None:
    details = "goo.gle/debugonly\ntracing {\n secret\n}\n: failed (A: B | caused by Value: length must be 1)"
    unnamed, new = facts(
        {"error_state": {"details": details}},
        {"name": PUBLIC, "error_state": {"details": "envoy.tracers.zipkin: unknown cluster 'nope'"}},
    ).listeners
    assert (unnamed.name, unnamed.error) == ("", "Value: length must be 1)")
    assert (new.name, new.error) == (PUBLIC, "envoy.tracers.zipkin: unknown cluster 'nope'")
    assert len(rejection("x" * 5000)) == 200


def test_tracer_of_a_listener_is_used_before_that_of_the_bootstrap() -> None:
    block = {"provider": {"name": "envoy.tracers.zipkin", "typed_config": {"collector_cluster": "other"}}}
    assert facts(listener(PUBLIC, 1, http(block))).collector == "other"
    assert facts(listener(PUBLIC, 1, http({})), tracer=None).collector == ""


@pytest.mark.parametrize(
    "config",
    [
        {"collector_cluster": "c"},
        {"collector_service": {"http_uri": {"cluster": "c"}}},
        {"http_service": {"http_uri": {"cluster": "c"}}},
        {"grpc_service": {"envoy_grpc": {"cluster_name": "c"}}},
    ],
)
def test_cluster_is_found_in_each_tracer(config: dict[str, Any]) -> None:
    assert Tracer("any", config).cluster == "c"
    assert Tracer("any", {}).cluster == ""


def test_tracers_read_different_contexts() -> None:
    zipkin, b3_w3c = Tracer(TRACER["name"], {}), Tracer(TRACER["name"], {"trace_context_option": "B3_WITH_W3C"})
    otel = Tracer("envoy.tracers.opentelemetry", {})
    assert [one.reads(Propagation.W3C) for one in (zipkin, b3_w3c, otel)] == [False, True, True]
    assert [one.reads(Propagation.B3) for one in (zipkin, b3_w3c, otel)] == [True, True, False]
    other = Tracer("envoy.tracers.skywalking", {})
    assert [one.reads(Propagation.AUTO) for one in (zipkin, b3_w3c, otel, other)] == [True, True, True, False]


def test_counters_of_a_restarted_proxy_start_at_zero() -> None:
    assert increases({"a": 5, "b": 5}, {"a": 7, "b": 2, "c": 1}) == {"a": 2, "b": 2, "c": 1}


def test_rejected_update_is_listed_twice() -> None:
    error = {"details": "reason", "failed_configuration": {"name": PUBLIC}}
    active = listener(PUBLIC, 20000, http(SAMPLE_ALL))
    for order in ([{"error_state": error}, active | {"error_state": error}], [active, {"error_state": error}]):
        (one,) = facts(*order).listeners
        assert (one.name, one.port, one.tracing, one.error) == (PUBLIC, 20000, SAMPLE_ALL, "reason")
