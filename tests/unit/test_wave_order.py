"""Which rows come before which others in a run."""

import make_vault
import pytest

from lvrestore.model import ContentType
from lvrestore.run.waves import Chosen, Unfinished, Waves
from lvrestore.vault import decode_blob, open_vault


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """Lists of (type, id, content), one per wave."""
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    make_vault.write_vault(path, **make_vault.mixed(800))
    with open_vault(path) as vault:
        chosen = Chosen(types=(ContentType.FOLDER, ContentType.USER))
        begun = Waves(vault, chosen, Unfinished(), None).first()
        return [[(t.content_type, t.source_id, decode_blob(t.blob)) for t in tasks] for tasks in begun]


def test_every_row_comes_once(waves):
    items = [(kind, source_id) for wave in waves for kind, source_id, _ in wave]
    assert len(items) == len(set(items))
    assert {kind for kind, _ in items} == {ContentType.FOLDER, ContentType.USER}


def test_parents_come_before_their_folders(waves):
    seen = set()
    for wave in waves:
        parents = {content.get("parent_id") for kind, _, content in wave if kind is ContentType.FOLDER}
        assert parents <= seen | {None}
        seen |= {source_id for kind, source_id, _ in wave if kind is ContentType.FOLDER}


def test_who_signs_in_by_email_comes_before_who_is_known_by_name(waves):
    users = [[c for kind, _, c in wave if kind is ContentType.USER] for wave in waves]
    with_email, without = [wave for wave in users if wave]
    assert all((one.get("credentials_email") or one)["email"] for one in with_email)
    assert without
    assert not any((one.get("credentials_email") or {}).get("email") for one in without)
