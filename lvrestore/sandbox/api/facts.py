"""The facts of Looker's API description, and the validators that are built from them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from operator import getitem
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.sandbox.refusals import Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

Body = dict[str, Any]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One property: `type` is a JSON type, `any`, or the name of another type; `items` is what it holds."""

    type: str
    items: str = "any"
    nullable: bool = False
    read_only: bool = False
    write_only: bool = False
    enum: tuple[str, ...] = ()


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One method of one path: its query parameters, the types of its body and of its reply."""

    params: dict[str, str] = {}
    body: str | None = None
    optional_body: bool = False
    reply: str | None = None


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that was extracted from the API description."""

    api_version: str
    paths: dict[str, dict[str, Endpoint]]
    required: dict[str, tuple[str, ...]]
    types: dict[str, dict[str, Field]]


FACTS = msgspec.json.decode((files("lvrestore.sandbox") / "api_facts.json").read_bytes(), type=Facts)

# The type of a body that is a list of ids.
IDS = "[string]"

PYTHON_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def writable(type_name: str) -> dict[str, Field]:
    """Return the properties of a type that a body may hold."""
    return {name: field for name, field in FACTS.types[type_name].items() if not field.read_only}


# Two judges of one body: a compiled decoder for the many good ones, and a walk that lists every fault of a
# bad one.


def _plain(type_name: str, *, strict: bool) -> Any:  # noqa: ANN401 - a type expression made at run time
    if type_name in FACTS.types:
        return _struct(type_name, strict=strict)
    return PYTHON_TYPES.get(type_name, Any)


def _annotation(field: Field, *, strict: bool) -> Any:  # noqa: ANN401 - as above
    inner = _plain(field.items, strict=strict)
    kind: Any
    match field.type:
        case "array":
            kind = GenericAlias(list, (inner,))
        case "object":
            kind = GenericAlias(dict, (str, inner))
        case _:
            kind = getitem(Literal, field.enum) if field.enum else _plain(field.type, strict=strict)
    return kind | None | UnsetType if field.nullable else kind | UnsetType


@cache
def _struct(type_name: str, *, strict: bool) -> type[msgspec.Struct]:
    fields = [(n, _annotation(f, strict=strict), UNSET) for n, f in writable(type_name).items()]
    return msgspec.defstruct(type_name, fields, forbid_unknown_fields=strict)


@cache
def _decoder(type_name: str, *, strict: bool) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_struct(type_name, strict=strict))


def _value_faults(field: Field, value: Any, path: str) -> Iterator[Fault]:  # noqa: ANN401 - any JSON
    if value is None:
        if not field.nullable:
            yield Fault(path, "invalid", f"{path} can't be null")
    elif field.enum and value not in field.enum:
        yield Fault(path, "invalid", f"{path} must be one of {', '.join(field.enum)}")
    elif field.type in FACTS.types:
        yield from _object_faults(field.type, value, path)
    elif field.type != "any" and type(value) is not PYTHON_TYPES[field.type]:
        yield Fault(path, "invalid", f"{path} must be of type {field.type}")
    elif field.type in {"array", "object"} and field.items != "any":
        item = Field(field.items)
        for key, inner in value.items() if field.type == "object" else enumerate(value):
            yield from _value_faults(item, inner, f"{path}[{key}]")


def _object_faults(type_name: str, value: Any, path: str = "") -> Iterator[Fault]:  # noqa: ANN401 - any JSON
    if type(value) is not dict:
        yield Fault(path, "invalid", f"{path or 'the body'} must be of type object")
        return
    fields = FACTS.types[type_name]
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        if name not in fields:
            yield Fault(where, "invalid", f"{where} is not a field of {type_name}")
        elif fields[name].read_only:
            yield Fault(where, "invalid", f"{where} is read-only")
        else:
            yield from _value_faults(fields[name], inner, where)


def _accepted(type_name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value without what its type does not accept, at any depth."""
    if type(value) is not dict:
        return value
    fields = writable(type_name)
    return {name: _accepted_value(fields[name], inner) for name, inner in value.items() if name in fields}


def _accepted_value(field: Field, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if field.type in FACTS.types:
        return _accepted(field.type, value)
    if field.items in FACTS.types and type(value) is list:
        return [_accepted(field.items, item) for item in value]
    return value


_ids = msgspec.json.Decoder(list[str])


def parse_ids(raw: bytes) -> list[str]:
    """Decode a body that is a list of ids, or refuse it."""
    try:
        return _ids.decode(raw)
    except msgspec.ValidationError as error:
        raise Refusal(422, (Fault("ids", "invalid", str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(400) from None


def parse_body(type_name: str, raw: bytes, *, strict: bool) -> Body:
    """Decode a body, or refuse it with every fault it has; unless strict, unknown fields are dropped.

    A list of ids is found under `ids`.
    """
    if type_name == IDS:
        return {"ids": parse_ids(raw)}
    try:
        _decoder(type_name, strict=strict).decode(raw)
    except msgspec.ValidationError as error:
        value = msgspec.json.decode(raw)
        value = value if strict else _accepted(type_name, value)
        faults = tuple(_object_faults(type_name, value))
        raise Refusal(422, faults or (Fault("", "invalid", str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(400) from None
    body = msgspec.json.decode(raw)
    return body if strict else _accepted(type_name, body)  # type: ignore[no-any-return]  # decoded as an object


def check_params(endpoint: Endpoint, params: dict[str, str], *, strict: bool) -> None:
    """Refuse query parameters that the endpoint does not know or whose value cannot be read."""
    faults = [
        Fault(n, "invalid", f"{n} is not a parameter") for n in params if strict and n not in endpoint.params
    ]
    for name, value in params.items():
        kind = endpoint.params.get(name)
        good = {"integer": value.isdecimal(), "boolean": value in {"true", "false"}}.get(kind or "", True)
        if not good:
            faults.append(Fault(name, "invalid", f"{name} must be of type {kind}"))
    if faults:
        raise Refusal(422, tuple(faults))
