"""The rules of the policy pack: plain resources, and the resources of the three stacks."""

import json
from typing import Any

import pytest
from rules import RULES, Resource

from consul_tracing.backends.identity import CONFIG_ENTRY
from consul_tracing.backends.kubernetes.objects import WholeObject
from consul_tracing.cli.render.rendering import entries
from consul_tracing.entries.custom_resources import KINDS
from consul_tracing.entries.ownership import Plan
from consul_tracing.zipkin.manifests import manifests
from tests.unit.meshes import settings, text_of
from tests.unit.test_stacks import stack

BY_NAME = {rule.name: rule for rule in RULES}


def urn(name: str, stack_name: str = "prod") -> str:
    return f"urn:pulumi:{stack_name}::mesh::x:index:Y::{name}"


def mesh(stack_name: str = "prod", *, protect: bool = True, **args: Any) -> Resource:
    """Return the ConfigEntry of a mesh."""
    entry = entries(settings(**args))[-1]
    props = {"kind": entry.kind, "name": entry.name, "configJson": text_of(entry)}
    return Resource(urn("mesh", stack_name), CONFIG_ENTRY, props, protect)


def raw(**body: Any) -> Resource:
    props = {"kind": "proxy-defaults", "name": "global", "configJson": json.dumps(body)}
    return Resource(urn("raw"), CONFIG_ENTRY, props)


def zipkin(image: str, **variables: str) -> Resource:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    template = {"spec": {"containers": [{"image": image, "env": env}]}}
    return Resource(urn("zipkin"), "kubernetes:apps/v1:Deployment", {"spec": {"template": template}})


def violations(name: str, *resources: Resource, **given: Any) -> list[str]:
    return [message for _, message in BY_NAME[name].violations(resources, given)]


def recorded(name: str) -> list[Resource]:
    """Return the resources of a stack of this repository."""
    inputs = stack(name)
    resources = []
    for entry in entries(inputs):
        if inputs.target == "consul":
            props: dict[str, Any] = {"kind": entry.kind, "name": entry.name, "configJson": text_of(entry)}
            resources.append(Resource(urn(entry.title, name), CONFIG_ENTRY, props, protect=name == "prod"))
            continue
        annotations = {"consul-tracing/keys": "Config"}
        metadata = {"name": entry.name, "namespace": entry.namespace, "annotations": annotations}
        props = {"metadata": metadata, "spec": WholeObject().spec(entry, Plan())}
        kind = f"kubernetes:consul.hashicorp.com/v1alpha1:{KINDS[entry.kind]}"
        resources.append(Resource(urn(entry.title, name), kind, props, protect=name == "prod"))
    if inputs.zipkin_collector:
        resources += [
            Resource(urn(title, name), f"kubernetes:{one['apiVersion']}:{one['kind']}", one)
            for title, one in manifests(inputs.zipkin_collector).items()
        ]
    return resources


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_stacks_of_this_repository_violate_no_mandatory_rule(name: str) -> None:
    found = {rule.name for rule in RULES if rule.level == "mandatory" and rule.violations(recorded(name))}
    assert found == set()


def test_in_memory_zipkin_of_staging_is_rejected_in_production() -> None:
    assert violations("persistent-zipkin", *recorded("staging"), production=["staging"]) == [
        "keeps spans in memory and loses them at a restart. Set storage"
    ]


def test_second_writer_of_an_entry_is_rejected() -> None:
    assert violations("one-tracer-per-mesh", mesh()) == []
    (message,) = violations("one-tracer-per-mesh", mesh(), raw())
    assert message == f"proxy-defaults/global is also written by {urn('mesh')}. Declare it once"


SECOND_WRITERS = pytest.mark.parametrize("rule", ["one-tracer-per-mesh", "no-raw-entries"])
ADDRESS = {"address": "a:8500"}


@SECOND_WRITERS
@pytest.mark.parametrize(
    ("settings", "provider", "scope"),
    [
        ({}, "urn:dc2", {}),
        ({**ADDRESS, "datacenter": "dc2"}, "", {}),
        (ADDRESS, "", {"namespace": "shop"}),
        (ADDRESS, "", {"partition": "east"}),
    ],
)
def test_entry_of_another_mesh_or_namespace_is_another_entry(
    rule: str, settings: dict[str, str], provider: str, scope: dict[str, str]
) -> None:
    one = Resource(urn("mesh"), CONFIG_ENTRY, mesh().props, settings=ADDRESS if settings else {})
    other = Resource(urn("raw"), CONFIG_ENTRY, {**raw().props, **scope}, provider=provider, settings=settings)
    assert violations(rule, one, other) == []


@SECOND_WRITERS
def test_two_providers_of_one_mesh_write_one_entry(rule: str) -> None:
    scope = {"namespace": "default", "partition": "default"}
    one = Resource(urn("mesh"), CONFIG_ENTRY, mesh().props, provider="urn:a", settings={**ADDRESS, "token": "x"})
    other = Resource(urn("raw"), CONFIG_ENTRY, {**raw().props, **scope}, provider="urn:b", settings=ADDRESS)
    assert len(violations(rule, one, other)) == 1


def test_sampling_above_the_maximum_is_rejected_in_production() -> None:
    busy = {"sampling": {"random": 50}}
    assert violations("sampling-cap", mesh(**busy)) == ["sampling is 50 %; the maximum is 10 %"]
    assert violations("sampling-cap", mesh("dev", **busy)) == []
    assert violations("sampling-cap", mesh(**busy), maximum_percent=50) == []
    assert violations("sampling-cap", mesh(sampling={"random": 100, "overall": 5})) == []


@pytest.mark.parametrize("gateways", ["join", "skip"])
def test_sampling_rate_of_a_sampler_is_compared_with_the_maximum(gateways: str) -> None:
    otlp = {"tracer": {"opentelemetry": {}}, "envoy_version": "1.35", "gateways": gateways}
    assert violations("sampling-cap", mesh(**otlp, sampling={"random": 5})) == []
    busy = mesh(**otlp, sampling={"random": 50})
    assert violations("sampling-cap", busy) == ["sampling is 50 %; the maximum is 10 %"]


def test_collector_without_tls_is_reported_in_production() -> None:
    assert violations("tls-to-collector", mesh()) == ["sends spans to zipkin without TLS. Set collector.tls"]
    assert violations("tls-to-collector", mesh(collector={"host": "a", "tls": {"ca_file": "/ca.pem"}})) == []
    assert violations("tls-to-collector", mesh(collector={"host": "127.0.0.1"})) == []
    assert violations("tls-to-collector", mesh(collector={"host": "a.svc"}), allowed_suffixes=[".svc"]) == []


@pytest.mark.parametrize(
    ("image", "digest", "is_rejected"),
    [
        ("openzipkin/zipkin-slim:3.6.1", False, False),
        ("openzipkin/zipkin-slim:latest", False, True),
        ("openzipkin/zipkin-slim", False, True),
        ("registry:5000/openzipkin/zipkin", False, True),
        ("openzipkin/zipkin-slim:3.6.1", True, True),
        ("openzipkin/zipkin-slim@sha256:abc", True, False),
        ("nginx", False, False),
    ],
)
def test_image_must_be_pinned(image: str, digest: bool, is_rejected: bool) -> None:  # noqa: FBT001 - test data
    assert bool(violations("pinned-images", zipkin(image), digest=digest)) == is_rejected


def test_credential_is_rejected_and_not_shown() -> None:
    (message,) = violations("no-credentials", raw(Config={"envoy_statsd_url": "udp://a:hunter2@b"}))
    assert message == "Config.envoy_statsd_url is a URL with a password, which every client of Consul can read"


def test_mesh_in_production_must_be_protected() -> None:
    assert violations("protected-mesh", mesh()) == []
    assert len(violations("protected-mesh", mesh(protect=False))) == 1
    assert violations("protected-mesh", mesh("dev", protect=False)) == []


def test_raw_entry_beside_a_component_is_rejected() -> None:
    assert violations("no-raw-entries", raw()) == []
    assert violations("no-raw-entries", mesh(), raw()) == [
        "overwrites proxy-defaults/global, which a component of consul-tracing manages. Remove it"
    ]


def test_unknown_content_is_no_violation() -> None:
    unknown = Resource(urn("unknown"), CONFIG_ENTRY, {"kind": "proxy-defaults", "name": "global"}, protect=True)
    assert [rule.name for rule in RULES if rule.violations([unknown])] == []
