"""A whole genuine backup onto a damaged Looker, with every unconfirmed fact turned round, one at a time."""

import pytest
from comparison import differences, vault_dashboards
from harness import Memory, restore

from lvrestore.model import ContentType, Operation
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.damage import damage
from lvrestore.sandbox.seeding.seed import from_vault
from lvrestore.sandbox.switches import SWITCHES
from lvrestore.vault import open_vault

# Where the server cannot hold what the vault says, these differ, and the result says so in a warning.
CANNOT_HOLD = {
    ("normalises", "text_and_colours"): "not_kept",
    ("user_id", "ignored"): "not_kept",
    ("user_id", "unknown"): "owner_not_set",
}
FLIPPED = [(name, value) for name, switch in SWITCHES.items() for value in switch.allowed[1:]]


@pytest.mark.parametrize(("name", "value"), [("", ""), *FLIPPED])
def test_restored_field_by_field_and_then_nothing_more_is_written(genuine_vault, name, value):
    looker = Looker()
    from_vault(looker, genuine_vault)
    damage(looker, drop=0.3, trash=0.2, change=0.3, seed=3)
    if name:
        looker.switches[name] = value
    with open_vault(genuine_vault) as vault:
        rows = [(row.source_id, row.blob) for row in vault.rows(ContentType.DASHBOARD)]
    wanted, memory = vault_dashboards(genuine_vault), Memory()

    results = restore(looker, rows, memory)
    live = looker.dump()["dashboards"]
    wrong = {r.source_id for r in results if differences(wanted[r.source_id], live[r.destination_id])}
    warned = {
        r.source_id for r in results for kind, _ in r.warnings if kind == CANNOT_HOLD.get((name, value))
    }
    assert {r.error for r in results} == {None}
    assert wrong <= warned

    for again in [memory] if warned else [memory, Memory()]:
        looker.clear_log()
        results = restore(looker, rows, again)
        assert {r.operation for r in results} == {Operation.UNCHANGED}
        assert {r.method for r in looker.requests} == {"GET"}
