"""Mappings that a file says, against a backup and an instance."""

import json
from pathlib import Path

import pytest
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.state.lock import RunLock
from lvrestore.state.mappings import CONTENT_TYPES
from lvrestore.state.reader import StateReader
from lvrestore.vault import open_vault

THERE = "https://there.example.com"
HEADER = "content_type,source_id,destination_id\n"


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    path = tmp_path_factory.mktemp("backup") / "vault.db"
    write_vault(path, **mixed(150), seed=3)
    return path


@pytest.fixture
def elsewhere(backup, tmp_path):
    """Another instance, which has what a first run made of the backup."""
    with running_site(backup, tmp_path, empty=True, first_id=50_000) as site:
        ended = site.run(["all", "--procs", "1", *site.arguments("--source-instance", THERE)])
        assert ended.counts["created"]
        site.looker.clear_log()
        yield site
        site.end_all()


def stored(site):
    found = StateReader(site.state).mappings.find(CONTENT_TYPES)
    return {(m.content_type, m.source_id): (m.destination_id, m.rule, m.state) for m in found}


def write(site, text):
    path = site.folder / "mappings.csv"
    path.write_text(text)
    return path


def imports(site, text, *more, **options):
    path = text if isinstance(text, Path) else write(site, text)
    arguments = ["map", "import", str(path), *site.arguments("--source-instance", THERE, *more)]
    return site.run(arguments, **options)


def lines(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


def pick(site, kind, n=2):
    """Some mapped ids of a kind: the backup's and the destination's."""
    return [(i, to[0]) for (one, i), to in stored(site).items() if one == kind][:n]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_was_exported_is_the_same(elsewhere, form):
    before = stored(elsewhere)
    path = elsewhere.folder / f"out.{form}"
    exported = elsewhere.run(["map", "export", "--state", str(elsewhere.state), "-o", str(path)])
    assert exported.code == 0
    ended = imports(elsewhere, path)
    expected = {"type": "imported", "new": 0, "same": len(before), "replaced": 0, "dry_run": False}
    assert (ended.code, lines(ended)) == (0, [expected])
    assert stored(elsewhere) == before


def test_what_was_forgotten_can_be_said_and_the_next_run_believes_it(elsewhere):
    before = stored(elsewhere)
    path = elsewhere.folder / "out.csv"
    elsewhere.run(["map", "export", "--state", str(elsewhere.state), "-o", str(path)])
    elsewhere.run(["map", "clear", "--all", "--force", "--state", str(elsewhere.state)])
    shown = imports(elsewhere, path, "--dry-run")
    assert (shown.code, lines(shown)[0]["dry_run"], stored(elsewhere)) == (0, True, {})
    ended = imports(elsewhere, path)
    assert (ended.code, lines(ended)[0]["new"]) == (0, len(before))
    assert stored(elsewhere) == {item: (to, "import", "done") for item, (to, _, _) in before.items()}
    assert elsewhere.writes() == []
    again = elsewhere.run(["all", "--procs", "1", *elsewhere.arguments("--source-instance", THERE)])
    assert again.counts["created"] == 0


def test_two_that_change_places_are_replaced(elsewhere):
    (one, to_one), (other, to_other) = pick(elsewhere, "look")
    ended = imports(elsewhere, f"{HEADER}look,{one},{to_other}\nlooks,{other},{to_one}\n")
    assert (ended.code, lines(ended)[0]["replaced"]) == (0, 2)
    assert stored(elsewhere)["look", one] == (to_other, "import", "done")
    assert "2 replaced" in ended.err


def test_every_problem_is_named_by_its_line_and_nothing_is_written(elsewhere):
    before = stored(elsewhere)
    (one, to_one), (other, to_other) = pick(elsewhere, "look")
    text = HEADER + "".join(
        f"{row}\n"
        for row in (
            f"look,{one},{to_one}",
            f"look,{other},{to_one}",
            f"look,{one},{to_other}",
            "look,987654,1",
            f"look,{other},",
            "tile,1,2",
            f"look,{pick(elsewhere, 'look', 3)[2][0]},777777",
        )
    )
    ended = imports(elsewhere, text)
    *problems, error = lines(ended)
    assert (ended.code, error["kind"]) == (3, "validation")
    told = {(p["line"], word) for p in problems for word in SAID if word in p["message"]}
    assert told >= {
        (3, "leave one of them out"), (4, "already"), (5, "not in the backup"), (6, "missing"),
        (7, "unknown content type"), (8, "is not on"),
    }  # fmt: skip
    assert stored(elsewhere) == before


SAID = (
    "leave one of them out", "already", "not in the backup", "missing", "unknown content type", "is not on",
    "that of look", "is of https://third.example.com",
)  # fmt: skip


def test_an_object_of_another_item_and_an_item_of_another_source_are_refused(elsewhere):
    (one, _), (other, to_other) = pick(elsewhere, "look")
    ended = imports(elsewhere, f"{HEADER}look,{one},{to_other}\n")
    assert (ended.code, lines(ended)[0]["message"].count(f"that of look {other} already")) == (3, 1)
    text = f"source_instance,{HEADER}https://third.example.com,look,{one},{to_other}\n"
    ended = imports(elsewhere, text)
    assert ended.code == 3
    assert "is of https://third.example.com" in lines(ended)[0]["message"]


def test_all_types_are_looked_for_on_the_instance(elsewhere):
    kinds = {kind for kind, _ in stored(elsewhere)} - {"lookml_model"}
    assert len(kinds) >= 8
    elsewhere.run(["map", "clear", "--all", "--force", "--state", str(elsewhere.state)])
    with_all = "".join(f"{kind},{i},nowhere\n" for kind, i in in_backup(elsewhere.vault, kinds).items())
    ended = imports(elsewhere, HEADER + with_all)
    problems = [one for one in lines(ended) if one["type"] == "problem"]
    assert {one["message"].split()[0] for one in problems if "is not on" in one["message"]} == kinds


def in_backup(vault, kinds):
    with open_vault(vault) as opened:
        return {kind: next(opened.ids(ContentType[kind.upper()])) for kind in kinds}


def test_it_waits_for_nobody_and_asks(elsewhere):
    (one, to_one), (other, to_other) = pick(elsewhere, "look")
    path = write(elsewhere, f"{HEADER}look,{one},{to_other}\nlook,{other},{to_one}\n")
    unasked = [one for one in elsewhere.arguments("--source-instance", THERE) if one != "--force"]
    assert elsewhere.run(["map", "import", str(path), *unasked]).code == 64
    host, _, port = elsewhere.url.rpartition("/")[2].partition(":")
    usual = elsewhere.folder / "usual" / "lvrestore" / f"{host}-{port}.db"
    lock = RunLock.acquire(usual, usual, 0)
    try:
        assert imports(elsewhere, path).code == 6
    finally:
        lock.release()
    assert stored(elsewhere)["look", one][0] == to_one
