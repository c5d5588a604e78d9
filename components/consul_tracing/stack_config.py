"""Stack configuration: the arguments of `MeshTracing` from `pulumi.Config`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import UnionType
from typing import NotRequired, Union, cast, get_args, get_origin, is_typeddict
from urllib.parse import urlsplit

import pulumi

from .codes import SITE
from .errors import Problem
from .inputs.args import MeshTracingArgs
from .inputs.hosts import is_loopback
from .run_errors import InvalidInputError

NAMESPACE = "consul-tracing"
"""The namespace of the configuration keys. It does not depend on the name of the project."""

WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)

MESH_KEY = f"{NAMESPACE}:mesh"

EXAMPLE = "{collector: {host: zipkin.service.consul}, services: {web: {protocol: http}}}"
"""A value of MESH_KEY."""


def args_from_config() -> MeshTracingArgs:
    """Return the arguments of `MeshTracing` in `consul-tracing:mesh`.

    Raises InvalidInputError if the key is missing, not a map, or a secret, because every client of Consul can read the
    entries.
    """
    if pulumi.runtime.is_config_secret(MESH_KEY):
        raise _invalid("must be plain values, got a secret. Set them without --secret")
    try:
        args = pulumi.Config(NAMESPACE).get_object("mesh")
    except pulumi.ConfigTypeError:
        raise _invalid("must be a map") from None
    if args is None:
        raise _invalid(f"is required. Example: {EXAMPLE}. All inputs: {SITE}reference/inputs/")
    if not isinstance(args, dict):
        raise _invalid("must be a map")
    return cast("MeshTracingArgs", with_numbers(args, MeshTracingArgs))


def with_numbers(value: object, declared: object) -> object:
    """Convert numbers that are written as text: `pulumi config set --path` stores 0.5 as text.

    `declared`: the type of the value in the arguments.
    """
    match value:
        case dict() if is_typeddict(declared):
            types = declared.__annotations__
            return {key: with_numbers(member, types.get(key)) for key, member in value.items()}
        # The first type of a union, such as `pulumi.Input`, is that of the value.
        case _ if get_origin(declared) in {NotRequired, Union, UnionType}:
            return with_numbers(value, get_args(declared)[0])
        case dict() if get_origin(declared) is Mapping:
            return {key: with_numbers(member, get_args(declared)[1]) for key, member in value.items()}
        case str() if declared is float and NUMBER.fullmatch(value):
            return float(value)
        case str() if declared is int and WHOLE_NUMBER.fullmatch(value):
            return int(value)
        case _:
            return value


def protect_from_config() -> bool:
    """Return whether Pulumi protects the entries from deletion (`consul-tracing:protect`). Default: false."""
    return pulumi.Config(NAMESPACE).get_bool("protect") or False


def single_machine() -> bool:
    """Return whether `consul:address` is this machine. The whole mesh is then assumed to run on it."""
    address = pulumi.Config("consul").get("address")
    if not address:
        return False
    return is_loopback(urlsplit(address if "//" in address else f"//{address}").hostname or "")


def _invalid(reason: str) -> InvalidInputError:
    return InvalidInputError(pulumi.get_stack(), [Problem(MESH_KEY, reason)], is_stack=True)
