"""Type checkers report values outside of a closed set, in the program of a user."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
from collections.abc import Mapping
from types import MappingProxyType

from consul_tracing import Existing, MeshTracing, Protocol, ServiceArgs, ServiceProtocols, Target, ZipkinCollector

MeshTracing("valid", {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}})
MeshTracing("keywords", collector={"host": "zipkin"})
ServiceProtocols("keywords", services={"web": {"protocol": "http"}})
services: Mapping[str, ServiceArgs] = {"web": {"protocol": "http"}}
protocol: Protocol = "http"
hosts: list[str] = ["https://es:9200"]
ServiceProtocols("maps", services=services, existing="adopt")
ZipkinCollector("lists", storage={"elasticsearch": {"hosts": hosts}})
MeshTracing("component", collector=ZipkinCollector("zipkin"), tags=MappingProxyType({"team": {"literal": "core"}}))
VALID = True
MeshTracing("a", {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "HTTP"}}})
MeshTracing("b", {"collector": {"host": "zipkin"}, "existing": "replace"})
MeshTracing("c", {"collector": {"host": "zipkin"}, "tracer": {"zipkin": {"encoding": "thrift"}}})
ServiceProtocols("d", {"services": {}, "target": "nomad"})
MeshTracing("e", colector={"host": "zipkin"})
ServiceProtocols("f", target="consul")
wrong: tuple[Existing, Protocol, Target] = ("keep", "udp", "nomad")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


def invalid_lines() -> set[int]:
    first = PROGRAM.splitlines().index("VALID = True") + 2
    return set(range(first, len(PROGRAM.splitlines()) + 1))


def test_mypy_reports_invalid_values(program: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", str(program)]
    output = subprocess.run(command, capture_output=True, text=True, check=False, cwd=program.parent).stdout
    assert {int(line.split(":")[1]) for line in output.splitlines() if ": error:" in line} == invalid_lines(), output


def test_pyright_reports_invalid_values(program: Path) -> None:
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--level=error"]
    command += ["--pythonpath", sys.executable, str(program)]
    output = subprocess.run(command, capture_output=True, text=True, check=False, cwd=program.parent).stdout
    found = json.loads(output)["generalDiagnostics"]
    assert {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"} == invalid_lines(), output
