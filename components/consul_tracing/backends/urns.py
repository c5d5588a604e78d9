"""URNs: the identities of resources in a stack's state."""

from __future__ import annotations


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
