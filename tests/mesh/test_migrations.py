"""The guides in docs/ for those who come from another tool, followed word by word: no entry is missing at any moment.

What a guide shows is what runs: files and commands are read out of its code blocks, led to a Consul of the tests.
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
from testbed.http import NotAnswered, ask
from testbed.processes import ProgramFailed, Programs

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ADDRESS_IN_GUIDES = "127.0.0.1:8500"
WATCHED = (("proxy-defaults", "global"), ("service-defaults", "web"))
SECONDS = 300.0

SECTION = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


def terraform_configuration() -> str:
    """The file that TF_CLI_CONFIG_FILE names, which may lead to a mirror of providers; an empty one otherwise."""
    named = os.environ.get("TF_CLI_CONFIG_FILE", "")
    return named if Path(named).is_file() else os.devnull


class Guide:
    """A guide, and the directory in which it is followed."""

    def __init__(self, programs: Programs, consul: Consul, name: str) -> None:
        text = (CHECKOUT / "docs" / f"{name}.md").read_text().replace(ADDRESS_IN_GUIDES, consul.address)
        self.sections = {found["title"]: found["text"] for found in SECTION.finditer(text)}
        self.directory = programs.make_directory(name)
        self.said = ""
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
            "PULUMI_CONFIG_PASSPHRASE": "the state goes with the run",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_HOME": str(programs.make_directory("home")),
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "TF_CLI_ARGS_apply": "-no-color",
            "TF_CLI_ARGS_plan": "-no-color",
            "TF_CLI_CONFIG_FILE": terraform_configuration(),
        }

    def install(self, program: Path, name: str) -> None:
        """Put a program on the PATH of the guide's commands, under this name."""
        (self._bin / name).symlink_to(program)

    def blocks(self, section: str) -> Iterator[re.Match[str]]:
        return BLOCK.finditer(self.sections[section])

    def write_files(self, section: str) -> None:
        """Write the files that a section shows."""
        for block in self.blocks(section):
            if block["file"]:
                (self.directory / block["file"]).write_text(block["content"])

    def follow(self, section: str, *, without: str = "nothing") -> None:
        """Do what a section shows: write files, run commands, find each line of what the last of them is said to show.

        `without` is a program whose commands are left out.
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
                missing = [line for line in block["content"].splitlines() if line not in self.said]
                assert not missing, f"{missing} of the guide is not in:\n{self.said}"

    def run(self, commands: str) -> None:
        self.said = self._programs.run(
            "guide",
            ["/bin/sh", "-eu", "-c", f"exec 2>&1\n{commands}"],
            environment=self._environment,
            directory=self.directory,
            seconds=SECONDS,
        )


class Watcher:
    """Whether an entry was missing at any moment, by Consul's blocking queries.

    Two changes close to each other may come back as one answer. So the index of the entry's creation counts too: an
    entry that was deleted and written again has another.
    """

    def __init__(self, consul: Consul, kind: str, name: str) -> None:
        self.losses: list[str] = []
        self._port = consul.http_port
        self._path = f"/v1/config/{kind}/{name}"
        self._created: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._look(0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look(0)

    def _watch(self) -> None:
        index = 0
        while not self._over.is_set():
            index = self._look(index)

    def _look(self, index: int) -> int:
        """Look once anything is newer than `index`, or after a second; the index of what was seen."""
        try:
            answer = ask(self._port, f"{self._path}?index={index}&wait=1s")
        except NotAnswered as error:
            self._over.set()
            self.losses.append(str(error))
            return 0
        if answer.status == HTTPStatus.NOT_FOUND:
            self.losses.append(f"{self._path} was missing")
        else:
            self._created.add(answer.json()["CreateIndex"])
            if len(self._created) > 1:
                self.losses.append(f"{self._path} was deleted and written again")
        return int(answer.headers.get("x-consul-index", 0))


@contextmanager
def never_missing(consul: Consul) -> Iterator[None]:
    """The entries of the guides are there all the time."""
    with ExitStack() as watching:
        watchers = [watching.enter_context(Watcher(consul, *entry)) for entry in WATCHED]
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
    """The entries of the guides as Consul has them, without their indexes."""
    found = [consul.config_entry(*entry) or {} for entry in WATCHED]
    return [{field: entry[field] for field in entry.keys() - {"CreateIndex", "ModifyIndex", "Hash"}} for entry in found]


def what_others_wrote(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries without the component's marks, and without tracing."""
    bodies = [{field: value for field, value in entry.items() if field != "Meta"} for entry in written]
    for body in bodies:
        if "Config" in body:
            body["Config"] = {key: value for key, value in body["Config"].items() if not key.endswith("_json")}
    return bodies


def writers(consul: Consul) -> set[str | None]:
    """The stacks that the entries name as their writers; None for an entry that names none."""
    return {(entry.get("Meta") or {}).get("pulumi-stack") for entry in entries(consul)}


def clusters(consul: Consul) -> dict[str, Any]:
    """The static clusters by their names."""
    text = entries(consul)[0]["Config"]["envoy_extra_static_clusters_json"]
    return {cluster["name"]: cluster for cluster in json.loads(f"[{text}]")}


def test_the_watcher_notices_an_entry_that_is_deleted(consul: Consul) -> None:
    kind, name = WATCHED[1]
    entry = {"Kind": kind, "Name": name, "Protocol": "http"}
    consul.write_config_entry(entry)
    with Watcher(consul, kind, name) as undisturbed:
        consul.write_config_entry({**entry, "Protocol": "grpc"})
    assert undisturbed.losses == []
    with Watcher(consul, kind, name) as for_a_moment:
        consul.delete_config_entry(kind, name)
        consul.write_config_entry(entry)
    assert f"/v1/config/{kind}/{name} was deleted and written again" in for_a_moment.losses
    with Watcher(consul, kind, name) as for_good:
        consul.delete_config_entry(kind, name)
    assert f"/v1/config/{kind}/{name} was missing" in for_good.losses


def test_from_consul_config_write(programs: Programs, consul: Consul) -> None:
    guide = Guide(programs, consul, "from-consul-config-write")
    guide.follow("Before")
    before, by_hand = entries(consul), clusters(consul)["zipkin"]
    with never_missing(consul):
        guide.follow("Steps")
        assert writers(consul) == {"organization/mesh-tracing/prod"}
        assert what_others_wrote(entries(consul)) == what_others_wrote(before)
        assert clusters(consul).keys() == {"zipkin", "tracing_collector"}
        assert clusters(consul)["zipkin"] == by_hand
        guide.follow("Afterwards")
        assert what_others_wrote(entries(consul)) == what_others_wrote(before)
        assert clusters(consul).keys() == {"tracing_collector"}
        guide.follow("Going back")
        assert entries(consul) == before


def written_by_terraform(guide: Guide) -> list[dict[str, Any]]:
    """What the guide's resources make Terraform's provider write: `config_json` with the kind and the name in it."""
    resource = re.compile(
        r'  kind = "([a-z-]+)"\n  name = "([a-z]+)"\n  config_json = jsonencode\((.*?)\)\n\}', re.DOTALL
    )
    found = resource.findall(guide.sections["Before"])
    assert len(found) == len(WATCHED)
    return [{"Kind": kind, "Name": name, **json.loads(content)} for kind, name, content in found]


def test_from_terraform(programs: Programs, consul: Consul) -> None:
    """The half of the guide that is Pulumi's.

    A stand-in writes the entries, so that neither Terraform nor its provider is needed. HashiCorp's provider makes the
    same call with the same body, an unconditional PUT of Consul's own client, and leaves no mark.
    """
    guide = Guide(programs, consul, "from-terraform")
    for entry in written_by_terraform(guide):
        consul.write_config_entry(entry)
    before = entries(consul)
    with never_missing(consul):
        guide.follow("Pulumi takes over")
        assert writers(consul) == {"organization/mesh-tracing/prod"}
        assert what_others_wrote(entries(consul)) == what_others_wrote(before)
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


def for_the_built_in_provider(section: str) -> str:
    """A section with Terraform's own `terraform_data` in place of `consul_config_entry`.

    It stands in for HashiCorp's provider where an entry is created: Consul's own command line writes it, which makes
    the same call. It deletes none; what would be deleted, Terraform's plan says.
    """
    resource = re.compile(r'^resource "consul_config_entry" ("\w+") \{(.*?)^\}', re.MULTILINE | re.DOTALL)
    return resource.sub(
        lambda found: f'resource "terraform_data" {found[1]} {{{STAND_IN_FOR_THE_PROVIDER}{found[2]}  }}\n}}', section
    ).replace("consul_config_entry", "terraform_data")


TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="needs Terraform or OpenTofu 1.7 or newer on PATH")
WAYS = pytest.mark.parametrize("way", ["Terraform forgets", "Terraform older than 1.7"])


def terraform_guide(programs: Programs, consul: Consul) -> Guide:
    """The guide, with OpenTofu as `terraform` where that is what the machine has."""
    guide = Guide(programs, consul, "from-terraform")
    guide.install(Path(str(TERRAFORM)), "terraform")
    return guide


@needs_terraform
@WAYS
def test_from_terraform_with_hashicorps_provider(programs: Programs, consul: Consul, way: str) -> None:
    """The whole guide as it is written. TF_CLI_CONFIG_FILE may name a mirror that holds the provider."""
    guide = terraform_guide(programs, consul)
    guide.write_files("Before")
    try:
        guide.run("terraform init -no-color")
    except ProgramFailed as failed:
        reason = " ".join(failed.said.partition("Error: ")[2].split())
        pytest.skip(f"Terraform cannot install the provider hashicorp/consul: {reason[:200]}")
    guide.follow("Before")
    before = entries(consul)
    with never_missing(consul):
        guide.follow(way)
        guide.follow("Pulumi takes over")
        assert writers(consul) == {"organization/mesh-tracing/prod"}
        assert what_others_wrote(entries(consul)) == what_others_wrote(before)
        guide.write_files("Before")
        guide.follow("Going back")
        assert entries(consul) == before


@needs_terraform
@WAYS
def test_terraform_forgets_the_entries_without_deleting_them(programs: Programs, consul: Consul, way: str) -> None:
    """The half of the guide that is Terraform's, by a real Terraform with a stand-in for the provider."""
    guide = terraform_guide(programs, consul)
    guide.sections = {title: for_the_built_in_provider(text) for title, text in guide.sections.items()}
    guide.follow("Before")
    before = entries(consul)
    with never_missing(consul):
        guide.follow(way)
        guide.run("terraform state list")
        assert guide.said == ""
        if way == "Terraform older than 1.7":
            (guide.directory / "main.tf").write_text("")
            guide.run("terraform plan")
            assert "No changes" in guide.said
        guide.write_files("Before")
        guide.follow("Going back", without="pulumi")
        assert entries(consul) == before
    (guide.directory / "main.tf").write_text("")
    guide.run("terraform plan")
    assert "2 to destroy" in guide.said, "the guide's warning: never delete the resource blocks alone"


def test_from_raw_pulumi(programs: Programs, consul: Consul) -> None:
    guide = Guide(programs, consul, "from-raw-pulumi")
    guide.follow("Before")
    before = entries(consul)
    with never_missing(consul):
        guide.follow("Protect")
        guide.follow("Change the program")
        with pytest.raises(ProgramFailed) as too_early:
            guide.run("pulumi up")
        assert "cannot be deleted" in too_early.value.said
        assert entries(consul) == before
        guide.follow("Rename")
        guide.follow("Look, and write")
        assert writers(consul) == {"organization/mesh/prod"}
        guide.run("pulumi stack export")
        assert '"protect": true' not in guide.said
        assert what_others_wrote(entries(consul)) == what_others_wrote(before)
        guide.write_files("Before")
        guide.follow("Going back")
        assert entries(consul) == before
