"""Requests without a trace context: the first proxy decides by the request id, or the tracer by its sampler."""

from typing import Any

import pytest

from consul_tracing.cli.verify.causes.sampling import is_sampled, rate_of_mesh
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.proxies import proxy_from
from consul_tracing.cli.verify.tracers import Tracer
from consul_tracing.entries.tracing_keys import TracingKeys
from consul_tracing.sources.envoy import RunningProxy
from tests.unit.cli.verify.dumps import SAMPLE_ALL, dump, http, listener
from tests.unit.cli.verify.facts import CONSUL, KEYS, SPANS, evidence, proxy, trace
from tests.unit.cli.verify.test_decisions import SAMPLER

NONE = {"context": Propagation.NONE, "trace_id": "", "span_id": ""}
OTLP = Tracer("envoy.tracers.opentelemetry", SAMPLER)


@pytest.mark.parametrize(
    ("identity", "rate", "expected"),
    [
        ("00000000-0000-4000-8000-000000000000", 0.01, True),
        ("000003e7-0000-4000-8000-000000000000", 10, True),
        ("000003e8-0000-4000-8000-000000000000", 10, False),
        ("ffffffff-0000-4000-8000-000000000000", 100, True),
        ("00002710-0000-4000-8000-000000000000", 1, True),
        ("order-4711", 100, False),
        ("01HV5J7Z9GXM3QK2T8W4N6P0RS", 100, False),
        ("abc", 100, False),
    ],
)
def test_envoy_decides_by_the_first_digits(identity: str, rate: float, *, expected: bool) -> None:
    assert is_sampled(identity, rate) == expected


def only(identity: str = "", *, with_consul: bool = True, **client: Any) -> Cause:
    seen = trace(**NONE, request_id=identity)
    consul = CONSUL if with_consul else None
    (cause,) = diagnose(evidence(seen, proxies=[proxy("client", **client)] if client else [], consul=consul))
    return cause


def test_request_id_is_judged_at_the_rate_of_the_first_proxy() -> None:
    assert only("order-4711", sampling=100).code == "CT413"
    assert only("order-4711").code == "CT413"
    assert only("order-4711", with_consul=False).code == "CT413"
    assert "version 7" in only("00001000-0000-7000-8000-000000000000", sampling=10).evidence
    assert "it is not sampled at 10 %" in only("00001000-0000-4000-8000-000000000000", sampling=10).evidence
    assert only("order-4711", sampling=0).code == "CT405"


def test_request_id_does_not_decide_for_a_sampler_before_envoy_1_39() -> None:
    old = only("order-4711", sampling=100, tracer=OTLP, release=(1, 38))
    assert (old.code, old.evidence) == ("CT405", "random sampling is 10 %")
    assert only("order-4711", sampling=100, tracer=OTLP, release=(1, 40)).code == "CT413"


def test_request_id_does_not_matter_for_a_request_that_is_traced() -> None:
    assert "CT413" not in [one.code for one in diagnose(evidence(trace(*SPANS[:2], request_id="order-4711")))]
    assert diagnose(evidence(trace(request_id="order-4711"))) == []


@pytest.mark.parametrize(
    ("rate", "fix"),
    [
        (50, "repeat with --requests 7: proxies sample 50 % of them, or use --propagation b3"),
        (10, "repeat with --requests 44: proxies sample 10 % of them, or use --propagation b3"),
        (0, "set sampling.random above 0, such as 1.0, or use --propagation b3"),
    ],
)
def test_low_rate_names_the_number_of_requests(rate: float, fix: str) -> None:
    assert only(sampling=rate).fix == fix


def test_rate_that_needs_more_requests_than_one_run() -> None:
    assert only(sampling=1).fix.startswith(
        "repeat with --requests 100 several times: proxies sample 1 %, so 459 suffice, or with --header 'x-request-id: "
        "00000000-0000-4000-8000-000000000000', which proxies sample"
    )
    sampled = only(
        sampling=100, tracer=Tracer(OTLP.name, {"sampler": {"typed_config": {"sampling_percentage": {"numerator": 1}}}})
    )
    assert "x-request-id" not in sampled.fix


@pytest.mark.parametrize(
    ("keys", "rate"),
    [
        (TracingKeys({"http": {}}, {"random_sampling": {"value": 1}, "overall_sampling": {"value": 100}}), 1),
        (TracingKeys({"http": {"typed_config": SAMPLER}}, {"random_sampling": {"value": 100}}), 10),
        (TracingKeys(), 0),
        (KEYS, 100),
    ],
)
def test_rate_of_the_entries(keys: TracingKeys, rate: float) -> None:
    consul = type(CONSUL)(keys, {})
    assert rate_of_mesh(evidence(trace(), consul=consul)) == rate


def test_listeners_for_health_checks_have_no_part_in_the_rate() -> None:
    """Consul gives the listeners of `Expose` 0 % in each mesh."""
    health = listener("exposed_path_health:1", 1, http({"random_sampling": {}}))
    configs = dump(listener("public_listener:2", 2, http(SAMPLE_ALL)), health)
    running = RunningProxy(
        "web:19000", {"cluster": "web"}, configs[0]["bootstrap"], tuple(configs[2]["dynamic_listeners"])
    )
    found = proxy_from(running, {})
    assert (found.sampling, [one.name for one in found.http_listeners]) == (100, ["public_listener:2"])
