"""The stand-in for Pulumi's Consul plugin, between a real Pulumi and a real Consul."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

import toolchain
from toolchain.consul_plugin.engine import INTRODUCTION
from toolchain.consul_resources import STAND_IN

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

SECONDS_TO_START = 30.0
SECONDS_TO_END = 5.0
FILLED_IN: Mapping[str, Any] = {"AccessLogs": {}, "Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}
TRACING = {"Config": {"envoy_tracing_json": "{}"}, **FILLED_IN}
GLOBAL = ("proxy-defaults", "global")

# The language host of the toolchain cannot write programs.
IMPORT_OF_GLOBAL = (
    "consul:index/configEntry:ConfigEntry",
    "mesh",
    "proxy-defaults/global",
    "--yes",
    "--generate-code=false",
)

ENTRIES_OF_A_FILE = """
import json, pathlib
import pulumi_consul as consul

for resource, (kind, name, body) in json.loads(pathlib.Path("entries.json").read_text()).items():
    consul.ConfigEntry(resource, kind=kind, name=name, config_json=json.dumps(body))
"""


def wait_until(holds: Callable[[], bool], seconds: float = SECONDS_TO_START) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@dataclass(frozen=True)
class Consul:
    """A Consul agent's HTTP API."""

    port: int
    token: str = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.address, timeout=SECONDS_TO_START)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers={"X-Consul-Token": self.token})
            answer = connection.getresponse()
            told = answer.read()
            return answer.status, json.loads(told) if answer.status == http.HTTPStatus.OK else told
        finally:
            connection.close()

    def put(self, kind: str, name: str, **body: object) -> None:
        assert self.ask("PUT", "/v1/config", {"Kind": kind, "Name": name, **body}) == (200, True)

    def entry(self, kind: str, name: str) -> dict[str, Any] | None:
        status, found = self.ask("GET", f"/v1/config/{kind}/{name}")
        return dict(found) if status == http.HTTPStatus.OK else None

    def names(self, kind: str) -> set[str]:
        _, found = self.ask("GET", f"/v1/config/{kind}")
        return {entry["Name"] for entry in found}

    def clear(self) -> None:
        for kind in ("service-defaults", "proxy-defaults"):
            for name in self.names(kind):
                self.ask("DELETE", f"/v1/config/{kind}/{name}")

    def has_leader(self) -> bool:
        try:
            return bool(self.ask("GET", "/v1/status/leader")[1])
        except OSError:
            return False


@contextmanager
def consul_agent(log: Path, further: str = "", token: str = "") -> Iterator[Consul]:
    http_port, server, serf = free_ports(3)
    ports = f"http={http_port} server={server} serf_lan={serf} serf_wan=-1 dns=-1 grpc=-1 grpc_tls=-1"
    settings = f"disable_update_check=true ports{{{ports}}} {further}"
    command = [str(toolchain.program("consul")), "agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1"]
    with log.open("w") as output, subprocess.Popen([*command, "-hcl", settings], stdout=output, stderr=output) as agent:
        try:
            consul = Consul(http_port, token)
            wait_until(consul.has_leader)
            yield consul
        finally:
            agent.terminate()


@pytest.fixture(scope="module")
def shared_consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consul]:
    with consul_agent(tmp_path_factory.mktemp("consul") / "log") as consul:
        yield consul


@pytest.fixture
def consul(shared_consul: Consul) -> Iterator[Consul]:
    yield shared_consul
    shared_consul.clear()


@dataclass(frozen=True)
class Stack:
    """A Pulumi program in a folder of its own, and its one stack."""

    folder: Path
    consul_address: str
    entries: dict[str, tuple[str, str, Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": os.pathsep.join([str(STAND_IN), toolchain.search_path(), os.environ["PATH"]]),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "CONSUL_HTTP_ADDR": self.consul_address,
        }

    def write(self, program: str) -> None:
        (self.folder / "Pulumi.yaml").write_text("name: mesh\nruntime: python\n")
        (self.folder / "__main__.py").write_text(program)

    def command(self, *arguments: str) -> list[str]:
        (self.folder / "entries.json").write_text(json.dumps(self.entries))
        return [str(toolchain.program("pulumi")), *arguments, "--non-interactive", "--stack", "test"]

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def told(self, *arguments: str) -> str:
        done = self.pulumi(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def up(self) -> str:
        return self.told("up", "--yes", "--skip-preview")

    def refused(self, *arguments: str) -> str:
        done = self.pulumi(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stdout

    def state(self) -> dict[str, dict[str, Any]]:
        exported = json.loads(self.told("stack", "export"))
        resources = exported["deployment"].get("resources", ())
        return {resource["urn"].rpartition("::")[2]: resource for resource in resources}


@pytest.fixture
def new_stack(tmp_path: Path) -> Callable[[str], Stack]:
    def stack(consul_address: str) -> Stack:
        made = Stack(tmp_path, consul_address)
        made.write(ENTRIES_OF_A_FILE)
        subprocess.run(
            [toolchain.program("pulumi"), "stack", "init", "test"], cwd=tmp_path, env=made.environment, check=True
        )
        return made

    return stack


@pytest.fixture
def stack(new_stack: Callable[[str], Stack], consul: Consul) -> Stack:
    return new_stack(consul.address)


def test_a_second_preview_is_empty(stack: Stack, consul: Consul) -> None:
    service = {"Protocol": "http", "Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}
    stack.entries.update(mesh=(*GLOBAL, TRACING), web=("service-defaults", "web", service))
    stack.up()
    stack.told("preview", "--expect-no-changes")
    assert stack.state()["mesh"]["id"] == "proxy-defaults-global"
    assert (consul.entry("service-defaults", "web") or {})["Protocol"] == "http"


def test_a_second_preview_shows_what_consul_filled_in_by_itself(stack: Stack) -> None:
    stack.entries["web"] = ("service-defaults", "web", {"Protocol": "http"})
    stack.up()
    stack.refused("preview", "--expect-no-changes")


def test_creating_overwrites_what_others_wrote(stack: Stack, consul: Consul) -> None:
    consul.put(*GLOBAL, Config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    stack.up()
    assert (consul.entry(*GLOBAL) or {})["Config"] == {"envoy_tracing_json": "{}"}


def test_a_change_by_hand_is_seen_by_a_refresh_and_put_right(stack: Stack, consul: Consul) -> None:
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    stack.up()
    stack.told("refresh", "--yes", "--expect-no-changes")
    consul.put(*GLOBAL, Config={"by": "hand"})
    stack.told("preview", "--expect-no-changes")
    stack.refused("refresh", "--yes", "--expect-no-changes")
    stack.refused("preview", "--expect-no-changes")
    stack.up()
    assert (consul.entry(*GLOBAL) or {})["Config"] == {"envoy_tracing_json": "{}"}


def test_an_entry_deleted_by_hand_is_gone_after_a_refresh(stack: Stack, consul: Consul) -> None:
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    stack.up()
    consul.clear()
    stack.told("refresh", "--yes")
    assert "mesh" not in stack.state()


def test_an_entry_is_imported_by_kind_and_name(stack: Stack, consul: Consul) -> None:
    consul.put(*GLOBAL, Config={"by": "hand"})
    stack.told("import", *IMPORT_OF_GLOBAL, "--protect=false")
    imported = stack.state()["mesh"]
    assert imported["id"] == "proxy-defaults-global"
    assert json.loads(imported["inputs"]["configJson"]) == {"Config": {"by": "hand"}, **FILLED_IN}
    stack.entries["mesh"] = (*GLOBAL, {"Config": {"by": "hand"}, **FILLED_IN})
    stack.told("preview", "--expect-no-changes")


def test_importing_a_missing_entry_fails(stack: Stack) -> None:
    told = stack.refused("import", *IMPORT_OF_GLOBAL)
    assert "resource 'proxy-defaults/global' does not exist" in told


def test_destroying_deletes_what_others_wrote_since(stack: Stack, consul: Consul) -> None:
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    stack.up()
    consul.put(*GLOBAL, Config={"by": "hand"})
    stack.told("destroy", "--yes", "--skip-preview")
    assert consul.entry(*GLOBAL) is None


def test_another_name_is_another_entry(stack: Stack, consul: Consul) -> None:
    stack.entries["web"] = ("service-defaults", "web", {"Protocol": "http"})
    stack.up()
    stack.entries["web"] = ("service-defaults", "shop", {"Protocol": "http"})
    stack.up()
    assert consul.names("service-defaults") == {"shop"}


def test_a_value_not_yet_known_can_be_previewed(stack: Stack, consul: Consul) -> None:
    stack.write(
        """
import json
import pulumi_consul as consul

first = consul.ConfigEntry("first", kind="service-defaults", name="first", config_json='{"Protocol": "http"}')
consul.ConfigEntry("second", kind="service-defaults", name="second",
                   config_json=first.id.apply(lambda id: json.dumps({"ExternalSNI": id})))
"""
    )
    stack.told("preview")
    stack.up()
    assert (consul.entry("service-defaults", "second") or {})["ExternalSNI"] == "service-defaults-first"


LOOK_UP = """
import pulumi, pulumi_consul as consul

pulumi.export("found", consul.get_config_entry(kind="proxy-defaults", name="global").config_json)
"""


def test_a_look_up_gives_the_normal_form(stack: Stack, consul: Consul) -> None:
    consul.put(*GLOBAL, Config={"protocol": "http"}, Meta={"owner": "someone"})
    stack.write(LOOK_UP)
    stack.up()
    assert stack.told("stack", "output", "found").strip() == (
        '{"AccessLogs":{},"Config":{"protocol":"http"},"Expose":{},"MeshGateway":{},"Meta":{"owner":"someone"},'
        '"TransparentProxy":{}}'
    )


def test_a_look_up_of_a_missing_entry_fails_with_consuls_text(stack: Stack) -> None:
    stack.write(LOOK_UP)
    told = stack.refused("preview")
    assert 'Unexpected response code: 404 (Config entry not found for "proxy-defaults" / "global")' in told


def test_entries_can_be_previewed_while_consul_is_down(new_stack: Callable[[str], Stack]) -> None:
    stack = new_stack("127.0.0.1:1")
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    stack.told("preview")
    told = stack.refused("up", "--yes", "--skip-preview")
    assert 'Put "http://127.0.0.1:1/v1/config": dial tcp 127.0.0.1:1: connect: connection refused' in told


def test_what_consul_refuses_is_told_in_its_words(stack: Stack) -> None:
    stack.entries["mesh"] = ("proxy-defaults", "not-global", {})
    told = stack.refused("up", "--yes", "--skip-preview")
    assert "failed to set 'not-global' config entry: Unexpected response code: " in told
    assert 'invalid name ("not-global"), only "global" is supported' in told


def test_a_token_without_the_right_is_told_which_one(tmp_path: Path, new_stack: Callable[[str], Stack]) -> None:
    acl = 'acl{enabled=true default_policy="deny" tokens{initial_management="root-of-the-test"}}'
    with consul_agent(tmp_path / "consul.log", acl, "root-of-the-test") as guarded:
        _, token = guarded.ask("PUT", "/v1/acl/token", {})
        stack = new_stack(guarded.address)
        stack.write(
            f"""
import pulumi, pulumi_consul as consul

provider = consul.Provider("reader", token="{token["SecretID"]}")
consul.ConfigEntry("mesh", kind="proxy-defaults", name="global", config_json="{{}}",
                   opts=pulumi.ResourceOptions(provider=provider))
"""
        )
        told = stack.refused("up", "--yes", "--skip-preview")
    assert "Unexpected response code: 403 (Permission denied: " in told
    assert "lacks permission 'mesh:write'" in told
    assert token["SecretID"] not in told


def test_secrets_are_secrets_in_state(stack: Stack) -> None:
    stack.write(
        """
import pulumi, pulumi_consul as consul

provider = consul.Provider("mine", token="hunter2")
consul.ConfigEntry("mesh", kind="proxy-defaults", name="global",
                   config_json=pulumi.Output.secret('{"Config": {"key": "hunter2"}}'),
                   opts=pulumi.ResourceOptions(provider=provider))
"""
    )
    told = stack.up()
    stack.told("refresh", "--yes")
    assert "hunter2" not in told + json.dumps(stack.state())


def test_three_hundred_entries_are_written(stack: Stack, consul: Consul) -> None:
    body = {"Protocol": "http", "Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}
    wanted = {f"service-{number}" for number in range(300)}
    stack.entries.update({name: ("service-defaults", name, body) for name in wanted})
    stack.up()
    assert consul.names("service-defaults") == wanted
    stack.told("preview", "--expect-no-changes")


def test_a_run_is_told_once_that_this_is_a_stand_in(stack: Stack) -> None:
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    told = stack.told("up", "--yes")
    assert [line.strip() for line in told.splitlines()].count(INTRODUCTION) == 1


@dataclass(frozen=True)
class RunningUpdate:
    """A `pulumi up` whose program has not ended yet, and its Consul plugin."""

    pulumi: psutil.Process
    plugin: psutil.Process


@pytest.fixture
def running_update(stack: Stack) -> Iterator[RunningUpdate]:
    stack.write(f"{ENTRIES_OF_A_FILE}\nimport asyncio, pulumi\npulumi.export('never', asyncio.sleep(600))\n")
    stack.entries["mesh"] = (*GLOBAL, TRACING)
    command = stack.command("up", "--yes", "--skip-preview")
    with subprocess.Popen(command, cwd=stack.folder, env=stack.environment, stdout=subprocess.DEVNULL) as up:
        pulumi = psutil.Process(up.pid)
        started: list[psutil.Process] = []
        try:
            wait_until(lambda: any("pulumi-resource-consul" in " ".join(one.cmdline()) for one in children(pulumi)))
            started = children(pulumi)
            plugin = next(one for one in started if "pulumi-resource-consul" in " ".join(one.cmdline()))
            wait_until(lambda: bool(listening_addresses(plugin)))
            yield RunningUpdate(pulumi, plugin)
        finally:
            for process in (pulumi, *started):
                if process.is_running():
                    process.kill()


def children(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]


def listening_addresses(process: psutil.Process) -> set[str]:
    listening = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    # gRPC listens on IPv4 through an IPv6 socket.
    return {one.laddr.ip.removeprefix("::ffff:") for one in listening}


def test_nothing_listens_off_loopback(running_update: RunningUpdate) -> None:
    assert listening_addresses(running_update.plugin) == {"127.0.0.1"}


def test_the_plugin_does_not_outlive_a_killed_pulumi(running_update: RunningUpdate) -> None:
    running_update.pulumi.send_signal(signal.SIGKILL)
    running_update.plugin.wait(SECONDS_TO_END)
    assert not running_update.plugin.is_running()
