"""The pods of a Kubernetes cluster with proxies of consul-k8s, and their admin interfaces."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from consul_tracing.backends.kubernetes.access import (
    ACCESS,
    SECONDS_TO_ANSWER,
    Cluster,
    MissingKindError,
    client_for,
    message_of,
)
from consul_tracing.errors import CommandError, UnreadableError
from consul_tracing.names import PROXY_CONFIG_MAP

from .envoy import PROGRAM
from .http import HttpClient, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubernetes.client import ApiClient

    from consul_tracing.names import JsonObject

PREFIX = "consul.hashicorp.com/"
SERVICE_ANNOTATIONS = (f"{PREFIX}connect-service", f"{PREFIX}gateway-consul-service-name")
GATEWAY_ANNOTATION = f"{PREFIX}gateway-kind"

RESTARTS = {
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet"), "kubectl --namespace {namespace} rollout restart {kind}/{name}"
    ),
    "Rollout": "kubectl argo rollouts --namespace {namespace} restart {name}",
}
"""Commands that replace pods in steps, by the kind of their owner."""

CONTROLLERS_OF_REPLICAS = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}
"""The owners of ReplicaSets, by the label of pods whose value ends the name of their ReplicaSet."""

DATAPLANES = ("consul-dataplane", "envoy-sidecar")
"""Containers with Envoy. A gateway's container is its only one."""

ADMIN_PORT = 19000
"""Port of Envoy's admin interface in pods of consul-k8s. It listens on 127.0.0.1, which a port-forward reaches."""


BACKSLASH = "\\"


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
    def proxy_config(self) -> JsonObject:
        """The keys in lower case that the registration of the proxy has from the annotation of the pod.

        Consul keeps the value of proxy-defaults for an empty text and for null. API gateways ignore the annotation.
        """
        try:
            found = json.loads(self.annotations.get(PROXY_CONFIG_MAP) or "{}")
        except ValueError:
            return {}
        is_read = isinstance(found, dict) and self.annotations.get(GATEWAY_ANNOTATION) != "api-gateway"
        return {key.lower(): value for key, value in found.items() if value not in ("", None)} if is_read else {}

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
    def is_gateway(self) -> bool:
        """Whether the proxy is a gateway."""
        return GATEWAY_ANNOTATION in self.annotations

    @property
    def restart(self) -> str:
        """The command that replaces the pod in steps, by its owner, or what to replace."""
        metadata = self.content["metadata"]
        owner: JsonObject = next((one for one in metadata.get("ownerReferences") or [] if one.get("controller")), {})
        kind, name = str(owner.get("kind", "")), str(owner.get("name", ""))
        labels = metadata.get("labels") or {}
        for label, controller in CONTROLLERS_OF_REPLICAS.items():
            if kind == "ReplicaSet" and label in labels:
                kind, name = controller, name.removesuffix(f"-{labels[label]}")
        if kind not in RESTARTS:
            return f"replace the pod {self.name}{f' of {kind} {name}' if kind else ''}"
        return RESTARTS[kind].format(namespace=metadata["namespace"], kind=kind.lower(), name=name)

    @property
    def has_proxy(self) -> bool:
        """Whether the pod runs a sidecar or a gateway of consul-k8s."""
        found = self.annotations
        is_mesh = found.get(f"{PREFIX}connect-inject-status") == "injected" or self.is_gateway
        is_running = self.content["status"].get("phase") == "Running"
        return is_mesh and is_running and "deletionTimestamp" not in self.content["metadata"]


class PodConnection:
    """A connection to the admin interface in a pod through a port-forward, with the part of a socket that HTTP uses."""

    def __init__(self, core: Any, pod: Pod) -> None:  # noqa: ANN401 - the client is untyped
        """Start the port-forward with a client of its own, because this replaces a method of it. Raises OSError."""
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
    """Return the error of a port-forward. An answer of the API server has its status and its message."""
    text = str(reason)
    status = re.search(r"Handshake status (\d+ [A-Za-z ]+?) *-\+-", text)
    message = re.search(r'"message":"((?:[^"\\]|\\.)*)"', text)
    if status:
        # The quotes in the message are escaped twice.
        text = f"{status[1]}: {message[1].replace(BACKSLASH, '')}" if message else status[1]
    return OSError(f"the port-forward to port {ADMIN_PORT} failed: {text}")


class Pods:
    """The pods of the cluster that the kubeconfig selects."""

    def __init__(self) -> None:
        """Read the kubeconfig. Raises CommandError."""
        try:
            self._client: ApiClient = client_for(dict.fromkeys(ACCESS))
        except UnreadableError as error:
            raise CommandError(str(error)) from None

    def with_proxies(self, namespace: str | None, selector: str | None = None) -> list[Pod]:
        """Return the pods with a proxy in one or all namespaces. Raises CommandError."""
        from kubernetes.client import ApiException, CoreV1Api  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        core: Any = CoreV1Api(self._client)
        list_pods = partial(core.list_namespaced_pod, namespace) if namespace else core.list_pod_for_all_namespaces
        options = {"label_selector": selector} if selector else {}
        try:
            listed = within(SECONDS_TO_ANSWER, lambda: list_pods(_request_timeout=SECONDS_TO_ANSWER, **options))
        except ApiException as error:
            raise CommandError(f"the pods cannot be listed: {message_of(error)}") from None
        except (HTTPError, OSError) as error:
            reason = " ".join(str(getattr(error, "reason", "") or error).split())
            raise CommandError(f"the pods cannot be listed: {reason}") from None
        untyped: Any = self._client
        pods = [Pod(content) for content in untyped.sanitize_for_serialization(listed)["items"]]
        return [pod for pod in pods if pod.has_proxy]

    def admin(self, pod: Pod) -> HttpClient:
        """Return a client of the admin interface in a pod."""
        return pod_admin(self._new_core, pod)

    def _new_core(self) -> Any:  # noqa: ANN401 - the client is untyped
        from kubernetes.client import ApiClient, CoreV1Api  # noqa: PLC0415

        return CoreV1Api(ApiClient(self._client.configuration))

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


def pod_admin(core: Callable[[], Any], pod: Pod) -> HttpClient:
    """Return a client of the admin interface in a pod. `core`: returns a client of the API."""

    def connect() -> Any:  # noqa: ANN401 - the part of a socket that HTTP uses
        return PodConnection(core(), pod)

    return HttpClient(url=urlsplit("http://localhost"), program=PROGRAM, address=pod.name, connect=connect)
