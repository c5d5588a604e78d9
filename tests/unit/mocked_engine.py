"""Run Pulumi programs without the engine and without Consul."""

import contextvars
import json
from collections.abc import Callable
from typing import Any

import pulumi

from consul_tracing.backends.stack_state import READ_STATE
from testbed.event_loops import event_loops


class Engine(pulumi.runtime.Mocks):
    """A mock of Pulumi's engine that records every registration.

    `live` holds the config entries that lookups return, by name, or the error of every lookup. `state` holds
    the outputs of the resources in the stack's state, by their URN; `state_reads` counts how often it is read.
    """

    def __init__(self) -> None:
        self.registered: dict[str, pulumi.runtime.MockResourceArgs] = {}
        self.on_registration: Callable[[pulumi.runtime.MockResourceArgs], object] = lambda _: None
        self.live: dict[str, dict[str, Any]] | str = {}
        self.state: dict[str, dict[str, Any]] = {}
        self.state_reads = 0

    def run(self, program: Callable[[], Any], *, preview: bool = False) -> None:
        """Run a program to completion. Raise the error of the program or of the Output that it returns.

        Pulumi keeps its settings in context variables, so the run has its own context and its own event loop.
        """
        contextvars.copy_context().run(self._run, program, preview=preview)

    def entry(self, name: str) -> dict[str, Any]:
        """Return the body of the config entry that was registered as the resource `name`."""
        body: dict[str, Any] = json.loads(self.registered[name].inputs["configJson"])
        return body

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.registered[args.name] = args
        self.on_registration(args)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        if args.token == READ_STATE:
            self.state_reads += 1
            return {"outputs": {urn: {"outputs": outputs} for urn, outputs in self.state.items()}}
        if isinstance(self.live, str):
            return {}, [("", self.live)]
        if args.token.endswith(":getServices"):
            return {"id": "x", "names": ["consul", "mysql", "redis", "web", "web-sidecar-proxy"]}
        if (name := args.args["name"]) not in self.live:
            return {}, [("", f'Unexpected response code: 404 (Config entry not found for "x" / "{name}")')]
        return {**args.args, "id": "x", "configJson": json.dumps(self.live[name])}

    def _run(self, program: Callable[[], Any], *, preview: bool) -> None:
        def await_result() -> Any:
            result = program()
            return result if isinstance(result, pulumi.Output) else None

        with event_loops():
            pulumi.runtime.set_mocks(self, project="mesh", stack="test", preview=preview)
            pulumi.runtime.test(await_result)()
