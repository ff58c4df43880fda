"""Several types in one run: what is made in one wave is there for the next."""

from lvrestore.model import ContentType
from lvrestore.vault import open_vault


def test_a_lost_folder_tree_comes_back_with_what_was_in_it(site):
    with open_vault(site.vault) as vault:
        tree = vault.folder_tree
        rows = {t: vault.count(t) for t in (ContentType.FOLDER, ContentType.LOOK, ContentType.DASHBOARD)}
        below = [one for one in tree.folders.values() if one.parent_id == "1"]
    for folder in below:
        site.looker.handle("DELETE", f"/folders/{folder.source_id}")
    types = [word for name in ("folder", "look", "dashboard") for word in ("--type", name)]
    arguments = ["bulk", *types, "--procs", "2", "--inflight", "2", *site.arguments()]
    ended = site.run(arguments)
    breakdown = ended.summary["content_type_breakdown"]
    assert {name: counts["total"] for name, counts in breakdown.items()} == {
        t.label: n for t, n in rows.items()
    }
    assert breakdown["folder"]["created"] >= len(below)
    again = site.run(arguments)
    assert again.counts["created"] == again.counts["updated"] == 0, again
