"""Spans in Zipkin after `pulumi up` with target `kubernetes`."""

from collections.abc import Iterator

import pytest

from testbed.kubernetes import Cluster, Controller
from testbed.mesh import DEMO_SERVICES, Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import stack_config
from tests.mesh.consul_entries import clear
from tests.mesh.traced_mesh import PERCENT, sampled_id

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def mesh(programs: Programs, cluster: Cluster, controller: Controller) -> Iterator[Mesh]:
    """A mesh with its own Consul and a controller that writes to it."""
    controller.stop()
    started = Mesh(programs, DEMO_SERVICES)
    started.register_services()
    mesh_controller = Controller(programs, cluster, started.consul)
    started.zipkin.wait_until_ready()
    yield started
    mesh_controller.stop()
    controller.start()
    cluster.delete_all("ProxyDefaults", "ServiceDefaults")
    clear(started.consul)


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
