"""New entries of services that Consul's catalog does not have: their names may be misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.entries.dependants import CHAIN_KINDS
from consul_tracing.errors import closest, message

from .default_protocol import CONSUL_SERVICE, MESH_GATEWAY
from .dependants import catalog_services, existing
from .value_changes import MAX_REPORTED, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Backend
    from .live import Planned


def report_missing_services(backend: Backend[Any], planned: Sequence[Planned[Any]]) -> None:
    """Log the services without an instance in the catalog, which is read only if an entry is new.

    An entry may exist before its service. If the catalog has none of the declared services, as in a new mesh, only
    names that are similar to another service are reported.
    """
    services = [one for one in planned if one.entry.kind == "service-defaults"]
    new = {
        backend.service(one.entry)
        for one in services
        # The destination of a terminating gateway has no instances.
        if one.live.is_known and one.live.body is None and not one.entry.body.get("Destination")
    }
    catalog = catalog_services(backend, new) if new else None
    if catalog is None:
        return
    declared = {backend.service(one.entry) for one in services}
    missing = new - catalog
    if 0 < len(missing) <= MAX_REPORTED:
        missing -= {backend.service(one) for kind in CHAIN_KINDS for one in existing(backend, kind, missing)}
    others = sorted({name for name, *_ in catalog - declared} - {CONSUL_SERVICE, MESH_GATEWAY})
    similar = {name: closest(name, others) for name, *_ in sorted(missing)[:MAX_REPORTED]}
    if not declared & catalog:
        missing = {one for one in missing if similar.get(one[0])}
    if missing:
        names = [f'{name} (did you mean "{similar[name]}"?)' if similar.get(name) else name for name, *_ in missing]
        text = message(
            "CT535",
            f"Consul's catalog has no instance of {listed(names)}",
            "An entry takes effect as soon as its service is registered. Correct a misspelt name.",
        )
        pulumi.log.info(text, backend.component)
