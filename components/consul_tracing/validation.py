"""Groups of inputs, checked by pydantic, and what it finds told in words of the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .errors import Problem, given, one_of, unknown_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic_core import ErrorDetails

WANTED = {
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "list_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}
"""What pydantic's type errors ask for, in words of the inputs."""


def crossed(problems: Sequence[Problem]) -> PydanticCustomError:
    """The error of a check that looks at several values; the paths of `problems` begin where it stands."""
    return PydanticCustomError("crossed", "the values do not go together", {"problems": problems})


class Settings(BaseModel):
    """A group of validated inputs. Frozen: what was checked stays what is written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, strict=True, validate_default=False
    )

    def problems(self) -> Iterable[Problem]:
        """What is wrong between fields that are right one by one."""
        return ()

    @model_validator(mode="after")
    def _refuse_problems(self) -> Self:
        if found := list(self.problems()):
            raise crossed(found)
        return self

    def exactly_one(self, *names: str) -> Iterator[Problem]:
        """The problem of a group from which one field, and no other, must be given."""
        chosen = [name for name in names if getattr(self, name) is not None]
        if len(chosen) != 1:
            gave = f"{one_of(chosen)} are given together" if chosen else "nothing is given"
            yield Problem("", f"{gave}; write exactly one of {one_of(names)}")


def problems_in(error: ValidationError, model: type[Settings], *within: str) -> Iterator[Problem]:
    """All that is wrong with what was given to `model`; paths begin `within` it."""
    for detail in error.errors(include_url=False):
        detail["loc"] = (*within, *detail["loc"])
        yield from problems_of(detail, keys_at(model, detail["loc"][:-1]))


def problems_of(error: ErrorDetails, allowed_keys: Sequence[str]) -> Iterable[Problem]:
    """One of pydantic's errors in words; `allowed_keys` are those of the map in which it arose."""
    path = ".".join(str(part) for part in error["loc"] if part != "[key]")
    value: Any = error["input"]
    match error["type"]:
        case "crossed":
            return [Problem(f"{path}.{one.path}".strip("."), one.reason) for one in error["ctx"]["problems"]]
        case "extra_forbidden":
            reason = unknown_key(str(error["loc"][-1]), allowed_keys)
        case "missing":
            reason = "is required"
        case "literal_error":
            # pydantic quotes each value and joins the last with "or"; the bare names read better.
            expected = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
            reason = f"{given(value)} is none of {expected}"
        case kind if kind in WANTED:
            reason = f"{given(value)} is not {WANTED[kind]}"
        case _:
            reason = error["msg"]
    return [Problem(path or "the arguments", reason)]


def keys_at(model: type[Settings], path: Iterable[str | int]) -> list[str]:
    """The keys that are allowed at `path` below `model`."""
    for part in path:
        if part in model.model_fields:
            model = next(_models(model.model_fields[str(part)].annotation), model)
    return sorted(model.model_fields)


def _models(annotation: object) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
