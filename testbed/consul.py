"""A Consul agent and its HTTP API."""

import os
import signal
from typing import Any
from urllib.parse import urlencode

import toolchain
from testbed.http import request_json, send_request, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

JsonObject = dict[str, Any]

READY_SECONDS = 30.0


class Consul:
    """A Consul server that keeps its state in memory and listens on 127.0.0.1 only.

    `hcl` is further configuration, such as ACLs. `token` authenticates every request of this class.
    """

    def __init__(self, programs: Programs, *, hcl: str = "", token: str = "") -> None:
        """Start the agent on free ports."""
        self.http_port = free_port()
        self.grpc_port = free_port()
        self.token = token
        self._programs = programs
        self._hcl = hcl
        self.ports = {
            "http": self.http_port,
            "grpc": self.grpc_port,
            "server": free_port(),
            "serf_lan": free_port(),
        }
        self.program = self.start()

    @property
    def address(self) -> str:
        """Host and port of the HTTP API, in the format of the Pulumi provider."""
        return f"{LOOPBACK}:{self.http_port}"

    @property
    def url(self) -> str:
        """URL of the HTTP API. The web interface is at `/ui`."""
        return url(self.http_port)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that connect Consul's command line to this agent."""
        token = {"CONSUL_HTTP_TOKEN": self.token} if self.token else {}
        return {"CONSUL_HTTP_ADDR": self.url, **token}

    def start(self) -> Program:
        """Start the agent with empty state. A restart uses the same ports."""
        self.program = self._programs.start("consul", [toolchain.program("consul"), *self._arguments()])
        return self.program

    def stop(self) -> None:
        """Stop the agent and discard its state."""
        self._programs.stop(self.program)

    def wait_until_ready(self) -> None:
        """Wait for a leader, which writes require."""
        self._programs.wait_until(
            lambda: self.get("/v1/status/leader"), "a Consul leader", seconds=READY_SECONDS, program=self.program
        )

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Send a GET request."""
        return self._request("GET", path, None, query)

    def put(self, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Send a PUT request."""
        return self._request("PUT", path, body, query)

    def config_entry(self, kind: str, name: str) -> JsonObject | None:
        """Return the live config entry, None if there is none."""
        response = send_request(self.http_port, f"/v1/config/{kind}/{name}", headers=self._headers)
        if response.status == 404:  # noqa: PLR2004 - not found
            return None
        entry: JsonObject = response.json()
        return entry

    def write_config_entry(self, entry: JsonObject) -> None:
        """Write a config entry, including `Kind` and `Name`, unconditionally."""
        self.put("/v1/config", entry)

    def delete_config_entry(self, kind: str, name: str) -> None:
        """Delete a config entry."""
        self._request("DELETE", f"/v1/config/{kind}/{name}", None, {})

    def register(self, service: JsonObject) -> None:
        """Register a service and its sidecar with the agent."""
        self.put("/v1/agent/service/register", service)

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Consul-Token": self.token} if self.token else {}

    def _request(self, method: str, path: str, body: object, query: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
        target = f"{path}?{urlencode(query)}" if query else path
        return request_json(self.http_port, target, method=method, headers=self._headers, body=body)

    @property
    def _mode(self) -> list[str]:
        return ["-dev"]

    def _arguments(self) -> list[str]:
        disabled = dict.fromkeys(("dns", "https", "grpc_tls", "serf_wan"), -1)
        ports = " ".join(f"{name} = {port}" for name, port in {**self.ports, **disabled}.items())
        hcl = f"ports {{ {ports} }} disable_update_check = true"
        return ["agent", *self._mode, "-bind", LOOPBACK, "-client", LOOPBACK, "-hcl", hcl, "-hcl", self._hcl]


class ConsulServer(Consul):
    """A Consul server that keeps its state on disk. Several servers form a cluster."""

    def __init__(
        self, programs: Programs, node: str = "one", size: int = 1, join: "ConsulServer | None" = None
    ) -> None:
        """Start server `node` of a cluster of `size` servers. It joins the cluster of `join`."""
        self._node = [f"-node={node}", f"-bootstrap-expect={size}", f"-data-dir={programs.make_directory('consul')}"]
        self._join = [f"-retry-join={LOOPBACK}:{join.ports['serf_lan']}", "-retry-interval=1s"] if join else []
        super().__init__(programs, hcl="performance { raft_multiplier = 1 }")

    @property
    def is_leader(self) -> bool:
        """Whether this server is the leader of the cluster."""
        leader: str = self.get("/v1/status/leader")
        return leader == f"{LOOPBACK}:{self.ports['server']}"

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        os.killpg(self.program.session, signal.SIGKILL)
        self.stop()

    def wait_until_consistent(self) -> None:
        """Wait until the server has replayed its log. A new leader responds earlier, without the latest entries."""
        self._programs.wait_until(
            lambda: self.get("/v1/config/service-defaults", consistent=""), "consistent reads", seconds=30
        )

    @property
    def _mode(self) -> list[str]:
        return ["-server", *self._node, *self._join]
