"""A Kubernetes cluster on 127.0.0.1 and the controller of consul-k8s.

The control plane is real. kwok simulates the kubelet: it reports pods as running without starting them.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import kubernetes
import yaml
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient, Resource
from kubernetes.dynamic.exceptions import NotFoundError
from urllib3.exceptions import HTTPError

import toolchain
from testbed.consul import Consul
from testbed.http import RequestError, accepts_connections, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

READY_SECONDS = 60.0

ENVOY_ADMIN_PORT = 19000
"""Port of Envoy's admin interface in pods of consul-k8s."""

MESH_PODS = ("client-1", "web-1", "api-1")
"""Names of pods with a proxy each."""

STALLED_POD = "stalled"
"""Name of a pod whose port-forwards never respond."""

ADMIN = "admin"
"""The cluster administrator."""

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node", "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": "node"}},
}

JsonObject = dict[str, Any]

T = TypeVar("T")


class Cluster:
    """A cluster with one node: etcd, API server, controllers and scheduler, with RBAC and default admission plugins."""

    def __init__(self, programs: Programs) -> None:
        """Start etcd and the API server. `wait_until_ready` starts the other programs."""
        self.port = free_port()
        self.envoy_admin_port = free_port()
        """Port on 127.0.0.1 to which a port-forward to port 19000 of any other pod leads."""
        self.pod_admin_ports = {name: free_port() for name in MESH_PODS}
        """Ports on 127.0.0.1 to which port-forwards to port 19000 of these pods lead."""
        self._kubelet_port = free_port()
        self._programs = programs
        self._directory = programs.make_directory("kubernetes")
        self.kubeconfig = self._write_credentials()
        """Path of the administrator's kubeconfig."""
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self.etcd = programs.start("etcd", [toolchain.program("etcd"), *self._etcd_arguments()])
        self.api_server = self.start_api_server()

    @property
    def address(self) -> str:
        """URL of the API."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def configuration(self) -> dict[str, object]:
        """Stack configuration that connects Pulumi to this cluster."""
        return {"kubernetes:kubeconfig": str(self.kubeconfig)}

    def wait_until_ready(self) -> None:
        """Start the clients of the API server and wait until the cluster can run a pod."""
        self.wait_for_api_server()
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self._programs.start(name, [toolchain.program(name), *self._arguments_of(name)])
        self.create(NODE)
        self.wait_for_condition("Node", "node", "Ready")
        self.wait_until(lambda: self.get("ServiceAccount", "default"), "the first service account")

    def start_api_server(self) -> Program:
        """Start the API server. A restart uses the same port and objects.

        Clients reconnect with a delay, the controller of consul-k8s after up to 40 s. Restart it to avoid the delay.
        """
        command: list[str | Path] = [toolchain.program("kube-apiserver"), *self._api_server_arguments()]
        self.api_server = self._programs.start("kube-apiserver", command)
        return self.api_server

    def stop_api_server(self) -> None:
        """Stop the API server only."""
        self._programs.stop(self.api_server)

    def wait_for_api_server(self) -> None:
        """Wait until the API server is ready."""
        self.wait_until(self._is_ready, "a ready API server", program=self.api_server)

    def get(self, kind: str, name: str, namespace: str = "default") -> JsonObject | None:
        """Return the live object, None if there is none."""
        try:
            found: JsonObject = self._kind(kind).get(name=name, namespace=namespace).to_dict()
        except NotFoundError:
            return None
        return found

    def objects(self, kind: str, namespace: str | None = None) -> list[JsonObject]:
        """Return the objects of a kind in one namespace, default all."""
        found: list[JsonObject] = self._kind(kind).get(namespace=namespace).to_dict()["items"]
        return found

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Create an object, as `kubectl create` does."""
        self._kind(manifest["kind"]).create(
            body=manifest, namespace=_namespace_of(manifest), field_manager="kubectl-create"
        )

    def apply(self, manifest: Mapping[str, Any], *, manager: str = "kubectl", dry_run: bool = False) -> None:
        """Apply an object server-side as this field manager. An unknown field is an error."""
        self._kind(manifest["kind"]).server_side_apply(
            body=manifest,
            namespace=_namespace_of(manifest),
            field_manager=manager,
            query_params=[("fieldValidation", "Strict")],
            dry_run="All" if dry_run else None,
        )

    def edit(self, kind: str, name: str, change: Mapping[str, Any], namespace: str = "default") -> None:
        """Patch an object with a merge patch, as `kubectl edit` does."""
        self._kind(kind).patch(
            name=name,
            namespace=namespace,
            body=change,
            content_type="application/merge-patch+json",
            field_manager="kubectl-edit",
        )

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object and wait for the deletion, which finalizers may delay."""
        self.start_deleting(kind, name, namespace)
        self.wait_until(lambda: self.get(kind, name, namespace) is None, f"the deletion of {kind} {name}", seconds=30)

    def start_deleting(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object, if it exists, without waiting."""
        try:
            self._kind(kind).delete(name=name, namespace=namespace)
        except NotFoundError:
            return

    def delete_all(self, *kinds: str) -> None:
        """Delete all objects of these kinds in all namespaces and wait for the deletion."""
        for kind in kinds:
            for found in self.objects(kind):
                self.start_deleting(kind, found["metadata"]["name"], found["metadata"]["namespace"])
        for kind in kinds:
            self.wait_until(partial(self._is_absent, kind), f"the deletion of every {kind}", seconds=30)

    def kubeconfig_of(self, namespace: str) -> Path:
        """Return the kubeconfig of the default service account of a namespace."""
        # The controller manager creates the account after the namespace.
        exists = partial(self.get, "ServiceAccount", "default", namespace)
        self.wait_until(exists, f"the default service account of {namespace}")
        account = self._kind("ServiceAccount").subresources["token"]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        created: Any = account.create(  # type: ignore[no-untyped-call]
            name="default", namespace=namespace, body=request
        )
        file = self._directory / f"{namespace}.kubeconfig"
        config = json.loads(self.kubeconfig.read_text())
        config["users"] = [{"name": ADMIN, "user": {"token": created.status.token}}]
        file.write_text(json.dumps(config))
        return file

    def install_crds(self) -> None:
        """Install the custom resource definitions of consul-k8s."""
        self.install(*toolchain.program("consul-k8s-control-plane").parent.glob("consul.hashicorp.com_*.yaml"))

    def install(self, *definitions: Path) -> None:
        """Install the custom resource definitions in these files, one per file."""
        manifests = [yaml.safe_load(file.read_text()) for file in definitions]
        for definition in manifests:
            self.apply(definition)
        for definition in manifests:
            self.wait_for_condition("CustomResourceDefinition", definition["metadata"]["name"], "Established")

    def wait_for_condition(self, kind: str, name: str, condition: str, namespace: str = "default") -> None:
        """Wait until this condition of an object is true."""

        def is_met() -> bool:
            conditions = (self.get(kind, name, namespace) or {}).get("status", {}).get("conditions") or []
            return (condition, "True") in {(one["type"], one["status"]) for one in conditions}

        self.wait_until(is_met, f"condition {condition} of {kind} {name}")

    def wait_until(
        self, condition: Callable[[], T], event: str, *, seconds: float = READY_SECONDS, program: Program | None = None
    ) -> T:
        """Evaluate the condition until it is true and return its value. An API error counts as false."""

        def evaluate() -> T:
            try:
                return condition()
            except (ApiException, HTTPError) as error:
                raise RequestError(str(error)) from error

        return self._programs.wait_until(evaluate, event, seconds=seconds, program=program)

    def _is_absent(self, kind: str) -> bool:
        return not self.objects(kind)

    def _is_ready(self) -> bool:
        if not accepts_connections(self.port):
            raise RequestError(f"no program listens on {self.port}")
        # The request raises an error while the API server is not ready.
        return bool(self._client.request("get", "/readyz", serializer=lambda *_: True))

    @cached_property
    def _client(self) -> DynamicClient:
        connection = kubernetes.config.new_client_from_config(  # type: ignore[no-untyped-call]
            str(self.kubeconfig)
        )
        cache = str(self._directory / "discovery.json")
        return DynamicClient(connection, cache_file=cache)  # type: ignore[no-untyped-call]

    def _kind(self, kind: str) -> Resource:
        """Return the resource of this kind in the preferred API version."""
        found: Resource = self._client.resources.get(kind=kind, preferred=True)
        return found

    @property
    def _certificates(self) -> Path:
        """Directory of the self-signed certificate of the API server."""
        return self._directory / "certificates"

    def _write_credentials(self) -> Path:
        token = secrets.token_hex(16)
        (self._directory / "tokens.csv").write_text(f'{token},{ADMIN},{ADMIN},"system:masters"')
        (self._directory / "service-accounts.key").write_text(private_key())
        cluster = {"server": self.address, "certificate-authority": str(self._certificates / "apiserver.crt")}
        context = {"cluster": "testbed", "user": ADMIN, "namespace": "default"}
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": cluster}],
            "users": [{"name": ADMIN, "user": {"token": token}}],
            "contexts": [{"name": "testbed", "context": context}],
            "current-context": "testbed",
        }
        file = self._directory / "admin.kubeconfig"
        file.write_text(json.dumps(kubeconfig, indent=2))
        return file

    def _etcd_arguments(self) -> list[str | Path]:
        clients, peers = url(self._etcd_port), url(self._etcd_peer_port)
        return [
            "--name=testbed",
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=testbed={peers}",
            "--unsafe-no-fsync",
        ]

    def _api_server_arguments(self) -> list[str]:
        key = self._directory / "service-accounts.key"
        return [
            f"--etcd-servers={url(self._etcd_port)}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            f"--secure-port={self.port}",
            "--allow-privileged",
            # A loopback address is not a valid endpoint.
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self._certificates}",
            f"--token-auth-file={self._directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        ]

    def _arguments_of(self, name: str) -> list[str]:
        arguments = {
            "kube-controller-manager": [
                "--leader-elect=false",
                "--secure-port=0",
                f"--service-account-private-key-file={self._directory / 'service-accounts.key'}",
                f"--root-ca-file={self._certificates / 'apiserver.crt'}",
            ],
            "kube-scheduler": ["--leader-elect=false", "--secure-port=0"],
            "kwok": ["--manage-all-nodes", "--node-lease-duration-seconds=40", *self._kubelet_arguments()],
        }
        return [f"--kubeconfig={self.kubeconfig}", *arguments[name]]

    def _kubelet_arguments(self) -> list[str]:
        """Return the arguments with which kwok serves port-forwards as the kubelet of the node."""
        file = self._directory / "kwok.yaml"
        targets = {name: _target(port) for name, port in self.pod_admin_ports.items()}
        selected = [_port_forward(name, target, [name]) for name, target in targets.items()]
        stalled = _port_forward(STALLED_POD, {"command": ["sleep", "60"]}, [STALLED_POD])
        # The first one that selects a pod is used.
        forwards = [*selected, stalled, _port_forward("others", _target(self.envoy_admin_port))]
        file.write_text(yaml.safe_dump_all(forwards))
        return [
            f"--config={file}",
            f"--node-ip={LOOPBACK}",
            f"--node-port={self._kubelet_port}",
            f"--server-address={LOOPBACK}:{self._kubelet_port}",
            f"--tls-cert-file={self._certificates / 'apiserver.crt'}",
            f"--tls-private-key-file={self._certificates / 'apiserver.key'}",
        ]


class Controller:
    """The controller of consul-k8s, which writes ProxyDefaults and ServiceDefaults to Consul.

    It runs outside the cluster without its admission webhook. Its release is from 2021: its custom resources lack
    newer fields.
    """

    def __init__(self, programs: Programs, cluster: Cluster, consul: Consul) -> None:
        """Start the controller. Requires `Cluster.install_crds`."""
        self._programs = programs
        self._environment = {"KUBECONFIG": str(cluster.kubeconfig), **consul.environment}
        self.program = self.start()

    def start(self) -> Program:
        """Start or restart the controller."""
        self.program = self._programs.start(
            "consul-k8s",
            [
                toolchain.program("consul-k8s-control-plane"),
                "controller",
                "-datacenter=dc1",
                "-enable-leader-election=false",
                "-enable-webhooks=false",
            ],
            environment=self._environment,
        )
        return self.program

    def stop(self) -> None:
        """Stop the controller. Objects deleted meanwhile keep their finalizer and remain."""
        self._programs.stop(self.program)


def _target(port: int) -> JsonObject:
    return {"target": {"address": LOOPBACK, "port": port}}


def _port_forward(name: str, forward: JsonObject, pods: Sequence[str] = ()) -> JsonObject:
    """Return the configuration of kwok's port-forwards to the admin interface, for these pods or for all."""
    selector = {"selector": {"matchNames": [*pods]}} if pods else {}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterPortForward",
        "metadata": {"name": name},
        "spec": {**selector, "forwards": [{"ports": [ENVOY_ADMIN_PORT], **forward}]},
    }


def private_key() -> str:
    """Generate a private key on the curve P-256 in PEM format (RFC 5915).

    The first byte is zero, which keeps the number below the order of the curve.
    """
    number = b"\x00" + secrets.token_bytes(31)
    der = bytes.fromhex("30310201010420") + number + bytes.fromhex("a00a06082a8648ce3d030107")
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END EC PRIVATE KEY-----\n"


def _namespace_of(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"].get("namespace", "default"))
