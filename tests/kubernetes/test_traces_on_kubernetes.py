"""Spans in Zipkin after `pulumi up` with target `kubernetes`."""

from collections.abc import Iterator

import pytest

from testbed.kubernetes import Cluster, Controller
from testbed.mesh import Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.kubernetes.conftest import ProjectFactory, controlled_mesh
from tests.kubernetes.mesh_objects import stack_config
from tests.mesh.traced_mesh import PERCENT, sampled_id

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def mesh(programs: Programs, cluster: Cluster, controller: Controller) -> Iterator[Mesh]:
    with controlled_mesh(programs, cluster, controller) as started:
        yield started


def test_request_is_traced(project: ProjectFactory, cluster: Cluster, mesh: Mesh) -> None:
    args = {
        "collector": {"host": LOOPBACK, "port": mesh.zipkin.port},
        "sampling": {"random": PERCENT},
        "services": {name: {"protocol": "http"} for name in ("web", "api")},
    }
    stack = project(configuration=stack_config(cluster, **args))
    stack.up()
    # `up` waits until all entries are in Consul.
    mesh.start_sidecars()
    headers = {"x-request-id": sampled_id()}
    response = mesh.programs.wait_until(lambda: mesh.request("/kubernetes", headers), "an answer through the mesh")
    spans = mesh.zipkin.wait_for_spans(response.json()["headers"]["x-b3-traceid"], 4)
    assert sorted((span["localEndpoint"]["serviceName"], span["kind"]) for span in spans) == [
        ("api", "SERVER"),
        ("client", "CLIENT"),
        ("web", "CLIENT"),
        ("web", "SERVER"),
    ]
    stack.destroy()
