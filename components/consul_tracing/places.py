"""The two backends as messages name them: titles of entries, and commands ready to copy."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .entries import Entry

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
"""The type of pulumi-consul's resource."""

API_VERSION = "consul.hashicorp.com/v1alpha1"
KINDS = {"proxy-defaults": "ProxyDefaults", "service-defaults": "ServiceDefaults"}
"""The kinds of consul-k8s' custom resources, by the kind of the entry."""

PROXY_DEFAULTS = f"kubernetes:{API_VERSION}:ProxyDefaults"
"""The type of pulumi-kubernetes' resource for the mesh's own entry."""

PLURALS = {"proxy-defaults": "proxydefaults", "service-defaults": "servicedefaults"}
"""The kinds as URLs of the Kubernetes API name them, by the kind of the entry."""

ANNOTATIONS_PREFIX = "consul-tracing/"
"""Prefix of the annotations that hold ownership metadata; on Kubernetes `Meta` belongs to consul-k8s."""

IMPORT = "pulumi import --protect=false --generate-code=false"


class Place(Protocol):
    """A backend, as messages name it."""

    server: str
    """The program in which entries stay after `pulumi destroy`."""

    def title(self, entry: Entry) -> str:
        """The name of the entry."""

    def import_command(self, entry: Entry, resource_name: str) -> str:
        """The command that imports the entry into this stack."""

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """The command that removes these keys of ownership metadata from the entry."""

    def overwrite_steps(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """How this stack overwrites an entry that another stack manages."""


class ConsulApi:
    """Consul's HTTP API."""

    server = "Consul"

    def title(self, entry: Entry) -> str:
        """`proxy-defaults/global`."""
        return f"{entry.kind}/{entry.name}"

    def import_command(self, entry: Entry, resource_name: str) -> str:
        """With the id that pulumi-consul requires."""
        scoped = entry.partition or entry.namespace
        scope = f"{entry.partition or 'default'}/{entry.namespace or 'default'}/" if scoped else ""
        return f"{IMPORT} {CONFIG_ENTRY} {resource_name} {scope}{self.title(entry)}"

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """`consul config` has no patch, so the entry is read, edited and written."""
        flags = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
        read = " ".join(f"-{flag} {value}" for flag, value in flags.items() if value)
        keys = ", ".join(f'.Meta["{key}"]' for key in metadata)
        return f"consul config read {read} | jq 'del({keys})' | consul config write -"

    def overwrite_steps(self, entry: Entry, resource_name: str) -> tuple[str, ...]:  # noqa: ARG002 - the same for all
        """Pulumi compares with its own state, which may still have the entry as this stack wrote it."""
        return ("set existing: overwrite", "pulumi up --refresh")


class KubernetesApi:
    """Custom resources of consul-k8s."""

    server = "Kubernetes"

    def title(self, entry: Entry) -> str:
        """`ProxyDefaults consul/global`: kind, namespace, name."""
        return f"{KINDS[entry.kind]} {entry.namespace}/{entry.name}"

    def import_command(self, entry: Entry, resource_name: str) -> str:
        """With the id that pulumi-kubernetes requires: namespace and name."""
        return f"{IMPORT} {resource_type(entry)} {resource_name} {entry.namespace}/{entry.name}"

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """Annotations with a hyphen behind them are removed."""
        keys = " ".join(shlex.quote(f"{annotation(key)}-") for key in metadata)
        return f"kubectl annotate {PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace} {keys}"

    def overwrite_steps(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """The Kubernetes provider creates no object that exists."""
        return (self.import_command(entry, resource_name), "set existing: overwrite", "pulumi up")


CONSUL_API, KUBERNETES_API = ConsulApi(), KubernetesApi()


def annotation(key: str) -> str:
    """The annotation that holds a key of ownership metadata."""
    return f"{ANNOTATIONS_PREFIX}{key.removeprefix('consul-tracing-')}"


def resource_type(entry: Entry, *, patch: bool = False) -> str:
    """The type of pulumi-kubernetes' resource for `entry`, or for a `patch` of an object of another owner."""
    return f"kubernetes:{API_VERSION}:{KINDS[entry.kind]}{'Patch' if patch else ''}"
