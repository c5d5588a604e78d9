"""The migration guides in docs/. Files and commands come from their code blocks, and no entry is ever deleted.

The address of Consul in a guide is replaced with the address of a Consul of the tests.
"""

import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.http import RequestError, send_request
from testbed.processes import ProgramFailedError, Programs

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ADDRESS_IN_GUIDES = "127.0.0.1:8500"
WATCHED = (("proxy-defaults", "global"), ("service-defaults", "web"))
SECONDS = 300.0

SECTION = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


def terraform_configuration() -> str:
    """Return the path in TF_CLI_CONFIG_FILE, which may configure a provider mirror, or the null device."""
    named = os.environ.get("TF_CLI_CONFIG_FILE", "")
    return named if Path(named).is_file() else os.devnull


class Guide:
    """A migration guide and the working directory of its commands."""

    def __init__(self, programs: Programs, consul: Consul, name: str) -> None:
        text = (CHECKOUT / "docs" / f"{name}.md").read_text().replace(ADDRESS_IN_GUIDES, consul.address)
        self.sections = {found["title"]: found["text"] for found in SECTION.finditer(text)}
        self.directory = programs.make_directory(name)
        self.output = ""
        self._programs = programs
        self._bin = programs.make_directory("bin")
        path = [
            str(self._bin),
            toolchain.search_path(),
            str(toolchain.program("consul").parent),
            os.environ.get("PATH", os.defpath),
        ]
        self._environment = {
            "CHECKPOINT_DISABLE": "1",
            "CONSUL_HTTP_ADDR": consul.address,
            "PATH": os.pathsep.join(path),
            "PULUMI_BACKEND_URL": f"file://{programs.make_directory('state')}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_HOME": str(programs.make_directory("home")),
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "TF_CLI_ARGS_apply": "-no-color",
            "TF_CLI_ARGS_plan": "-no-color",
            "TF_CLI_CONFIG_FILE": terraform_configuration(),
        }

    def install(self, program: Path, name: str) -> None:
        """Add a program with this name to the PATH of the guide's commands."""
        (self._bin / name).symlink_to(program)

    def blocks(self, section: str) -> Iterator[re.Match[str]]:
        return BLOCK.finditer(self.sections[section])

    def write_files(self, section: str) -> None:
        """Write the files of a section."""
        for block in self.blocks(section):
            if block["file"]:
                (self.directory / block["file"]).write_text(block["content"])

    def follow(self, section: str, *, without: str = "nothing") -> None:
        """Write the files of a section, run its commands and check each documented line of output.

        The commands of the program `without` are skipped.
        """
        skipped = False
        for block in self.blocks(section):
            if block["file"]:
                (self.directory / block["file"]).write_text(block["content"])
            elif block["language"] == "sh":
                skipped = block["content"].startswith(f"{without} ")
                if not skipped:
                    self.run(block["content"])
            elif not skipped:
                missing = [line for line in block["content"].splitlines() if line not in self.output]
                assert not missing, f"{missing} of the guide is not in:\n{self.output}"

    def run(self, commands: str) -> None:
        self.output = self._programs.run(
            "guide",
            ["/bin/sh", "-eu", "-c", f"exec 2>&1\n{commands}"],
            environment=self._environment,
            directory=self.directory,
            seconds=SECONDS,
        )


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


def test_consul_config_write_guide(programs: Programs, consul: Consul) -> None:
    guide = Guide(programs, consul, "from-consul-config-write")
    guide.follow("Before")
    before, unmanaged_cluster = entries(consul), clusters(consul)["zipkin"]
    with assert_never_deleted(consul):
        guide.follow("Steps")
        assert owners(consul) == {"organization/mesh-tracing/prod"}
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        assert clusters(consul).keys() == {"zipkin", "tracing_collector"}
        assert clusters(consul)["zipkin"] == unmanaged_cluster
        guide.follow("Afterwards")
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        assert clusters(consul).keys() == {"tracing_collector"}
        guide.follow("Going back")
        assert entries(consul) == before


def written_by_terraform(guide: Guide) -> list[dict[str, Any]]:
    """Return the entries that Terraform's provider writes for the resources of the guide."""
    resource = re.compile(
        r'  kind = "([a-z-]+)"\n  name = "([a-z]+)"\n  config_json = jsonencode\((.*?)\)\n\}', re.DOTALL
    )
    found = resource.findall(guide.sections["Before"])
    assert len(found) == len(WATCHED)
    return [{"Kind": kind, "Name": name, **json.loads(content)} for kind, name, content in found]


def test_pulumi_steps_of_the_terraform_guide(programs: Programs, consul: Consul) -> None:
    """The Pulumi steps of the guide, without Terraform.

    The test writes the entries. HashiCorp's provider sends the same request with the same body, an unconditional PUT,
    and adds no metadata.
    """
    guide = Guide(programs, consul, "from-terraform")
    for entry in written_by_terraform(guide):
        consul.write_config_entry(entry)
    before = entries(consul)
    with assert_never_deleted(consul):
        guide.follow("Pulumi takes over")
        assert owners(consul) == {"organization/mesh-tracing/prod"}
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        guide.follow("Going back", without="terraform")
        for entry in written_by_terraform(guide):
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


def with_built_in_provider(section: str) -> str:
    """Replace `consul_config_entry` with `terraform_data`, which is built into Terraform.

    The Consul CLI creates the entries with the same request as HashiCorp's provider. Deletions only appear in the
    plan.
    """
    resource = re.compile(r'^resource "consul_config_entry" ("\w+") \{(.*?)^\}', re.MULTILINE | re.DOTALL)
    return resource.sub(
        lambda found: f'resource "terraform_data" {found[1]} {{{STAND_IN_FOR_THE_PROVIDER}{found[2]}  }}\n}}', section
    ).replace("consul_config_entry", "terraform_data")


TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="needs Terraform or OpenTofu 1.7 or newer on PATH")
WAYS = pytest.mark.parametrize("way", ["Terraform forgets", "Terraform older than 1.7"])


def terraform_guide(programs: Programs, consul: Consul) -> Guide:
    """Return the guide, with OpenTofu as `terraform` if Terraform is not installed."""
    guide = Guide(programs, consul, "from-terraform")
    guide.install(Path(str(TERRAFORM)), "terraform")
    return guide


@needs_terraform
@WAYS
def test_terraform_guide_with_the_consul_provider(programs: Programs, consul: Consul, way: str) -> None:
    """Follow the complete guide. TF_CLI_CONFIG_FILE can configure a mirror with the provider."""
    guide = terraform_guide(programs, consul)
    guide.write_files("Before")
    try:
        guide.run("terraform init -no-color")
    except ProgramFailedError as error:
        reason = " ".join(error.output.partition("Error: ")[2].split())
        pytest.skip(f"Terraform cannot install the provider hashicorp/consul: {reason[:200]}")
    guide.follow("Before")
    before = entries(consul)
    with assert_never_deleted(consul):
        guide.follow(way)
        guide.follow("Pulumi takes over")
        assert owners(consul) == {"organization/mesh-tracing/prod"}
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        guide.write_files("Before")
        guide.follow("Going back")
        assert entries(consul) == before


@needs_terraform
@WAYS
def test_terraform_steps_of_the_guide_delete_no_entry(programs: Programs, consul: Consul, way: str) -> None:
    """The Terraform steps of the guide, with a built-in resource instead of HashiCorp's provider."""
    guide = terraform_guide(programs, consul)
    guide.sections = {title: with_built_in_provider(text) for title, text in guide.sections.items()}
    guide.follow("Before")
    before = entries(consul)
    with assert_never_deleted(consul):
        guide.follow(way)
        guide.run("terraform state list")
        assert guide.output == ""
        if way == "Terraform older than 1.7":
            (guide.directory / "main.tf").write_text("")
            guide.run("terraform plan")
            assert "No changes" in guide.output
        guide.write_files("Before")
        guide.follow("Going back", without="pulumi")
        assert entries(consul) == before
    (guide.directory / "main.tf").write_text("")
    guide.run("terraform plan")
    assert "2 to destroy" in guide.output, "the guide must warn against deleting only the resource blocks"


def test_raw_pulumi_guide(programs: Programs, consul: Consul) -> None:
    guide = Guide(programs, consul, "from-raw-pulumi")
    guide.follow("Before")
    before = entries(consul)
    with assert_never_deleted(consul):
        guide.follow("Change the program")
        guide.follow("Look, and write")
        assert owners(consul) == {"organization/mesh/prod"}
        assert foreign_fields(entries(consul)) == foreign_fields(before)
        guide.write_files("Before")
        guide.follow("Going back")
        assert entries(consul) == before
