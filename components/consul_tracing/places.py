"""What an entry is called in each of the two places where it may be written, and how Pulumi takes it over there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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


class Place(Protocol):
    """Consul's API or Kubernetes', as messages speak of it."""

    def title(self, entry: Entry) -> str:
        """The entry as people name it there."""

    def take_over(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """How this stack takes the entry over from another one, a line each."""

    def declare_whole(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """How this stack comes to declare all of an entry that somebody wrote, a line each."""


class ConsulApi:
    """An entry of Consul's HTTP API."""

    def title(self, entry: Entry) -> str:
        """`proxy-defaults/global`."""
        return f"{entry.kind}/{entry.name}"

    def take_over(self, entry: Entry, resource_name: str) -> tuple[str, ...]:  # noqa: ARG002 - the same for all
        """Pulumi compares with its own state, so it has to look first."""
        return ("To take it over, without what it holds of others:  existing: overwrite, pulumi refresh, and up",)

    def declare_whole(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """By importing it, with the id that pulumi-consul takes."""
        whose = entry.partition or entry.namespace
        place = f"{entry.partition or 'default'}/{entry.namespace or 'default'}/" if whose else ""
        return (
            "To declare it all, each change shown:   existing: overwrite, after",
            f"  pulumi import {CONFIG_ENTRY} {resource_name} {place}{self.title(entry)}",
        )


class KubernetesApi:
    """A custom resource of consul-k8s, which its controller writes into Consul."""

    def title(self, entry: Entry) -> str:
        """`ProxyDefaults consul/global`: kind, namespace, name."""
        return f"{KINDS[entry.kind]} {entry.namespace}/{entry.name}"

    def take_over(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """The Kubernetes provider creates no object that exists, so it has to be imported."""
        return (
            "To take it over, without what it holds of others:  existing: overwrite, after",
            f"  {_import_line(entry, resource_name)}",
        )

    def declare_whole(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """By importing it; what the provider imports has no `spec`, so what then goes is not shown."""
        return (
            "To declare it all, what kubectl wrote taken out without being shown:   existing: overwrite, after",
            f"  {_import_line(entry, resource_name)}",
        )


def _import_line(entry: Entry, resource_name: str) -> str:
    # With the id that pulumi-kubernetes takes: namespace and name.
    return f"pulumi import {resource_type(entry)} {resource_name} {entry.namespace}/{entry.name}"


CONSUL_API, KUBERNETES_API = ConsulApi(), KubernetesApi()


def resource_type(entry: Entry, *, patch: bool = False) -> str:
    """The type of pulumi-kubernetes' resource for `entry`, or for a `patch` of an object of others."""
    return f"kubernetes:{API_VERSION}:{KINDS[entry.kind]}{'Patch' if patch else ''}"
