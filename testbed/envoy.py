"""An Envoy proxy, started by `consul connect envoy`, and its admin interface."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import toolchain
from testbed.consul import Consul
from testbed.http import request_json, send_request
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

READY_SECONDS = 30.0

DRAIN_IN_A_SECOND = ("--disable-hot-restart", "--drain-time-s", "1", "--drain-strategy", "immediate")
"""A connection keeps the former listener for a second instead of ten minutes, in which requests are answered.

Consul disables hot restarts only where no option of them is given.
"""
SEND_SPANS_IMMEDIATELY = {"tracing.zipkin.min_flush_spans": 1, "tracing.opentelemetry.min_flush_spans": 1}
"""By default Envoy reports spans after five spans or five seconds."""


class Envoy:
    """A proxy of the mesh: a sidecar or a gateway.

    `arguments` of `consul connect envoy` select the proxy. `envoy_arguments` are arguments of Envoy; a `--config-yaml`
    among them replaces `SEND_SPANS_IMMEDIATELY`.
    """

    def __init__(  # noqa: PLR0913 - keyword options
        self,
        programs: Programs,
        consul: Consul,
        name: str,
        arguments: Sequence[str],
        *,
        envoy_arguments: Sequence[str] = (),
        admin_port: int | None = None,
        version: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the proxy with its admin interface on this port, default a free one."""
        self.name = name
        self.environment = dict(environment or {})
        """Additional environment variables for the next start."""
        self.version = version
        """Envoy version for the next start. None: any supported version on PATH, else the toolchain's default."""
        self.admin_port = admin_port or free_port()
        self._programs = programs
        self._consul = consul
        # Envoy accepts one `--config-yaml` only.
        layer = [] if "--config-yaml" in envoy_arguments else _runtime_layer()
        self._arguments = [*arguments, "--", *layer, *DRAIN_IN_A_SECOND, "--concurrency", "1", *envoy_arguments]
        self.program = self.start()

    def start(self) -> Program:
        """Start the proxy with its current bootstrap. A restart uses the same ports."""
        environment = {**self._consul.environment, **self.environment}
        self.program = self._programs.start(f"envoy {self.name}", self._command(), environment=environment)
        return self.program

    def stop(self) -> None:
        """Stop the proxy and close its connections."""
        self._programs.stop(self.program)

    def wait_until_ready(self, listeners: int = 0) -> None:
        """Wait until the proxy has this number of listeners and a healthy instance of every upstream."""
        self._programs.wait_until(
            lambda: self.can_serve(listeners),
            f"{self.name}'s proxy with {listeners} listeners and healthy upstreams",
            seconds=READY_SECONDS,
            program=self.program,
        )

    def can_serve(self, listeners: int) -> bool:
        """Return whether the proxy has this number of listeners and a healthy instance of every upstream."""
        return self.is_ready and len(self.listeners()) >= listeners and self.has_healthy_upstreams

    @property
    def is_ready(self) -> bool:
        """Whether Envoy reports that it is ready."""
        return send_request(self.admin_port, "/ready").status == 200  # noqa: PLR2004 - else 503

    @property
    def has_rejected_listener(self) -> bool:
        """Whether Envoy has rejected a listener from Consul."""
        return any(self.stats("listener_manager.lds.update_rejected").values())

    @property
    def has_healthy_upstreams(self) -> bool:
        """Whether every upstream from Consul has a healthy instance."""
        discovered = [cluster for cluster in self.clusters() if cluster.get("added_via_api")]
        return all(any(_is_healthy(host) for host in cluster.get("host_statuses", [])) for cluster in discovered)

    @property
    def running_version(self) -> str:
        """Version of the running Envoy, from text such as `<commit>/1.36.4/Clean/RELEASE/BoringSSL`."""
        version: str = request_json(self.admin_port, "/server_info")["version"]
        return version.split("/")[1]

    def listeners(self) -> list[str]:
        """Return the names of the active listeners."""
        statuses = request_json(self.admin_port, "/listeners?format=json").get("listener_statuses", [])
        return [status["name"] for status in statuses]

    def clusters(self) -> list[dict[str, Any]]:
        """Return the status of the clusters and their hosts."""
        clusters: list[dict[str, Any]] = request_json(self.admin_port, "/clusters?format=json").get(
            "cluster_statuses", []
        )
        return clusters

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Return the counters and gauges whose names match the regular expression."""
        stats = request_json(self.admin_port, f"/stats?format=json&filter={pattern}")["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    @property
    def is_draining(self) -> bool:
        """Whether connections may still have a former listener."""
        return any(self.stats("listener_manager.total_(listeners|filter_chains)_draining").values())

    def config_dump(self) -> dict[str, Any]:
        """Return the whole configuration: the bootstrap and the resources from Consul."""
        dump: dict[str, Any] = request_json(self.admin_port, "/config_dump")
        return dump

    def _command(self) -> list[str]:
        return [
            str(toolchain.program("consul")),
            "connect",
            "envoy",
            f"-grpc-addr=http://{LOOPBACK}:{self._consul.grpc_port}",
            f"-admin-bind={LOOPBACK}:{self.admin_port}",
            f"-envoy-binary={toolchain.program('envoy', self.version)}",
            "-ignore-envoy-compatibility",
            *self._arguments,
        ]


def _runtime_layer() -> list[str]:
    layer = {"name": "embedded mesh", "static_layer": SEND_SPANS_IMMEDIATELY}
    return ["--config-yaml", json.dumps({"layered_runtime": {"layers": [layer]}})]


def _is_healthy(host: Mapping[str, Any]) -> bool:
    return bool(host.get("health_status", {}).get("eds_health_status") == "HEALTHY")
