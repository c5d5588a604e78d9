"""One embedded mesh for the whole run: started once, shared by the tests, gone with the run."""

from collections.abc import Iterator

import pytest

from testbed.consul import Consul
from testbed.gate import Gate, gate_before
from testbed.mesh import Mesh
from testbed.processes import Programs
from tests.mesh.consul_entries import clear
from tests.mesh.traced_mesh import SERVICES, TracedMesh


@pytest.fixture(scope="session")
def shared_mesh(programs: Programs) -> Mesh:
    mesh = Mesh(programs, SERVICES)
    mesh.register_services()
    mesh.zipkin.wait_until_ready()
    return mesh


@pytest.fixture(scope="session")
def traced(shared_mesh: Mesh) -> TracedMesh:
    return TracedMesh(shared_mesh)


@pytest.fixture(scope="session")
def agent(programs: Programs) -> Consul:
    consul = Consul(programs)
    consul.wait_until_ready()
    return consul


@pytest.fixture
def consul(agent: Consul) -> Iterator[Consul]:
    """A Consul with nothing in it."""
    yield agent
    clear(agent)


@pytest.fixture
def gate(consul: Consul) -> Iterator[Gate]:
    with gate_before(consul) as gate:
        yield gate
