"""The entries in the custom resources of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.backends.kubernetes.access import ACCESS, RESOURCES, Cluster, MissingKindError, client_for
from consul_tracing.errors import CommandError, UnreadableError
from consul_tracing.lint.rules import GATEWAYS
from consul_tracing.run_errors import ConflictError

from .live import ENTRY_KINDS, documents_of

if TYPE_CHECKING:
    from consul_tracing.files.documents import Document
    from consul_tracing.names import JsonObject


def kubernetes_documents(namespace: str | None) -> list[Document]:
    """Return the entries in the custom resources of a namespace, or of all. Raises CommandError."""
    try:
        return documents_in(Cluster(client_for(dict.fromkeys(ACCESS))), namespace)
    except (UnreadableError, ConflictError) as error:
        raise CommandError(f"Kubernetes cannot be read: {error}") from None


def documents_in(cluster: Cluster, namespace: str | None) -> list[Document]:
    """Return the entries in the custom resources of a namespace, or of all.

    Raises UnreadableError, also without permission to list one of them, and MissingKindError without consul-k8s.
    """
    objects: list[JsonObject] = []
    for kind in ENTRY_KINDS:
        try:
            found = cluster.objects(kind, namespace)
        except MissingKindError:
            if kind not in GATEWAYS:
                raise
            found = []
        if found is None:
            raise UnreadableError(f"permission to list {RESOURCES[kind][1]} in all namespaces is required")
        objects += found
    return documents_of(objects, "kubernetes")
