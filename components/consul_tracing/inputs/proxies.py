"""The proxies of each service: what their registrations or pods carry, because no config entry can hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.names import TEMPLATE

from .entry_settings import ServiceTracing
from .types import NAME_TEMPLATE

if TYPE_CHECKING:
    from .entry_settings import Service
    from .mesh_settings import MeshSettings


def proxies_of(settings: MeshSettings) -> dict[str, ServiceTracing]:
    """Return the tracing of the proxies of each declared service, with the service name of their spans.

    The keys are the names in Consul's catalog. If several services have one name, they have their keys in `services`.
    The name of the template is `{service}`.
    """
    tcp = {name: named(name) for name in settings.tcp_names}
    outputs = settings.output_names
    declared = {
        outputs[key]: _tracing(name, settings.services[key], settings) for key, name in settings.names_by_key.items()
    }
    return {**dict(sorted({**tcp, **declared}.items())), TEMPLATE: named("{service}")}


def named(name: str) -> ServiceTracing:
    """Return the tracing of proxies that differ from those of the mesh only in the service name of their spans."""
    return ServiceTracing.model_construct(service_name=name)


def _tracing(name: str, service: Service, settings: MeshSettings) -> ServiceTracing:
    values = {
        "{service}": name,
        "{namespace}": service.namespace or "default",
        "{partition}": service.partition or settings.partition or "default",
    }
    tracing = service.tracing or ServiceTracing()
    text = NAME_TEMPLATE.sub(lambda found: values[found[0]], tracing.service_name or "{service}")
    return tracing.model_copy(update={"service_name": text})
