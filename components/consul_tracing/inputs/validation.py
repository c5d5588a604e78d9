"""Base class of validated inputs, and the conversion of pydantic's errors into problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from consul_tracing.errors import InvalidInputError, Problem, format_value, with_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

TYPE_NAMES = {
    "dict_type": "a map",
    "model_type": "a map",
    "list_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
}
"""pydantic's error types, and the expected value as messages name it."""

PLAIN = (
    "a plain value, got an Output. Set it in the stack configuration, or read it with get_output_details of the "
    "StackReference"
)
"""The expected value where an Output is not supported, with the alternatives."""

BOUNDS = {"ge": "at least", "gt": "greater than", "le": "at most"}
"""pydantic's numeric constraints as messages name them."""


def invalid_value(reason: str) -> PydanticCustomError:
    """Return the error of one value."""
    return PydanticCustomError("invalid_value", "{reason}", {"reason": reason})


def mismatch(expected: str, value: object) -> str:
    """Return the reason why a value is not the expected one."""
    if isinstance(value, pulumi.Output):
        return f"must be {PLAIN}"
    separator = ";" if "," in expected else ","
    return f"must be {expected}{separator} got {format_value(value)}"


def must_be(expected: str, value: object) -> PydanticCustomError:
    """Return the error of a value that is not the expected one."""
    return invalid_value(mismatch(expected, value))


def invalid_members(problems: Sequence[Problem]) -> PydanticCustomError:
    """Return the error of several members of a value. The paths of the problems are relative to the value."""
    return PydanticCustomError("invalid_members", "members are invalid", {"problems": problems})


class Settings(BaseModel):
    """A group of validated inputs. It is frozen: the written values are the validated ones."""

    model_config = ConfigDict(
        allow_inf_nan=False, extra="forbid", frozen=True, hide_input_in_errors=True, strict=True, validate_default=False
    )

    component: ClassVar[str] = ""
    """The component whose inputs this group holds. Empty for a group within another."""

    shorthand: ClassVar[str] = ""
    """Map to suggest if the input is a plain value, with `{}` for the value. Empty: no suggestion."""

    keeps_none: ClassVar[frozenset[str]] = frozenset()
    """The fields for which None is a value. For other fields None means "not given", as in Pulumi's SDKs."""

    @model_validator(mode="before")
    @classmethod
    def _without_none(cls, args: object) -> object:
        if not isinstance(args, dict):
            return args
        return {name: value for name, value in args.items() if value is not None or name in cls.keeps_none}

    @classmethod
    def missing(cls, args: Mapping[str, object]) -> Iterable[Problem]:  # noqa: ARG003 - for subclasses
        """Return the missing inputs that depend on other inputs. They are reported beside all other problems."""
        return ()

    def problems(self) -> Iterable[Problem]:
        """Return the conflicts between fields that are valid one by one."""
        return ()

    @model_validator(mode="after")
    def _reject_problems(self) -> Self:
        if found := list(self.problems()):
            raise invalid_members(found)
        return self

    def exactly_one(self, *names: str) -> Iterator[Problem]:
        """Return a problem unless exactly one of the fields is set."""
        found = [name for name in names if getattr(self, name) is not None]
        if len(found) != 1:
            yield Problem("", f"must be exactly one of {', '.join(names)}; got {', '.join(found) or 'none'}")

    @classmethod
    def validated(cls, name: str, args: object) -> Self:
        """Validate the arguments of the component called `name`. Raises InvalidInputError listing every problem."""
        try:
            return cls.model_validate(args)
        except ValidationError as error:
            missing = cls.missing(args) if isinstance(args, dict) else ()
            raise InvalidInputError(name, dict.fromkeys([*problems_in(error, cls), *missing])) from None


def problems_in(error: ValidationError, model: type[Settings], *parent: str) -> Iterator[Problem]:
    """Return the problems of a validation error. `parent` is the path of the validated value in the inputs."""
    for detail in error.errors(include_url=False):
        detail["loc"] = (*parent, *detail["loc"])
        yield from _problems_of(detail, model)


def _problems_of(error: ErrorDetails, model: type[Settings]) -> Iterator[Problem]:
    path = ".".join(str(part) for part in error["loc"] if part != "[key]")
    context = error.get("ctx", {})
    match error["type"]:
        case "invalid_members":
            yield from (Problem(f"{path}.{one.path}".strip("."), one.reason) for one in context["problems"])
            return
        case "extra_forbidden":
            group = path.rpartition(".")[0] or model.component
            reason = _unknown(str(error["loc"][-1]), group, _model_at(model, error["loc"][:-1]))
        case kind:
            reason = _reason(kind, error, context) + _meant(error, model)
    yield Problem(path or "args", reason)


def _unknown(key: str, group: str, model: type[Settings]) -> str:
    """Return the reason why a key is unknown, with the group in which it belongs."""
    homes = [
        name
        for name, field in model.model_fields.items()
        if any(key in nested.model_fields for nested in _models(field.annotation))
    ]
    reason, allowed = f"is not an input of {group}", sorted(model.model_fields)
    if homes:
        return f"{reason}; it belongs in {homes[0]}. Allowed: {', '.join(allowed)}"
    return with_suggestion(reason, key, allowed)


def _meant(error: ErrorDetails, model: type[Settings]) -> str:
    """Return the map to suggest for a plain value."""
    value, loc = error["input"], error["loc"]
    if error["type"] != "model_type" or not loc or not isinstance(value, str | int | float):
        return ""
    shorthand = _model_at(model, loc).shorthand
    return f". Set {loc[-1]}: {{{shorthand.replace('{}', str(value)).replace('<>', '{}')}}}" if shorthand else ""


def _reason(kind: str, error: ErrorDetails, context: dict[str, Any]) -> str:
    shown = format_value(error["input"])
    if isinstance(error["input"], pulumi.Output):
        return f"must be {PLAIN}"
    match kind:
        case "missing":
            return "is required"
        case "too_short":
            return "must be a list with at least one element, got an empty list"
        case "literal_error":
            # pydantic quotes each value and writes "or" before the last one.
            expected = context["expected"].replace(" or ", ", ").replace("'", "")
            return f"must be one of {expected}; got {shown}"
        case "string_type":
            # YAML reads an unquoted 1.34 or true as a number or a boolean.
            is_scalar = isinstance(error["input"], bool | int | float)
            return f"must be text, got {shown}" + (f'. Quote it: "{shown}"' if is_scalar else "")
        case "greater_than_equal" | "greater_than" | "less_than_equal":
            (bound, limit) = next((name, context[name]) for name in BOUNDS if name in context)
            return f"must be {BOUNDS[bound]} {limit:g}, got {shown}"
        case _ if kind in TYPE_NAMES:
            return f"must be {TYPE_NAMES[kind]}, got {shown}"
        case _:
            return error["msg"]


def _model_at(model: type[Settings], path: Iterable[str | int]) -> type[Settings]:
    """Return the group at a path. Skips map keys and list indexes."""
    for part in path:
        if part in model.model_fields:
            model = next(_models(model.model_fields[str(part)].annotation), model)
    return model


def _models(annotation: object) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
