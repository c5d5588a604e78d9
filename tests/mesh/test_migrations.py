"""The guide that adopts an existing mesh. Files and commands come from its code blocks, and no entry is ever deleted.

The address of Consul in the guide is replaced with the address of a Consul of the tests.
"""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from testbed.consul import Consul
from testbed.http import RequestError, send_request
from testbed.processes import ProgramFailedError, Programs
from tests.mesh.guide import Guide

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

PAGE = "docs/guides/adopt.md"
WATCHED = (("proxy-defaults", "global"), ("service-defaults", "web"))

RAW_PROGRAM = """\
import json

import pulumi_consul

proxy_defaults = {
    "Config": {"protocol": "http", "envoy_prometheus_bind_addr": "0.0.0.0:9102"},
    "MeshGateway": {"Mode": "local"},
    "AccessLogs": {},
    "Expose": {},
    "TransparentProxy": {},
}
web = {"Protocol": "http", "LocalRequestTimeoutMs": 5000, "Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}

pulumi_consul.ConfigEntry(
    "proxy-defaults", kind="proxy-defaults", name="global", config_json=json.dumps(proxy_defaults)
)
pulumi_consul.ConfigEntry("web", kind="service-defaults", name="web", config_json=json.dumps(web))
"""
TERRAFORM_PROGRAM = """\
resource "consul_config_entry" "proxy_defaults" {
  kind = "proxy-defaults"
  name = "global"
  config_json = jsonencode({
    "Config": {
      "protocol": "http",
      "envoy_prometheus_bind_addr": "0.0.0.0:9102"
    },
    "MeshGateway": {"Mode": "local"}
  })
}

resource "consul_config_entry" "web" {
  kind = "service-defaults"
  name = "web"
  config_json = jsonencode({
    "Protocol": "http",
    "LocalRequestTimeoutMs": 5000
  })
}
"""


class Watcher:
    """Detect deletions of an entry with blocking queries of Consul.

    One response can contain several changes, so the watcher also compares the create index, which differs after a
    deletion.
    """

    def __init__(self, consul: Consul, kind: str, name: str) -> None:
        self.losses: list[str] = []
        self._port = consul.http_port
        self._path = f"/v1/config/{kind}/{name}"
        self._created: set[int] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._read(0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._read(0)

    def _watch(self) -> None:
        index = 0
        while not self._stopped.is_set():
            index = self._read(index)

    def _read(self, index: int) -> int:
        """Read the entry when its index exceeds `index`, or after one second. Returns the index of the response."""
        try:
            response = send_request(self._port, f"{self._path}?index={index}&wait=1s")
        except RequestError as error:
            self._stopped.set()
            self.losses.append(str(error))
            return 0
        if response.status == HTTPStatus.NOT_FOUND:
            self.losses.append(f"{self._path} was missing")
        else:
            self._created.add(response.json()["CreateIndex"])
            if len(self._created) > 1:
                self.losses.append(f"{self._path} was deleted and written again")
        return int(response.headers.get("x-consul-index", 0))


@contextmanager
def assert_never_deleted(consul: Consul) -> Iterator[None]:
    """Assert that no entry of the guides is deleted inside the block."""
    with ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(consul, *entry)) for entry in WATCHED]
        yield
    for watcher in watchers:
        assert watcher.losses == []


@pytest.fixture
def consul(programs: Programs) -> Iterator[Consul]:
    agent = Consul(programs)
    agent.wait_until_ready()
    yield agent
    agent.stop()


def entries(consul: Consul) -> list[dict[str, Any]]:
    """Return the live entries of the guides without indexes."""
    found = [consul.config_entry(*entry) or {} for entry in WATCHED]
    return [{field: entry[field] for field in entry.keys() - {"CreateIndex", "ModifyIndex", "Hash"}} for entry in found]


def foreign_fields(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries without ownership metadata and without tracing."""
    bodies = [{field: value for field, value in entry.items() if field != "Meta"} for entry in written]
    for body in bodies:
        if "Config" in body:
            body["Config"] = {key: value for key, value in body["Config"].items() if not key.endswith("_json")}
    return bodies


def owners(consul: Consul) -> set[str | None]:
    """Return the stacks that manage the entries, None for an unmanaged entry."""
    return {(entry.get("Meta") or {}).get("pulumi-stack") for entry in entries(consul)}


def clusters(consul: Consul) -> dict[str, Any]:
    """Return the static clusters by name."""
    text = entries(consul)[0]["Config"]["envoy_extra_static_clusters_json"]
    return {cluster["name"]: cluster for cluster in json.loads(f"[{text}]")}


def test_watcher_detects_a_deleted_entry(consul: Consul) -> None:
    kind, name = WATCHED[1]
    entry = {"Kind": kind, "Name": name, "Protocol": "http"}
    consul.write_config_entry(entry)
    with Watcher(consul, kind, name) as updated:
        consul.write_config_entry({**entry, "Protocol": "grpc"})
    assert updated.losses == []
    with Watcher(consul, kind, name) as recreated:
        consul.delete_config_entry(kind, name)
        consul.write_config_entry(entry)
    assert f"/v1/config/{kind}/{name} was deleted and written again" in recreated.losses
    with Watcher(consul, kind, name) as deleted:
        consul.delete_config_entry(kind, name)
    assert f"/v1/config/{kind}/{name} was missing" in deleted.losses


def update(guide: Guide, consul: Consul, before: list[dict[str, Any]]) -> None:
    """Follow the steps of Pulumi. `before`: the entries that the mesh had."""
    guide.follow("Update")
    assert owners(consul) == {"organization/mesh-tracing/prod"}
    assert foreign_fields(entries(consul)) == foreign_fields(before)


def test_files(programs: Programs, consul: Consul) -> None:
    guide = Guide(programs, consul, PAGE)
    guide.write_files("Example")
    guide.run("consul config write proxy-defaults.hcl; consul config write web.hcl")
    before, unmanaged_cluster = entries(consul), clusters(consul)["zipkin"]
    with assert_never_deleted(consul):
        guide.follow("Import", "consul-tracing", "{ consul")
        guide.follow("Create the project")
        update(guide, consul, before)
        assert clusters(consul).keys() == {"zipkin", "tracing_collector"}
        assert clusters(consul)["zipkin"] == unmanaged_cluster
        guide.follow("Remove the former cluster")
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        assert clusters(consul).keys() == {"tracing_collector"}
        guide.follow("Go back", "pulumi", "consul")
        assert entries(consul) == before


def written_by_terraform() -> list[dict[str, Any]]:
    """Return the entries that Terraform's provider writes for the resources."""
    resource = re.compile(
        r'  kind = "([a-z-]+)"\n  name = "([a-z]+)"\n  config_json = jsonencode\((.*?)\)\n\}', re.DOTALL
    )
    found = resource.findall(TERRAFORM_PROGRAM)
    assert len(found) == len(WATCHED)
    return [{"Kind": kind, "Name": name, **json.loads(content)} for kind, name, content in found]


def adopt(guide: Guide, consul: Consul) -> None:
    """Adopt the entries of `main.tf`, which have no tracing."""
    before = entries(consul)
    guide.run("consul-tracing import main.tf > Pulumi.prod.yaml || [ $? = 1 ]")
    guide.follow("Create the project")
    guide.run("pulumi config set --path consul-tracing:mesh.collector.host zipkin.example.com; pulumi up")
    assert owners(consul) == {"organization/mesh-tracing/prod"}
    assert foreign_fields(entries(consul)) == foreign_fields(before)


def test_terraform_steps_of_pulumi(programs: Programs, consul: Consul) -> None:
    """The steps of Pulumi, without Terraform.

    The test writes the entries. HashiCorp's provider sends the same request with the same body, an unconditional PUT,
    and adds no metadata.
    """
    guide = Guide(programs, consul, PAGE)
    for entry in written_by_terraform():
        consul.write_config_entry(entry)
    before = entries(consul)
    (guide.directory / "main.tf").write_text(TERRAFORM_PROGRAM)
    with assert_never_deleted(consul):
        adopt(guide, consul)
        guide.follow("Go back", "pulumi")
        assert owners(consul) == {None}
        for entry in written_by_terraform():
            consul.write_config_entry(entry)
        assert entries(consul) == before


STAND_IN_FOR_THE_PROVIDER = """
  provisioner "local-exec" {
    command     = "printf %s \\"$ENTRY\\" | consul config write -"
    environment = {
      ENTRY = jsonencode(merge(jsondecode(self.input.config_json), {Kind = self.input.kind, Name = self.input.name}))
    }
  }
  input = {"""


def with_built_in_provider(text: str) -> str:
    """Replace `consul_config_entry` with `terraform_data`, which is built into Terraform.

    The Consul CLI creates the entries with the same request as HashiCorp's provider. Deletions only appear in the
    plan.
    """
    resource = re.compile(r'^resource "consul_config_entry" ("\w+") \{(.*?)^\}', re.MULTILINE | re.DOTALL)
    return resource.sub(
        lambda found: f'resource "terraform_data" {found[1]} {{{STAND_IN_FOR_THE_PROVIDER}{found[2]}  }}\n}}', text
    ).replace("consul_config_entry", "terraform_data")


TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="needs Terraform or OpenTofu 1.7 or newer on PATH")
OLDER = "Terraform older than 1.7"
WAYS = pytest.mark.parametrize("way", ["Terraform", OLDER])


def terraform_guide(programs: Programs, consul: Consul, program: str) -> Guide:
    """Return the guide, with OpenTofu as `terraform` if Terraform is not installed."""
    guide = Guide(programs, consul, PAGE)
    guide.install(Path(str(TERRAFORM)), "terraform")
    (guide.directory / "main.tf").write_text(program)
    return guide


@needs_terraform
@WAYS
def test_terraform_with_the_consul_provider(programs: Programs, consul: Consul, way: str) -> None:
    """Follow the complete guide. TF_CLI_CONFIG_FILE can configure a mirror with the provider."""
    guide = terraform_guide(programs, consul, TERRAFORM_PROGRAM)
    try:
        guide.run("terraform init -no-color")
    except ProgramFailedError as error:
        reason = " ".join(error.output.partition("Error: ")[2].split())
        pytest.skip(f"Terraform cannot install the provider hashicorp/consul: {reason[:200]}")
    guide.run("terraform apply -auto-approve")
    before = entries(consul)
    with assert_never_deleted(consul):
        guide.run("consul-tracing import main.tf > imported.yaml || [ $? = 1 ]")
        guide.follow(way)
        (guide.directory / "main.tf").write_text(TERRAFORM_PROGRAM)
        adopt(guide, consul)
        guide.follow("Go back", "pulumi", "terraform")
        assert entries(consul) == before


@needs_terraform
@WAYS
def test_terraform_deletes_no_entry(programs: Programs, consul: Consul, way: str) -> None:
    """The steps of Terraform, with a built-in resource instead of HashiCorp's provider."""
    program = with_built_in_provider(TERRAFORM_PROGRAM)
    guide = terraform_guide(programs, consul, program)
    guide.sections = {title: with_built_in_provider(text) for title, text in guide.sections.items()}
    guide.run("terraform init; terraform apply -auto-approve")
    before = entries(consul)
    with assert_never_deleted(consul):
        guide.follow(way)
        assert guide.run("terraform state list") == ""
        if way == OLDER:
            (guide.directory / "main.tf").write_text("")
            assert "No changes" in guide.run("terraform plan")
        (guide.directory / "main.tf").write_text(program)
        guide.follow("Go back", "terraform")
        assert entries(consul) == before
    (guide.directory / "main.tf").write_text("")
    assert "2 to destroy" in guide.run("terraform plan"), "the guide must warn against deleting only the blocks"


def test_raw_resources_of_the_same_stack(programs: Programs, consul: Consul) -> None:
    guide = Guide(programs, consul, PAGE)
    guide.write_files("Create the project")
    (guide.directory / "__main__.py").write_text(RAW_PROGRAM)
    guide.run(f"pulumi stack init prod; pulumi config set consul:address {consul.address}; pulumi up")
    before = entries(consul)
    with assert_never_deleted(consul):
        live = next(block["content"] for block in guide.blocks("Import") if "config read" in block["content"])
        imported = guide.run(f"{live.strip().replace('consul-tracing', '2>/dev/null consul-tracing')} || [ $? = 1 ]")
        file = guide.directory / "Pulumi.prod.yaml"
        stack, added = yaml.safe_load(file.read_text()), yaml.safe_load(imported)
        added["config"]["consul-tracing:mesh"]["collector"] = {"host": "zipkin.example.com"}
        file.write_text(yaml.safe_dump({**stack, "config": {**stack["config"], **added["config"]}}))
        guide.write_files("Create the project")
        assert "~ 2 to update" in guide.run("pulumi preview")
        guide.run("pulumi up; pulumi preview --expect-no-changes")
        assert owners(consul) == {"organization/mesh-tracing/prod"}
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        guide.run("pulumi config set --path consul-tracing:mesh.release true; pulumi up")
        (guide.directory / "__main__.py").write_text(RAW_PROGRAM)
        guide.run("pulumi up; pulumi preview --expect-no-changes")
        assert entries(consul) == before
