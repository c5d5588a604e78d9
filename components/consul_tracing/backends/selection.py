"""Selection of the backend for the settings of a component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.entries.ownership import Policy

from .consul import ConsulBackend
from .kubernetes.backend import KubernetesBackend

if TYPE_CHECKING:
    from consul_tracing.inputs.entry_settings import EntrySettings

    from .base import Backend


def select_backend(component: pulumi.ComponentResource, settings: EntrySettings) -> Backend[Any]:
    """Return the backend of `target`, which writes entries as children of the component."""
    # Pulumi's name for the organization of state backends without organizations.
    stack = f"{pulumi.get_organization() or 'organization'}/{pulumi.get_project()}/{pulumi.get_stack()}"
    policy = Policy(settings.existing, settings.owner or stack, settings.renamed_from, settings.release)
    if settings.target == "consul":
        return ConsulBackend(component, policy)
    return KubernetesBackend(component, policy, settings)
