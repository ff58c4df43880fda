"""From typed vault content to request bodies, and the comparison of both with what is live."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import orjson
from msgspec import UNSET

from lvrestore.content.calls import Change
from lvrestore.looker.models import NOT_NULLABLE
from lvrestore.model import Json

Body = dict[str, Json]


def body_of(value: msgspec.Struct, fields_of: type[msgspec.Struct] | None = None) -> Body:
    """The JSON object to send: only fields of `fields_of`, absent ones left out, no null that Looker refuses."""
    kind = fields_of or type(value)
    refuses_null = NOT_NULLABLE.get(kind, ())
    body: Body = {}
    for name in kind.__struct_fields__:
        field = getattr(value, name)
        if field is UNSET or (field is None and name in refuses_null):
            continue
        # Asked here already: most fields are plain, and a dashboard has thousands.
        body[name] = _plain(field) if isinstance(field, list | msgspec.Struct) else field
    return body


def _plain(value: Any) -> Json:  # noqa: ANN401 - any value that JSON can hold, or a struct of such
    if isinstance(value, msgspec.Struct):
        return body_of(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def changed(want: Body, live: Mapping[str, Json], nested: Mapping[str, Collection[str]] = {}) -> Body:
    """The part of `want` that is not so on the live object, in the form to send.

    A field that the live object lacks counts as null. `nested` names fields that hold an object of which the
    vault may know only some keys, with the keys Looker lets us write: keys unknown to the vault are no
    difference there, and the whole object is sent, live keys included, because whether PATCH merges or
    replaces such an object is undocumented.
    """
    out: Body = {}
    for name, wanted in want.items():
        now = live.get(name)
        if name in nested and isinstance(wanted, dict) and isinstance(now, dict):
            if any(now.get(key) != value for key, value in wanted.items()):
                out[name] = {**settled(now, nested[name]), **wanted}
        elif wanted != now and not (wanted is None and name in nested and _is_hollow(now)):
            out[name] = wanted
    return out


def _is_hollow(value: Json) -> bool:
    """An object that says nothing, which some releases answer where others say null."""
    return isinstance(value, dict) and all(field is None for field in value.values())


def changes(prefix: str, want: Body, live: Mapping[str, Json]) -> Iterator[Change]:
    """One `Change` per field of `want`."""
    return (Change(f"{prefix}{name}", live.get(name), wanted) for name, wanted in want.items())


def without(body: Mapping[str, Json], *names: str) -> Body:
    """A copy that lacks these fields."""
    return {name: value for name, value in body.items() if name not in names}


def settled(live: Mapping[str, Json], names: Collection[str]) -> Body:
    """The live fields of these names that say something: a null of the server's may not be sent back."""
    return {name: value for name, value in only(live, names).items() if value is not None}


def only(body: Mapping[str, Json], names: Collection[str]) -> Body:
    """A copy that has only these fields."""
    return {name: value for name, value in body.items() if name in names}


def shown(live: Mapping[str, Json], names: Collection[str]) -> Body:
    """All of these fields, null where the object lacks one: what is read in a list and by itself looks the same."""
    return {name: live.get(name) for name in names}


def bare(value: Json) -> Json:
    """A text without the blanks around it, which a server may strip; anything else as it is."""
    return value.strip() if isinstance(value, str) else value


def fingerprint(value: Json) -> bytes:
    """16 bytes that change when the value does; keys have no order."""
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
