"""A Kubernetes of the run's own, all on 127.0.0.1, and consul-k8s' controller, which tells Consul of custom resources.

Everything but the nodes is real: kwok plays a kubelet, so pods run as far as the API server can tell.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import toolchain
from testbed.consul import Consul
from testbed.http import NotAnswered, url
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, ProgramFailed, Programs

READY_SECONDS = 60.0
GONE_SECONDS = 30.0

ADMIN, GUEST = "admin", "guest"
"""The users: one may do everything, one nothing but what RBAC objects allow."""
GROUPS = {ADMIN: "system:masters", GUEST: "guests"}

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node", "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": "node"}},
}

JsonObject = dict[str, Any]
Manifest = str | Mapping[str, object]
"""YAML of any number of objects, or one object."""

T = TypeVar("T")


class Cluster:
    """A Kubernetes with one node: etcd, API server, controllers, scheduler. RBAC and the default admission are on."""

    def __init__(self, programs: Programs) -> None:
        """Start etcd and the API server; the rest cannot start before these answer."""
        self.port = free_port()
        self._programs = programs
        self._directory = programs.make_directory("kubernetes")
        self._tokens = {user: secrets.token_hex(16) for user in GROUPS}
        self._write_credentials()
        self.kubeconfig = self.kubeconfig_of(ADMIN)
        """The file that leads any client here."""
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
        self.apply(NODE)
        self.kubectl("wait", "--for=condition=Ready", "node/node", f"--timeout={READY_SECONDS:.0f}s")
        self.wait_until(lambda: self.get("serviceaccount", "default"), "the first service account")

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
        self.wait_until(lambda: self.kubectl("get", "--raw=/readyz"), "a ready API server", program=self.api_server)

    def kubeconfig_of(self, user: str) -> Path:
        """Write a file that leads any client here as this user."""
        cluster = {"server": self.address, "certificate-authority": str(self._certificates / "apiserver.crt")}
        context = {"cluster": "own", "user": user, "namespace": "default"}
        file = self._directory / f"{user}.kubeconfig"
        _write_json(
            file,
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "own", "cluster": cluster}],
                "users": [{"name": user, "user": {"token": self._tokens[user]}}],
                "contexts": [{"name": "own", "context": context}],
                "current-context": "own",
            },
        )
        return file

    def kubectl(self, *arguments: str, manifest: Manifest | None = None, user: str = ADMIN) -> str:
        """What kubectl answers; `manifest` is its standard input. `ProgramFailed` tells what it complained of."""
        reading: list[str | Path] = []
        if manifest is not None:
            reading = ["/bin/sh", "-c", 'exec "$@" <"$0"', self._written(manifest)]
        own = [f"--kubeconfig={self._directory / user}.kubeconfig", f"--cache-dir={self._directory / 'kubectl'}"]
        return self._programs.run(
            f"kubectl {arguments[0]}",
            [*reading, toolchain.program("kubectl"), *own, *arguments],
            # Preferences of whoever runs the tests, in ~/.kube/kuberc.
            environment={"KUBERC": "off"},
            seconds=READY_SECONDS,
        )

    def apply(self, manifest: Manifest) -> None:
        """Create or change objects as `kubectl apply` does."""
        self.kubectl("apply", "--filename=-", manifest=manifest)

    def get(self, kind: str, name: str, namespace: str = "default") -> JsonObject | None:
        """The live object, or None where there is none."""
        query = ("get", kind, name, f"--namespace={namespace}", "--ignore-not-found", "--show-managed-fields")
        answer = self.kubectl(*query, "--output=json")
        found: JsonObject | None = json.loads(answer) if answer.strip() else None
        return found

    def delete(self, *arguments: str) -> None:
        """Delete objects and wait until they are gone; finalizers, such as consul-k8s', may take a moment."""
        self.kubectl("delete", *arguments, "--ignore-not-found", f"--timeout={GONE_SECONDS:.0f}s")

    def install_crds(self) -> None:
        """Tell the API server of consul-k8s' kinds."""
        self.install(*toolchain.program("consul-k8s-control-plane").parent.glob("consul.hashicorp.com_*.yaml"))

    def install(self, *definitions: Path) -> None:
        """Tell the API server of the custom resources defined in these files, one each."""
        files = [f"--filename={file}" for file in definitions]
        self.kubectl("apply", "--server-side", *files)
        self.kubectl("wait", "--for=condition=Established", *files, f"--timeout={READY_SECONDS:.0f}s")

    def wait_until(
        self, condition: Callable[[], T], what: str, *, seconds: float = READY_SECONDS, program: Program | None = None
    ) -> T:
        """Ask until the answer is true, and return it; a kubectl that fails means "not yet"."""

        def asked() -> T:
            try:
                return condition()
            except ProgramFailed as failure:
                if not failure.name.startswith("kubectl"):
                    raise
                raise NotAnswered(failure.said.strip()) from failure

        return self._programs.wait_until(asked, what, seconds=seconds, program=program)

    @property
    def _certificates(self) -> Path:
        """Where the API server lays the certificate that it makes for itself."""
        return self._directory / "certificates"

    def _write_credentials(self) -> None:
        lines = [f'{token},{user},{user},"{GROUPS[user]}"' for user, token in self._tokens.items()]
        (self._directory / "tokens.csv").write_text("\n".join(lines))
        (self._directory / "service-accounts.key").write_text(private_key())

    def _written(self, manifest: Manifest) -> Path:
        file = self._directory / f"{secrets.token_hex(8)}.yaml"
        # JSON is YAML too.
        file.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
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


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2))
