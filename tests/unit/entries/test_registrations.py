import json
from typing import Any

import pytest

from consul_tracing import InvalidInputError
from consul_tracing.backends.plan_messages import restart_text
from consul_tracing.entries.bodies import tracing_config
from consul_tracing.entries.registrations import (
    annotations_of,
    own_keys,
    proxy_annotations,
    proxy_config,
    proxy_environments,
)
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.names import LISTENER_KEY, TRACER_KEY
from tests.unit import envoy_messages
from tests.unit.meshes import settings

OTLP: dict[str, Any] = {"opentelemetry": {"service_name": "mesh"}}
DATADOG: dict[str, Any] = {"datadog": {"service_name": "mesh"}}


def web(tracing: dict[str, Any] | None = None, **args: Any) -> MeshSettings:
    """Return the settings of a mesh with the service web."""
    return settings(services={"web": {"protocol": "http", **({"tracing": tracing} if tracing else {})}}, **args)


def config_of(mesh: MeshSettings, service: str = "web") -> dict[str, Any]:
    """Return the keys of a proxy, parsed."""
    return {key: json.loads(text) for key, text in proxy_config(mesh, proxies_of(mesh)[service]).items()}


def tracer_of(mesh: MeshSettings) -> dict[str, Any]:
    """Return the tracer of web's proxy, which is the only key that differs."""
    ((_, tracing),) = config_of(mesh).items()
    found: dict[str, Any] = (tracing.get("http") or tracing["provider"])["typed_config"]
    return found


@pytest.mark.parametrize("gateways", ["join", "skip"])
@pytest.mark.parametrize("tracer", [OTLP, DATADOG])
def test_every_service_has_its_own_name_in_the_tracer(tracer: dict[str, Any], gateways: str) -> None:
    mesh = web(tracer=tracer, gateways=gateways)
    assert tracer_of(mesh)["service_name"] == "web"
    assert proxy_config(mesh, proxies_of(mesh)["web"]).keys() == {TRACER_KEY if gateways == "join" else LISTENER_KEY}


def test_zipkin_needs_no_key_for_the_name() -> None:
    assert proxy_annotations(web()) == {"web": {}, "*": {}}


def test_proxy_with_the_name_of_the_mesh_has_no_key() -> None:
    assert config_of(web(tracer={"datadog": {"service_name": "web"}})) == {}


def test_disabled_mesh_has_no_keys() -> None:
    mesh = web({"enabled": False}, enabled=False, tracer=OTLP)
    assert proxy_annotations(mesh) == proxy_environments(mesh) == {"web": {}, "*": {}}


def test_own_name_replaces_the_resource_attribute_of_the_mesh() -> None:
    attributes = {"service.name": "mesh", "team": "core"}
    tracer = tracer_of(web(tracer={"opentelemetry": {"resource_attributes": attributes}}))
    assert tracer["service_name"] == "web"
    static, _ = tracer["resource_detectors"]
    assert static["typed_config"]["attributes"] == {"team": "core"}


@pytest.mark.parametrize(
    ("service", "args", "name"),
    [
        ({}, {}, "default/default/w"),
        ({"namespace": "shop", "partition": "eu"}, {}, "shop/eu/w"),
        ({}, {"partition": "eu"}, "default/eu/w"),
    ],
)
def test_templates_of_a_service_name_are_replaced(service: dict[str, Any], args: dict[str, Any], name: str) -> None:
    tracing = {"service_name": "{namespace}/{partition}/{service}"}
    declared = {"web": {"protocol": "http", "name": "w", "tracing": tracing, **service}}
    mesh = settings(services=declared, tracer=OTLP, **args)
    assert config_of(mesh, "w")[TRACER_KEY]["http"]["typed_config"]["service_name"] == name
    assert proxy_environments(mesh)["w"] == {"OTEL_RESOURCE_ATTRIBUTES": f"service.name={name}"}
    assert name not in str(tracing_config(mesh))


def test_name_of_a_service_is_not_a_template() -> None:
    services = {"{x}": {"protocol": "http"}, "{namespace}": {"protocol": "http", "tracing": {"sampling": 5}}}
    mesh = settings(services=services, tracer=DATADOG)
    assert [one.service_name for one in proxies_of(mesh).values()] == ["{namespace}", "{x}", "{service}"]


def test_services_with_the_same_name_have_their_keys() -> None:
    services = {
        "web": {"protocol": "http"},
        "shop-web": {"protocol": "http", "name": "web", "namespace": "shop", "tracing": {"enabled": False}},
        "web-1": {"protocol": "http", "name": "w"},
    }
    found = proxy_annotations(settings(services=services, tracer=DATADOG))
    assert found.keys() == {"web", "shop-web", "w", "*"}
    assert found["web"] != found["shop-web"]


@pytest.mark.parametrize("other", ["a", "c"])
def test_renamed_service_has_its_name_also_if_it_is_the_key_of_another_service(other: str) -> None:
    services = {
        "a": {"protocol": "http", "name": "b", "tracing": {"enabled": False}},
        "b": {"protocol": "http", "name": other},
    }
    mesh = settings(services=services, tracer=DATADOG)
    assert {name: one.enabled for name, one in proxies_of(mesh).items()} == {other: True, "b": False, "*": True}
    assert proxy_environments(mesh)["b"] == {"DD_SERVICE": "b"}


KUBERNETES = {"target": "kubernetes", "namespace": "consul"}
ANNOTATE, RENDER = "give pods the new output proxy_annotations", "render registrations with keys of their own again"


@pytest.mark.parametrize(
    ("args", "step"),
    [
        ({}, ""),
        ({"tracer": DATADOG}, ""),
        ({"tracer": DATADOG, **KUBERNETES}, ANNOTATE),
        ({"tracing": {"sampling": 5}}, RENDER),
        ({"tracing": {"sampling": 5}, **KUBERNETES}, ANNOTATE),
        ({"tracing": {"enabled": False}, "enabled": False}, RENDER),
    ],
)
def test_restart_of_a_proxy_with_its_own_keys_requires_new_keys(args: dict[str, Any], step: str) -> None:
    text = restart_text("a", "b", is_enabled=True, own_keys=own_keys(web(**args)))
    assert [one for one in (ANNOTATE, RENDER) if one in text] == ([step] if step else [])


def test_key_of_a_repeated_name_must_not_be_the_name_of_another_service() -> None:
    services = {
        "web": {"protocol": "http", "name": "api"},
        "api": {"protocol": "http", "namespace": "shop"},
        "b": {"protocol": "http", "name": "web"},
    }
    with pytest.raises(InvalidInputError, match=r'services\.web: conflicts with the name of another service \("web"\)'):
        settings(services=services)


@pytest.mark.parametrize("args", [{}, {"tracer": DATADOG}, {"tracer": OTLP, "envoy_version": "1.34"}])
def test_own_rate_is_in_the_listener(args: dict[str, Any]) -> None:
    mesh = web({"sampling": 25}, sampling={"random": 1, "client": 0}, tags={"team": {"literal": "core"}}, **args)
    listener = envoy_messages.listener(proxy_config(mesh, proxies_of(mesh)["web"])[LISTENER_KEY])
    assert (listener.random_sampling.value, listener.client_sampling.value) == (25, 0)
    assert [tag.tag for tag in listener.custom_tags] == ["team"]


@pytest.mark.parametrize("gateways", ["join", "skip"])
def test_own_rate_is_in_the_sampler_of_the_tracer(gateways: str) -> None:
    sampler = tracer_of(web({"sampling": 25}, tracer=OTLP, gateways=gateways))["sampler"]["typed_config"]
    ratio = sampler["wrapped_sampler"]["typed_config"]
    assert ratio["sampling_percentage"] == {"numerator": 2500, "denominator": "TEN_THOUSAND"}


@pytest.mark.parametrize("gateways", ["join", "skip"])
@pytest.mark.parametrize("tracer", [{"zipkin": {}}, OTLP, DATADOG])
def test_proxy_without_tracing_has_no_tracer_and_decides_nothing(tracer: dict[str, Any], gateways: str) -> None:
    """A listener that samples marks `x-request-id`, also without a tracer, and the next proxy obeys."""
    found = config_of(web({"enabled": False}, tracer=tracer, gateways=gateways, sampling={"random": 100}))
    assert found.keys() == {TRACER_KEY, LISTENER_KEY}
    assert found[TRACER_KEY] == {}
    listener = found[LISTENER_KEY]
    assert listener.pop("@type").endswith("HttpConnectionManager.Tracing")
    rates = {"client_sampling": {"value": 100}, "random_sampling": {"value": 0}, "overall_sampling": {"value": 100}}
    assert listener == rates


def test_annotations_of_a_service_of_another_stack_are_those_of_the_template() -> None:
    found = proxy_annotations(web({"sampling": 50}, tracer=DATADOG))
    assert annotations_of("web", found) == found["web"]
    ((_, text),) = annotations_of('a"b\\{', found).items()
    tracing = json.loads(json.loads(text)[TRACER_KEY])
    assert tracing["http"]["typed_config"]["service_name"] == 'a"b\\{'
    assert annotations_of("web", {}) == {}
