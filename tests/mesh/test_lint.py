"""The findings of lint, compared with real proxies: an entry with an error does not trace, the fixed one does."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from consul_tracing.files.document import Document
from consul_tracing.files.documents import read_documents
from consul_tracing.lint.examples import complete_entry
from consul_tracing.severities import Severity, severity
from testbed.mesh import Mesh, Service
from testbed.processes import ProgramFailedError, Programs
from tests.mesh.trace_stores import DeliveredToZipkin, TraceProbe
from tests.mesh.traced_mesh import sampled_id, unique_path
from tests.unit.cli.test_lint import EXAMPLES

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ELSEWHERE = {
    "CT313": "requires an OpenTelemetry collector",
    "CT323": "requires an Envoy that is older than 1.36",
    "CT324": "Consul rejects the entry",
    "CT331": "Consul rejects the entry",
    "CT332": "configures a service",
    "CT336": "is not an entry",
    "CT341": "X-Ray: tests/mesh/test_tracers_of_envoy.py",
    "CT355": "consul-k8s ignores the annotation",
    "CT356": "concerns two proxies: tests/mesh/test_registrations.py",
    **dict.fromkeys(("CT351", "CT352", "CT353"), "Consul refuses the entry"),
}
ERRORS = sorted(code for code in EXAMPLES.keys() - ELSEWHERE if severity(code) is Severity.ERROR)
CLUSTERS = "envoy_extra_static_clusters_json"


@pytest.fixture(scope="module")
def mesh(programs: Programs) -> Mesh:
    mesh = Mesh(programs, (Service("client", protocol="none", calls=("web",)), Service("web")))
    mesh.register_services()
    mesh.zipkin.wait_until_ready()
    mesh.consul.write_config_entry({"Kind": "service-defaults", "Name": "web", "Protocol": "http"})
    return mesh


def documented(example: tuple[str, str]) -> Document:
    form, text = example
    (found,) = read_documents(text, f"example.{form}")
    return found


def config_of(code: str, number: int) -> dict[str, Any]:
    """Return the `Config` of the bad (0) or good (1) example of a code, with the keys of the complete example."""
    complete, own = documented(("hcl", complete_entry())).fields["Config"], documented(EXAMPLES[code][number])
    replaced = documented(EXAMPLES[code][1]).fields["Config"].keys()
    kept = {key: value for key, value in complete.items() if key not in replaced}
    config: dict[str, Any] = {**kept, **own.fields["Config"]}
    if (
        isinstance(clusters := config.get(CLUSTERS), str)
        and '"zipkin' not in clusters
        and "local_agent" not in clusters
    ):
        config[CLUSTERS] = f"{complete[CLUSTERS].strip()}, {clusters}"
    return config


def traces(mesh: Mesh, config: dict[str, Any], is_started: Callable[[Mesh], bool]) -> bool:
    """Return whether a request leaves a trace in Zipkin when the proxies start with this `Config`."""
    text = json.dumps(config).replace("zipkin.example", "localhost").replace("9411", str(mesh.zipkin.port))
    mesh.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": json.loads(text)})
    try:
        mesh.launch_sidecars()
        mesh.programs.wait_until(partial(is_started, mesh), "proxies with or without their listeners")
        if not can_serve(mesh):
            return False
        probe = TraceProbe(mesh.programs, DeliveredToZipkin(mesh.zipkin), list(mesh.sidecars.values()))
        return bool(probe.collect([partial(mesh.request, unique_path(), {"x-request-id": sampled_id()})]))
    except ProgramFailedError:
        return False
    finally:
        mesh.stop_sidecars()


def rejects_or_can_serve(mesh: Mesh) -> bool:
    """Return whether a proxy has rejected a listener, or all proxies are ready for requests."""
    return any(sidecar.has_rejected_listener for sidecar in mesh.sidecars.values()) or can_serve(mesh)


def can_serve(mesh: Mesh) -> bool:
    """Return whether all proxies are ready for requests."""
    return all(mesh.sidecars[name].can_serve(one.listeners) for name, one in mesh.instances.items())


@pytest.mark.parametrize("code", ERRORS)
def test_bad_example_of_an_error_does_not_trace(mesh: Mesh, code: str) -> None:
    assert not traces(mesh, config_of(code, 0), rejects_or_can_serve)


@pytest.mark.parametrize("code", ERRORS)
def test_good_example_of_an_error_traces(mesh: Mesh, code: str) -> None:
    assert traces(mesh, config_of(code, 1), can_serve)
