"""What a row of a type without parts says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UnsetType

from lvrestore.content.calls import Steps
from lvrestore.content.flat.widening import Gains, set_gains
from lvrestore.content.identity.names import Candidates, Name
from lvrestore.content.knowledge import References, destination_of, whereabouts
from lvrestore.content.writing.bodies import Body, body_of, without
from lvrestore.content.writing.certificates import FIELD as CERTIFICATE
from lvrestore.content.writing.certificates import WRITABLE
from lvrestore.errors import DependencyError
from lvrestore.model import History, Json, MatchRule

Flag = bool | None | UnsetType


Shape = Any  # the struct of whatever row is at work


Text = str | None | UnsetType


NESTED = {CERTIFICATE: WRITABLE}


TAKEN = 409


class Flat(msgspec.Struct, frozen=True, kw_only=True):
    """What is particular to one type.

    `candidates` finds live objects that have the natural key of a body, compared exactly; `key` is the rule that
    they are found by. `skip` gives the reason why an item must not be touched, `skip_here` one that other items of the
    backup give; `counterparts` finds what stands for
    such an item here, if not its name does. `rivalry` says why another item of the backup has a better right to be
    there. `unique` is what no two of a kind share: the name, then what it is within; `is_unique` that this is
    documented, so that there is no need to try. `wanted` and `seen` bring what vault and server say into one form.
    `by_name` says whether on another instance what has the name is the item, whatever else it has.
    `remedy` says to people what may be done about such a conflict instead of adopting it.
    `access` are the fields that say what people may do; `gains` names what they gain by a change of those.
    """

    kind: str
    collection: str
    writes: type[msgspec.Struct]
    candidates: Callable[[Body], Candidates]
    key: MatchRule = MatchRule.NAME
    unique: tuple[str, ...] = ("name",)
    is_unique: bool = False
    refers_to: Mapping[str, str] = {}
    skip: Callable[[Any], str | None] = lambda _vault: None
    skip_here: Callable[[Any, References], str | None] = lambda _vault, _refs: None
    counterparts: Callable[[Any], Candidates] | None = None
    rivalry: Callable[[Any, References], Steps[str | None]] | None = None
    wanted: Callable[[Any], Body] = lambda _vault: {}
    seen: Callable[[Body], Body] = lambda live: live
    cleared: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    gains: Callable[[Body, Body], Gains] = set_gains
    by_name: Callable[[str, Body, References, History], bool] = lambda *_: True
    remedy: str = ""
    has_trash: bool = False
    id_field: str = "id"
    notice: str = ""

    def id_of(self, live: Body) -> str:
        """The id that paths name the live object by."""
        return str(live[self.id_field])

    @property
    def name(self) -> Name:
        """How the holder of a name is found, and what others of the backup are to be called."""
        return Name(
            kind=self.kind,
            fields=self.unique,
            holders=self.candidates,
            wanted=self._name_wanted,
            interim=lambda source_id: f"lvrestore {self.kind} {source_id}",
            id_field=self.id_field,
        )

    def _name_wanted(self, content: Mapping[str, Json], refs: References) -> Body:
        body = {field: content.get(field) for field in self.unique}
        refers = {field: kind for field, kind in self.refers_to.items() if body.get(field)}
        return body | {field: whereabouts(refs, kind, str(body[field])) for field, kind in refers.items()}


def own_body(flat: Flat, vault: Shape) -> Body:
    """Every writable field the vault knows of the item, references as they are there."""
    return {**without(body_of(vault, flat.writes), "deleted"), **flat.wanted(vault)}


# What must be there for an item to be written.
CHECKED = frozenset({"folder", "permission_set", "model_set"})


def require_sound(flat: Flat, vault: Shape, body: Body, refs: References) -> None:
    """Raise when a body names what is not to be relied on, be it there or not."""
    meant, lost = own_body(flat, vault), []
    for name, kind in flat.refers_to.items():
        source_id = meant.get(name)
        if kind in CHECKED and source_id and body.get(name) == whereabouts(refs, kind, source_id):
            lost += [] if destination_of(refs, kind, source_id) else [f"{kind} {source_id}"]
    if lost:
        raise DependencyError(tuple(lost), known=False)
