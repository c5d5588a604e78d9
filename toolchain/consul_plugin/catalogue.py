"""The look-up `getServices`: the names of the services that a Consul knows."""

from collections.abc import Mapping
from typing import Any

from .config_entry import EntryFailure, Properties
from .consul_api import ConsulApi, ConsulRefused, ConsulUnreachable
from .entry_address import EntryAddress


def services(consul: ConsulApi, arguments: Properties) -> Mapping[str, Any]:
    """Return the services of the catalogue, of the namespace and partition in `queryOptions` where those are given."""
    options: Mapping[str, Any] = (arguments.get("queryOptions") or [{}])[0]
    place = EntryAddress.of({key: options.get(key) for key in ("namespace", "partition")})
    try:
        tags = consul.services(place)
    except (ConsulRefused, ConsulUnreachable) as problem:
        raise EntryFailure(f"failed to read the catalogue's services: {problem}") from None
    names = sorted(tags)
    return {
        "id": "catalog-services",
        "names": names,
        "services": {name: " ".join(sorted(tags[name])) for name in names},
        "tags": {name: " ".join(sorted(tags[name])) for name in names},
        "queryOptions": [dict(options)] if options else [],
    }
