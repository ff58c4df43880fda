"""A backup whose instance is mapped under another name is refused; one that only has some numbers in common is not."""

import importlib
import sys
from pathlib import Path

import pytest

from lvrestore.errors import IDMappingError
from lvrestore.preflight.source import require_own_name, sample_of
from lvrestore.vault import open_vault

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")

OTHER, OWN = "https://a.example.com", "https://a.exampel.com"


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    make_vault.write_vault(path, dashboards=10, looks=5, folders=4, users=2)
    with open_vault(path) as opened:
        yield opened


def another(sample):
    """What has the same numbers and was made at other times."""
    return [[kind, source_id, "1999-01-01T00:00:00+00:00"] for kind, source_id, _ in sample]


def test_the_instance_is_known_again_under_another_name_and_both_are_said(vault):
    sample = sample_of(vault)
    with pytest.raises(IDMappingError) as caught:
        require_own_name(vault, {"https://x.example.com": another(sample), OTHER: sample}, OWN)
    assert OTHER in str(caught.value)
    assert OWN in str(caught.value)
    assert f"--source-instance {OTHER}" in caught.value.hint


def test_what_was_deleted_since_does_not_hide_the_instance(vault):
    sample = sample_of(vault)
    gone = [[kind, f"9{source_id}000", at] for kind, source_id, at in sample[5:]]
    with pytest.raises(IDMappingError):
        require_own_name(vault, {OTHER: sample[:5] + gone}, OWN)


def test_another_instance_is_not_taken_for_it_by_a_few_objects_in_common(vault):
    sample = sample_of(vault)
    half = len(sample) // 2
    gone = [["dashboard", "9000", sample[0][2]]]
    for other in (
        [],
        another(sample),
        sample[:half] + another(sample[half:]),
        sample[:2] + gone,
        sample[:2] + another(sample[2:3]),
    ):
        require_own_name(vault, {OTHER: other}, OWN)
