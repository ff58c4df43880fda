"""Names that items of one run hold for each other, through the whole engine."""

import json

import pytest

from lvrestore.model import ContentType
from lvrestore.vault import decode_blob, open_vault

SAME = ("total", "created", "unchanged", "skipped", "conflict", "failed")
FIELDS = {
    "folder": ("name", "parent_id"),
    "look": ("title", "folder_id"),
    "dashboard": ("title", "folder_id"),
}


def siblings(site, kind):
    """The ids of the most items of a kind that lie in one place."""
    name, place = FIELDS[kind]
    places = {}
    with open_vault(site.vault) as vault:
        for row in vault.rows(ContentType[kind.upper()]):
            content = decode_blob(row.blob)
            if content.get(place) and not content.get("is_personal") and row.source_id.isdigit():
                places.setdefault(content[place], []).append((row.source_id, content[name]))
    return max(places.values(), key=len)


def shift(site, kind, found):
    """Give each one the name of the one before, and the first that of the last: a circle."""
    name, _ = FIELDS[kind]
    where = [f"/{kind}s/{one}" for one, _ in found]
    site.looker.call("PATCH", where[0], {name: "for a moment"})
    for one, (_, before) in zip(where[1:], found, strict=False):
        site.looker.call("PATCH", one, {name: before})
    site.looker.call("PATCH", where[0], {name: found[-1][1]})


@pytest.mark.parametrize("procs", ["1", "2"])
def test_circles_of_names_come_right_in_one_run(site, procs):
    circles = {kind: siblings(site, kind) for kind in FIELDS}
    assert all(len(found) > 1 for found in circles.values())
    for kind, found in circles.items():
        shift(site, kind, found)
    types = [word for kind in FIELDS for word in ("--type", kind)]
    arguments = ["bulk", *types, "--procs", procs, "--inflight", "2", *site.arguments()]
    planned = json.loads(site.run([*arguments, "--dry-run"]).out.splitlines()[-1])
    ended = site.run(arguments)
    assert (ended.code, ended.summary["error_breakdown"]) == (0, {}), ended
    assert planned["error_breakdown"] == {}
    for kind, counts in ended.summary["content_type_breakdown"].items():
        expected = planned["content_type_breakdown"][kind]
        assert [expected[name] for name in SAME] == [counts[name] for name in SAME]
    for kind, found in circles.items():
        named = [site.looker.call("GET", f"/{kind}s/{one}")[FIELDS[kind][0]] for one, _ in found]
        assert named == [name for _, name in found]
    site.looker.clear_log()
    again = site.run(arguments)
    assert again.counts["updated"] == again.counts["error"] == 0, again
    assert not [r for r in site.looker.requests if r.method != "GET" and r.path != "/login"]
