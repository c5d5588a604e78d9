"""The annotation of pods with the configuration of their proxies, which consul-k8s copies to the registrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.errors import FileError

from .hcl import parse_json
from .recognition import GATEWAYS
from .values import JsonText, Map, Unevaluated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import FieldPath

GATEWAY_KIND = "consul.hashicorp.com/gateway-kind"
"""Annotation of the pods of a gateway."""

PLACEHOLDERS = ("${", "$(", "{{")
"""Starts of what another program replaces."""


def ignored_reason(value: object) -> str:
    """Return why consul-k8s ignores a value of PROXY_CONFIG_MAP. Empty if it reads it, or if it is not known."""
    if isinstance(value, Unevaluated) or value == "":
        return ""
    if not isinstance(value, str):
        return "is not text, which Kubernetes requires of an annotation"
    if isinstance(value, JsonText):
        content = value.encoded
    elif any(one in value for one in PLACEHOLDERS):
        return ""
    else:
        try:
            content = parse_json(value, "", 1)
        except FileError as error:
            return f"is not valid JSON: {error.reason}"
    return "" if isinstance(content, Map | Unevaluated) else "is JSON, and not an object"


def annotated_gateway(annotations: Mapping[str, object]) -> str:
    """Return the kind of the gateway of a pod. Empty for other pods."""
    return _gateway(annotations.get(GATEWAY_KIND))


def gateway_in_values(path: FieldPath) -> str:
    """Return the kind of the gateways that a part of the values of consul-k8s' Helm chart configures, or nothing."""
    return next((kind for key in path if (kind := _gateway(key.removesuffix("s")))), "")


def _gateway(kind: object) -> str:
    return GATEWAYS.get(kind.lower().replace("-", ""), "") if isinstance(kind, str) else ""
