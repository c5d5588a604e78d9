"""URNs: the names under which Pulumi keeps resources in a stack's state."""

from __future__ import annotations


def child_urn(parent: str, resource_type: str, name: str) -> str:
    """The URN of the child `name` of the component with the URN `parent`."""
    stack, project, parent_type, _ = parent.split("::", 3)
    return f"{stack}::{project}::{parent_type}${resource_type}::{name}"


def in_stack_of(urn: str, component: str) -> str:
    """The URN that a resource has after its stack or project got the name that the URN `component` holds."""
    return "::".join([*component.split("::", 2)[:2], *urn.split("::", 2)[2:]])


def type_of(urn: str) -> str:
    """The resource type in a URN, without those of its parents."""
    return urn.split("::", 3)[2].rpartition("$")[2]
