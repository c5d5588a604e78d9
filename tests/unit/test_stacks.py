"""Entries and objects of the example stacks and of the Consul documentation, compared with golden files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from consul_tracing.backends.kubernetes.objects import spec
from consul_tracing.entries.bodies import proxy_defaults, service_defaults
from consul_tracing.entries.custom_resources import title
from consul_tracing.entries.ownership import Plan
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.zipkin.manifests import manifests
from tests.unit.envoy_messages import parse_config
from tests.unit.meshes import settings, text_of

STACKS = Path(__file__).parents[2] / "stacks"
Golden = Callable[[str, Any], None]


def readable(text: str) -> dict[str, Any]:
    """Return an entry with the JSON of its text fields decoded."""
    body: dict[str, Any] = json.loads(text)
    return {**body, "Config": decoded(body.get("Config", {}))}


def decoded(config: dict[str, Any]) -> dict[str, Any]:
    return {key: json.loads(f"[{value}]") if key.endswith("_json") else value for key, value in config.items()}


def written(mesh: MeshSettings) -> dict[str, Any]:
    entries = [proxy_defaults(mesh), *service_defaults(mesh).values()]
    return {f"{entry.kind}/{entry.name}": readable(text_of(entry)) for entry in entries}


def written_on_kubernetes(mesh: MeshSettings) -> dict[str, Any]:
    """Return the specs of the custom resources and the collector's manifests."""
    entries = [proxy_defaults(mesh), *service_defaults(mesh).values()]
    specs = {title(entry): spec(entry, Plan(), None, patch=False) for entry in entries}
    for resource_spec in specs.values():
        resource_spec["config"] = decoded(resource_spec.get("config", {}))
    assert mesh.zipkin_collector is not None
    return {**specs, **manifests(mesh.zipkin_collector)}


def stack(name: str) -> MeshSettings:
    config = yaml.safe_load((STACKS / f"Pulumi.{name}.yaml").read_text())["config"]
    return MeshSettings.of("mesh", config["consul-tracing:mesh"])


def test_consul_stack_matches_the_golden_file(golden: Golden) -> None:
    mesh = stack("dev")
    parse_config(proxy_defaults(mesh).body["Config"])
    golden("dev", written(mesh))


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_kubernetes_stack_matches_the_golden_file(name: str, golden: Golden) -> None:
    mesh = stack(name)
    parse_config(proxy_defaults(mesh).body["Config"])
    golden(name, written_on_kubernetes(mesh))


def test_mesh_of_the_consul_documentation_matches_the_golden_file(golden: Golden) -> None:
    """The page on proxy defaults and distributed tracing uses a Zipkin at zipkin.service.consul:9411."""
    mesh = settings(collector={"host": "zipkin.service.consul", "connect_timeout_ms": 5000}, sampling={"random": 100})
    golden("consul-documentation", written(mesh))
