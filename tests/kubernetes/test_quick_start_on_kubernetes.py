"""The quick start on Kubernetes, followed on a real API server. Commands, files and outputs are those of the page.

The pods of the cluster run no program, so each has a real proxy on this machine, which the tests restart. Replaced are
also: Deployments, with StatefulSets, whose pods have fixed names; port-forwards of the reader, with the addresses of
the programs; the namespace of Zipkin, which other tests use; after the first `up`, the Zipkin of the program, with one
that runs; and the installation from the repository, with one from this checkout.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.envoy import Envoy
from testbed.kubernetes import Cluster, Controller
from testbed.mesh import Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.followed_page import FollowedPage
from tests.kubernetes.conftest import controlled_mesh, create_namespace

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.usefixtures("consul_namespace")]

REPOSITORY = f"git+https://github.com/consul-tracing/consul-tracing@v{version('consul-tracing')}"
NAMESPACE = "shop"
PODS = ("web-1", "api-1")
INJECTED = "consul.hashicorp.com/connect-inject-status"
INTENTIONS = {
    "apiVersion": "consul.hashicorp.com/v1alpha1",
    "kind": "ServiceIntentions",
    "metadata": {"name": "api", "namespace": NAMESPACE},
    "spec": {
        "destination": {"name": "api"},
        "sources": [{"name": "web", "permissions": [{"action": "allow", "http": {"pathPrefix": "/"}}]}],
    },
}


def workload(pod: str) -> dict[str, Any]:
    """Return a StatefulSet with one pod of this name, injected by consul-k8s."""
    name, _, ordinal = pod.partition("-")
    annotations = {INJECTED: "injected", "consul.hashicorp.com/connect-service": name}
    containers = [{"name": one, "image": f"registry.example.com/{one}:1"} for one in (name, "consul-dataplane")]
    template = {
        "metadata": {"labels": {"app": name, INJECTED: "injected"}, "annotations": annotations},
        "spec": {"containers": containers},
    }
    selector = {"matchLabels": {"app": name}}
    spec = {"serviceName": name, "ordinals": {"start": int(ordinal)}, "selector": selector, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def mesh(programs: Programs, cluster: Cluster, controller: Controller) -> Iterator[Mesh]:
    """A mesh without tracing, and a proxy for each pod."""
    with controlled_mesh(programs, cluster, controller) as started:
        create_namespace(cluster, NAMESPACE)
        for pod in PODS:
            cluster.apply(workload(pod))
        for pod in PODS:
            cluster.wait_for_condition("Pod", pod, "Ready", NAMESPACE)
            name, port = pod.partition("-")[0], cluster.pod_admin_ports[pod]
            started.sidecars[name] = Envoy(programs, started.consul, name, [f"-sidecar-for={name}"], admin_port=port)
            started.sidecars[name].wait_until_ready(started.instances[name].listeners)
        yield started
        for pod in PODS:
            cluster.delete("StatefulSet", pod.partition("-")[0], NAMESPACE)
        cluster.start_deleting("Namespace", NAMESPACE)


Open = Callable[[str], FollowedPage]


@pytest.fixture
def opened(programs: Programs, cluster: Cluster, mesh: Mesh) -> Iterator[Open]:
    """Return a function that opens a page in an empty directory, on a cluster without objects of the mesh."""

    def skip(_: str) -> None:
        return

    path = [toolchain.search_path(kubernetes=True), str(toolchain.program("kubectl").parent), os.environ["PATH"]]

    def open_page(document: str) -> FollowedPage:
        page = FollowedPage(
            programs,
            document,
            environment={"KUBECONFIG": str(cluster.kubeconfig), "PATH": os.pathsep.join(path)},
            replaced={
                "127.0.0.1:8500": mesh.consul.address,
                "127.0.0.1:9411": f"{LOOPBACK}:{mesh.zipkin.port}",
                "127.0.0.1:8080": f"{LOOPBACK}:{mesh.instances['web'].port}",
                "deployment/": "statefulset/",
                "observability": "quick-start",
                REPOSITORY: f"file://{CHECKOUT}",
            },
            handled={
                "kubectl --namespace consul port-forward ": skip,
                "kubectl --namespace observability port-forward ": skip,
                "kubectl --namespace shop port-forward ": skip,
                "kubectl --namespace shop rollout restart ": lambda commands: restart(commands, mesh, page),
            },
        )
        return page

    yield open_page
    cluster.delete_all("ServiceIntentions", "ProxyDefaults", "ServiceDefaults")


def restart(commands: str, mesh: Mesh, page: FollowedPage) -> None:
    """Run the commands of the page that restart the pods, with the proxies of the pods between them."""
    rollout, _, rest = commands.partition("consul-tracing ")
    page.run(rollout)
    mesh.restart_sidecars()
    page.run(f"consul-tracing {rest}")


def test_quick_start(opened: Open, cluster: Cluster, mesh: Mesh) -> None:
    """One test, since each section continues where the former one ends."""
    page = opened("docs/quick-start-kubernetes.md")
    page.follow("1. Create the program")
    page.follow("2. Apply it")
    assert cluster.get("Deployment", "zipkin", "quick-start") is not None
    zipkin = f'"collector": {{"host": "{LOOPBACK}", "port": {mesh.zipkin.port}}}'
    page.edit("__main__.py", '"zipkin_collector": {"namespace": "quick-start"}', zipkin)
    page.run("pulumi up")

    page.follow("3. Restart the pods", exit_codes=[1])
    assert page.output.count(" none") == len(PODS)
    page.follow("4. See the trace")
    page.follow("5. Trace 1 % of the requests")
    page.run("consul-tracing stale --kubernetes --namespace shop")

    page.follow("6. Switch tracing off")
    mesh.restart_sidecars()
    page.run("consul-tracing stale --kubernetes --namespace shop")
    assert page.output.count(" none") == len(PODS)
    page.follow("7. Remove the rest")
    assert {one["spec"]["protocol"] for one in cluster.objects("ServiceDefaults")} == {"http"}
    assert not cluster.objects("ProxyDefaults")[0]["spec"].get("config")
    assert cluster.get("Deployment", "zipkin", "quick-start") is None


PROGRAM = """
from consul_tracing import MeshTracing

MeshTracing("mesh", {
    "target": "kubernetes",
    "enabled": False,
    "collector": {"host": "zipkin.example.com"},
    "services": {"api": {"protocol": "http"}},
})
"""


def test_destroy_waits_until_nothing_relies_on_the_protocol(opened: Open, cluster: Cluster) -> None:
    page = opened("docs/guides/remove.md")
    (page.directory / "Pulumi.yaml").write_text("name: mesh-tracing\nruntime: python\n")
    (page.directory / "__main__.py").write_text(PROGRAM)
    page.run("export PULUMI_CONFIG_PASSPHRASE=\npulumi login --local && pulumi stack init prod && pulumi up")
    cluster.apply(INTENTIONS)
    cluster.wait_for_condition("ServiceIntentions", "api", "Synced", NAMESPACE)
    (documented,) = [block["content"] for block in page.blocks("On Kubernetes")]
    status, save, deletion = documented.splitlines()

    def reason() -> bool:
        found = cluster.get("ServiceDefaults", "api", "consul") or {"status": {"conditions": []}}
        return any("incompatible with L7" in one.get("message", "") for one in found["status"]["conditions"])

    with ThreadPoolExecutor() as pool:
        destroyed = pool.submit(page.run, "pulumi destroy")
        cluster.wait_until(reason, "the reason in the status of the object")
        page.run(status)
        assert 'service "api" has protocol "tcp", which is incompatible with L7 intentions' in page.output
        page.run(save)
        assert "kind: ServiceIntentions" in (page.directory / "api.yaml").read_text()
        page.run(deletion)
        destroyed.result()
    assert cluster.get("ServiceDefaults", "api", "consul") is None
