"""Opening vaults: nothing is written beside them, and what is none is refused clearly."""

import errno
import importlib
import os
import pickle
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from lvrestore.errors import ExitCode, NotFoundError, VaultError
from lvrestore.model import ContentType
from lvrestore.state.store import StateStore
from lvrestore.vault import DoneIn, decode_blob, open_vault

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")


@pytest.fixture
def vault(tmp_path):
    path = tmp_path / "vaults" / "small.db"
    path.parent.mkdir()
    make_vault.write_vault(path, dashboards=30, looks=5, folders=8, users=3)
    return path


def beside(path):
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def names(path):
    with open_vault(path) as backup:
        return [row.name for row in backup.rows(ContentType.DASHBOARD, deleted="include")]


def leave_rows_in_wal(path):
    """Copy a vault with its log while its writer still has it open, as a killed backup leaves it."""
    writer = apsw.Connection(str(path))
    writer.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    writer.execute("UPDATE content_items SET name = 'only in the log' WHERE content_type = 1 AND id = '1'")
    killed = path.parent.parent / "killed" / path.name
    killed.parent.mkdir()
    for ending in ("", "-wal"):
        shutil.copyfile(f"{path}{ending}", f"{killed}{ending}")
    writer.close()
    return killed


def test_reading_writes_nothing_beside_the_vault(vault):
    before = beside(vault)
    assert len(names(vault)) == 30
    assert beside(vault) == before


def test_an_empty_wal_is_no_reason_for_a_copy(vault, monkeypatch):
    vault.with_name("small.db-wal").touch()
    monkeypatch.setattr(tempfile, "TemporaryDirectory", None)
    before = beside(vault)
    assert len(names(vault)) == 30
    assert beside(vault) == before


def test_rows_waiting_in_the_wal_are_read_from_a_private_copy(vault, tmp_path, monkeypatch):
    killed = leave_rows_in_wal(vault)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = beside(killed)
    with open_vault(killed) as backup:
        assert backup.get(ContentType.DASHBOARD, "1").name == "only in the log"
        assert list(scratch.iterdir())
        assert backup.info().size_bytes == sum(map(len, before.values()))
    assert beside(killed) == before
    assert list(scratch.iterdir()) == []


def test_what_a_session_has_done_is_left_out_of_a_private_copy_as_well(vault, tmp_path):
    killed, state = leave_rows_in_wal(vault), tmp_path / "state.db"
    StateStore(state).close()
    with open_vault(killed) as backup:
        assert backup.count(ContentType.DASHBOARD, deleted="include", done_in=DoneIn(state, "none")) == 30


def test_the_wal_is_found_beside_the_file_a_link_points_to(vault, tmp_path):
    killed = leave_rows_in_wal(vault)
    link = tmp_path / "latest.db"
    link.symlink_to(killed)
    assert "only in the log" in names(link)


def test_no_room_for_the_copy_is_said_with_what_to_do(vault, monkeypatch):
    killed = leave_rows_in_wal(vault)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(VaultError, match="no room") as caught:
        open_vault(killed)
    assert "TMPDIR" in caught.value.hint


def test_a_copy_of_a_vault_that_is_being_written_is_refused(vault, monkeypatch):
    killed = leave_rows_in_wal(vault)
    copy = shutil.copyfile

    def copy_while_written(source, target):
        copy(source, target)
        with killed.open("ab") as file:
            file.write(b"\0")

    monkeypatch.setattr(shutil, "copyfile", copy_while_written)
    with pytest.raises(VaultError, match="being written"):
        open_vault(killed)


def test_a_vault_that_changes_while_it_is_read_is_refused(vault):
    with open_vault(vault) as backup:
        rows = backup.rows(ContentType.DASHBOARD)
        next(rows)
        with vault.open("ab") as file:
            file.write(b"\0")
        with pytest.raises(VaultError, match="changed while it was read"):
            list(rows)


def test_a_backup_that_begins_or_is_replaced_meanwhile_does_no_harm(vault):
    with open_vault(vault) as backup:
        rows = backup.rows(ContentType.DASHBOARD, deleted="include")
        next(rows)
        vault.with_name("small.db-wal").write_bytes(b"a log that another process begins")
        newer = vault.with_name("newer.db")
        make_vault.write_vault(newer, dashboards=1)
        newer.replace(vault)
        assert len(list(rows)) == 29


@pytest.mark.parametrize("name", ["a b#?%41é.db", "'quoted'.db"])
def test_odd_file_names(vault, name):
    odd = vault.with_name(name)
    vault.rename(odd)
    assert len(names(odd)) == 30


def test_an_absent_vault_is_not_found(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        open_vault(tmp_path / "none.db")
    assert caught.value.exit_code == ExitCode.NOT_FOUND
    assert "--db-path" in caught.value.hint


def write_bytes(content):
    return lambda path: path.write_bytes(content)


def write_sql(sql):
    def write(path):
        with closing(apsw.Connection(str(path))) as db:
            db.execute(sql)

    return write


def truncate(path):
    make_vault.write_vault(path, dashboards=30)
    os.truncate(path, path.stat().st_size // 2)


def make_newer(path):
    make_vault.write_vault(path, dashboards=1)
    write_sql("INSERT INTO schema_version VALUES (5, '', '')")(path)


REFUSED = {
    "empty": (write_bytes(b""), "is empty"),
    "text": (write_bytes(b"not a database, but longer than a header of SQLite is " * 9), "no SQLite file"),
    "other database": (write_sql("CREATE TABLE t (a)"), "not a lookervault backup"),
    "other columns": (write_sql("CREATE TABLE content_items (id)"), "lacks content_type"),
    "truncated": (truncate, r"truncated: [\d,]+ of [\d,]+ bytes"),
    "header only": (lambda path: (truncate(path), os.truncate(path, 50)), "truncated"),
    "newer": (make_newer, "schema version 5; this release reads 1 to 4"),
    "folder": (lambda path: path.mkdir(), "not a file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_vault_is_refused_in_one_line(kind, tmp_path):
    write, message = REFUSED[kind]
    path = tmp_path / "vault.db"
    write(path)
    with pytest.raises(VaultError, match=message) as caught:
        open_vault(path)
    assert caught.value.exit_code == ExitCode.VALIDATION
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_broken_page_is_reported_where_it_is_met(tmp_path):
    path = tmp_path / "vault.db"
    make_vault.write_vault(path, dashboards=300, looks=5, folders=5, users=3)
    with open_vault(path) as backup:
        slug = decode_blob(backup.get(ContentType.DASHBOARD, "150").blob)["slug"].encode()
    page_size = 16_384
    with path.open("r+b") as file:
        file.seek(file.read().index(slug) // page_size * page_size)
        file.write(b"\xaa" * page_size)
    read = []
    with open_vault(path) as backup:
        rows = backup.rows(ContentType.DASHBOARD)
        with pytest.raises(VaultError, match=r"damaged.*\(at row 1\d\d\)"):
            read.extend(row.source_id for row in rows)
