"""Base class of validated inputs, and the conversion of pydantic's errors into problems."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from consul_tracing.errors import Problem, format_value, mismatch, with_suggestion
from consul_tracing.names import Unresolved

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

PLAIN_TEXT = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]*")
"""Text that YAML reads as text without quotes, except for words such as `true`, which no suggestion contains."""

SIMILARITY = 0.8
"""Minimum similarity (0 to 1) at which an unknown key is treated as a misspelling of a key of the same group."""

MAX_HOMES = 3
"""Groups that a message names for a key in the wrong group."""

BOUNDS = {"ge": "at least", "gt": "greater than", "le": "at most"}
"""pydantic's numeric constraints as messages name them."""


def invalid_value(reason: str) -> PydanticCustomError:
    """Return the error of one value."""
    return PydanticCustomError("invalid_value", "{reason}", {"reason": reason})


def must_be(expected: str, value: object) -> PydanticCustomError:
    """Return the error of a value that is not the expected one."""
    return invalid_value(mismatch(expected, value))


def must_be_known() -> PydanticCustomError:
    """Return the error of a value that a preview does not know and that decides what the component declares."""
    return invalid_value("must be known in the preview, got the Output of a resource that the update creates")


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

    component_type: ClassVar[type | None] = None
    """The type of the components that programs can pass in place of the group. None: only a map."""

    one_of: ClassVar[tuple[str, ...]] = ()
    """The fields of which exactly one must be set. Empty: any."""

    shorthand: ClassVar[str] = ""
    """The field that a plain value in place of the group probably means. Empty if there is none."""

    example: ClassVar[str] = ""
    """A group of this type as YAML, which a message suggests for a list of names in place of a map of groups."""

    keeps_none: ClassVar[frozenset[str]] = frozenset()
    """The fields for which None is a value. For other fields None means "not given", as in Pulumi's SDKs."""

    plain: ClassVar[frozenset[str]] = frozenset()
    """The fields of text that a preview must know, because they decide what the component reads or declares."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _accept_unresolved(cls, value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        name = str(info.field_name)
        if not any(isinstance(member, Unresolved) for member in _members(value)):
            return validate(value)
        if cls.accepts_output(name):
            return value
        # A group validates its own fields.
        if isinstance(value, dict):
            return validate(value)
        raise must_be_known()

    @classmethod
    def accepts_output(cls, name: str) -> bool:
        """Return whether a preview need not know a field: text, whole numbers, and lists or maps of them."""
        return name not in cls.plain and _is_free(cls.model_fields[name].annotation)

    @model_validator(mode="before")
    @classmethod
    def _without_none(cls, args: object) -> object:
        if isinstance(args, Unresolved):
            raise must_be_known()
        if not isinstance(args, dict):
            return args
        optional = cls.model_fields.keys() - cls.keeps_none
        return {name: value for name, value in args.items() if value is not None or name not in optional}

    @classmethod
    def from_plain(cls, value: object) -> dict[str, object]:
        """Return the map to suggest for a plain value in place of the group. Empty: no suggestion."""
        return {cls.shorthand: value} if cls.shorthand else {}

    @classmethod
    def missing(cls, args: Mapping[str, object]) -> Iterable[Problem]:  # noqa: ARG003 - for subclasses
        """Return the missing inputs that depend on other inputs. They are reported beside all other problems."""
        return ()

    def _problems(self) -> Iterable[Problem]:
        """Return the conflicts between fields that are valid one by one."""
        return ()

    def unsupported(self, condition: str, *names: str) -> Iterator[Problem]:
        """Return a problem for each field that is set although it has no effect under a condition."""
        return (Problem(name, f"is not supported {condition}") for name in names if name in self.model_fields_set)

    @model_validator(mode="after")
    def _reject_problems(self) -> Self:
        set_fields = [name for name in self.one_of if getattr(self, name) is not None]
        found = list(self._problems())
        if self.one_of and len(set_fields) != 1:
            got = ", ".join(set_fields) or "none"
            found.append(Problem("", f"must be exactly one of {', '.join(self.one_of)}; got {got}"))
        if found:
            raise invalid_members(found)
        return self

    @classmethod
    def of(cls, name: str, args: object) -> Self:
        """Validate the arguments of the component called `name`. Raises InvalidInputError listing every problem."""
        missing = list(cls.missing(args)) if isinstance(args, dict) else []
        try:
            settings = cls.model_validate(args)
        except ValidationError as error:
            raise _invalid(name, [*problems_in(error, cls), *missing]) from None
        if missing:
            raise _invalid(name, missing)
        return settings


def _invalid(name: str, problems: list[Problem]) -> Exception:
    # Commands that need no Pulumi validate inputs too.
    from consul_tracing.run_errors import InvalidInputError  # noqa: PLC0415 - takes half a second

    return InvalidInputError(name, problems)


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
    """Return the reason why a key is unknown, with the groups in which it belongs."""
    reason, allowed = f"is not an input of {group}", sorted(model.model_fields)
    homes = [] if get_close_matches(key, allowed, n=1, cutoff=SIMILARITY) else list(_homes(model, key))[:MAX_HOMES]
    if homes:
        return f"{reason}; it belongs in {' or '.join(homes)}. Allowed: {', '.join(allowed)}"
    return with_suggestion(reason, key, allowed)


def _homes(model: type[Settings], key: str) -> Iterator[str]:
    """Yield the paths of the nested groups that have a field."""
    for name, field in model.model_fields.items():
        path = f"{name}.<key>" if get_origin(field.annotation) is dict else name
        for nested in groups_in(field.annotation):
            if key in nested.model_fields:
                yield path
            yield from (f"{path}.{inner}" for inner in _homes(nested, key))


def _meant(error: ErrorDetails, model: type[Settings]) -> str:
    """Return the map to suggest for a plain value, if it is valid, and for a list in place of a map of groups."""
    if error["type"] == "dict_type":
        return _meant_map(error, model)
    if error["type"] != "model_type" or not error["loc"]:
        return ""
    group = _model_at(model, error["loc"])
    suggested = group.from_plain(error["input"])
    try:
        group.model_validate(suggested)
    except ValidationError:
        return ""
    if any(isinstance(value, str) and format_value(value) != f'"{value}"' for value in suggested.values()):
        return ""  # secret or long
    fields = ", ".join(f"{name}: {_yaml(value)}" for name, value in suggested.items())
    return f". Set {error['loc'][-1]}: {{{fields}}}"


def _meant_map(error: ErrorDetails, model: type[Settings]) -> str:
    """Return the map with an example of a group for each name of a list, by default for one name."""
    example, given = _model_at(model, error["loc"]).example, error["input"]
    names = given if isinstance(given, list) else [given]
    if not names or not all(_is_name(name) for name in names):
        names = ["web"]
    members = ", ".join([*(f"{name}: {example}" for name in names[:MAX_HOMES]), *(["…"] * (len(names) > MAX_HOMES))])
    return f". Set {error['loc'][-1]}: {{{members}}}" if example else ""


def _is_name(value: object) -> bool:
    """Return whether a value is text that YAML reads without quotes and that messages show."""
    return isinstance(value, str) and bool(PLAIN_TEXT.fullmatch(value)) and format_value(value) == f'"{value}"'


def _yaml(value: object) -> str:
    """Return a plain value as YAML. Text is quoted only if YAML requires it."""
    is_plain = isinstance(value, str) and PLAIN_TEXT.fullmatch(value)
    return str(value) if is_plain or value == {} else format_value(value)


def _reason(kind: str, error: ErrorDetails, context: dict[str, Any]) -> str:
    shown = format_value(error["input"])
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
            number = int(limit) if float(limit).is_integer() else limit
            return f"must be {BOUNDS[bound]} {number}, got {shown}"
        case _ if kind in TYPE_NAMES:
            return f"must be {TYPE_NAMES[kind]}, got {shown}"
        case _:
            return error["msg"]


def _members(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]


def _is_free(annotation: object) -> bool:
    """Return whether a field holds text, whole numbers, or a list or map of them, and is no closed set."""
    if get_origin(annotation) is Annotated:
        return _is_free(get_args(annotation)[0])
    if get_origin(annotation) in {list, dict, Union, UnionType}:
        return all(map(_is_free, get_args(annotation)))
    return annotation in (str, int, NoneType)


def _model_at(model: type[Settings], path: Iterable[str | int]) -> type[Settings]:
    """Return the group at a path. Skips map keys and list indexes."""
    for part in path:
        if part in model.model_fields:
            model = next(groups_in(model.model_fields[str(part)].annotation), model)
    return model


def groups_in(annotation: object) -> Iterator[type[Settings]]:
    """Yield the groups in the type of a field."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from groups_in(argument)
