"""What Pulumi is told about the package, which `pulumi import` needs to write a program's text."""

from collections.abc import Mapping
from typing import Any

from . import PLUGIN_VERSION

RESOURCE_TYPE = "consul:index/configEntry:ConfigEntry"
LOOK_UP = "consul:index/getConfigEntry:getConfigEntry"
SERVICES = "consul:index/getServices:getServices"


def texts(*names: str) -> Mapping[str, Any]:
    """Describe properties that are text."""
    return {name: {"type": "string"} for name in names}


def package_schema() -> Mapping[str, Any]:
    """Describe the one resource and the two look-ups."""
    address = texts("kind", "name", "namespace", "partition")
    entry = {**address, **texts("configJson")}
    return {
        "name": "consul",
        "version": PLUGIN_VERSION,
        "description": "consul-tracing's stand-in for the official package: "
        "ConfigEntry, getConfigEntry and getServices only.",
        "language": {"python": {"packageName": "pulumi_consul"}},
        "resources": {
            RESOURCE_TYPE: {
                "properties": entry,
                "required": ["kind", "name"],
                "inputProperties": entry,
                "requiredInputs": ["kind"],
            }
        },
        "functions": {
            LOOK_UP: {
                "inputs": {"properties": address, "required": ["kind", "name"]},
                "outputs": {
                    "properties": {**entry, **texts("id")},
                    "required": ["configJson", "id", "kind", "name"],
                },
            },
            SERVICES: {
                "outputs": {
                    "properties": {"names": {"type": "array", "items": {"type": "string"}}},
                    "required": ["names"],
                },
            },
        },
    }
