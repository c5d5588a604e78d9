"""The three stacks, and the form that Consul's documentation shows, as they are written into Consul."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy_messages import parse_config
from meshes import settings, text_of

from consul_tracing.entries import proxy_defaults, service_defaults
from consul_tracing.settings import MeshSettings

STACKS = Path(__file__).parents[2] / "stacks"
Golden = Callable[[str, Any], None]


def readable(text: str) -> dict[str, Any]:
    """An entry with the JSON inside its text keys unfolded."""
    body: dict[str, Any] = json.loads(text)
    config = body.get("Config", {})
    return {
        **body,
        "Config": {key: json.loads(f"[{value}]") if key.endswith("_json") else value for key, value in config.items()},
    }


def written(mesh: MeshSettings) -> dict[str, Any]:
    entries = [proxy_defaults(mesh), *service_defaults(mesh).values()]
    return {f"{entry.kind}/{entry.name}": readable(text_of(entry)) for entry in entries}


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_a_stack_writes_what_it_wrote_before(stack: str, golden: Golden) -> None:
    config = yaml.safe_load((STACKS / f"Pulumi.{stack}.yaml").read_text())["config"]
    mesh = MeshSettings.of("mesh", config["consul-tracing:mesh"])
    parse_config(json.loads(text_of(proxy_defaults(mesh)))["Config"])
    golden(stack, written(mesh))


def test_the_mesh_of_consuls_documentation_writes_what_it_wrote_before(golden: Golden) -> None:
    """Its page on proxy defaults and distributed tracing has Zipkin at zipkin.service.consul:9411."""
    mesh = settings(collector={"host": "zipkin.service.consul", "connect_timeout_ms": 5000}, sampling={"random": 100})
    golden("consul-documentation", written(mesh))
