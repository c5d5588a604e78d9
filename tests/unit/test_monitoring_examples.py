"""examples/monitoring: its queries, units and commands.

tests/mesh/test_verify_monitoring.py compares the metrics of Envoy with a real one, and tests/kubernetes applies the
manifests.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from consul_tracing.cli.app import app
from consul_tracing.cli.verify.metrics import History, metrics
from consul_tracing.codes import CODES
from tests.monitoring import DASHBOARD, MONITORING, RULES, selectors
from tests.unit.cli.verify.results import incomplete

SERVED = {
    sample.name: set(sample.labels)
    for metric in metrics(History(60).with_run(incomplete(), 0))
    for sample in metric.samples
}
"""The labels of each metric of `verify --metrics`."""

BY_PROMETHEUS = {"instance"}


def test_metrics_of_verify_exist_with_their_labels() -> None:
    used = [(name, labels) for name, labels in selectors() if not name.startswith("envoy_")]
    names = {name for name, _ in used}
    assert (names - SERVED.keys(), SERVED.keys() - names) == (set(), {"consul_tracing_build_info"})
    assert [name for name, labels in used if not labels <= SERVED[name] | BY_PROMETHEUS] == []


def test_codes_of_descriptions_exist() -> None:
    assert set(re.findall(r"CT\d{3}", RULES.read_text())) <= CODES.keys()


def test_every_alert_has_a_test() -> None:
    tests = yaml.safe_load(RULES.with_name("rules_test.yaml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert fired == {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("arguments", [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]])
def test_promtool_accepts_the_rules_and_their_tests(arguments: list[str]) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not on PATH (Debian: apt install prometheus)")
    run = subprocess.run([promtool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_dashboard_is_consistent() -> None:
    content = json.loads(DASHBOARD.read_text())
    assert content.keys() >= {"title", "uid", "schemaVersion", "panels", "templating", "time"}
    panels: list[dict[str, Any]] = content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {one["name"] for one in content["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps([panels, content["templating"]]))) <= variables | {"__all"}
    for panel in panels:
        references = [target["refId"] for target in panel.get("targets", [])]
        assert len(references) == len(set(references))
    places = [panel["gridPos"] for panel in panels]
    assert [place for place in places if place["x"] + place["w"] > 24] == []
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Return the arguments of `consul-tracing` in each example, with its file."""
    for unit in MONITORING.glob("systemd/*.service"):
        variables = set(re.findall(r"^(\w+)=", (MONITORING / "systemd" / "verify.env").read_text(), re.MULTILINE))
        assert set(re.findall(r"\$\{(\w+)\}", unit.read_text())) <= variables
        (command,) = re.findall(r"^ExecStart=\S+/consul-tracing (.*)", unit.read_text(), re.MULTILINE)
        yield unit.name, shlex.split(command)
    for name in ("deployment.yaml", "cronjob.yaml"):
        manifest = next(yaml.safe_load_all((MONITORING / "kubernetes" / name).read_text()))
        spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
        yield name, spec["template"]["spec"]["containers"][0]["args"]
    github = yaml.safe_load((MONITORING / "ci" / "github.yml").read_text())["jobs"]["verify"]["steps"]
    gitlab = yaml.safe_load((MONITORING / "ci" / "gitlab.yml").read_text())["verify"]["script"]
    for name, scripts in {"github.yml": [step.get("run", "") for step in github], "gitlab.yml": gitlab}.items():
        (command,) = [script for script in scripts if script.startswith("consul-tracing ")]
        yield name, shlex.split(command)[1:]


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_options_of_commands_exist(name: str) -> None:
    command, *options = COMMANDS[name]
    group: Any = typer.main.get_command(app)
    assert group.commands[command].make_context(command, options).params["url"]


@pytest.mark.parametrize("unit", ["consul-tracing-verify.service", "consul-tracing-verify-once.timer"])
def test_systemd_accepts_the_units(unit: str, tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not on PATH")
    for file in (MONITORING / "systemd").iterdir():
        text = file.read_text().replace("/opt/consul-tracing/bin/consul-tracing", sys.executable)
        (tmp_path / file.name).write_text(text)
    run = subprocess.run([analyze, "verify", "--man=no", tmp_path / unit], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
