"""A guide whose files and commands the tests run."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs

ADDRESS_IN_GUIDE = "127.0.0.1:8500"
SECONDS = 300.0

SECTION = re.compile(r"^###? (?P<title>.+)\n(?P<text>(?:(?!###? ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


def terraform_configuration() -> str:
    """Return the path in TF_CLI_CONFIG_FILE, which may configure a provider mirror, or the null device."""
    named = os.environ.get("TF_CLI_CONFIG_FILE", "")
    return named if Path(named).is_file() else os.devnull


def assert_shown(shown: str, output: str) -> None:
    """Assert that the documented output is the whole output, in which `…` omits text."""
    parts = [re.escape(part.strip("\n")) for part in shown.strip("\n").split("…")]
    whole = "(?s:.*?)".join(parts)
    assert re.search(rf"\A{whole}\Z", output.strip("\n")), f"\n{shown}\nis not:\n{output}"


class Guide:
    """The guide and the working directory of its commands."""

    def __init__(self, programs: Programs, consul: Consul, page: str) -> None:
        text = (CHECKOUT / page).read_text().replace(ADDRESS_IN_GUIDE, consul.address)
        self.sections = {found["title"]: found["text"] for found in SECTION.finditer(text)}
        self.directory = programs.make_directory("mesh")
        (self.directory / "venv").symlink_to(sys.prefix)
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

    def follow(self, section: str, *programs: str) -> None:
        """Write the files of a section, run its commands and check their documented output.

        Only commands of these programs run, by default those of every program.
        """
        self.output = ""
        for block in self.blocks(section):
            if block["file"]:
                (self.directory / block["file"]).write_text(block["content"])
            elif block["language"] == "sh":
                runs = not programs or block["content"].startswith(programs)
                self.output = self.run(block["content"]) if runs else ""
            elif self.output:
                assert_shown(block["content"], self.output)

    def run(self, commands: str) -> str:
        return self._programs.run(
            "guide",
            ["/bin/sh", "-eu", "-c", f"exec 2>&1\n{commands}"],
            environment=self._environment,
            directory=self.directory,
            seconds=SECONDS,
        )
