"""Run Pulumi with a separate state, home and configuration.

It neither writes to the directory of the program nor reads the Pulumi settings of the user.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

import toolchain
from testbed import CHECKOUT
from testbed.ports import LOOPBACK
from testbed.processes import Programs

SECONDS = 300.0
"""Timeout of one Pulumi operation."""


def stack_configuration(stack: str, consul_address: str, collector_port: int) -> dict[str, object]:
    """Return the configuration of a stack of this project, with another Consul and collector on this machine."""
    file = CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"
    configuration: dict[str, Any] = yaml.safe_load(file.read_text())["config"]
    mesh = configuration["consul-tracing:mesh"]
    collector = {**mesh["collector"], "host": LOOPBACK, "port": collector_port}
    return {
        **configuration,
        "consul:address": consul_address,
        "consul-tracing:mesh": {**mesh, "collector": collector},
    }


class Project:
    """A Pulumi program and one of its stacks.

    `configuration` has full keys, as in a stack file: `{"consul:address": …}`.
    """

    def __init__(
        self,
        programs: Programs,
        program: Path,
        configuration: Mapping[str, object],
        *,
        stack: str = "dev",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Create an empty stack of the program in the directory `program`; `environment` is added to Pulumi's."""
        self.stack = stack
        self._programs = programs
        self._program = program
        self._added_environment = dict(environment or {})
        self._directory = programs.make_directory(f"pulumi-{stack}")
        self._create_stack()
        self.configure(configuration)

    def configure(self, configuration: Mapping[str, object]) -> None:
        """Replace the stack configuration."""
        self._configuration.write_text(yaml.safe_dump({"config": dict(configuration)}))

    def up(self, *arguments: str) -> str:
        """Apply the program and return the output of Pulumi. `arguments` are further options of `pulumi up`."""
        return self._operate("up", "--yes", "--skip-preview", *arguments)

    def preview(self, *arguments: str, expect_no_changes: bool = False) -> str:
        """Preview with `--diff`. With `expect_no_changes` a change is an error."""
        expected = ["--expect-no-changes"] if expect_no_changes else []
        return self._operate("preview", "--diff", *expected, *arguments)

    def refresh(self, *arguments: str) -> str:
        """Refresh the state from the live resources."""
        return self._operate("refresh", "--yes", "--skip-preview", *arguments)

    def destroy(self, *arguments: str) -> str:
        """Delete the resources of the stack."""
        return self._operate("destroy", "--yes", "--skip-preview", *arguments)

    def cancel(self) -> None:
        """Remove the lock of a killed Pulumi, and restore the backup of a state that it had begun to write."""
        if not all(state.read_text().rstrip().endswith("}") for state in self._states(".json")):
            self.restore_backup()
        self._run("cancel", "cancel", "--yes", f"--stack={self.stack}")

    def import_resource(self, token: str, name: str, identifier: str) -> str:
        """Import an existing resource without protection."""
        return self._operate(
            "import", token, name, identifier, "--yes", "--skip-preview", "--protect=false", "--generate-code=false"
        )

    def output(self, name: str) -> Any:  # noqa: ANN401 - outputs are of any type
        """Return one stack output. Raises KeyError if there is none of this name."""
        return self.outputs()[name]

    def outputs(self) -> dict[str, Any]:
        """Return the stack outputs, secrets in plain text."""
        output = self._run("stack output", "stack", "output", "--json", "--show-secrets", f"--stack={self.stack}")
        outputs: dict[str, Any] = json.loads(output)
        return outputs

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the state, secrets encrypted."""
        state = json.loads(self._run("stack export", "stack", "export", f"--stack={self.stack}"))
        resources: list[dict[str, Any]] = state["deployment"].get("resources", [])
        return resources

    def clear_pending_creates(self) -> None:
        """Refresh and remove the pending creations of a killed Pulumi from the state."""
        self._operate("refresh", "--yes", "--skip-preview", "--clear-pending-creates")

    def restore_backup(self) -> None:
        """Replace an incomplete state file with its backup."""
        for backup in self._states(".json.bak*"):
            shutil.copy(backup, backup.with_name(backup.name.replace(".bak", "")))

    def _states(self, ending: str) -> Iterator[Path]:
        return (self._directory / ".pulumi" / "stacks").glob(f"*/{self.stack}{ending}")

    def rename(self, name: str) -> None:
        """Rename the stack."""
        self._run("stack rename", "stack", "rename", name, f"--stack={self.stack}", directory=self._directory)
        self.stack = name.rpartition("/")[2]

    def preview_without_diff(self, *arguments: str) -> str:
        """Preview and return the output with warnings, which `--diff` would write to standard error."""
        return self._operate("preview", *arguments)

    def remove(self) -> None:
        """Remove the stack and its state without deleting its resources."""
        self._run("stack rm", "stack", "rm", self.stack, "--force", "--yes", directory=self._directory)

    def state(self) -> dict[str, Any]:
        """Return the state, secrets in plain text."""
        exported: dict[str, Any] = json.loads(
            self._run("stack export", "stack", "export", f"--stack={self.stack}", "--show-secrets")
        )
        return exported

    def delete_from_state(self, urn: str) -> None:
        """Remove a resource from the state without deleting it."""
        self._run("state delete", "state", "delete", urn, "--yes", f"--stack={self.stack}")

    def taint(self, urn: str) -> None:
        """Mark a resource for replacement in the next `up`."""
        self._run("state taint", "state", "taint", urn, "--yes", f"--stack={self.stack}")

    def move_to(self, other: "Project", urn: str) -> None:
        """Move a resource to the state of a stack in the same state backend."""
        stacks = [f"--source={self.full_name}", f"--dest={other.full_name}"]
        self._run("state move", "state", "move", *stacks, urn, "--yes")

    @property
    def full_name(self) -> str:
        """The name of the stack, with organization and project."""
        return f"organization/{self._name}/{self.stack}"

    def program(self, file: str) -> Path:
        """Return the path of a file of the program."""
        return self._program / file

    def import_state(self, state: str) -> None:
        """Replace the state."""
        file = self._directory / "state.json"
        file.write_text(state)
        self._run("stack import", "stack", "import", f"--stack={self.stack}", f"--file={file}")

    @cached_property
    def _name(self) -> str:
        name: str = yaml.safe_load((self._program / "Pulumi.yaml").read_text())["name"]
        return name

    @property
    def _configuration(self) -> Path:
        return self._directory / f"Pulumi.{self.stack}.yaml"

    def _operate(self, operation: str, *arguments: str) -> str:
        # `--config` would write to the stack file of the program.
        stack = [f"--stack={self.stack}", f"--config-file={self._configuration}"]
        return self._run(operation, operation, *arguments, *stack, "--suppress-progress")

    def _create_stack(self) -> None:
        """Create the stack in the run directory. Writes what `pulumi stack init` writes, which takes 0.3 s."""
        (self._directory / "Pulumi.yaml").write_text(yaml.safe_dump({"name": self._name, "runtime": "python"}))
        backend = Path(self._environment["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi"
        stacks = backend / "stacks" / self._name
        stacks.mkdir(parents=True, exist_ok=True)
        (backend / "meta.yaml").write_text("version: 1\n")
        latest = {"manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}}
        checkpoint = {"stack": self.full_name, "latest": latest}
        (stacks / f"{self.stack}.json").write_text(json.dumps({"version": 3, "checkpoint": checkpoint}))

    def _run(self, title: str, *arguments: str, directory: Path | None = None) -> str:
        command: list[str | Path] = [toolchain.program("pulumi"), *arguments, "--non-interactive", "--color=never"]
        return self._programs.run(
            f"pulumi {title}",
            command,
            environment=self._environment,
            directory=directory or self._program,
            seconds=SECONDS,
        )

    @cached_property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([toolchain.search_path(), os.environ.get("PATH", os.defpath)]),
            "PULUMI_BACKEND_URL": f"file://{self._directory}",
            "PULUMI_CONFIG_PASSPHRASE": "temporary state",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_HOME": str(self._directory / "home"),
            "PULUMI_PYTHON_CMD": str(toolchain.PYTHON_WITHOUT_PIP_LIST),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            **self._added_environment,
        }
