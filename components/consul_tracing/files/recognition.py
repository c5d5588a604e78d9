"""Which objects in files are entries, custom resources and registrations, also with a misspelt kind."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from consul_tracing.entries.custom_resources import API_VERSION, GROUP
from consul_tracing.entry_structs import ENTRY_STRUCTS, KINDS

from .document import merged
from .values import Map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import FieldPath

    from .document import Form

KINDS_BY_LETTERS = {kind.replace("-", ""): kind for kind in KINDS}
SIMILARITY = 0.8
"""Minimum similarity (0 to 1) at which an unknown kind is a misspelt one."""

SERVICE_FIELDS = ENTRY_STRUCTS["service-defaults"].fields.keys()

GATEWAY_API = "gateway.networking.k8s.io/"
GATEWAY_CLASSES = ("consul", "consul-api-gateway")
"""The classes of Consul's API gateways. Source: consul-k8s' Helm chart, and the former chart of API gateways."""

GATEWAYS = {name.replace("-", ""): name for name in ("api-gateway", "ingress-gateway", "mesh-gateway")} | {
    "terminatinggateway": "terminating-gateway"
}
NOMAD_GATEWAYS = {"api": "api-gateway", "ingress": "ingress-gateway", "mesh": "mesh-gateway"} | {
    "terminating": "terminating-gateway"
}
"""The kinds of gateways by the blocks of Nomad."""

ENTRY_JSON = ("config_json", "configjson")
"""The field of Terraform's and Pulumi's resources with the JSON of an entry."""


@cache
def entry_kind(kind: str) -> str:
    """Return the kind of an entry, also for that of a custom resource, and for a misspelt one. Empty if unknown."""
    close = get_close_matches(_letters(kind), KINDS_BY_LETTERS, n=1, cutoff=SIMILARITY)
    return KINDS_BY_LETTERS[close[0]] if close else ""


def meant_kind(content: Map, form: Form) -> str:
    """Return the kind of an entry that lacks `Kind`, or has it under another key. Empty for other objects."""
    if {"Name", "Config"} <= content.keys():
        return "proxy-defaults"
    if form != "hcl" or "Name" not in content:
        return ""
    kinds = (value for value in content.values() if isinstance(value, str) and value in KINDS)
    return next(kinds, "") or ("service-defaults" if content.keys() & SERVICE_FIELDS else "")


def _letters(kind: str) -> str:
    return kind.lower().replace("-", "").replace("_", "")


def is_entry(content: Map, kind: str, form: Form, path: FieldPath) -> bool:
    """Return whether an object with a kind, outside of Kubernetes' objects, is an entry.

    One with a misspelt kind is one at the root, in a server's configuration or with the JSON of an entry. `path`: the
    keys of the object.
    """
    if not path and _letters(kind) in KINDS_BY_LETTERS:
        return True
    has_name = "name" in map(str.lower, content)
    if kind in KINDS or member_of(content, *ENTRY_JSON) is not None:
        return has_name
    is_place = not path or "bootstrap" in path
    is_written = {"Kind", "Name"} <= content.keys() and (form == "hcl" or "Config" in content)
    return has_name and is_place and (bool(entry_kind(kind)) or is_written)


def is_custom_resource(version: str, kind: str) -> bool:
    """Return whether an object is a custom resource of consul-k8s, also with a misspelt API version."""
    if version.startswith(f"{GROUP}/"):
        return True
    if version.partition("/")[0].endswith(f".{GROUP}"):
        return False
    is_close = bool(get_close_matches(version, [API_VERSION], cutoff=SIMILARITY))
    return is_close and entry_kind(kind) != ""


def is_consul_gateway(version: str, kind: str, spec: object) -> bool:
    """Return whether an object of Kubernetes' Gateway API is a gateway of Consul."""
    gateway_class = spec.get("gatewayClassName") if isinstance(spec, Map) else None
    return version.startswith(GATEWAY_API) and kind == "Gateway" and gateway_class in GATEWAY_CLASSES


def is_registration(content: Map) -> bool:
    """Return whether an object is the registration of a service: that of a gateway has the kind of an entry."""
    return isinstance(merged(member_of(content, "proxy")), Map)


def gateway_kind(around: Mapping[str, Any]) -> str:
    """Return the kind of the gateway whose registration has a `proxy`. Nomad has a block for each kind."""
    kind = member_of(around, "kind")
    nomad = next((kind for block, kind in NOMAD_GATEWAYS.items() if block in around), "")
    return GATEWAYS.get(kind.lower().replace("-", ""), "") if isinstance(kind, str) else nomad


def member_of(content: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - any value
    """Return a member. Consul ignores the case of keys."""
    return next((value for key, value in content.items() if key.lower() in names), None)
