"""The findings of lint, compared with real proxies: an entry with an error does not trace, the fixed one does."""

import json
from typing import Any

import pytest

from consul_tracing.cli.documents import Document, read_documents
from consul_tracing.cli.lint.findings import Severity, severity
from testbed.errors import OperationalError
from testbed.mesh import Mesh, Service
from testbed.processes import Programs
from tests.mesh.traced_mesh import unique_path
from tests.unit.cli.test_lint import BLOCK, EXAMPLES, PAGE

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ELSEWHERE = {
    "CT313": "requires an OpenTelemetry collector",
    "CT323": "requires an Envoy that is older than 1.36",
    "CT324": "Consul rejects the entry",
    "CT331": "Consul rejects the entry",
    "CT332": "configures a service",
    "CT336": "is not an entry",
    "CT341": "X-Ray: tests/mesh/test_tracers_of_envoy.py",
}
ERRORS = sorted(code for code in EXAMPLES.keys() - ELSEWHERE if severity(code) is Severity.ERROR)
SPAN_SECONDS = 8
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
    complete, own = documented(BLOCK.findall(PAGE)[0]).fields["Config"], documented(EXAMPLES[code][number])
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


def traces(mesh: Mesh, config: dict[str, Any]) -> bool:
    """Return whether a request leaves a trace in Zipkin when the proxies start with this `Config`."""
    text = json.dumps(config).replace("zipkin.example", "localhost").replace("9411", str(mesh.zipkin.port))
    text = text.replace('random_sampling\\": {\\"value\\": 1}', 'random_sampling\\": {\\"value\\": 100}')
    mesh.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": json.loads(text)})
    try:
        mesh.start_sidecars()
        response = mesh.programs.wait_until(lambda: mesh.request(unique_path()), "a response")
        trace_id = response.json()["headers"].get("x-b3-traceid")
        if trace_id is None:
            return False
        mesh.zipkin.wait_for_spans(trace_id, 1, seconds=SPAN_SECONDS)
    except OperationalError:
        return False
    finally:
        mesh.stop_sidecars()
    return True


@pytest.mark.parametrize("code", ERRORS)
def test_bad_example_of_an_error_does_not_trace(mesh: Mesh, code: str) -> None:
    assert not traces(mesh, config_of(code, 0))


@pytest.mark.parametrize("code", ERRORS)
def test_good_example_of_an_error_traces(mesh: Mesh, code: str) -> None:
    assert traces(mesh, config_of(code, 1))
