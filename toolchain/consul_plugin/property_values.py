"""Resource properties on the wire: protobuf structs with Pulumi's marks for secrets.

Pulumi's mark for what a preview cannot know yet is a text that equals nothing else and passes through untouched.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi's public mark for secrets, none itself


def properties(struct: Struct) -> dict[str, Any]:
    """Return the properties as plain data. Secrets come bare: Pulumi marks what comes back from us by itself."""
    return {key: plain(value) for key, value in struct.fields.items()}


def plain(value: Value) -> Any:  # noqa: ANN401 - JSON of any type
    """Return one value as plain data."""
    match value.WhichOneof("kind"):
        case "struct_value":
            within = properties(value.struct_value)
            return within.get("value") if within.get(SIGNATURE) == SECRET else within
        case "list_value":
            return [plain(element) for element in value.list_value.values]
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def struct(plain_data: Mapping[str, Any]) -> Struct:
    """Return plain data as it is sent."""
    sent = Struct()
    sent.update(dict(plain_data))
    return sent
