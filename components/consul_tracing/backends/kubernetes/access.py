"""Read access to a Kubernetes cluster with the credentials of the program's Kubernetes provider.

No look-up of Pulumi's Kubernetes provider distinguishes a missing object from a failure, so this module uses the API.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pulumi
import yaml

from consul_tracing.backends.identity import object_type
from consul_tracing.engine import not_known_yet, output_of, wait_for
from consul_tracing.entries.custom_resources import API_VERSION, KINDS, PLURALS
from consul_tracing.entries.entry import Entry
from consul_tracing.errors import UnreadableError, fix, message
from consul_tracing.run_errors import ConflictError

from .sdk import kubernetes_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kubernetes.client import ApiClient, ApiException
    from urllib3 import PoolManager

    from consul_tracing.entries.entry import Identity
    from consul_tracing.names import JsonObject

Answer = TypeVar("Answer")

RESOURCES = {
    **{kind: (API_VERSION, plural) for kind, plural in PLURALS.items()},
    "api-gateway": ("gateway.networking.k8s.io/v1beta1", "gateways"),
}
"""The API version and the plural of the resources that can be read, by the kind of the entry."""

SECONDS_TO_ANSWER = 30
PAGE = 500
"""Objects per request, as in the clients of the API server."""

NOT_FOUND, FORBIDDEN = 404, 403

ACCESS = ("kubeconfig", "context", "cluster")
"""The inputs of the provider that select the cluster and the user."""

RENDERED = "render_yaml_to_directory"
"""The input of a provider that writes files instead of objects."""


class MissingPrerequisiteError(ConflictError):
    """The cluster lacks a prerequisite of the objects."""


class MissingKindError(MissingPrerequisiteError):
    """The cluster has no custom resources of consul-k8s."""

    def __init__(self, kind: str) -> None:
        """Report the missing kind."""
        super().__init__(
            message(
                "CT214",
                f"the cluster does not have the kind {KINDS.get(kind, kind)} ({API_VERSION}) of consul-k8s",
                *fix(
                    "To install consul-k8s first:",
                    "install the Helm chart with connectInject.enabled: true, or name it in depends_on",
                ),
                *fix("For a mesh without consul-k8s:", "set target: consul"),
            )
        )


def cluster_of(component: pulumi.ComponentResource) -> Cluster:
    """Return the cluster of the component's Kubernetes provider, or of the stack's `kubernetes:` configuration.

    Raises UnreadableError if the cluster is not known yet or the kubeconfig is not valid, and ConflictError for a
    provider that renders YAML.
    """
    provider = component.get_provider(object_type("proxy-defaults"))
    access = _access_of(provider) if provider else {name: _configured(name) for name in ACCESS}
    if (access.pop(RENDERED) if provider else _configured("renderYamlToDirectory")) is not None:
        raise ConflictError(
            message(
                "CT214",
                "the Kubernetes provider renders YAML into a directory, which is not supported: fields of other owners "
                "and the status of the objects cannot be read",
                *fix("To write to the cluster:", "remove renderYamlToDirectory from the provider"),
            )
        )
    return Cluster(client_for(access))


def _configured(name: str) -> str | None:
    return pulumi.Config("kubernetes").get(name)


def _access_of(provider: pulumi.ProviderResource) -> dict[str, str | None]:
    """Return the inputs of a provider. In a plugin all of them are Outputs, also those that are not set."""
    given = {name: output_of(provider, name) for name in (*ACCESS, RENDERED)}

    async def known() -> dict[str, str | None]:
        if not all([await output.is_known() for output in given.values()]):
            raise not_known_yet("cluster")
        return {name: await output.future() for name, output in given.items()}

    return wait_for(known())


def client_for(access: Mapping[str, str | None]) -> ApiClient:
    """Return a client for the cluster of the kubeconfig (text or path), by the rules of the provider."""
    kubernetes = kubernetes_client()
    config, given, chosen = kubernetes.config, access["kubeconfig"], kubernetes.client.Configuration()
    try:
        if given and "\n" not in given.strip() and not given.lstrip().startswith("{"):
            given = Path(given).expanduser().read_text()
        if given:
            kubeconfig = _chosen(yaml.safe_load(given), access)
            config.load_kube_config_from_dict(kubeconfig, access["context"], chosen)
        elif "KUBECONFIG" not in os.environ and _is_inside_a_cluster():
            config.load_incluster_config(client_configuration=chosen)
        else:
            config.load_kube_config(os.environ.get("KUBECONFIG") or None, access["context"], chosen)
    except (config.ConfigException, yaml.YAMLError, OSError, TypeError) as error:
        raise UnreadableError(f"the kubeconfig cannot be used: {_without_content(error)}") from None
    made: ApiClient = kubernetes.client.ApiClient(chosen)
    if not chosen.verify_ssl:
        _accept_unverified(made.rest_client.pool_manager)
    return made


def _accept_unverified(connections: PoolManager) -> None:
    """Prevent urllib3's warning at each request. The user chose `insecure-skip-tls-verify` in the kubeconfig.

    A filter of warnings would affect the whole program.
    """
    https: Any = connections.pool_classes_by_scheme["https"]

    def connect(connection: Any) -> None:  # noqa: ANN401 - the class depends on the proxy
        https.ConnectionCls.connect(connection)
        connection.is_verified = True

    accepted = type("Connection", (https.ConnectionCls,), {"connect": connect})
    pool = type("Pool", (https,), {"ConnectionCls": accepted})
    connections.pool_classes_by_scheme = {**connections.pool_classes_by_scheme, "https": pool}


def _without_content(error: Exception) -> str:
    """Return the error without the content of the kubeconfig, which contains keys. A "path" may be a line of it."""
    if isinstance(error, kubernetes_client().config.ConfigException):
        return str(error)
    match error:
        case OSError(strerror=str(reason)):
            return reason
        case _:
            return type(error).__name__


def _chosen(kubeconfig: object, access: Mapping[str, str | None]) -> object:
    """Set the `cluster` of the provider in the contexts of the kubeconfig."""
    if not (cluster := access["cluster"]) or not isinstance(kubeconfig, dict):
        return kubeconfig
    contexts = [{**one, "context": {**one["context"], "cluster": cluster}} for one in kubeconfig.get("contexts", [])]
    return {**kubeconfig, "contexts": contexts}


def _is_inside_a_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and not (Path.home() / ".kube/config").exists()


class Cluster:
    """The custom resources of consul-k8s in one cluster."""

    def __init__(self, client: ApiClient) -> None:
        """Read with the client."""
        api = kubernetes_client().client
        self._core, self._api = api.CoreV1Api(client), api.CustomObjectsApi(client)

    def reject_missing_namespaces(self, names: Iterable[str]) -> None:
        """Raise MissingPrerequisiteError for a missing namespace. Without read permission, all are assumed to exist."""
        for name in sorted(names):
            if _answer(self._core.read_namespace, name).status == NOT_FOUND:
                raise MissingPrerequisiteError(
                    message(
                        "CT214",
                        f"the cluster has no namespace {name}",
                        *fix(
                            "To use an existing namespace:", "set namespace to that of consul-k8s or of your services"
                        ),
                        *fix("To create it in this program:", "create it, and name it in depends_on"),
                    )
                )

    def objects(self, kind: str, namespace: str | None = None) -> list[JsonObject] | None:
        """Return the objects of a kind in one or all namespaces, None without permission to list them.

        Raises MissingKindError if the cluster does not have the kind, and UnreadableError.
        """
        found: list[JsonObject] = []
        continuation: str | None = None
        while (page := self._page(kind, namespace, continuation)) is not None:
            found += page.get("items", [])
            continuation = page.get("metadata", {}).get("continue")
            if not continuation:
                return found
        return None

    def spec_schema(self, kind: str) -> JsonObject:
        """Return the OpenAPI schema of the `spec` of a kind, empty without permission to read its definition."""
        group, version = API_VERSION.split("/")
        where = ("apiextensions.k8s.io", "v1", "customresourcedefinitions", f"{PLURALS[kind]}.{group}")
        definition: JsonObject | ApiException = _answer(self._api.get_cluster_custom_object, *where)
        if not isinstance(definition, dict):
            if definition.status in {NOT_FOUND, FORBIDDEN}:
                return {}
            raise UnreadableError(message_of(definition))
        schemas = {one["name"]: one["schema"]["openAPIV3Schema"] for one in definition["spec"]["versions"]}
        schema: JsonObject = schemas[version]["properties"]["spec"]
        return schema

    def _page(self, kind: str, namespace: str | None, continuation: str | None) -> JsonObject | None:
        api = self._api
        version, plural = RESOURCES[kind]
        where = (*version.split("/"), *([namespace] if namespace else []), plural)
        list_objects = api.list_namespaced_custom_object if namespace else api.list_cluster_custom_object
        page: JsonObject | ApiException = _answer(list_objects, *where, limit=PAGE, _continue=continuation)
        if isinstance(page, dict):
            return page
        if page.status == NOT_FOUND:
            raise MissingKindError(kind)
        if page.status == FORBIDDEN and namespace is None:
            return None
        raise UnreadableError(message_of(page))


def _answer(read: Callable[..., Answer], *where: str, **options: object) -> Answer | ApiException:
    """Return the answer of the API server, or the error that it returns. Raises UnreadableError without an answer."""
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - belongs to the client

    try:
        return read(*where, _request_timeout=SECONDS_TO_ANSWER, **options)
    except (HTTPError, OSError) as error:
        raise UnreadableError(str(error)) from None
    except kubernetes_client().client.ApiException as error:
        answer: ApiException = error
        return answer


def message_of(error: ApiException) -> str:
    """Return the message of the API server."""
    try:
        text = yaml.safe_load(error.body or "")["message"]
    except (yaml.YAMLError, TypeError, KeyError):
        text = error.reason
    return f"{error.status}: {text}"


def live_objects(cluster: Cluster, entries: Sequence[Entry]) -> dict[Identity, JsonObject]:
    """Return the live objects of the entries by identity, with one request for each kind and namespace."""
    wanted = {entry.identity for entry in entries}
    return {
        identity: live
        for kind, namespace in sorted({(entry.kind, entry.namespace or "") for entry in entries})
        for live in cluster.objects(kind, namespace) or []
        if (identity := Entry(kind, live["metadata"]["name"], {}, namespace).identity) in wanted
    }
