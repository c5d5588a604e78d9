"""The three stacks, and the form that Consul's documentation shows, as they are written into Consul."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from consul_tracing.custom_resources import spec
from consul_tracing.entries import proxy_defaults, service_defaults
from consul_tracing.ownership import Plan
from consul_tracing.places import KUBERNETES_API
from consul_tracing.settings import MeshSettings
from consul_tracing.zipkin_manifests import manifests
from tests.unit.envoy_messages import parse_config
from tests.unit.meshes import settings, text_of

STACKS = Path(__file__).parents[2] / "stacks"
Golden = Callable[[str, Any], None]


def readable(text: str) -> dict[str, Any]:
    """An entry with the JSON inside its text keys unfolded."""
    body: dict[str, Any] = json.loads(text)
    return {**body, "Config": unfolded(body.get("Config", {}))}


def unfolded(config: dict[str, Any]) -> dict[str, Any]:
    return {key: json.loads(f"[{value}]") if key.endswith("_json") else value for key, value in config.items()}


def written(mesh: MeshSettings) -> dict[str, Any]:
    entries = [proxy_defaults(mesh), *service_defaults(mesh).values()]
    return {f"{entry.kind}/{entry.name}": readable(text_of(entry)) for entry in entries}


def written_on_kubernetes(mesh: MeshSettings) -> dict[str, Any]:
    """The custom resources' specs, and the collector's objects as they are."""
    entries = [proxy_defaults(mesh), *service_defaults(mesh).values()]
    specs = {KUBERNETES_API.title(entry): spec(entry, Plan(), None, patch=False) for entry in entries}
    for one in specs.values():
        one["config"] = unfolded(one.get("config", {}))
    assert mesh.zipkin_collector is not None
    return {**specs, **manifests(mesh.zipkin_collector)}


def stack(name: str) -> MeshSettings:
    config = yaml.safe_load((STACKS / f"Pulumi.{name}.yaml").read_text())["config"]
    return MeshSettings.of("mesh", config["consul-tracing:mesh"])


def test_the_stack_on_consul_writes_what_it_wrote_before(golden: Golden) -> None:
    mesh = stack("dev")
    parse_config(proxy_defaults(mesh).body["Config"])
    golden("dev", written(mesh))


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_a_stack_on_kubernetes_writes_what_it_wrote_before(name: str, golden: Golden) -> None:
    mesh = stack(name)
    parse_config(proxy_defaults(mesh).body["Config"])
    golden(name, written_on_kubernetes(mesh))


def test_the_mesh_of_consuls_documentation_writes_what_it_wrote_before(golden: Golden) -> None:
    """Its page on proxy defaults and distributed tracing has Zipkin at zipkin.service.consul:9411."""
    mesh = settings(collector={"host": "zipkin.service.consul", "connect_timeout_ms": 5000}, sampling={"random": 100})
    golden("consul-documentation", written(mesh))
