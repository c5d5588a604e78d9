"""Unit tests of programs with the components, on Pulumi's mocks and without Consul.

pulumi.runtime.set_mocks(consul_tracing.testing.Mocks())
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pulumi.runtime import MockCallArgs, MockResourceArgs
from pulumi.runtime import Mocks as PulumiMocks

from .backends.consul_api import ENTRY, SERVICES


class Mocks(PulumiMocks):
    """Mocks with a Consul: without entries, or with given ones. The outputs of each resource are its inputs.

    Override `new_resource` and `call` for the other resources and look-ups of a program.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]] = (), services: Sequence[str] = ()) -> None:
        """Answer look-ups with these config entries, as Consul's API returns them, and these service names."""
        self.entries = {(entry["Kind"], entry["Name"]): entry for entry in entries}
        self.services = list(services)
        self.resources: dict[str, MockResourceArgs] = {}
        """The registered resources by name. A new instance has none."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Record the resource. Its id is `<name>-id`."""
        self.resources[args.name] = args
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: MockCallArgs) -> Any:  # noqa: ANN401 - as in Pulumi
        """Answer the look-ups of the components. Others have no result."""
        if args.token == SERVICES:
            return {"id": "services", "names": self.services}
        if args.token != ENTRY:
            return {}
        kind, name = args.args["kind"], args.args["name"]
        if (entry := self.entries.get((kind, name))) is None:
            reason = f'Unexpected response code: 404 (Config entry not found for "{kind}" / "{name}")'
            return {}, [("", reason)]
        return {**args.args, "id": f"{kind}-{name}", "configJson": json.dumps(dict(entry))}

    def entry(self, resource: str) -> dict[str, Any]:
        """Return the config entry that the resource of this name writes."""
        body: dict[str, Any] = json.loads(self.resources[resource].inputs["configJson"])
        return body
