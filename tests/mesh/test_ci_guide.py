"""The exit codes in docs/guides/ci.md, on the real engine."""

import re
from collections.abc import Iterator

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from tests.mesh.adopt_guide import Guide

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

STACK = """\
config:
  consul-tracing:mesh:
    collector: {host: zipkin.example.com}
    services: {web: {protocol: http}}
"""
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, list[int]]:
    """Return the exit codes of each command, in the order of the page."""
    text = (CHECKOUT / "docs/guides/ci.md").read_text()
    return {command: [int(code) for code in re.findall(r"\d", codes)] for command, codes in ROW.findall(text)}


def exit_code(guide: Guide, command: str) -> int:
    return int(guide.run(f"{command} > log.txt 2>&1 && code=0 || code=$?; echo $code"))


@pytest.fixture
def consul(programs: Programs) -> Iterator[Consul]:
    agent = Consul(programs)
    agent.wait_until_ready()
    yield agent
    agent.stop()


@pytest.fixture
def guide(programs: Programs, consul: Consul) -> Guide:
    project = Guide(programs, consul)
    project.write_files("Create the project")
    (project.directory / "Pulumi.prod.yaml").write_text(STACK)
    project.run(f"pulumi stack init prod; pulumi config set consul:address {consul.address}; pulumi up")
    return project


def test_codes_of_lint(guide: Guide) -> None:
    command = "consul-tracing lint deploy/"
    deploy = guide.directory / "deploy"
    deploy.mkdir()
    (deploy / "web.hcl").write_text('Kind = "service-defaults"\nName = "web"\nProtocol = "http"\n')
    without_findings = exit_code(guide, command)
    (deploy / "web.hcl").write_text('Kind = "service-defaults"\nName = "web"\nProtocol = "htp"\n')
    with_findings = exit_code(guide, command)
    (deploy / "web.hcl").unlink()
    assert [without_findings, with_findings, exit_code(guide, command)] == documented()[command]


def test_codes_of_pulumi(guide: Guide, consul: Consul) -> None:
    if tuple(map(int, guide.run("pulumi version").strip().lstrip("v").split(".")[:2])) < (3, 274):
        pytest.skip("an older Pulumi on PATH has other exit codes")
    drift = "pulumi preview --refresh --expect-no-changes"
    set_rate = "pulumi config set --path consul-tracing:mesh.sampling.random"
    without_drift = exit_code(guide, drift)
    consul.write_config_entry({**(consul.config_entry("service-defaults", "web") or {}), "Protocol": "grpc"})
    with_drift = exit_code(guide, drift)
    guide.run("pulumi up --refresh")
    written = consul.config_entry("service-defaults", "web") or {}
    consul.write_config_entry({field: value for field, value in written.items() if field != "Meta"})
    without_metadata = exit_code(guide, drift)
    consul.write_config_entry(written)
    guide.run(f"{set_rate} 5")
    with_changes = exit_code(guide, "pulumi preview")
    guide.run(f"{set_rate} 500")
    assert [with_changes, exit_code(guide, "pulumi preview")] == documented()["pulumi preview"]
    guide.run(f"{set_rate} 1")
    consul.stop()
    assert [without_drift, with_drift, exit_code(guide, drift)] == documented()[drift]
    assert without_metadata == documented()[drift][-1]
