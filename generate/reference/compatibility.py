"""The reference of the supported versions, from the toolchain, the requirements of the package and its constants."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.releases import CONSUL_MESSAGES
from consul_tracing.inputs.mesh_settings import NEWER_INPUTS
from consul_tracing.names import LISTENER_DECISION_ENVOY, SAMPLER_ENVOY, SPAN_ID_ENVOY, release_text
from toolchain import programs

if TYPE_CHECKING:
    from consul_tracing.names import EnvoyRelease
    from toolchain.program import Program

PROSE = Path(__file__).with_name("compatibility.md")
ROOT = Path(__file__).parents[2]
REQUIREMENT = re.compile(r"(?P<name>[\w-]+)>=(?P<least>[\d.]+)(?:,<(?P<before>[\d.]+))?")
PACKAGES = ("pulumi", "pulumi-consul", "pulumi-kubernetes", "kubernetes", "pydantic")


def compatibility() -> str:
    """Return the page of the versions."""
    return PROSE.read_text().format(
        programs="\n".join(_programs()),
        packages="\n".join(_packages()),
        features="\n".join(f"| {feature} | {release_text(least)} |" for feature, least in FEATURES.items()),
        messages=release_text(max(CONSUL_MESSAGES)),
        sampler=release_text(SAMPLER_ENVOY),
        decision=release_text(LISTENER_DECISION_ENVOY),
    )


FEATURES: dict[str, EnvoyRelease] = {
    "`tracer.opentelemetry` with its own sampler": SAMPLER_ENVOY,
    **{f"`{path}`": since for path, since in NEWER_INPUTS.items()},
    "`access_logs`: the field `span_id` with OpenTelemetry": SPAN_ID_ENVOY,
}
"""Inputs that require a newer Envoy than the oldest one."""


def _programs() -> list[str]:
    return [
        _row("Consul", programs.CONSUL.version, programs.CONSUL),
        _row("Envoy", ", ".join(programs.TESTED_ENVOYS), programs.ENVOY),
        _row("Pulumi", programs.PULUMI.version, programs.PULUMI),
        f"| Zipkin | {programs.ZIPKIN.version} | 3 |",
        f"| Jaeger | 2 (Go module {programs.JAEGER.version}) | 1 and 2 |",
        f"| Kubernetes | {programs.PROGRAMS['kube-apiserver'].version} | |",
        f"| consul-k8s | {_commit_date(programs.CONSUL_K8S.version)}, and the definitions of 1.8 | newer |",
    ]


def _row(name: str, tested: str, program: Program) -> str:
    oldest, before = program.installed.oldest, program.installed.before  # type: ignore[union-attr]
    return f"| {name} | {tested} | {oldest} or newer, older than {before} |"


def _commit_date(version: str) -> str:
    """Return the date in the version of a Go module without a release."""
    year, month, day = re.findall(r"-(\d{4})(\d{2})(\d{2})\d{6}-", version)[0]
    return f"{year}-{month}-{day}"


def _packages() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["kubernetes"]]
    found = {one["name"]: one for text in requirements if (one := REQUIREMENT.fullmatch(text))}
    rows = [f"| {name} | {found[name]['least']} | {found[name]['before']} |" for name in PACKAGES]
    return [f"| Python | {project['requires-python'].removeprefix('>=')} | |", *rows]
