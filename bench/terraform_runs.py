"""`tofu` or `terraform` with the service-defaults of the programs, where one is on PATH."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from testbed.processes import ProgramFailedError, Programs

CONFIGURATION = """
terraform {
  required_providers {
    consul = {
      source = "hashicorp/consul"
    }
  }
}

provider "consul" {
  address = "ADDRESS"
}

resource "consul_config_entry" "service" {
  count       = SERVICES
  kind        = "service-defaults"
  name        = format("service-%04d", count.index)
  config_json = jsonencode({ Protocol = "http", Expose = {}, MeshGateway = {}, TransparentProxy = {} })
}
"""

SECONDS = 600.0
INIT_SECONDS = 120.0


class UnavailableError(Exception):
    """No comparison with Terraform is possible."""


@dataclass(frozen=True)
class Terraform:
    """A program that can install the Consul provider."""

    program: Path

    @classmethod
    def available(cls, programs: Programs) -> "Terraform":
        """Return the `tofu` or `terraform` on PATH. Raises UnavailableError with the reason."""
        found = shutil.which("tofu") or shutil.which("terraform")
        if found is None:
            raise UnavailableError("neither tofu nor terraform is on PATH")
        terraform = cls(Path(found))
        try:
            terraform.operations(programs, "127.0.0.1:8500", 1)
        except ProgramFailedError:
            raise UnavailableError(f"{terraform.program.name} init cannot install hashicorp/consul") from None
        return terraform

    def operations(self, programs: Programs, consul: str, services: int) -> dict[str, Callable[[], str]]:
        """Return `plan` and `apply` of a new, initialized directory, in this order."""
        directory = programs.make_directory("terraform")
        text = CONFIGURATION.replace("ADDRESS", consul).replace("SERVICES", str(services))
        (directory / "main.tf").write_text(text)
        self._run(programs, directory, "init", seconds=INIT_SECONDS)
        return {
            "plan": partial(self._run, programs, directory, "plan"),
            "apply": partial(self._run, programs, directory, "apply", "-auto-approve"),
        }

    def _run(self, programs: Programs, directory: Path, *arguments: str, seconds: float = SECONDS) -> str:
        return programs.run(
            f"terraform {arguments[0]}",
            [self.program, *arguments, "-input=false", "-no-color"],
            environment={"CHECKPOINT_DISABLE": "1"},
            directory=directory,
            seconds=seconds,
        )
