"""The pods of a Kubernetes cluster with proxies of consul-k8s, and their admin interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from consul_tracing.backends.kubernetes.access import ACCESS, SECONDS_TO_ANSWER, Cluster, MissingKindError, client_for
from consul_tracing.errors import CommandError, UnreadableError

from .envoy import PROGRAM
from .http import HttpClient

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from consul_tracing.names import JsonObject

PREFIX = "consul.hashicorp.com/"
SERVICE_ANNOTATIONS = (f"{PREFIX}connect-service", f"{PREFIX}gateway-consul-service-name")
DATAPLANES = ("consul-dataplane", "envoy-sidecar")
"""Containers with Envoy. A gateway's container is its only one."""

ADMIN_PORT = 19000
"""Port of Envoy's admin interface in pods of consul-k8s. It listens on 127.0.0.1, which a port-forward reaches."""


@dataclass(frozen=True)
class Pod:
    """A pod, as the API server returns it."""

    content: JsonObject

    @property
    def name(self) -> str:
        """The namespace and the name."""
        return f"{self.content['metadata']['namespace']}/{self.content['metadata']['name']}"

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations."""
        return self.content["metadata"].get("annotations") or {}

    @property
    def service(self) -> str:
        """The service of the proxy."""
        return next((self.annotations[one] for one in SERVICE_ANNOTATIONS if one in self.annotations), "")

    @property
    def dataplane(self) -> JsonObject:
        """The status of the container with the proxy."""
        containers: list[JsonObject] = self.content["status"].get("containerStatuses") or []
        named = [one for one in containers if str(one.get("name", "")).startswith(DATAPLANES)]
        return next(iter(named or containers), {})

    @property
    def since(self) -> str:
        """UTC time of the start of the proxy."""
        running = self.dataplane.get("state", {}).get("running", {})
        return str(running.get("startedAt") or self.content["status"].get("startTime", ""))

    @property
    def has_proxy(self) -> bool:
        """Whether the pod runs a sidecar or a gateway of consul-k8s."""
        found = self.annotations
        is_mesh = found.get(f"{PREFIX}connect-inject-status") == "injected" or f"{PREFIX}gateway-kind" in found
        is_running = self.content["status"].get("phase") == "Running"
        return is_mesh and is_running and "deletionTimestamp" not in self.content["metadata"]


class PodConnection:
    """A connection to the admin interface in a pod through a port-forward, with the part of a socket that HTTP uses."""

    def __init__(self, core: Any, pod: Pod) -> None:  # noqa: ANN401 - the client is untyped
        """Start the port-forward. Raises OSError."""
        from kubernetes.client import ApiException  # noqa: PLC0415
        from kubernetes.stream import portforward  # noqa: PLC0415

        namespace, _, name = pod.name.partition("/")
        connect = core.connect_get_namespaced_pod_portforward
        try:
            self._forward: Any = portforward(connect, name, namespace, ports=str(ADMIN_PORT))
        except (ApiException, OSError) as error:
            raise _failed(getattr(error, "reason", "") or error) from None
        self._socket: Any = self._forward.socket(ADMIN_PORT)
        self.settimeout, self.sendall = self._socket.settimeout, self._socket.sendall

    def recv_into(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer
        """Receive bytes. Raises OSError with the reason of the kubelet if the connection failed."""
        count: int = self._socket.recv_into(buffer)
        if not count and (reason := self._forward.error(ADMIN_PORT)):
            raise _failed(reason)
        return count

    def close(self) -> None:
        """End the port-forward."""
        self._forward.close()


def _failed(reason: object) -> OSError:
    return OSError(f"the port-forward to port {ADMIN_PORT} failed: {reason}")


class Pods:
    """The pods of the cluster that the kubeconfig selects."""

    def __init__(self) -> None:
        """Read the kubeconfig. Raises CommandError."""
        from kubernetes.client import CoreV1Api  # noqa: PLC0415

        try:
            self._client: ApiClient = client_for(dict.fromkeys(ACCESS))
        except UnreadableError as error:
            raise CommandError(str(error)) from None
        self.core: Any = CoreV1Api(self._client)

    def with_proxies(self, namespace: str | None) -> list[Pod]:
        """Return the pods with a proxy in one or all namespaces. Raises CommandError."""
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        core = self.core
        try:
            list_pods = partial(core.list_namespaced_pod, namespace) if namespace else core.list_pod_for_all_namespaces
            listed = list_pods(_request_timeout=SECONDS_TO_ANSWER)
        except (ApiException, HTTPError, OSError) as error:
            reason = " ".join(str(getattr(error, "reason", "") or error).split())
            raise CommandError(f"the pods cannot be listed: {reason}") from None
        untyped: Any = self._client
        pods = [Pod(content) for content in untyped.sanitize_for_serialization(listed)["items"]]
        return [pod for pod in pods if pod.has_proxy]

    def proxy_defaults(self) -> JsonObject | None:
        """Return the object ProxyDefaults. None if the cluster has none. Raises CommandError."""
        try:
            objects = Cluster(self._client).objects("proxy-defaults")
        except MissingKindError:
            return None
        except UnreadableError as error:
            raise CommandError(f"ProxyDefaults cannot be read: {error}") from None
        if objects is None:
            raise CommandError("ProxyDefaults cannot be read: permission to list it in all namespaces is required")
        return next((one for one in objects if one["metadata"]["name"] == "global"), None)


def pod_admin(core: Any, pod: Pod) -> HttpClient:  # noqa: ANN401 - the client is untyped
    """Return a client of the admin interface in a pod."""
    connect: Any = partial(PodConnection, core, pod)
    return HttpClient(url=urlsplit("http://localhost"), program=PROGRAM, address=pod.name, connect=connect)
