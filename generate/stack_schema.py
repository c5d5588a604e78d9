"""The JSON Schema of stack files (`Pulumi.<stack>.yaml`), with which editors complete and check the inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.stack_config import MESH_KEY, NAMESPACE, NUMBER, WHOLE_NUMBER

from .inputs import inputs_of

if TYPE_CHECKING:
    import re

JsonSchema = dict[str, Any]

PROTECT = {"type": ["boolean", "string"], "description": "Whether Pulumi protects the entries from deletion."}


def stack_schema() -> str:
    """Return the JSON Schema."""
    mesh = MeshSettings.model_json_schema(schema_generator=InputSchema)
    groups = mesh.pop("$defs")
    keys = {MESH_KEY: mesh, f"{NAMESPACE}:protect": PROTECT}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Pulumi stack with consul-tracing",
        "type": "object",
        "properties": {"config": {"type": "object", "properties": keys}},
        "$defs": groups,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class InputSchema(GenerateJsonSchema):
    """pydantic's JSON Schema of the inputs, with their documentation, without defaults and titles."""

    def model_schema(self, schema: Any) -> JsonSchema:  # noqa: ANN401 - pydantic_core's ModelSchema
        """Add the documentation of the inputs, and the rule that exactly one must be set."""
        group = schema["cls"]
        found = super().model_schema(schema)
        found.pop("title")
        for one in inputs_of(group):
            described = found["properties"][one.name]
            described["description"] = one.documentation
            if one.accepts_none:
                described["type"].append("null")
        if group.one_of:
            found["oneOf"] = [{"required": [name]} for name in group.one_of]
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - as in pydantic
        """Leave out the titles of fields, which repeat their names."""
        return False

    def default_schema(self, schema: Any) -> JsonSchema:  # noqa: ANN401 - as in pydantic
        """Leave out the default, which the documentation contains."""
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: Any) -> JsonSchema:  # noqa: ANN401 - as in pydantic
        """Leave out null, which means that an input is not given."""
        return self.generate_inner(schema["schema"])

    def int_schema(self, schema: Any) -> JsonSchema:  # noqa: ANN401 - as in pydantic
        """Allow text, as which `pulumi config set --path` stores numbers."""
        return _or_text(super().int_schema(schema), WHOLE_NUMBER)

    def float_schema(self, schema: Any) -> JsonSchema:  # noqa: ANN401 - as in pydantic
        """Allow text, as which `pulumi config set --path` stores numbers."""
        return _or_text(super().float_schema(schema), NUMBER)


def _or_text(number: JsonSchema, pattern: re.Pattern[str]) -> JsonSchema:
    return {**number, "type": [number["type"], "string"], "pattern": f"^{pattern.pattern}$"}
