"""README: the entry by hand, which Consul accepts and with which no proxy starts, and the program beside it."""

import json
import re
from collections.abc import Iterator

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.mesh import Instance, Service
from testbed.ports import LOOPBACK
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.command_line import consul_tracing
from tests.documents import code_blocks
from tests.mesh.consul_entries import clear, live

pytestmark = pytest.mark.mesh

ENTRY = code_blocks("README.md", "hcl mesh.hcl")[0]
MISTAKE = "envoy.config.trace.v2.ZipkinConfig"


@pytest.fixture(autouse=True)
def web(consul: Consul) -> Iterator[None]:
    consul.register(Instance.allocate(Service("web")).registration)
    yield
    consul.put("/v1/agent/service/deregister/web")


def bootstrap_problem(programs: Programs, consul: Consul, entry: str) -> str:
    """Write the entry with Consul, and return the reason for which Envoy rejects the bootstrap of a sidecar, or ''."""
    directory = programs.make_directory("readme")
    (directory / "mesh.hcl").write_text(entry)
    command = [toolchain.program("consul"), "config", "write", "mesh.hcl"]
    programs.run("consul config write", command, directory=directory, environment=consul.environment)
    assert "envoy_tracing_json" in live(consul)["Config"]
    start = ["connect", "envoy", "-sidecar-for=web", f"-grpc-addr=http://{LOOPBACK}:{consul.grpc_port}", "-bootstrap"]
    bootstrap = programs.run("bootstrap", [toolchain.program("consul"), *start], environment=consul.environment)
    (directory / "bootstrap.json").write_text(bootstrap)
    validate = [toolchain.program("envoy"), "--mode", "validate", "-c", directory / "bootstrap.json"]
    try:
        programs.run("envoy", validate)
    except ProgramFailedError as error:
        return error.output
    return ""


def test_consul_accepts_the_entry_and_no_proxy_starts_with_it(programs: Programs, consul: Consul) -> None:
    assert f"could not find @type 'type.googleapis.com/{MISTAKE}'" in bootstrap_problem(programs, consul, ENTRY)
    assert bootstrap_problem(programs, consul, ENTRY.replace(".v2.", ".v3.")) == ""


def test_lint_finds_the_mistake_only(programs: Programs) -> None:
    file = programs.make_directory("readme") / "mesh.hcl"
    file.write_text(ENTRY)
    found = consul_tracing("lint", str(file))
    assert re.findall(r"error (CT\d+)", found.stdout) == ["CT306"]
    assert MISTAKE in found.stdout
    file.write_text(ENTRY.replace(".v2.", ".v3."))
    assert " error " not in consul_tracing("lint", str(file)).stdout


def tracing(consul: Consul) -> list[object]:
    """Return what the live entry and that of the readme have in common."""
    config = live(consul)["Config"]
    tracer, cluster, listener = (
        json.loads(config[key])
        for key in ("envoy_tracing_json", "envoy_extra_static_clusters_json", "envoy_listener_tracing_json")
    )
    (endpoints,) = cluster["load_assignment"]["endpoints"]
    return [tracer["http"]["name"], tracer["http"]["typed_config"]["@type"], cluster["type"], endpoints, listener]


def test_program_writes_the_same_tracing_and_the_protocols(programs: Programs, consul: Consul) -> None:
    bootstrap_problem(programs, consul, ENTRY.replace(".v2.", ".v3."))
    by_hand = tracing(consul)
    clear(consul)
    (program,) = code_blocks("README.md", "python")
    directory = programs.make_directory("readme")
    (directory / "Pulumi.yaml").write_text("name: readme\nruntime: python\n")
    (directory / "__main__.py").write_text(program)
    Project(programs, directory, {"consul:address": consul.address}).up()
    assert tracing(consul) == by_hand
    protocols = {entry["Name"]: entry["Protocol"] for entry in consul.get("/v1/config/service-defaults")}
    assert protocols == {"web": "http", "payments": "grpc"}


def test_readme_is_one_page() -> None:
    text = (CHECKOUT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    pictures = re.findall(r"!\[[^]]*\]\(https://raw\.githubusercontent\.com/[^)]+/main/(docs/[^)]+)\)", text)
    assert pictures == ["docs/trace.svg", "docs/no-traces.svg"]
    complete, _ = [(CHECKOUT / picture).read_text() for picture in pictures]
    spans = complete.count("CLIENT") + complete.count("SERVER")
    assert f"1,000 requests per second through the mesh of the picture are then\n   {1000 // 100 * spans} spans" in text
