"""`consul-tracing render`, written to a real Consul and read by a real proxy."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolchain
from consul_tracing.files.documents import read_documents
from consul_tracing.lint.meaning import mesh_meaning, service_meaning
from testbed.consul import Consul
from testbed.http import send_request
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Programs
from tests.command_line import consul_tracing
from tests.mesh.consul_entries import clear
from tests.mesh.test_stacks_on_consul import EVERYTHING
from tests.mesh.traced_mesh import TracedMesh, rendered, retried, sampled_id, span_names, unique_path

pytestmark = pytest.mark.mesh

INDEXES = ("CreateIndex", "ModifyIndex", "Hash")


def render(args: dict[str, Any], directory: Path, *options: str) -> str:
    """Run `consul-tracing render` on a stack file with these inputs and return its output."""
    stack = directory / "Pulumi.test.yaml"
    stack.write_text(yaml.safe_dump({"config": {"consul-tracing:mesh": args}}))
    return output("render", f"--stack={stack}", *options)


def output(*arguments: str) -> str:
    """Return the output of a command that succeeds."""
    ended = consul_tracing(*arguments)
    # The notes about the version of Envoy, which no entry contains, and about a service of another stack.
    notes = [line for line in ended.stderr.splitlines() if not line.startswith(("consul-tracing: CT604: ", "Note: "))]
    assert (ended.exit_code, notes) == (0, [])
    return ended.stdout


def live_entries(consul: Consul) -> list[dict[str, Any]]:
    kinds = ("proxy-defaults", "service-defaults")
    found = [entry for kind in kinds for entry in consul.get(f"/v1/config/{kind}") or []]
    return [{key: value for key, value in entry.items() if key not in INDEXES} for entry in found]


@pytest.mark.parametrize("form", ["hcl", "json"])
def test_rendered_entries_are_those_of_the_component(
    programs: Programs, consul: Consul, tmp_path: Path, form: str
) -> None:
    args = {**EVERYTHING, "proxy_config": {"nested": {"a": [1.5, {"b": True}]}, "x y": 1, "é": '"\\n\t'}}
    for entry in rendered(args):
        consul.write_config_entry(entry)
    expected = live_entries(consul)
    clear(consul)
    render(args, tmp_path, f"--as={form}", f"--out={tmp_path}")
    for file in sorted(tmp_path.glob(f"*.{form}")):
        command = [toolchain.program("consul"), "config", "write", file]
        programs.run("consul config write", command, environment=consul.environment)
    assert live_entries(consul) == expected


def test_settings_of_live_entries_render_the_same_entries(programs: Programs, consul: Consul, tmp_path: Path) -> None:
    for entry in rendered(EVERYTHING):
        consul.write_config_entry(entry)
    expected = live_entries(consul)
    program = toolchain.program("consul")
    read = ""
    for entry in expected:
        command = [program, "config", "read", f"-kind={entry['Kind']}", f"-name={entry['Name']}"]
        read += programs.run("consul config read", command, environment=consul.environment)
    file = tmp_path / "entries.json"
    file.write_text(read)
    stack = yaml.safe_load(output("import", str(file)))
    clear(consul)
    render(stack["config"]["consul-tracing:mesh"], tmp_path, "--as=json", f"--out={tmp_path / 'out'}")
    for file in sorted((tmp_path / "out").glob("*.json")):
        programs.run("consul config write", [program, "config", "write", file], environment=consul.environment)
    assert live_entries(consul) == expected


@pytest.mark.parametrize(
    "text",
    [
        """
        kind = "proxy-defaults"
        name = "global"
        config { a = ["b"] c { d = [{ e = 1 }] } }
        config { f = [1, 2] g = [] h = 1.5 i = <<EOF
{
  "j": 1
}
EOF
        }
        access_logs { enabled = true json_format = "{}" }
        mesh_gateway = [{ mode = "local" }]
        meta { some_team = "a" }
        """,
        """
        Kind = "service-defaults"
        Name = "web"
        protocol = "http"
        external_sni = "a"
        max_inbound_connections = 3
        UpstreamConfig {
          defaults { connect_timeout_ms = 1 limits { max_connections = 2 } passive_health_check { max_failures = 4 } }
          overrides = [{ name = "db", mesh_gateway { mode = "remote" } }]
        }
        """,
    ],
)
def test_hcl_is_read_as_consul_reads_it(programs: Programs, consul: Consul, tmp_path: Path, text: str) -> None:
    file = tmp_path / "entry.hcl"
    file.write_text(text)
    command = [toolchain.program("consul"), "config", "write", file]
    programs.run("consul config write", command, environment=consul.environment)
    (document,) = read_documents(text, "entry.hcl")
    (live,) = live_entries(consul)
    meaning = mesh_meaning if document.kind == "proxy-defaults" else partial(service_meaning, default_protocol=None)
    assert (document.kind, document.name) == (live.pop("Kind"), live.pop("Name"))
    assert meaning(document.fields) == meaning(live)


def test_registration_makes_one_sidecar_trace(traced: TracedMesh, tmp_path: Path) -> None:
    mesh = traced.mesh
    traced.apply()
    mesh.consul.delete_config_entry("proxy-defaults", "global")
    proxy = render(traced.arguments(), tmp_path, "--as=registration", "--service=clerk")
    port = free_port()
    upstream = (
        f'upstreams = [{{ destination_name = "web", local_bind_address = "{LOOPBACK}", local_bind_port = {port} }}]'
    )
    sidecar = (
        f'port = {free_port()}\naddress = "{LOOPBACK}"\n{proxy.replace("proxy {", f"proxy {{{chr(10)}{upstream}", 1)}'
    )
    file = tmp_path / "clerk.hcl"
    file.write_text(f'service {{\nname = "clerk"\nconnect {{\nsidecar_service {{\n{sidecar}\n}}\n}}\n}}\n')
    consul = toolchain.program("consul")
    mesh.programs.run("register", [consul, "services", "register", file], environment=mesh.consul.environment)
    envoy = mesh.start_envoy("clerk", ["-sidecar-for=clerk"])
    envoy.wait_until_ready(2)
    headers = {"Host": "web", "x-request-id": sampled_id()}
    response = traced.wait_until(retried(lambda: send_request(port, unique_path(), headers=headers)), "a request")
    assert ("clerk", "CLIENT") in span_names(traced.spans_of(response, 4))
    envoy.stop()
    mesh.programs.run(
        "deregister", [consul, "services", "deregister", "-id=clerk"], environment=mesh.consul.environment
    )
    traced.bootstrap_hash = ""
