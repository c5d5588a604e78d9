"""Arguments of `ServiceProtocols`: plain data.

No `from __future__ import annotations` here: Pulumi's schema inference reads the annotations. The fields that
`MeshTracingArgs` has too are repeated, because the schema has no descriptions of inherited fields.
"""

from typing import NotRequired, TypedDict

import pulumi

from .mesh_args import Existing, MetadataArgs, ServiceArgs, Target


class ServiceProtocolsArgs(TypedDict):
    """Protocols of services in a mesh whose tracing another stack manages."""

    services: dict[str, ServiceArgs]
    """Services by name, with their protocols. Required."""

    target: NotRequired[Target]
    """Backend: "consul" (HTTP API) or "kubernetes" (consul-k8s custom resources). Default: "consul"."""

    existing: NotRequired[Existing]
    """Handling of entries that this stack does not manage: "refuse", "adopt" or "overwrite". Default: "refuse".

    "refuse" rejects them, with the fields that a write would remove. "adopt" preserves their fields and adds those of
    this stack. "overwrite" writes the fields of this stack only. Entries of consul-k8s are always rejected. Entries of
    another stack are never adopted, because two writers revert each other's changes (hashicorp/consul#20064).
    """

    owner: NotRequired[str]
    """Owner recorded in the entries, at most 512 bytes. Default: the full name of the stack.

    The full name is organization/project/stack. Set an owner if two state backends could contain the same stack name,
    because each stack would manage the entries of the other.
    """

    renamed_from: NotRequired[str]
    """Former owner in the entries: the former full name of the stack, or the former `owner`. Default: none.

    Set it for the first `up` after `pulumi stack rename`, after a move to another project, or after a change of
    `owner`. Otherwise the entries belong to another stack.
    """

    release: NotRequired[bool]
    """Whether the stack stops managing its entries. Default: false.

    `up` then removes the ownership metadata, so that another stack can adopt the entries, and `pulumi destroy` keeps
    them.
    """

    namespace: NotRequired[pulumi.Input[str]]
    """Kubernetes namespace of the custom resources. Default: "consul", the namespace in the guide of consul-k8s.

    Has no effect with `target: consul`.
    """

    metadata: NotRequired[MetadataArgs]
    """Additional labels and annotations of the custom resources. Default: none. Has no effect with `target: consul`."""

    sync_timeout_seconds: NotRequired[float]
    """Timeout of consul-k8s for writing or deleting an object, in seconds. Default: 120.

    The controller needs about one second, and retries every five. After the timeout, `up` fails with the controller's
    error. Has no effect with `target: consul`.
    """

    migrate_entries: NotRequired[bool]
    """Whether consul-k8s takes over entries of Consul's HTTP API (`migrate-entry`). Default: false.

    By default consul-k8s rejects them. It takes over only entries with the content of the custom resource: declared
    fields must have their value in Consul. If the stack has a Consul provider or `consul:address`, fields that are not
    declared are preserved as fields of other owners; with `existing: overwrite` they are not. A stack that manages the
    entries over the HTTP API must remove them from its state first (`pulumi state delete`), or it deletes them. Has no
    effect with `target: consul`.
    """

    partition: NotRequired[str]
    """Consul Enterprise admin partition of the services. Default: Consul's default partition."""
