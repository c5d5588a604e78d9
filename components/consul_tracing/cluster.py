"""What a Kubernetes cluster holds, read with the access that the program's Kubernetes provider has.

Pulumi's Kubernetes provider has no look-up that tells "there is none" from a failure, so this asks the API itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import yaml
from pulumi.runtime.sync_await import _sync_await

from .errors import Refused, Unreadable
from .places import API_VERSION, KINDS, PLURALS, PROXY_DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kubernetes.client import ApiClient, ApiException

    from .fields import JsonObject

GROUP, VERSION = API_VERSION.split("/")
SECONDS_TO_ANSWER = 30
PAGE = 500
"""Objects asked for at once; the API server's own clients ask for as many."""

NOT_FOUND, FORBIDDEN = 404, 403

ACCESS = ("kubeconfig", "context", "cluster")
"""The provider's inputs that say which cluster, and as whom."""


class NotThere(Refused):
    """The cluster lacks what the mesh's objects need."""


class NotInstalled(NotThere):
    """The cluster does not know consul-k8s' custom resources."""

    def __init__(self, kind: str) -> None:
        """Name the one for entries of `kind`."""
        super().__init__(
            f"the cluster does not know {KINDS[kind]} ({API_VERSION})",
            "It comes with consul-k8s: install that first (Helm: connectInject.enabled: true), or name in depends_on",
            "what installs it in this program.",
            "For a mesh without consul-k8s:  target: consul",
        )


def cluster_of(component: pulumi.ComponentResource) -> Cluster:
    """The cluster of the component's Kubernetes provider, else the one of the stack's `kubernetes:` configuration.

    Raises Unreadable when the provider's cluster is not known yet, or the kubeconfig does not name one, and Refused for
    a provider that renders YAML into a directory.
    """
    provider = component.get_provider(PROXY_DEFAULTS)
    rendered = vars(provider).get("render_yaml_to_directory") if provider else _configured("renderYamlToDirectory")
    if rendered is not None:
        raise Refused(
            "the Kubernetes provider renders YAML into a directory, so nothing reaches the cluster",
            "What is there could not be kept, and nobody would see whether Consul has it: use a provider that applies.",
        )
    access = _access_of(provider) if provider else {name: _configured(name) for name in ACCESS}
    return Cluster(client_for(access))


def _configured(name: str) -> str | None:
    return pulumi.Config("kubernetes").get(name)


def _access_of(provider: pulumi.ProviderResource) -> dict[str, str | None]:
    given = {name: vars(provider).get(name) for name in ACCESS}

    async def known() -> dict[str, str | None]:
        values = {}
        for name, value in given.items():
            output = pulumi.Output.from_input(value)
            if not await output.is_known():
                raise Unreadable("the cluster is not known yet, since this run creates it")
            values[name] = await output.future()
        return values

    found: dict[str, str | None] = _sync_await(known())
    return found


def client_for(access: Mapping[str, str | None]) -> ApiClient:
    """A client for the cluster that the kubeconfig, text or path, chooses; the rules are the provider's."""
    # A second's import, which only this target pays for. Its configuration is untyped.
    from kubernetes import client, config  # noqa: PLC0415

    given, chosen = access["kubeconfig"], client.Configuration()
    load: Any = config
    try:
        if given and "\n" not in given.strip() and not given.lstrip().startswith("{"):
            given = Path(given).expanduser().read_text()
        if given:
            kubeconfig = _chosen(yaml.safe_load(given), access)
            load.load_kube_config_from_dict(kubeconfig, access["context"], chosen)
        elif "KUBECONFIG" not in os.environ and _is_inside_a_cluster():
            load.load_incluster_config(client_configuration=chosen)
        else:
            load.load_kube_config(os.environ.get("KUBECONFIG") or None, access["context"], chosen)
    except (config.ConfigException, yaml.YAMLError, OSError, TypeError) as error:
        raise Unreadable(f"the kubeconfig cannot be used: {_without_content(error)}") from None
    return client.ApiClient(chosen)


def _without_content(error: Exception) -> str:
    """What is wrong with a kubeconfig, without its lines, which hold keys; a "path" too may be such a line."""
    from kubernetes.config import ConfigException  # noqa: PLC0415

    match error:
        case ConfigException():
            return str(error)
        case OSError(strerror=str(reason)):
            return reason
        case _:
            return type(error).__name__


def _chosen(kubeconfig: object, access: Mapping[str, str | None]) -> object:
    """`kubeconfig` with the provider's `cluster` in its context, where one is given."""
    if not (cluster := access["cluster"]) or not isinstance(kubeconfig, dict):
        return kubeconfig
    name = access["context"] or kubeconfig.get("current-context")
    contexts = [
        {**one, "context": {**one["context"], "cluster": cluster}} if one["name"] == name else one
        for one in kubeconfig.get("contexts", [])
    ]
    return {**kubeconfig, "contexts": contexts}


def _is_inside_a_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and not (Path.home() / ".kube/config").exists()


class Cluster:
    """The custom resources of consul-k8s in one cluster."""

    def __init__(self, client: ApiClient) -> None:
        """Read with `client`."""
        from kubernetes.client import CoreV1Api, CustomObjectsApi  # noqa: PLC0415

        self._core: Any = CoreV1Api(client)
        self._api: Any = CustomObjectsApi(client)

    def refuse_missing_namespaces(self, names: Iterable[str]) -> None:
        """Raise NotThere unless all these namespaces exist; who may not look is believed."""
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        for name in sorted(names):
            try:
                self._core.read_namespace(name, _request_timeout=SECONDS_TO_ANSWER)
            except ApiException as error:
                if error.status == NOT_FOUND:
                    raise NotThere(
                        f"the cluster has no namespace {name} for the mesh's objects",
                        "Write consul-k8s' own, or your services', as namespace; or create it first, with what does",
                        "so named in depends_on.",
                    ) from None
            except (HTTPError, OSError) as error:
                raise Unreadable(str(error)) from None

    def objects(self, kind: str, namespace: str | None = None) -> list[JsonObject] | None:
        """All objects for entries of `kind`, in all namespaces or in one; None where the caller may not list them.

        Raises NotInstalled where the cluster does not know the kind, and Unreadable.
        """
        found: list[JsonObject] = []
        going_on: str | None = None
        while (page := self._page(kind, namespace, going_on)) is not None:
            found += page.get("items", [])
            going_on = page.get("metadata", {}).get("continue")
            if not going_on:
                return found
        return None

    def _page(self, kind: str, namespace: str | None, going_on: str | None) -> JsonObject | None:
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        api = self._api
        where = (GROUP, VERSION, *([namespace] if namespace else []), PLURALS[kind])
        question = api.list_namespaced_custom_object if namespace else api.list_cluster_custom_object
        try:
            page: JsonObject = question(*where, limit=PAGE, _continue=going_on, _request_timeout=SECONDS_TO_ANSWER)
        except ApiException as error:
            if error.status == NOT_FOUND:
                raise NotInstalled(kind) from None
            if error.status == FORBIDDEN and namespace is None:
                return None
            raise Unreadable(_told(error)) from None
        except (HTTPError, OSError) as error:
            raise Unreadable(str(error)) from None
        return page


def _told(error: ApiException) -> str:
    """The API server's own words."""
    try:
        said = yaml.safe_load(error.body or "")["message"]
    except (yaml.YAMLError, TypeError, KeyError):
        said = error.reason
    return f"{error.status}: {said}"
