"""From `pulumi up` with target `kubernetes`, through the real controller into the real Consul, to spans in Zipkin."""

from collections.abc import Iterator

import pytest

from testbed.kubernetes import Cluster, Controller
from testbed.mesh import DEMO_SERVICES, Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.kubernetes.conftest import MakesProject
from tests.kubernetes.mesh_objects import on
from tests.mesh.consul_entries import clear

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def mesh(programs: Programs, cluster: Cluster, controller: Controller) -> Iterator[Mesh]:
    """A mesh with a Consul of its own, which the cluster's controller writes to meanwhile."""
    controller.stop()
    started = Mesh(programs, DEMO_SERVICES)
    started.register_services()
    own = Controller(programs, cluster, started.consul)
    started.zipkin.wait_until_ready()
    yield started
    own.stop()
    controller.start()
    cluster.delete_all("ProxyDefaults", "ServiceDefaults")
    clear(started.consul)


def test_what_kubernetes_holds_makes_the_sidecars_trace(project: MakesProject, cluster: Cluster, mesh: Mesh) -> None:
    args = {
        "collector": {"host": LOOPBACK, "port": mesh.zipkin.port},
        "sampling": {"random": 100},
        "services": {name: {"protocol": "http"} for name in ("web", "api")},
    }
    stack = project(configuration=on(cluster, **args))
    stack.up()
    # At once, since the program ends only when Consul has it all.
    mesh.start_sidecars()
    answer = mesh.programs.wait_until(lambda: mesh.request("/kubernetes"), "an answer through the mesh")
    spans = mesh.zipkin.wait_for_spans(answer.json()["headers"]["x-b3-traceid"], 4)
    assert sorted((span["localEndpoint"]["serviceName"], span["kind"]) for span in spans) == [
        ("api", "SERVER"),
        ("client", "CLIENT"),
        ("web", "CLIENT"),
        ("web", "SERVER"),
    ]
    stack.destroy()
