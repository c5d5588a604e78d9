"""The policy pack in its own environment, called over gRPC and by Pulumi's engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from rules import RULES

import toolchain
from consul_tracing.backends.identity import CONFIG_ENTRY
from testbed import CHECKOUT
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.plugin_executable import write_plugin_executable

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The text with which the engine represents an unknown value."""


VIOLATION = re.compile(r"consul-tracing@v\S+ \[(\w+)\] .* ([a-z-]+)  \(consul:index:ConfigEntry: mesh-proxy-defaults\)")
"""The level and the policy of each violation in the output of a preview."""


@pytest.fixture(scope="module")
def environment(programs: Programs) -> Path:
    """A virtual environment with the requirements of the pack."""
    directory = programs.make_directory("policies")
    python = directory / "bin" / "python"
    programs.run("venv", [sys.executable, "-m", "venv", directory])
    pip = [python, "-m", "pip", "install", "--quiet"]
    programs.run("pip", [*pip, "--requirement=requirements.txt"], directory=CHECKOUT / "policies", seconds=600)
    return directory


@pytest.fixture(scope="module")
def analyzer(environment: Path) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    command = [environment / "bin" / "python", "-u", CHECKOUT / "policies"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)  # type: ignore[no-untyped-call]
        finally:
            process.terminate()


def analyzed(analyzer: Any, **properties: str) -> list[str]:
    """Return the violations of an entry in production."""
    values = struct_pb2.Struct()
    values.update({"kind": "proxy-defaults", "name": "global", **properties})
    urn = "urn:pulumi:prod::mesh::consul:index/configEntry:ConfigEntry::mesh"
    options = analyzer_pb2.AnalyzerResourceOptions(protect=False)
    request = analyzer_pb2.AnalyzeRequest(type=CONFIG_ENTRY, properties=values, urn=urn, name="mesh", options=options)
    return sorted(one.policyName for one in analyzer.Analyze(request).diagnostics)


def test_pack_serves_every_rule(analyzer: Any) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert {one.name for one in info.policies} == {rule.name for rule in RULES}


def test_resource_is_analyzed(analyzer: Any) -> None:
    meta = {"consul-tracing-keys": "Config.envoy_tracing_json"}
    body = {"Meta": meta, "Config": {"envoy_statsd_url": "udp://user:password@statsd"}}
    assert analyzed(analyzer, configJson=json.dumps(body)) == ["no-credentials", "protected-mesh"]


def test_unknown_entry_of_a_preview_is_accepted(analyzer: Any) -> None:
    assert analyzed(analyzer, configJson=UNKNOWN) == []


def test_preview_reports_violations_and_uses_the_settings(programs: Programs, environment: Path) -> None:
    """The language host 3.60 runs a pack in the directory of the program.

    Therefore the pack is beside the example in YAML, whose language has another host.
    """
    directory = programs.make_directory("pack") / "policies"
    shutil.copytree(CHECKOUT / "policies", directory)
    shutil.copy(CHECKOUT / "examples" / "yaml" / "Pulumi.yaml", directory)
    write_plugin_executable(directory)
    hosts = (environment / "bin", directory, toolchain.program("pulumi-language-yaml").parent, toolchain.search_path())
    path = os.pathsep.join(map(str, (*hosts, os.environ["PATH"])))
    unreachable = {"consul:address": f"{LOOPBACK}:{free_port()}"}
    stack = Project(programs, directory, unreachable, stack="prod", environment={"PATH": path})
    with pytest.raises(ProgramFailedError) as failed:
        stack.preview("--policy-pack=.")
    expected = [("advisory", "tls-to-collector"), ("mandatory", "protected-mesh")]
    assert sorted(VIOLATION.findall(failed.value.output)) == expected
    settings = directory / "settings.json"
    settings.write_text(json.dumps({"protected-mesh": {"production": ["live"]}, "tls-to-collector": "disabled"}))
    output = stack.preview("--policy-pack=.", f"--policy-pack-config={settings}")
    assert VIOLATION.findall(output) == []
    assert "Policy Packs run:" in output
