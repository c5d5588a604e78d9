"""A Kubernetes of the run's own, all on 127.0.0.1, and consul-k8s' controller, which tells Consul of custom resources.

Everything but the nodes is real: kwok plays a kubelet, so pods run as far as the API server can tell.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
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
from testbed.http import NotAnswered, accepts_connections, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs

READY_SECONDS = 60.0

ADMIN = "admin"
"""The user who may do everything."""

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node", "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": "node"}},
}

JsonObject = dict[str, Any]

T = TypeVar("T")


class Cluster:
    """A Kubernetes with one node: etcd, API server, controllers, scheduler. RBAC and the default admission are on."""

    def __init__(self, programs: Programs) -> None:
        """Start etcd and the API server; the rest cannot start before these answer."""
        self.port = free_port()
        self._programs = programs
        self._directory = programs.make_directory("kubernetes")
        self.kubeconfig = self._write_credentials()
        """The file that leads any client here, as the user who may do everything."""
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self.etcd = programs.start("etcd", [toolchain.program("etcd"), *self._etcd_arguments()])
        self.api_server = self.start_api_server()

    @property
    def address(self) -> str:
        """Address of the API."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def configuration(self) -> dict[str, object]:
        """What leads a Pulumi stack here."""
        return {"kubernetes:kubeconfig": str(self.kubeconfig)}

    def wait_until_ready(self) -> None:
        """Start what works on the API, and wait until a pod could run."""
        self.wait_for_api_server()
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self._programs.start(name, [toolchain.program(name), *self._arguments_of(name)])
        self.create(NODE)
        self.wait_for_condition("Node", "node", "Ready")
        self.wait_until(lambda: self.get("ServiceAccount", "default"), "the first service account")

    def start_api_server(self) -> Program:
        """Start the API server; again after a stop, on the same port and with the same objects.

        Whoever watches it comes back in its own time, consul-k8s' controller after up to 40 s: restart that too.
        """
        command: list[str | Path] = [toolchain.program("kube-apiserver"), *self._api_server_arguments()]
        self.api_server = self._programs.start("kube-apiserver", command)
        return self.api_server

    def stop_api_server(self) -> None:
        """End the API server. Everything else goes on and asks for it."""
        self._programs.stop(self.api_server)

    def wait_for_api_server(self) -> None:
        """Wait until the API server answers and knows its own roles."""
        self.wait_until(self._is_ready, "a ready API server", program=self.api_server)

    def get(self, kind: str, name: str, namespace: str = "default") -> JsonObject | None:
        """The live object, or None where there is none."""
        try:
            found: JsonObject = self._kind(kind).get(name=name, namespace=namespace).to_dict()
        except NotFoundError:
            return None
        return found

    def objects(self, kind: str, namespace: str | None = None) -> list[JsonObject]:
        """Every object of the kind, in all namespaces or in one."""
        found: list[JsonObject] = self._kind(kind).get(namespace=namespace).to_dict()["items"]
        return found

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Create an object, as `kubectl create` does."""
        self._kind(manifest["kind"]).create(
            body=manifest, namespace=_namespace_of(manifest), field_manager="kubectl-create"
        )

    def apply(self, manifest: Mapping[str, Any], *, manager: str = "kubectl", dry_run: bool = False) -> None:
        """Create or change an object by server-side apply, as this field manager; an unknown field is an error."""
        self._kind(manifest["kind"]).server_side_apply(
            body=manifest,
            namespace=_namespace_of(manifest),
            field_manager=manager,
            query_params=[("fieldValidation", "Strict")],
            dry_run="All" if dry_run else None,
        )

    def edit(self, kind: str, name: str, change: Mapping[str, Any], namespace: str = "default") -> None:
        """Merge a change into an object, as `kubectl edit` does."""
        self._kind(kind).patch(
            name=name,
            namespace=namespace,
            body=change,
            content_type="application/merge-patch+json",
            field_manager="kubectl-edit",
        )

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object and wait until it is gone; finalizers, such as consul-k8s', may take a moment."""
        self.start_deleting(kind, name, namespace)
        self.wait_until(lambda: self.get(kind, name, namespace) is None, f"{kind} {name} to be gone", seconds=30)

    def start_deleting(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object, if there is one, without waiting."""
        try:
            self._kind(kind).delete(name=name, namespace=namespace)
        except NotFoundError:
            return

    def delete_all(self, *kinds: str) -> None:
        """Delete every object of these kinds, in all namespaces, and wait until they are gone."""
        for kind in kinds:
            for found in self.objects(kind):
                self.start_deleting(kind, found["metadata"]["name"], found["metadata"]["namespace"])
        for kind in kinds:
            self.wait_until(partial(self._has_no, kind), f"every {kind} to be gone", seconds=30)

    def install_crds(self) -> None:
        """Tell the API server of consul-k8s' kinds."""
        self.install(*toolchain.program("consul-k8s-control-plane").parent.glob("consul.hashicorp.com_*.yaml"))

    def install(self, *definitions: Path) -> None:
        """Tell the API server of the custom resources defined in these files, one each."""
        installed = [yaml.safe_load(file.read_text()) for file in definitions]
        for definition in installed:
            self.apply(definition)
        for definition in installed:
            self.wait_for_condition("CustomResourceDefinition", definition["metadata"]["name"], "Established")

    def wait_for_condition(self, kind: str, name: str, condition: str) -> None:
        """Wait until an object has this condition."""

        def is_met() -> bool:
            conditions = (self.get(kind, name) or {}).get("status", {}).get("conditions") or []
            return (condition, "True") in {(one["type"], one["status"]) for one in conditions}

        self.wait_until(is_met, f"{condition} of {kind} {name}")

    def wait_until(
        self, condition: Callable[[], T], what: str, *, seconds: float = READY_SECONDS, program: Program | None = None
    ) -> T:
        """Ask until the answer is true, and return it; an error of the API means "not yet"."""

        def asked() -> T:
            try:
                return condition()
            except (ApiException, HTTPError) as error:
                raise NotAnswered(str(error)) from error

        return self._programs.wait_until(asked, what, seconds=seconds, program=program)

    def _has_no(self, kind: str) -> bool:
        return not self.objects(kind)

    def _is_ready(self) -> bool:
        if not accepts_connections(self.port):
            raise NotAnswered(f"nothing listens on {self.port}")
        # An API server that is not ready answers with an error, which is raised.
        return bool(self._client.request("get", "/readyz", serializer=lambda *_: True))

    @cached_property
    def _client(self) -> DynamicClient:
        connection = kubernetes.config.new_client_from_config(  # type: ignore[no-untyped-call]
            str(self.kubeconfig)
        )
        discovered = str(self._directory / "discovery.json")
        return DynamicClient(connection, cache_file=discovered)  # type: ignore[no-untyped-call]

    def _kind(self, kind: str) -> Resource:
        """The resource of this kind; of several API versions the one that the server prefers."""
        found: Resource = self._client.resources.get(kind=kind, preferred=True)
        return found

    @property
    def _certificates(self) -> Path:
        """Where the API server lays the certificate that it makes for itself."""
        return self._directory / "certificates"

    def _write_credentials(self) -> Path:
        token = secrets.token_hex(16)
        (self._directory / "tokens.csv").write_text(f'{token},{ADMIN},{ADMIN},"system:masters"')
        (self._directory / "service-accounts.key").write_text(private_key())
        cluster = {"server": self.address, "certificate-authority": str(self._certificates / "apiserver.crt")}
        context = {"cluster": "own", "user": ADMIN, "namespace": "default"}
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "own", "cluster": cluster}],
            "users": [{"name": ADMIN, "user": {"token": token}}],
            "contexts": [{"name": "own", "context": context}],
            "current-context": "own",
        }
        file = self._directory / "admin.kubeconfig"
        file.write_text(json.dumps(kubeconfig, indent=2))
        return file

    def _etcd_arguments(self) -> list[str | Path]:
        clients, peers = url(self._etcd_port), url(self._etcd_peer_port)
        return [
            "--name=own",
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=own={peers}",
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
            # It would announce its address to pods, which a loopback address cannot be.
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
        own = {
            "kube-controller-manager": [
                "--leader-elect=false",
                "--secure-port=0",
                f"--service-account-private-key-file={self._directory / 'service-accounts.key'}",
                f"--root-ca-file={self._certificates / 'apiserver.crt'}",
            ],
            "kube-scheduler": ["--leader-elect=false", "--secure-port=0"],
            "kwok": ["--manage-all-nodes", "--node-lease-duration-seconds=40"],
        }
        return [f"--kubeconfig={self.kubeconfig}", *own[name]]


class Controller:
    """consul-k8s' controller: writes the cluster's ProxyDefaults and ServiceDefaults into Consul, with its own `Meta`.

    Outside the cluster and without its webhook, which would refuse some nonsense earlier. It was released in 2021: a
    field that Consul learned later is not in its custom resources.
    """

    def __init__(self, programs: Programs, cluster: Cluster, consul: Consul) -> None:
        """Start the controller; the cluster must know its kinds."""
        self._programs = programs
        self._environment = {"KUBECONFIG": str(cluster.kubeconfig), **consul.environment}
        self.program = self.start()

    def start(self) -> Program:
        """Start the controller; again after a stop."""
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
        """End the controller; what is deleted then keeps its finalizer and so stays."""
        self._programs.stop(self.program)


def private_key() -> str:
    """A new private key on the curve P-256, as PEM (RFC 5915); its public half follows from it.

    The first byte is zero, which keeps the number below the order of the curve.
    """
    number = b"\x00" + secrets.token_bytes(31)
    der = bytes.fromhex("30310201010420") + number + bytes.fromhex("a00a06082a8648ce3d030107")
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END EC PRIVATE KEY-----\n"


def _namespace_of(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"].get("namespace", "default"))
