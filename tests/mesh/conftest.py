"""Fixtures of the mesh tests. One embedded mesh is shared by the whole run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import toolchain
from testbed.consul import Consul
from testbed.jaeger import Jaeger
from testbed.mesh import Mesh
from testbed.processes import Programs
from testbed.request_recorder import RequestRecorder, record_requests
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
def jaeger(programs: Programs) -> Jaeger:
    jaeger = Jaeger(programs)
    jaeger.wait_until_ready()
    return jaeger


@pytest.fixture(scope="session")
def certificates(programs: Programs) -> Path:
    """A directory with a CA, a server certificate for localhost and 127.0.0.1, and a client certificate."""
    directory = programs.make_directory("certificates")
    consul = toolchain.program("consul")
    programs.run("tls ca", [consul, "tls", "ca", "create"], directory=directory)
    for purpose in ("-server", "-client"):
        programs.run("tls cert", [consul, "tls", "cert", "create", purpose], directory=directory)
    return directory


@pytest.fixture(scope="session")
def agent(programs: Programs) -> Consul:
    consul = Consul(programs)
    consul.wait_until_ready()
    return consul


@pytest.fixture
def consul(agent: Consul) -> Iterator[Consul]:
    """A Consul without config entries."""
    yield agent
    clear(agent)


@pytest.fixture
def recorder(consul: Consul) -> Iterator[RequestRecorder]:
    with record_requests(consul) as recorder:
        yield recorder
