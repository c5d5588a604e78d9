"""Base class of the components."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pulumi

NO_ARGS: Any = None
"""Default of `args`, whose type is no union because Pulumi's schema inference does not support one."""


class Component(pulumi.ComponentResource):
    """A component whose inputs are a map, keyword arguments, or both."""

    def logged(self, warnings: Iterable[str]) -> list[str]:
        """Log warnings, and return them for the output `warnings`."""
        found = list(warnings)
        for warning in found:
            pulumi.log.warn(warning, self)
        return found


class EntryComponent(Component):
    """A component that writes config entries."""

    _entries: Mapping[str, pulumi.Resource] = MappingProxyType({})

    @property
    def entries(self) -> Mapping[str, pulumi.Resource]:
        """The resources that write the entries, by their names after that of the component, such as `service-web`.

        For `transforms`, and for `depends_on`, which waits for all of them if it names the component. On Kubernetes it
        does not wait until consul-k8s has written the objects into Consul, as the output `services` does:
        `depends_on=mesh.services.apply(lambda _: [mesh])`.
        """
        return self._entries
