"""A backup of one instance, another instance with content of its own, and what a move must leave as it is."""

import json
import random
from contextlib import contextmanager

import apsw
import msgspec
from comparison import Backup, compare
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType

# Another world with the same numbers: some of its names are those of the first one, by chance.
ANOTHER_SEED = 2
# What others' content shows of what is new beside it: how many folders lie in one, who is in which group.
SHARED = {"folders": {"child_count"}, "groups": {"user_count"}, "users": {"group_ids", "role_ids"}}
# A field of each type that a person may change, and nobody else depends on.
CHANGEABLE = {
    ContentType.DASHBOARD: "description",
    ContentType.LOOK: "description",
    ContentType.BOARD: "description",
    ContentType.SCHEDULED_PLAN: "custom_url_label",
}


@contextmanager
def inhabited_site(folder, rows, **options):
    """A Looker that is in use, beside a backup of another one with the same ids."""
    ours, theirs = folder / "source.db", folder / "inhabitants.db"
    write_vault(ours, **mixed(rows))
    write_vault(theirs, **mixed(rows), seed=ANOTHER_SEED)
    with running_site(theirs, folder, damaged=False, **options) as site:
        site.vault = ours
        settle_in(site, ours)
        yield site


def settle_in(site, vault):
    """A folder of the source's name elsewhere, and its people under other names."""
    looker, backup = site.looker, Backup(vault)
    shared = next(i for i, one in looker.dump()["folders"].items() if one.get("is_shared_root"))
    away = looker.call("POST", "/folders", {"name": "Moved away", "parent_id": shared})["id"]
    top = next(i for i, one in backup.items["folder"].items() if one.get("is_shared_root"))
    names = {one["name"] for one in backup.items["folder"].values() if one.get("parent_id") == top}
    looker.call("POST", "/folders", {"name": min(names), "parent_id": away})
    for user_id, user in looker.dump()["users"].items():
        if user.get("email"):
            looker.call("PATCH", f"/users/{user_id}", {"last_name": "Renamed here"})
    looker.clear_log()


def touched(before, after):
    """What was there before and is not as it was: {(table, id): fields}."""
    found = {}
    for table, objects in before.items():
        for object_id, one in objects.items():
            now = after[table].get(object_id) or {}
            fields = {name for name in one.keys() | now.keys() if one.get(name) != now.get(name)}
            if fields - SHARED.get(table, set()):
                found[table, object_id] = fields
    return found


def said_of_items(site):
    """{(type, id)} of which the sessions so far have said anything: an error, a conflict, a warning."""
    with apsw.Connection(str(site.state), flags=apsw.SQLITE_OPEN_READONLY) as db:
        rows = db.execute(
            "SELECT content_type, source_id FROM restored_items"
            " WHERE error_kind IS NOT NULL OR status = 'conflict' OR warnings <> '[]'"
        )
        return {(ContentType(number).label, source_id) for number, source_id in rows}


def wrong(site, before):
    """What of the backup is not as it should be, by type and id."""
    items = {}
    for one in compare(Backup(site.vault), site.looker.dump(), before):
        items.setdefault((one.kind, one.object_id), []).append(one.what)
    return items


def changed_vault(vault, path, share, seed=7):
    """A newer backup in which a share of the content was changed; return its items as (type, id)."""
    path.write_bytes(vault.read_bytes())
    chance, found = random.Random(seed), set()
    with apsw.Connection(str(path)) as db:
        rows = db.execute(
            "SELECT rowid, content_type, id, content_data FROM content_items WHERE deleted_at IS NULL"
        ).fetchall()
        for number, content_type, source_id, blob in rows:
            field = CHANGEABLE.get(content_type)
            if field is None or chance.random() > share:
                continue
            content = {**msgspec.msgpack.decode(blob), field: f"changed {seed}"}
            new = msgspec.msgpack.encode(content)
            db.execute(
                "UPDATE content_items SET content_data = ?, content_size = ? WHERE rowid = ?",
                (new, len(new), number),
            )
            found.add((ContentType(content_type).label, source_id))
    return found


def letters(site):
    """{(type, id): message} of what failed."""
    listed = site.run(["dlq", "list", "--json", "--limit", "100000", "--state", str(site.state)]).out
    found = map(json.loads, listed.splitlines())
    return {(one["content_type"], one["content_id"]): one["message"] for one in found}
