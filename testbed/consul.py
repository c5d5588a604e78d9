"""A Consul agent of the run's own, and its HTTP API."""

import os
import signal
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import toolchain
from testbed.http import ask, ask_json, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

JsonObject = dict[str, Any]

READY_SECONDS = 30.0


class Consul:
    """A server that keeps everything in memory and listens on 127.0.0.1 alone.

    `hcl` is further configuration, as for ACLs; `token` is then what every call here is made with.
    """

    def __init__(self, programs: Programs, *, hcl: str = "", token: str = "") -> None:
        """Start the agent on free ports."""
        self.http_port = free_port()
        self.grpc_port = free_port()
        self.token = token
        self._programs = programs
        self._hcl = hcl
        self._other_ports = {"server": free_port(), "serf_lan": free_port()}
        self.program = self.start()

    @property
    def address(self) -> str:
        """Host and port of the HTTP API, as the Pulumi provider takes them."""
        return f"{LOOPBACK}:{self.http_port}"

    @property
    def url(self) -> str:
        """Address of the HTTP API; the web interface is at `/ui`."""
        return url(self.http_port)

    @property
    def environment(self) -> dict[str, str]:
        """What leads Consul's own command line to this agent."""
        token = {"CONSUL_HTTP_TOKEN": self.token} if self.token else {}
        return {"CONSUL_HTTP_ADDR": self.url, **token}

    def start(self) -> Program:
        """Start the agent, with nothing in it; again after a stop, on the same ports."""
        self.program = self._programs.start("consul", [toolchain.program("consul"), *self._arguments()])
        return self.program

    def stop(self) -> None:
        """End the agent and forget everything that it was told."""
        self._programs.stop(self.program)

    def wait_until_ready(self) -> None:
        """Wait until there is a leader: before that, nothing can be written."""
        self._programs.wait_until(
            lambda: self.get("/v1/status/leader"), "a leader of Consul", seconds=READY_SECONDS, program=self.program
        )

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Read from the API."""
        return self._ask("GET", path, None, query)

    def put(self, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Write to the API."""
        return self._ask("PUT", path, body, query)

    def config_entry(self, kind: str, name: str) -> JsonObject | None:
        """The live config entry, or None where there is none."""
        answer = ask(self.http_port, f"/v1/config/{kind}/{name}", headers=self._headers)
        if answer.status == 404:  # noqa: PLR2004 - not found
            return None
        entry: JsonObject = answer.json()
        return entry

    def write_config_entry(self, entry: JsonObject) -> None:
        """Write a config entry, `Kind` and `Name` included, over what is there."""
        self.put("/v1/config", entry)

    def delete_config_entry(self, kind: str, name: str) -> None:
        """Remove a config entry."""
        self._ask("DELETE", f"/v1/config/{kind}/{name}", None, {})

    def register(self, service: JsonObject) -> None:
        """Register a service, and its sidecar, with the agent."""
        self.put("/v1/agent/service/register", service)

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Consul-Token": self.token} if self.token else {}

    def _ask(self, method: str, path: str, body: object, query: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
        question = f"{path}?{urlencode(query)}" if query else path
        return ask_json(self.http_port, question, method=method, headers=self._headers, body=body)

    def _arguments(self) -> list[str]:
        unused = dict.fromkeys(("dns", "https", "grpc_tls", "serf_wan"), -1)
        ports = {"http": self.http_port, "grpc": self.grpc_port, **self._other_ports, **unused}
        listed = " ".join(f"{name} = {port}" for name, port in ports.items())
        hcl = [f"ports {{ {listed} }}", "disable_update_check = true", self._hcl]
        return ["agent", "-dev", "-bind", LOOPBACK, "-client", LOOPBACK, *_given("-hcl", hcl)]


class ConsulServer(Consul):
    """A Consul server with its state on disk: it survives being killed. Several of them form a cluster."""

    def __init__(self, programs: Programs, node: str = "one", of: int = 1, join: "ConsulServer | None" = None) -> None:
        """Start server `node` of a cluster of size `of`, which joins the server `join`."""
        self._programs = programs
        self._node = [f"-node={node}", f"-bootstrap-expect={of}", f"-data-dir={programs.make_directory('consul')}"]
        self._join = [f"-retry-join={LOOPBACK}:{join.ports['serf_lan']}", "-retry-interval=1s"] if join else []
        super().__init__(programs)

    @property
    def ports(self) -> Mapping[str, int]:
        """The server's ports by name."""
        return {"http": self.http_port, **self._other_ports}

    @property
    def is_leader(self) -> bool:
        """Whether it leads the cluster."""
        leader: str = self.get("/v1/status/leader")
        return leader == f"{LOOPBACK}:{self.ports['server']}"

    def kill(self) -> None:
        """End it with nothing put in order."""
        os.killpg(self.program.session, signal.SIGKILL)
        self.stop()

    def wait_until_read_up(self) -> None:
        """Wait until the server has read its own log. A new leader answers earlier, with some entries missing."""
        self._programs.wait_until(
            lambda: self.get("/v1/config/service-defaults", consistent=""), "all that was written", seconds=30
        )

    def _arguments(self) -> list[str]:
        unused = dict.fromkeys(("dns", "https", "grpc", "grpc_tls", "serf_wan"), -1)
        listed = " ".join(f"{name} = {port}" for name, port in {**self.ports, **unused}.items())
        settings = f"ports {{ {listed} }} disable_update_check = true performance {{ raft_multiplier = 1 }}"
        bound = ["-bind", LOOPBACK, "-client", LOOPBACK, "-hcl", settings]
        return ["agent", "-server", *self._node, *self._join, *bound]


def _given(flag: str, values: list[str]) -> list[str]:
    return [argument for value in values if value for argument in (flag, value)]
