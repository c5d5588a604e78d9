"""Field managers of server-side apply: which manager holds a field of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import JsonObject

OWNER_MANAGER, PATCH_MANAGER = "consul-tracing", "consul-tracing-patch"
"""Field managers for whole objects and for patches. A deleted patch removes all fields of its manager."""

UNNAMED_MANAGER_PREFIX = "pulumi-kubernetes"
"""Prefix of the field managers that the Kubernetes provider uses without server-side apply."""

PRUNED_MANAGERS = ("kubectl", "before-first-apply")
"""Prefixes of the field managers whose fields the Kubernetes provider takes over."""


def is_pruned_from_object(live: JsonObject, path: tuple[str, ...]) -> bool:
    """Return whether the field is removed when this stack applies the whole object without it.

    Before the Kubernetes provider changes a whole object, it takes over the fields that kubectl holds (the migration
    from client-side to server-side apply). Fields that are not applied are then removed.
    """
    own = (UNNAMED_MANAGER_PREFIX, *PRUNED_MANAGERS)
    return all(holder == OWNER_MANAGER or holder.startswith(own) for holder in _holders(live, path))


def is_pruned_from_patch(live: JsonObject, path: tuple[str, ...]) -> bool:
    """Return whether the field is removed when this stack applies a patch without it: only one that it held before."""
    holders = _holders(live, path)
    return bool(holders) and all(holder.startswith((PATCH_MANAGER, UNNAMED_MANAGER_PREFIX)) for holder in holders)


def _holders(live: JsonObject, path: tuple[str, ...]) -> list[str]:
    return [one.get("manager", "") for one in managed_fields(live) if holds_field(one.get("fieldsV1") or {}, path)]


def managed_fields(live: JsonObject) -> list[JsonObject]:
    """Return the object's `metadata.managedFields`."""
    return live.get("metadata", {}).get("managedFields") or []


def holds_field(fields: JsonObject, path: tuple[str, ...]) -> bool:
    """Return whether `fieldsV1` contains the field at `path`."""
    for step in path:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def is_own_write(entry: JsonObject) -> bool:
    """Return whether an entry of `managedFields` is a write of this package."""
    manager = entry.get("manager", "")
    return manager in {OWNER_MANAGER, PATCH_MANAGER} or manager.startswith(UNNAMED_MANAGER_PREFIX)


def has_unnamed_manager(live: JsonObject) -> bool:
    """Return whether the Kubernetes provider has applied the object under a name of its own, as a raw resource.

    The object keeps this manager: the provider would write it a second time to release the fields of another one, and
    the controller of consul-k8s would lose its status in the conflict of the two writes.
    """
    return any(
        entry.get("operation") == "Apply" and entry.get("manager", "").startswith(UNNAMED_MANAGER_PREFIX)
        for entry in managed_fields(live)
    )


def held_paths(fields: JsonObject, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths in `fieldsV1`."""
    for step, below in fields.items():
        if step == ".":
            continue
        name = step.removeprefix("f:")
        yield from held_paths(below, *above, name) if below else [(*above, name)]
