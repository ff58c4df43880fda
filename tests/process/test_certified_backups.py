"""A whole backup with certificates, with real processes, in all four ways that an instance may treat certificates."""

import itertools

import apsw
import msgspec
import pytest
from comparison import Backup, compare
from processes import running_site

from lvrestore.model import ContentType

CERTIFIED = {"certification_status": "certified", "notes": "checked", "user_name": "Ann", "ui_status": None}
OF_TILES = "dashboard_elements"
FLIPPED = [
    {"certification_in_body": in_body, "edit_revokes": revokes}
    for in_body, revokes in itertools.product(("honoured", "ignored"), ("no", "yes"))
]


@pytest.fixture(scope="module")
def certified_vault(vault, tmp_path_factory):
    """The backup with every third dashboard and look certified, and a tile of each of these dashboards."""
    path = tmp_path_factory.mktemp("certified") / "vault.db"
    path.write_bytes(vault.read_bytes())
    with apsw.Connection(str(path)) as db:
        for kind in (ContentType.DASHBOARD, ContentType.LOOK):
            rows = db.execute("SELECT rowid, content_data FROM content_items WHERE content_type = ?", (kind,))
            for number, (rowid, blob) in enumerate(rows.fetchall()):
                if number % 3 == 0:
                    content = msgspec.msgpack.decode(blob) | {"certification_metadata": CERTIFIED}
                    for tile in (content.get(OF_TILES) or [])[:1]:
                        tile["certification_metadata"] = CERTIFIED
                    packed = msgspec.msgpack.encode(content)
                    db.execute("UPDATE content_items SET content_data = ? WHERE rowid = ?", (packed, rowid))
    return path


def wrong(site, *, tiles):
    """What differs from the backup; where bodies certify nothing, tiles cannot be certified."""
    backup = Backup(site.vault)
    for content in backup.items["dashboard"].values():
        for tile in () if tiles else content.get(OF_TILES) or ():
            tile.pop("certification_metadata", None)
    found = compare(backup, site.looker.dump())
    # A look that was in the trash when the backup was made is left out, and so is a tile that shows it.
    looks, shows = (
        backup.items["look"],
        {i: d.get(OF_TILES) or () for i, d in backup.items["dashboard"].items()},
    )
    partial = {
        i for i, tiles in shows.items() if any(t.get("look_id") and t["look_id"] not in looks for t in tiles)
    }
    ours = [one for one in found if one.kind in {"dashboard", "look"} and one.what != "gone"]
    return [one for one in ours if one.object_id not in partial]


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("switches", FLIPPED)
def test_certificates_come_back_and_a_second_run_writes_nothing(certified_vault, tmp_path, switches, empty):
    bodies_certify = switches["certification_in_body"] == "honoured"
    types = ["--type", "folder", "--type", "look", "--type", "dashboard"]
    types += ["--type", "user", "--type", "lookml_model"]
    with running_site(certified_vault, tmp_path, types=("dashboard", "look"), first_id=50_000) as site:
        site.looker.switches.update(switches)
        if empty:
            for kind in ("dashboards", "looks"):
                for item_id in list(site.looker.dump()[kind]):
                    site.looker.call("DELETE", f"/{kind}/{item_id}")
            site.looker.clear_log()
        # All dashboards may be gone: that is done unasked only on an instance that was named.
        given = site.arguments("--expect-host", "127.0.0.1")
        arguments = ["bulk", *types, "--procs", "2", "--inflight", "2", *given]
        ended = site.run(arguments)
        kinds = {one["kind"]: one["count"] for one in ended.summary["warnings"]}
        assert kinds["certified_anew"] > 0, ended
        assert wrong(site, tiles=bodies_certify) == [], ended
        certifying = [r for r in site.writes() if r.path.endswith("/certification")]
        assert len({r.path for r in certifying}) == len(certifying)
        site.looker.clear_log()
        again = site.run(arguments)
        assert [f"{r.method} {r.path}" for r in site.writes()] == [], again


@pytest.mark.parametrize("revokes", ["no", "yes"])
def test_on_another_instance_as_well_also_when_the_state_is_lost(certified_vault, tmp_path, revokes):
    with running_site(
        certified_vault, tmp_path, empty=True, first_id=50_000_000, switches={"edit_revokes": revokes}
    ) as site:
        arguments = ["all", "--procs", "2", *site.arguments()]
        site.run(arguments)
        shown = [d for kind in ("dashboards", "looks") for d in site.looker.dump()[kind].values()]
        states = [(d.get("certification_metadata") or {}).get("certification_status") for d in shown]
        assert states.count("certified") > 5
        assert "revoked" not in states
        for _ in range(2):
            site.looker.clear_log()
            site.run(arguments)
            assert site.writes() == []
            site.state.unlink()
