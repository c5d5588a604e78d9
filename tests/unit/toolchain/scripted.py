"""A program whose build is a shell script: it replaces the real builds, without a network and in milliseconds."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from testbed.signals import raise_on_signals
from toolchain.jobs import Job
from toolchain.on_path import NeverFromPath, PathRule
from toolchain.programs import STAND_IN
from toolchain.provision import Program

CHECKOUT = Path(__file__).parents[3]

PLUGIN_SCRIPT = """#!{python}
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="{version}")


server = grpc.server(ThreadPoolExecutor())
provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@dataclass(frozen=True)
class Script:
    """Source that runs `script` with `$into` set to the directory to fill."""

    script: str
    how: ClassVar[Literal["built"]] = "built"
    versions: tuple[str, ...] = ("1.0.0",)
    executable: Path = Path("thing")

    def inputs(self, version: str) -> tuple[object, ...]:
        return (version,)

    def make(self, version: str, into: Path, job: Job) -> None:
        job.progress.step("building")
        environment = {"into": str(into), "version": version, "PATH": "/usr/bin:/bin"}
        job.run("build", ["/bin/sh", "-c", self.script], into, environment)


def thing(script: str, on_path: PathRule | None = None) -> Program:
    """Return a program called `thing` that is built by this script."""
    return Program("thing", Script(script), on_path or NeverFromPath())


def put_on_path(folder: Path, name: str, answer: str = "", code: int = 0) -> Path:
    """Write a program that prints this answer for any arguments. It needs nothing on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' '{answer}'\nexit {code}\n")
    program.chmod(0o755)
    return program


def put_plugin_on_path(folder: Path, name: str, version: str) -> Path:
    """Write a plugin of Pulumi that reports this version."""
    plugin = put_on_path(folder, name)
    plugin.write_text(PLUGIN_SCRIPT.format(python=sys.executable, version=version))
    return plugin


def put_stand_in_into_cache() -> Path:
    """Return the directory of the stand-in for the Consul plugin, as if it were built."""
    entry = STAND_IN.entry(STAND_IN.source.versions[0])
    return put_on_path(entry.path, "pulumi-resource-consul").parent


if __name__ == "__main__":
    raise_on_signals()
    print(thing(sys.argv[1]).obtain().path)  # noqa: T201 - the other process's result
