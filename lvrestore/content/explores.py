"""Look whether an explore of the backup exists on the destination; it is code, so nothing is ever written."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from lvrestore.content.calls import Get, Mapped, Restored, Steps, Warn
from lvrestore.content.case import Case
from lvrestore.content.identity.trying import tried
from lvrestore.content.writing.shapes import known
from lvrestore.errors import ValidationError
from lvrestore.looker.protocol import path
from lvrestore.model import MatchRule, Operation

Text = str | None | UnsetType


class VaultExplore(msgspec.Struct, frozen=True, kw_only=True):
    """An explore; its id is `model::explore`."""

    id: str = ""
    model_name: Text = UNSET
    name: Text = UNSET


def restore_explore(case: Case[VaultExplore]) -> Steps[Restored]:
    """End as unchanged when the destination has the explore, else as skipped with a warning."""
    model, name = _names(case.vault)
    # Without `fields` the server lists every field of the explore, which takes seconds.
    live = yield Get(path("lookml_models", model, "explores", name), {"fields": "name"})
    shown = [{"id": case.vault.id, "name": name}] if live is not None else []
    yield tried(MatchRule.NAME, f"explore {name} of model {model}", shown, shown[0] if shown else None)
    if live is not None:
        if case.refs.mapped("explore", case.vault.id) is None:
            yield Mapped("explore", case.vault.id, f"{model}::{name}", MatchRule.NAME)
        return Restored(operation=Operation.UNCHANGED, destination_id=f"{model}::{name}")
    yield Warn("explore_missing", f"explore {name} of model {model} is not on the destination")
    reason = "an explore lives in LookML: deploy the project that has it"
    return Restored(operation=Operation.SKIPPED, reason=reason)


def _names(vault: VaultExplore) -> tuple[str, str]:
    """Model and explore, as the content says, else as the id does."""
    said = known(vault.model_name), known(vault.name)
    model, _, name = vault.id.partition("::")
    model, name = said if all(said) else (model, name)
    if not model or not name:
        raise ValidationError(f"{vault.id!r} is no id of an explore, which is model::explore")
    return model, name
