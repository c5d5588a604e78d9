"""Proxies in the pods of a Kubernetes cluster."""

from __future__ import annotations

import http.client
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from consul_tracing.backends.kubernetes.access import ACCESS, SECONDS_TO_ANSWER, Cluster, MissingKindError, client_for
from consul_tracing.entries.bodies import bootstrap_hash
from consul_tracing.entries.custom_resources import body
from consul_tracing.entries.propagation import propagation
from consul_tracing.errors import CommandError, UnreadableError
from consul_tracing.names import ANNOTATIONS_PREFIX
from consul_tracing.sources.envoy import EnvoyAdmin

from .proxies import Proxy, Report, read_proxy

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from consul_tracing.names import JsonObject
    from consul_tracing.sources.consul import ConsulClient

HASH_ANNOTATION = f"{ANNOTATIONS_PREFIX}bootstrap-hash"
"""Annotation of pods with the output `bootstrap_hash`."""

PREFIX = "consul.hashicorp.com/"
SERVICE_ANNOTATIONS = (f"{PREFIX}connect-service", f"{PREFIX}gateway-consul-service-name")
DATAPLANES = frozenset({"consul-dataplane", "envoy-sidecar"})
"""Containers with Envoy. A gateway's container is its only one."""

ADMIN_PORT = 19000
"""Port of Envoy's admin interface in pods of consul-k8s. It listens on 127.0.0.1, which a port-forward reaches."""

TIMEOUT_SECONDS = 10.0


class PodTransport(httpx.BaseTransport):
    """HTTP through a port-forward to the admin interface in a pod."""

    def __init__(self, core: Any, pod: JsonObject) -> None:  # noqa: ANN401 - the client is untyped
        """Take the API client and the pod."""
        self._core = core
        self._metadata = pod["metadata"]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request through its own port-forward."""
        from kubernetes.client import ApiException  # noqa: PLC0415
        from kubernetes.stream import portforward  # noqa: PLC0415

        connect = self._core.connect_get_namespaced_pod_portforward
        name, namespace = self._metadata["name"], self._metadata["namespace"]
        try:
            forwarded = portforward(connect, name, namespace, ports=str(ADMIN_PORT))
        except (ApiException, OSError) as error:
            raise _failed(getattr(error, "reason", "") or error) from None
        try:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = forwarded.socket(ADMIN_PORT)
            connection.sock.settimeout(TIMEOUT_SECONDS)
            connection.request(request.method, request.url.raw_path.decode())
            response = connection.getresponse()
            return httpx.Response(response.status, content=response.read())
        except (OSError, http.client.HTTPException) as error:
            raise _failed(forwarded.error(ADMIN_PORT) or error) from None
        finally:
            forwarded.close()


def _failed(reason: object) -> httpx.ConnectError:
    return httpx.ConnectError(f"the port-forward to port {ADMIN_PORT} failed: {' '.join(str(reason).split())}")


def report_of_pods(namespace: str | None, consul: ConsulClient) -> Report:
    """Compare the proxies of the pods in one or all namespaces. Raises CommandError.

    A pod with the annotation of the bootstrap hash is compared with ProxyDefaults. Other pods are compared with Consul
    through their admin interface.
    """
    client = _client()
    core = _core(client)
    pods = [pod for pod in _pods(core, client, namespace) if has_proxy(pod)]
    if not pods:
        raise CommandError(f"no pod with a proxy of consul-k8s runs in {namespace or 'the cluster'}")
    current = current_entry(Cluster(client), consul) if any(_hash(pod) for pod in pods) else {}
    report = Report()
    for pod in pods:
        if (hashed := proxy_of(pod, current)) is not None:
            report.proxies.append(hashed)
        else:
            report.add(_name(pod), partial(_read_pod, core, pod, consul))
    return report


def _client() -> ApiClient:
    try:
        return client_for(dict.fromkeys(ACCESS))
    except UnreadableError as error:
        raise CommandError(str(error)) from None


def _core(client: ApiClient) -> Any:  # noqa: ANN401 - untyped
    from kubernetes.client import CoreV1Api  # noqa: PLC0415

    return CoreV1Api(client)


def _pods(core: Any, client: ApiClient, namespace: str | None) -> list[JsonObject]:  # noqa: ANN401 - untyped
    from kubernetes.client import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        list_pods = partial(core.list_namespaced_pod, namespace) if namespace else core.list_pod_for_all_namespaces
        listed = list_pods(_request_timeout=SECONDS_TO_ANSWER)
    except (ApiException, HTTPError, OSError) as error:
        reason = " ".join(str(getattr(error, "reason", "") or error).split())
        raise CommandError(f"the pods cannot be listed: {reason}") from None
    untyped: Any = client
    pods: list[JsonObject] = untyped.sanitize_for_serialization(listed)["items"]
    return pods


def has_proxy(pod: JsonObject) -> bool:
    """Return whether a pod runs a sidecar or a gateway of consul-k8s."""
    annotations = _annotations(pod)
    is_mesh = annotations.get(f"{PREFIX}connect-inject-status") == "injected" or f"{PREFIX}gateway-kind" in annotations
    is_running = pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    return is_mesh and is_running


def current_entry(cluster: Cluster, consul: ConsulClient) -> JsonObject:
    """Return the live ProxyDefaults, or the entry in Consul if the cluster has no ProxyDefaults."""
    try:
        objects = cluster.objects("proxy-defaults")
    except MissingKindError:
        objects = []
    except UnreadableError as error:
        raise CommandError(f"ProxyDefaults cannot be read: {error}") from None
    if objects is None:
        raise CommandError("ProxyDefaults cannot be read: permission to list it in all namespaces is required")
    found = next((one for one in objects if one["metadata"]["name"] == "global"), None)
    return body(found) if found else _with_config(consul.get("/v1/config/proxy-defaults/global") or {})


def _with_config(entry: JsonObject) -> JsonObject:
    return {**entry, "Config": entry.get("Config") or {}}


def proxy_of(pod: JsonObject, entry: JsonObject) -> Proxy | None:
    """Return the proxy of a pod by its annotation. None if only its admin interface knows its bootstrap."""
    found, current = _hash(pod), bootstrap_hash(entry)
    container = _dataplane(pod)
    # A restarted container has read a later bootstrap than the annotation describes.
    if not found or (found != current and container.get("restartCount")):
        return None
    since = container.get("state", {}).get("running", {}).get("startedAt") or pod["status"].get("startTime", "")
    differences = [] if found == current else [f"bootstrap hash: {found}, now {current}"]
    return Proxy(_name(pod), _service(pod), since, differences, None if differences else propagation(entry))


def _dataplane(pod: JsonObject) -> JsonObject:
    containers: list[JsonObject] = pod["status"].get("containerStatuses") or []
    named = [one for one in containers if str(one.get("name", "")).startswith(tuple(DATAPLANES))]
    return next(iter(named or containers), {})


def _read_pod(core: Any, pod: JsonObject, consul: ConsulClient) -> Proxy:  # noqa: ANN401 - untyped
    client = httpx.Client(base_url="http://localhost", transport=PodTransport(core, pod))
    with EnvoyAdmin(_name(pod), client) as admin:
        return read_proxy(admin, consul)


def _annotations(pod: JsonObject) -> dict[str, str]:
    return pod["metadata"].get("annotations") or {}


def _hash(pod: JsonObject) -> str:
    return _annotations(pod).get(HASH_ANNOTATION, "")


def _name(pod: JsonObject) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _service(pod: JsonObject) -> str:
    return next((_annotations(pod)[one] for one in SERVICE_ANNOTATIONS if one in _annotations(pod)), "")
