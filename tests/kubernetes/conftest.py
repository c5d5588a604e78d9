"""Fixtures of the Kubernetes tests. One cluster is shared by the whole run."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
import yaml

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.kubernetes import Cluster, Controller
from testbed.mesh import DEMO_SERVICES, Mesh
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import clear


class ProjectFactory(Protocol):
    """Type of the fixture `project`."""

    def __call__(self, program: Path = ..., configuration: Mapping[str, object] = ..., *, stack: str = ...) -> Project:
        """Create a stack on the cluster. The default program is that of this repository."""


@pytest.fixture(scope="session")
def cluster(programs: Programs) -> Cluster:
    """A Kubernetes cluster with the custom resource definitions of consul-k8s."""
    started = Cluster(programs)
    started.wait_until_ready()
    started.install_crds()
    return started


@pytest.fixture(scope="session")
def agent(programs: Programs) -> Consul:
    """The Consul to which the controller writes."""
    started = Consul(programs)
    started.wait_until_ready()
    return started


@pytest.fixture(scope="session")
def controller(programs: Programs, cluster: Cluster, agent: Consul) -> Controller:
    """The consul-k8s controller. A test that stops it must start it again."""
    return Controller(programs, cluster, agent)


@contextmanager
def controlled_mesh(programs: Programs, cluster: Cluster, controller: Controller) -> Iterator[Mesh]:
    """Start a mesh with its own Consul, to which another controller writes meanwhile. Sidecars are started by tests."""
    controller.stop()
    mesh = Mesh(programs, DEMO_SERVICES)
    mesh.register_services()
    own = Controller(programs, cluster, mesh.consul)
    mesh.zipkin.wait_until_ready()
    try:
        yield mesh
    finally:
        # Other meshes use the same admin ports.
        mesh.stop_sidecars()
        cluster.delete_all("ProxyDefaults", "ServiceDefaults")
        own.stop()
        controller.start()
        clear(mesh.consul)


@pytest.fixture
def consul(agent: Consul, cluster: Cluster, controller: Controller) -> Iterator[Consul]:
    """An empty Consul and a cluster without custom resources. The controller is running."""
    assert controller.program.is_running
    yield agent
    cluster.delete_all("ProxyDefaults", "ServiceDefaults")
    clear(agent)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A temporary namespace."""
    name = f"test-{secrets.token_hex(4)}"
    create_namespace(cluster, name)
    yield name
    # Kubernetes deletes the objects asynchronously. No other test reads them.
    cluster.start_deleting("Namespace", name)


def create_namespace(cluster: Cluster, name: str, **labels: str) -> None:
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


@pytest.fixture(scope="session")
def consul_namespace(cluster: Cluster) -> None:
    """The namespace `consul`, the default of the mesh's custom resources."""
    create_namespace(cluster, "consul")


@pytest.fixture(scope="session")
def observability(cluster: Cluster) -> None:
    """A namespace that enforces the level `restricted`. Tests share it, since its deletion takes seconds."""
    create_namespace(cluster, "observability", **{"pod-security.kubernetes.io/enforce": "restricted"})


@pytest.fixture(scope="session")
def service_monitors(cluster: Cluster) -> None:
    """Install the custom resource definition of ServiceMonitor."""
    cluster.install(Path(__file__).with_name("service_monitor_crd.yaml"))


@pytest.fixture
def project(programs: Programs, cluster: Cluster) -> ProjectFactory:
    def create(
        program: Path = CHECKOUT,
        configuration: Mapping[str, object] | None = None,
        *,
        stack: str = "dev",
    ) -> Project:
        environment = {
            "PATH": os.pathsep.join([toolchain.search_path(kubernetes=True), os.environ.get("PATH", os.defpath)]),
            # A stack without a kubeconfig must not use that of the user who runs the tests.
            "KUBECONFIG": os.devnull,
        }
        return Project(
            programs,
            program,
            {**cluster.configuration, **(configuration or {})},
            stack=stack,
            environment=environment,
        )

    return create


@pytest.fixture
def inline(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a Pulumi program and returns its directory. A later call replaces the program."""

    def write(program: str) -> Path:
        (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "inline", "runtime": "python"}))
        (tmp_path / "__main__.py").write_text(program)
        return tmp_path

    return write
