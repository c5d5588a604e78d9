"""An Envoy of the run's own, started by Consul, and its admin interface."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import toolchain
from testbed.consul import Consul
from testbed.http import ask, ask_json
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

READY_SECONDS = 30.0

SEND_EACH_SPAN_AT_ONCE = {"tracing.zipkin.min_flush_spans": 1, "tracing.opentelemetry.min_flush_spans": 1}
"""Envoy otherwise collects five spans, or five seconds' worth, before it reports them."""


class Envoy:
    """A proxy of the mesh: a sidecar or a gateway.

    `arguments` are those of `consul connect envoy` that say which one; `runtime` are values of Envoy's runtime, which
    come on top of `SEND_EACH_SPAN_AT_ONCE`; `envoy_arguments` go to Envoy itself, where `--config-yaml` is taken.
    Hot restart stays off, as `consul connect envoy` has it: no shared memory, so no base id to collide with others'.
    """

    def __init__(  # noqa: PLR0913 - each is something that a test varies
        self,
        programs: Programs,
        consul: Consul,
        name: str,
        arguments: Sequence[str],
        *,
        runtime: Mapping[str, object] | None = None,
        envoy_arguments: Sequence[str] = (),
        version: str | None = None,
    ) -> None:
        """Start the proxy, with its admin interface on a free port; `version` is Envoy's, or any."""
        self.name = name
        self.admin_port = free_port()
        self._programs = programs
        self._consul = consul
        self._version = version
        # Envoy takes one `--config-yaml`: a caller's own stands instead of ours.
        layer = [] if "--config-yaml" in envoy_arguments else _runtime_layer(runtime or {})
        self._arguments = [*arguments, "--", *layer, "--concurrency", "1", *envoy_arguments]
        self.program = self.start()

    def start(self) -> Program:
        """Start the proxy with the bootstrap that Consul has for it now; again after a stop, on the same ports."""
        self.program = self._programs.start(f"envoy {self.name}", self._command(), environment=self._consul.environment)
        return self.program

    def stop(self) -> None:
        """End the proxy, connections included."""
        self._programs.stop(self.program)

    def wait_until_ready(self, listeners: int = 0) -> None:
        """Wait until it serves on so many listeners and knows a healthy instance of every upstream."""
        self._programs.wait_until(
            lambda: self.is_ready and len(self.listeners()) >= listeners and self.has_healthy_upstreams,
            f"{self.name}'s proxy with {listeners} listeners and healthy upstreams",
            seconds=READY_SECONDS,
            program=self.program,
        )

    @property
    def is_ready(self) -> bool:
        """Whether Envoy itself says that it is."""
        return ask(self.admin_port, "/ready").status == 200  # noqa: PLR2004 - else 503

    @property
    def has_healthy_upstreams(self) -> bool:
        """Whether every service that it was told to reach has an instance that it may be sent to."""
        discovered = [cluster for cluster in self.clusters() if cluster.get("added_via_api")]
        return all(any(_is_healthy(host) for host in cluster.get("host_statuses", [])) for cluster in discovered)

    def listeners(self) -> list[str]:
        """Names of the listeners that serve."""
        statuses = ask_json(self.admin_port, "/listeners?format=json").get("listener_statuses", [])
        return [status["name"] for status in statuses]

    def clusters(self) -> list[dict[str, Any]]:
        """What it knows of its clusters and their hosts."""
        clusters: list[dict[str, Any]] = ask_json(self.admin_port, "/clusters?format=json").get("cluster_statuses", [])
        return clusters

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Its counters and gauges by name, those that match the regular expression."""
        stats = ask_json(self.admin_port, f"/stats?format=json&filter={pattern}")["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    def config_dump(self) -> dict[str, Any]:
        """Its whole configuration: bootstrap, and what Consul sent since."""
        dump: dict[str, Any] = ask_json(self.admin_port, "/config_dump")
        return dump

    def _command(self) -> list[str]:
        return [
            str(toolchain.program("consul")),
            "connect",
            "envoy",
            f"-grpc-addr=http://{LOOPBACK}:{self._consul.grpc_port}",
            f"-admin-bind={LOOPBACK}:{self.admin_port}",
            f"-envoy-binary={toolchain.program('envoy', self._version)}",
            "-ignore-envoy-compatibility",
            *self._arguments,
        ]


def _runtime_layer(values: Mapping[str, object]) -> list[str]:
    layer = {"name": "embedded mesh", "static_layer": {**SEND_EACH_SPAN_AT_ONCE, **values}}
    return ["--config-yaml", json.dumps({"layered_runtime": {"layers": [layer]}})]


def _is_healthy(host: Mapping[str, Any]) -> bool:
    return bool(host.get("health_status", {}).get("eds_health_status") == "HEALTHY")
