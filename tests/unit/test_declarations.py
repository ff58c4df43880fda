"""Which instance a backup is of, settled by evidence, by what the caller declares and by what earlier runs knew."""

import importlib
import sys
from pathlib import Path

import msgspec
import pytest

from lvrestore.errors import UsageError, ValidationError
from lvrestore.plan.identity import UNKNOWN, Evidence, judge
from lvrestore.preflight.declared import Claim, other_names, settle
from lvrestore.preflight.source import sample_of
from lvrestore.vault import open_vault

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")

HERE, ALIAS, OTHER = "https://here.example.com", "https://alias.example.com", "https://other.example.com"
NOTHING = judge(Evidence(0, 0, 490))
PROVED = judge(Evidence(400, 0, 490))
CONTRADICTED = judge(Evidence(0, 3, 490))


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    make_vault.write_vault(path, dashboards=10, looks=5, folders=4, users=2)
    with open_vault(path) as opened:
        yield opened


def claim(source=None, *, same=False, **samples):
    return Claim(source=source, same=same, names=(HERE, ALIAS), samples=samples)


def strange(sample):
    """What has the same numbers and was made at other times."""
    return [[kind, source_id, "1999-01-01T00:00:00+00:00"] for kind, source_id, _ in sample]


def test_nothing_said_and_nothing_proved_is_another_instance(vault):
    assert settle(NOTHING, vault, claim()) == NOTHING
    assert settle(PROVED, vault, claim()) == PROVED


@pytest.mark.parametrize("said", [claim(same=True), claim(HERE), claim(ALIAS), claim(HERE, same=True)])
def test_the_same_instance_is_declared_by_option_or_by_the_destinations_own_name(vault, said):
    verdict = settle(NOTHING, vault, said)
    assert (verdict.same, verdict.declared) == (True, True)
    assert settle(PROVED, vault, said) == PROVED
    with pytest.raises(ValidationError, match="another creation time"):
        settle(CONTRADICTED, vault, said)


def test_no_evidence_makes_what_is_said_to_be_another_instance_the_same(vault):
    verdict = settle(PROVED, vault, claim(OTHER))
    assert (verdict.same, verdict.declared) == (False, True)
    with pytest.raises(UsageError):
        settle(PROVED, vault, claim(OTHER, same=True))


def test_a_declaration_holds_for_later_runs_with_a_backup_of_the_same_instance(vault):
    sample = sample_of(vault)
    assert settle(NOTHING, vault, claim(**{HERE: sample})).declared
    assert settle(NOTHING, vault, claim(**{OTHER: sample})) == NOTHING
    assert settle(NOTHING, vault, claim(**{HERE: strange(sample)})) == NOTHING
    assert settle(CONTRADICTED, vault, claim(**{HERE: sample})) == CONTRADICTED


def test_a_backup_of_another_instance_than_the_one_that_was_declared_is_refused(vault):
    said = claim(same=True, **{HERE: strange(sample_of(vault))})
    with pytest.raises(ValidationError, match="an earlier run declared"):
        settle(NOTHING, vault, said)


def test_what_an_earlier_run_mapped_as_of_another_instance_is_of_this_one(vault):
    sample = sample_of(vault)
    samples = {UNKNOWN: sample, OTHER: sample, HERE: sample, "https://third.example.com": strange(sample)}
    declared = settle(NOTHING, vault, claim(same=True, **samples))
    assert set(other_names(declared, vault, claim(same=True, **samples))) == {UNKNOWN, OTHER}
    # What somebody has called another instance stays one until somebody declares that it is this one.
    said = msgspec.structs.replace(claim(**samples), declared={OTHER})
    assert list(other_names(PROVED, vault, said)) == [UNKNOWN]
    assert not list(other_names(NOTHING, vault, claim(**samples)))
