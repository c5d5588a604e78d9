"""Component host: Pulumi's own, with the inputs as Python's arguments and errors without a traceback."""

import asyncio
import inspect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Literal, get_args, get_origin, is_typeddict

import grpc
import pulumi

# Imported to register their packages: providers of the caller arrive as references to them.
import pulumi_consul  # noqa: F401
import pulumi_kubernetes  # noqa: F401
from pulumi.errors import InputPropertiesError
from pulumi.output import Unknown
from pulumi.provider import ConstructResult
from pulumi.provider.experimental import component
from pulumi.provider.experimental.analyzer import Analyzer, PropertyDefinition
from pulumi.provider.server import ProviderServicer
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2_grpc

from consul_tracing import InvalidInputError, Problem
from consul_tracing.outputs import SECRET

PACKAGE = "consul-tracing"

GO_PATH = "example.com/pulumi-consul-tracing/sdk/go/consultracing"
"""Import path of the SDK for Go, which `pulumi package add` prints. Fixed, so that it does not depend on Pulumi."""

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Limit of a message in bytes, equal to the limit of the engine."""

EXACT = 2**53
"""The largest number up to which floats represent all whole numbers. All numbers arrive as floats."""

NAME = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
"""A name of Python with at least two words."""


class InputAnalyzer(Analyzer):
    """Pulumi's analyzer, which does not support closed sets and components in place of a group of inputs."""

    def analyze_property(self, arg: Any, *place: Any, **options: Any) -> PropertyDefinition:  # noqa: ANN401 - as in the SDK
        """Describe a closed set as text, and a union with a component as the group."""
        if get_origin(arg) is Literal:
            arg = type(get_args(arg)[0])
        elif isinstance(arg, UnionType):
            arg = next(filter(is_typeddict, get_args(arg)), arg)
        return super().analyze_property(arg, *place, **options)


# The base class of the host creates its analyzer from this name.
vars(component)["Analyzer"] = InputAnalyzer


class ComponentHost(component.ComponentProvider):
    """Components whose inputs, messages and descriptions use the names of the schema (camelCase)."""

    def __init__(self, components: Sequence[type[pulumi.ComponentResource]], version: str) -> None:
        """Infer the schema of the components."""
        super().__init__(list(components), PACKAGE, version=version)
        names = [one.properties_mapping for one in self._type_defs.values()]
        names += [one.inputs_mapping | one.outputs_mapping for one in self._component_defs.values()]
        self._python_names = {schema: python for mapping in names for schema, python in mapping.items()}
        self._schema_names = {python: schema for schema, python in self._python_names.items()}
        # Generated SDKs add the suffix Args to the names of input types.
        schema = re.sub(rf"({PACKAGE}:index:\w+)Args\b", r"\1", self.schema or "{}")
        described = self._described(json.loads(schema))
        described["language"]["go"]["importBasePath"] = GO_PATH
        self.schema = json.dumps(described)

    def construct(
        self, name: str, resource_type: str, inputs: Mapping[str, Any], options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Create a component. Raises `pulumi.RunError` with names of the schema."""
        self.validate_resource_type(PACKAGE, resource_type)
        title = resource_type.rpartition(":")[2]
        definition = self._component_defs[title]
        problems: list[Problem] = []
        args = self._group(inputs, definition.inputs, definition.inputs_mapping, (), problems)
        if problems:
            raise InvalidInputError(name, problems)
        created: pulumi.ComponentResource = self._components[title](name, args, options)  # type: ignore[arg-type]
        return ConstructResult(created.urn, self.get_state(created, definition))

    def with_schema_names(self, text: str) -> str:
        """Replace the names of inputs and outputs in a text: `connect_timeout_ms` → `connectTimeoutMs`."""
        return NAME.sub(lambda name: self._schema_names.get(name[0], name[0]), text)

    def _described(self, schema: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the schema with descriptions that use its names."""
        match schema:
            case dict():
                return {
                    key: inspect.cleandoc(self.with_schema_names(value))
                    if key == "description" and isinstance(value, str)
                    else self._described(value)
                    for key, value in schema.items()
                }
            case list():
                return [self._described(value) for value in schema]
            case _:
                return schema

    def _group(
        self,
        value: Mapping[str, Any],
        properties: Mapping[str, PropertyDefinition],
        names: Mapping[str, str],
        path: tuple[str, ...],
        problems: list[Problem],
    ) -> dict[str, Any]:
        """Return a group of inputs with Python's names. Unknown keys are kept: the component rejects them."""
        group: dict[str, Any] = {}
        for key, member in value.items():
            if key not in names and key in names.values():
                problems.append(Problem(".".join([*path, key]), "must be written in camelCase"))
            name = names.get(key) or self._python_names.get(key, key)
            group[name] = self._value(member, properties.get(key), (*path, name), problems)
        return group

    def _value(
        self,
        value: Any,  # noqa: ANN401
        declared: PropertyDefinition | None,
        path: tuple[str, ...],
        problems: list[Problem],
    ) -> Any:  # noqa: ANN401
        """Return a value as in a Python program. The keys of free-form maps are unchanged."""
        if rpc.is_rpc_secret(value):
            problems.append(Problem(".".join(path), SECRET))
            return None
        match value:
            case Unknown():
                return pulumi.Output.from_input(value)
            case float() if value.is_integer() and abs(value) <= EXACT:
                return int(value)
            case dict() if declared and declared.ref and (group := self.get_type_definition(declared)):
                return self._group(value, group.properties, group.properties_mapping, path, problems)
            case dict():
                members = declared.additional_properties if declared else None
                return {key: self._value(one, members, (*path, key), problems) for key, one in value.items()}
            case list():
                members = declared.items if declared else None
                return [self._value(one, members, (*path, str(i)), problems) for i, one in enumerate(value)]
            case _:
                return value


class ComponentServicer(ProviderServicer):
    """The gRPC service of the host."""

    provider: ComponentHost

    async def _construct(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - as in the SDK
        """Create a component. Errors for users become INVALID_ARGUMENT with their message only.

        They have no details for each property, because the engine would print the values, which may be credentials.
        """
        try:
            return await super()._construct(request, context)
        except pulumi.RunError as error:
            raise InputPropertiesError(self.provider.with_schema_names(str(error)), []) from None

    @staticmethod
    async def _construct_inputs(inputs: Any, input_dependencies: Any) -> dict[str, Any]:  # noqa: ANN401, ARG004
        """Return the inputs. Outputs stay where they are; the SDK's method would wrap the group that has one."""
        return rpc.deserialize_properties(inputs, keep_unknowns=True) or {}


def serve(host: ComponentHost, engine_address: str) -> None:
    """Serve on a free port of loopback and write the port to standard output, as the engine expects."""

    async def run() -> None:
        limits = [(f"grpc.max_{direction}_message_length", MESSAGE_LIMIT) for direction in ("receive", "send")]
        server = grpc.aio.server(options=limits)
        servicer = ComponentServicer(host, [], engine_address)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await server.wait_for_termination()

    with suppress(KeyboardInterrupt):  # the engine stops plugins with SIGINT
        asyncio.run(run())
