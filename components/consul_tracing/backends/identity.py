"""Which resource of the state holds a declared entry.

Consul identifies an entry by kind, name, namespace and partition, Pulumi by the URN of its resource. Pulumi writes a
resource under a new URN first and then deletes the former one, that is, the same entry. Therefore the new resource
takes over the former one with an alias, an update in place, or the update is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from consul_tracing.entries.custom_resources import API_VERSION, KINDS, body
from consul_tracing.entries.entry import Entry
from consul_tracing.errors import fix, message
from consul_tracing.run_errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consul_tracing.entries.entry import Identity
    from consul_tracing.names import JsonObject

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
"""The type of pulumi-consul's resource."""

PROVIDERS = "pulumi:providers:"
"""Prefix of the types of providers. The package follows."""

MESH_SETTINGS = ("address", "datacenter", "namespace", "kubeconfig", "context", "cluster")
"""The settings of a Consul or Kubernetes provider that select the mesh."""


def child_urn(parent: str, resource_type: str, name: str) -> str:
    """Return the URN of a child of the component with the URN `parent`."""
    stack, project, parent_type, _ = parent.split("::", 3)
    return f"{stack}::{project}::{parent_type}${resource_type}::{name}"


def in_stack_of(urn: str, component: str) -> str:
    """Return the URN of a resource with the stack and project of the URN `component`."""
    return "::".join([*component.split("::", 2)[:2], *urn.split("::", 2)[2:]])


def type_of(urn: str) -> str:
    """Return the resource type in a URN, without the types of its parents."""
    return urn.split("::", 3)[2].rpartition("$")[2]


def is_child_of_component(urn: str) -> bool:
    """Return whether a component of this package declares the resource."""
    return "consul-tracing:index:" in urn.split("::", 3)[2]


def is_sibling(urn: str, component: str) -> bool:
    """Return whether the component with the URN `component` declares the resource."""
    stack, project, parent_type, name = component.split("::", 3)
    parent = f"{stack}::{project}::{parent_type}${type_of(urn)}::{name}"
    return urn == f"{parent}-proxy-defaults" or urn.startswith(f"{parent}-service-")


def object_type(kind: str) -> str:
    """Return the type of pulumi-kubernetes' resource for a whole object."""
    return f"kubernetes:{API_VERSION}:{KINDS[kind]}"


def patch_type(kind: str) -> str:
    """Return the type of pulumi-kubernetes' resource for a patch of an object."""
    return f"{object_type(kind)}Patch"


_KINDS_BY_TYPE = {type_of_kind(kind): kind for kind in KINDS for type_of_kind in (object_type, patch_type)}


def identity_of(resource_type: str, properties: Mapping[str, Any]) -> Identity | None:
    """Return the identity of the entry that a resource writes, None for other resources.

    On Kubernetes it is that of the custom resource: the namespace is the one of the object.
    """
    if resource_type == CONFIG_ENTRY:
        kind, name, namespace, partition = (properties.get(key) for key in ("kind", "name", "namespace", "partition"))
        return Entry(str(kind), str(name), {}, namespace, partition).identity
    if resource_type in _KINDS_BY_TYPE:
        metadata = properties.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        kind = _KINDS_BY_TYPE[resource_type]
        return Entry(kind, str(metadata.get("name")), {}, metadata.get("namespace")).identity
    return None


def recorded_body(resource_type: str, outputs: Mapping[str, Any]) -> JsonObject | None:
    """Return the body of an entry in the outputs of the resource that writes it, None if they have none."""
    if resource_type != CONFIG_ENTRY:
        return body(dict(outputs))
    text = outputs.get("configJson")
    return json.loads(text) if text else None


def mesh_of(provider: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what the settings of a provider select: meshes with different results may still be the same."""
    return tuple(provider.get(name) for name in MESH_SETTINGS)


class Provider(NamedTuple):
    """The provider of a component."""

    package: str

    urn: str | None
    """None for the default provider."""

    def is_same(self, urn: str) -> bool:
        """Return whether the URN is that of this provider."""
        # The name of a default provider contains the version of the plugin.
        return urn == self.urn if self.urn else f"{PROVIDERS}{self.package}::default" in urn

    def is_only_mesh(self, resources: Mapping[str, Mapping[str, Any]]) -> bool:
        """Return whether all providers of the package in the state select the same mesh.

        The look-up of the state does not return which resource uses which provider.
        """
        meshes = {urn: mesh_of(one) for urn, one in resources.items() if type_of(urn) == f"{PROVIDERS}{self.package}"}
        own = {mesh for urn, mesh in meshes.items() if self.is_same(urn)}
        return own == set(meshes.values()) and len(own) <= 1


@dataclass(frozen=True)
class Claim:
    """A declared entry and what is known of the resources that hold it."""

    title: str

    identity: Identity

    urn: str
    """The URN of the resource that declares the entry."""

    is_live: bool
    """Whether the entry exists."""

    holders: frozenset[str]
    """The resources of the state that hold an entry of this identity, perhaps in another mesh."""

    proven: frozenset[str] = frozenset()
    """The holders that are known to hold the entry of this mesh, such as the one that its live metadata names."""


@dataclass(frozen=True)
class Stack:
    """What the program and the state contain, apart from the claims."""

    component: str
    """The URN of the component with the claims."""

    is_one_mesh: bool
    """Whether all entries of the state belong to the mesh of the component."""

    resources: frozenset[str] = frozenset()
    """All resources of the state."""

    declared: Mapping[str, Identity | None] = field(default_factory=dict)
    """What the program has registered, by URN: the entry that a component or a raw resource writes, perhaps in another
    mesh; None for a raw resource that writes an entry of the component."""


def former_resources(claims: Iterable[Claim], stack: Stack) -> dict[str, str]:
    """Return the resources to take over with an alias, by the URN of the resource that declares the entry.

    Raises ConflictError if Pulumi could delete a declared entry.
    """
    former: dict[str, str] = {}
    deletions: dict[str, list[str]] = {}
    for claim in claims:
        held, unsure = _other_holders(claim, stack)
        if not held | unsure:
            continue
        (first, *more) = sorted(held | unsure)
        is_free = claim.urn not in stack.resources and first not in stack.declared
        if unsure or more or not is_free or _package(first) != _package(claim.urn):
            deletions[claim.title] = [first, *more]
        else:
            former[claim.urn] = first
    if deletions:
        raise ConflictError(lost_entries_text(deletions))
    return former


def _other_holders(claim: Claim, stack: Stack) -> tuple[set[str], set[str]]:
    """Return the other resources that hold the entry, and those that hold it or an entry of another mesh."""
    # The program declares the same entry a second time only for another mesh.
    others = {urn for urn in claim.holders - {claim.urn} if stack.declared.get(urn) != claim.identity}
    if stack.is_one_mesh:
        return others, set()
    held = {urn for urn in others if urn in claim.proven or is_sibling(urn, stack.component)}
    unsure = others - held if claim.is_live and claim.urn not in claim.proven else set()
    if claim.urn in claim.holders:
        # Two components hold an entry of one identity only for two meshes.
        unsure = {urn for urn in unsure if not is_child_of_component(urn)}
    return held, unsure


def _package(urn: str) -> str:
    return type_of(urn).partition(":")[0]


def lost_entries_text(deletions: Mapping[str, list[str]]) -> str:
    """Return why entries could be deleted, and the fix. Keys are titles, values the URNs of other holders."""
    # `proxy-defaults` first, since it may depend on other entries.
    urns = dict.fromkeys(urn for _, held in sorted(deletions.items()) for urn in held)
    return message(
        "CT207",
        f"{', '.join(sorted(deletions))}: this update could delete the live entry, because the state of this stack "
        "holds it as another resource",
        *fix("If the other resource writes an entry of another mesh:", "declare it before this component"),
        *fix(
            "If not, remove it from the program if it is still declared there. To keep the live entry:",
            *(f"pulumi state delete '{urn}'" for urn in urns),
            "pulumi up --refresh",
        ),
    )
