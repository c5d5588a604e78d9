"""Run Pulumi programs without the engine and without Consul."""

import contextvars
from collections.abc import Callable
from typing import Any

import pulumi

from consul_tracing.backends.consul_api import ENTRY, SERVICES
from consul_tracing.backends.stack_state import READ_STATE
from consul_tracing.testing import Mocks
from testbed.event_loops import event_loops


class Engine(Mocks):
    """A mock of Pulumi's engine that records every registration.

    `live` holds the config entries that lookups return, by name, or the error of every lookup. `state` holds
    the outputs of the resources in the stack's state, by their URN; `state_reads` counts how often it is read.
    """

    def __init__(self) -> None:
        super().__init__(services=["consul", "mysql", "redis", "web", "web-sidecar-proxy"])
        self.registered = self.resources
        self.on_registration: Callable[[pulumi.runtime.MockResourceArgs], object] = lambda _: None
        self.live: dict[str, dict[str, Any]] | str = {}
        self.state: dict[str, dict[str, Any]] = {}
        self.state_reads = 0

    def run(self, program: Callable[[], Any], *, preview: bool = False) -> None:
        """Run a program to completion. Raise the error of the program or of the Output that it returns.

        Pulumi keeps its settings in context variables, so the run has its own context and its own event loop.
        """
        contextvars.copy_context().run(self._run, program, preview=preview)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        answer = super().new_resource(args)
        self.on_registration(args)
        return answer

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        if args.token == READ_STATE:
            self.state_reads += 1
            return {"outputs": {urn: {"outputs": outputs} for urn, outputs in self.state.items()}}
        if isinstance(self.live, str):
            return {}, [("", self.live)]
        assert args.token in {ENTRY, SERVICES}
        self.entries = {(args.args.get("kind"), name): body for name, body in self.live.items()}
        return super().call(args)

    def _run(self, program: Callable[[], Any], *, preview: bool) -> None:
        def await_result() -> Any:
            result = program()
            return result if isinstance(result, pulumi.Output) else None

        with event_loops():
            pulumi.runtime.set_mocks(self, project="mesh", stack="test", preview=preview)
            pulumi.runtime.test(await_result)()
