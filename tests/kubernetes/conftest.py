"""One Kubernetes for the whole run: started once, shared by the tests, gone with the run."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
import yaml

import toolchain
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.kubernetes import Cluster, Controller
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import clear


class MakesProject(Protocol):
    """What the fixture `project` is."""

    def __call__(
        self, program: Path = ..., configuration: Mapping[str, object] = ..., *, stack: str = ..., refresh: bool = ...
    ) -> Project:
        """A stack of the program, by default of this project's own; it is led to the cluster."""


@pytest.fixture(scope="session")
def cluster(programs: Programs) -> Cluster:
    """A Kubernetes that knows consul-k8s' kinds."""
    started = Cluster(programs)
    started.wait_until_ready()
    started.install_crds()
    return started


@pytest.fixture(scope="session")
def agent(programs: Programs) -> Consul:
    """The Consul that the controller writes to."""
    started = Consul(programs)
    started.wait_until_ready()
    return started


@pytest.fixture(scope="session")
def controller(programs: Programs, cluster: Cluster, agent: Consul) -> Controller:
    """The controller between the cluster and Consul. A test that stops it starts it again."""
    return Controller(programs, cluster, agent)


@pytest.fixture
def consul(agent: Consul, cluster: Cluster, controller: Controller) -> Iterator[Consul]:
    """A Consul with nothing in it, and a cluster without custom resources; the controller runs."""
    assert controller.program.is_running
    yield agent
    cluster.delete_all("ProxyDefaults", "ServiceDefaults")
    clear(agent)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(4)}"
    create_namespace(cluster, name)
    yield name
    # Kubernetes deletes its objects later; no other test reads them.
    cluster.start_deleting("Namespace", name)


def create_namespace(cluster: Cluster, name: str, **labels: str) -> None:
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


@pytest.fixture(scope="session")
def consuls_namespace(cluster: Cluster) -> None:
    """The namespace `consul`, the default of the mesh's custom resources."""
    create_namespace(cluster, "consul")


@pytest.fixture(scope="session")
def observability(cluster: Cluster) -> None:
    """A namespace that enforces the level `restricted`; each test leaves it empty, since its deletion takes seconds."""
    create_namespace(cluster, "observability", **{"pod-security.kubernetes.io/enforce": "restricted"})


@pytest.fixture(scope="session")
def service_monitors(cluster: Cluster) -> None:
    """The cluster knows the kind ServiceMonitor."""
    cluster.install(Path(__file__).with_name("service_monitor_crd.yaml"))


@pytest.fixture
def project(programs: Programs, cluster: Cluster) -> MakesProject:
    def made(
        program: Path = CHECKOUT,
        configuration: Mapping[str, object] | None = None,
        *,
        stack: str = "dev",
        refresh: bool = True,
    ) -> Project:
        environment = {
            "PATH": os.pathsep.join([toolchain.search_path(kubernetes=True), os.environ.get("PATH", os.defpath)]),
            # A stack whose configuration does not lead to the cluster must not find that of whoever runs the tests.
            "KUBECONFIG": os.devnull,
        }
        return Project(
            programs,
            program,
            {**cluster.configuration, **(configuration or {})},
            stack=stack,
            environment=environment,
            refresh=refresh,
        )

    return made


@pytest.fixture
def inline(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a Pulumi program and returns its directory, the same one every time: a later program is the next edit."""

    def written(program: str) -> Path:
        (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "inline", "runtime": "python"}))
        (tmp_path / "__main__.py").write_text(program)
        return tmp_path

    return written
