"""Running Pulumi on a program, with a state, a home and a configuration of the run's own.

Nothing in the program's directory is written, and nothing of the user's own Pulumi is read.
"""

import json
import os
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

import toolchain
from testbed import CHECKOUT
from testbed.ports import LOOPBACK
from testbed.processes import Programs

SECONDS = 300.0
"""How long one Pulumi operation may take."""


def stack_configuration(stack: str, consul_address: str, collector_port: int) -> dict[str, object]:
    """One of this project's own stacks, led to a Consul and a collector on this machine."""
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
    """A Pulumi program and one stack of it.

    `configuration` holds whole keys, namespace included, as a stack's file would: `{"consul:address": …}`.
    """

    def __init__(  # noqa: PLR0913 - independent settings, three of them optional
        self,
        programs: Programs,
        program: Path,
        configuration: Mapping[str, object],
        *,
        stack: str = "dev",
        environment: Mapping[str, str] | None = None,
        refresh: bool = True,
    ) -> None:
        """Create the empty stack of the program in the directory `program`.

        `environment`: further variables of Pulumi. `refresh`: whether the program's own option `refresh` has effect.
        """
        self.stack = stack
        self._programs = programs
        self._program = program
        self._added_environment = dict(environment or {})
        self._refresh = [] if refresh else ["--refresh=false"]
        self._own = programs.make_directory(f"pulumi-{stack}")
        self._create_stack()
        self.configure(configuration)

    def configure(self, configuration: Mapping[str, object]) -> None:
        """Replace the stack's configuration."""
        self._configuration.write_text(yaml.safe_dump({"config": dict(configuration)}))

    def up(self) -> str:
        """Apply the program, and return what Pulumi said."""
        return self._operate("up", "--yes", "--skip-preview", *self._refresh)

    def preview(self, *, expect_no_changes: bool = False) -> str:
        """Show what an `up` would do; with `expect_no_changes` anything to do is a failure."""
        expected = ["--expect-no-changes"] if expect_no_changes else []
        return self._operate("preview", "--diff", *expected, *self._refresh)

    def refresh(self) -> str:
        """Read the resources' real state back."""
        return self._operate("refresh", "--yes", "--skip-preview")

    def destroy(self) -> str:
        """Delete the stack's resources."""
        return self._operate("destroy", "--yes", "--skip-preview")

    def cancel(self) -> None:
        """Take away the lock that a killed Pulumi left."""
        self._run("cancel", "cancel", "--yes", f"--stack={self.stack}")

    def import_resource(self, token: str, name: str, identifier: str) -> str:
        """Take a resource that exists into the state, unprotected."""
        return self._operate(
            "import", token, name, identifier, "--yes", "--skip-preview", "--protect=false", "--generate-code=false"
        )

    def output(self, name: str) -> Any:  # noqa: ANN401 - outputs are of any type
        """One of the stack's outputs; KeyError where there is none of this name."""
        return self.outputs()[name]

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain."""
        said = self._run("stack output", "stack", "output", "--json", "--show-secrets", f"--stack={self.stack}")
        outputs: dict[str, Any] = json.loads(said)
        return outputs

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the stack's state, as Pulumi keeps them."""
        state = json.loads(self._run("stack export", "stack", "export", f"--stack={self.stack}"))
        resources: list[dict[str, Any]] = state["deployment"].get("resources", [])
        return resources

    def clear_pending(self) -> None:
        """Forget the creations whose end a killed Pulumi did not see."""
        self._operate("refresh", "--yes", "--skip-preview", "--clear-pending-creates")

    def restore_backup(self) -> None:
        """Put the state that Pulumi kept in place of the one that it could not write to its end."""
        for kept in (self._own / ".pulumi" / "stacks").glob(f"*/{self.stack}.json.bak*"):
            shutil.copy(kept, kept.with_name(kept.name.replace(".bak", "")))

    def rename(self, name: str) -> None:
        """Rename the stack."""
        self._run("stack rename", "stack", "rename", name, f"--stack={self.stack}", directory=self._own)
        self.stack = name.rpartition("/")[2]

    def previewed(self) -> str:
        """Return the output of a preview, warnings included. With `--diff` they would go to another stream."""
        return self._operate("preview", *self._refresh)

    def forget(self) -> None:
        """Drop the stack's state and leave in Consul what it wrote."""
        self._run("stack rm", "stack", "rm", self.stack, "--force", "--yes", directory=self._own)

    def state(self) -> dict[str, Any]:
        """The stack's state, secrets in plain text."""
        exported: dict[str, Any] = json.loads(
            self._run("stack export", "stack", "export", f"--stack={self.stack}", "--show-secrets")
        )
        return exported

    def delete_from_state(self, urn: str) -> None:
        """Make Pulumi forget a resource without touching it."""
        self._run("state delete", "state", "delete", urn, "--yes", f"--stack={self.stack}")

    def take_state(self, state: str) -> None:
        """Replace the stack's state."""
        file = self._own / "state.json"
        file.write_text(state)
        self._run("stack import", "stack", "import", f"--stack={self.stack}", f"--file={file}")

    @property
    def _configuration(self) -> Path:
        return self._own / f"Pulumi.{self.stack}.yaml"

    def _operate(self, operation: str, *arguments: str) -> str:
        # Not `--config`, which would write into the program's own stack file.
        stack = [f"--stack={self.stack}", f"--config-file={self._configuration}"]
        return self._run(operation, operation, *arguments, *stack, "--suppress-progress")

    def _create_stack(self) -> None:
        """Create the stack from a directory of its own: doing so writes a salt into the stack's file beside it."""
        name = yaml.safe_load((self._program / "Pulumi.yaml").read_text())["name"]
        (self._own / "Pulumi.yaml").write_text(yaml.safe_dump({"name": name, "runtime": "python"}))
        self._run("stack init", "stack", "init", self.stack, directory=self._own)

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
            "PULUMI_BACKEND_URL": f"file://{self._own}",
            "PULUMI_CONFIG_PASSPHRASE": "the state goes with the run",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_HOME": str(self._own / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            **self._added_environment,
        }
