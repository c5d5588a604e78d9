"""The type of components that `collector` accepts."""

from typing import Protocol

import pulumi


class CollectorComponent(Protocol):
    """A component with the address of a collector, such as `ZipkinCollector`."""

    host: pulumi.Output[str]
    port: pulumi.Output[int]
