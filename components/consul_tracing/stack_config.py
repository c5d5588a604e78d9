"""A stack's configuration to the arguments of `MeshTracing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pulumi
from pulumi.runtime import config as runtime_config

from .advice import is_loopback
from .errors import InvalidInput, Problem

if TYPE_CHECKING:
    from .args import MeshTracingArgs

NAMESPACE = "consul-tracing"
"""The configuration's namespace, in whichever project the component is used."""

MESH_KEY = f"{NAMESPACE}:mesh"


def mesh_args() -> MeshTracingArgs:
    """The arguments under `consul-tracing:mesh`.

    Raises InvalidInput when the key is missing, is no map, or holds a secret: everyone who reaches Consul may read
    what is written from it.
    """
    if runtime_config.is_config_secret(MESH_KEY):
        raise _unusable("holds a secret, which everyone could read in the entry; set its values without --secret")
    try:
        args = pulumi.Config(NAMESPACE).get_object("mesh")
    except pulumi.ConfigTypeError:
        raise _unusable("is not a map") from None
    if args is None:
        raise _unusable("is not set; see stacks/Pulumi.dev.yaml of consul-tracing for one to start from")
    if not isinstance(args, dict):
        raise _unusable("is not a map")
    return cast("MeshTracingArgs", args)


def protected() -> bool:
    """Whether Pulumi refuses to delete the mesh's entries (`consul-tracing:protect`). Default false."""
    return pulumi.Config(NAMESPACE).get_bool("protect") or False


def single_machine() -> bool:
    """Whether Consul was named as this very machine (`consul:address`), so that the whole mesh is taken to be on it."""
    address = pulumi.Config("consul").get("address")
    if not address:
        return False
    return is_loopback(urlsplit(address if "//" in address else f"//{address}").hostname or "")


def _unusable(reason: str) -> InvalidInput:
    return InvalidInput(pulumi.get_stack(), [Problem(MESH_KEY, reason)])
