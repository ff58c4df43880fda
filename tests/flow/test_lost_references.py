"""What failed, is in conflict or was left half made is no reference for anybody: it is named, and not sent."""

import msgspec
import pytest
from factory import make_dashboard, make_looker
from harness import Memory
from harness import restore as restore_any
from make_vault import write_vault
from whole_runs import looker_of

from lvrestore.content.knowledge import destination_of
from lvrestore.model import ContentType, MappedId, MappingState, MatchRule, Operation, Waits, is_lost
from lvrestore.settings import Caller
from lvrestore.vault import decode_blob, open_vault

WRITES = {"POST", "PATCH", "PUT"}
# Who refers to what, by (type that refers, type that is lost).
REFERENCES = [
    ("dashboard", "folder"),
    ("look", "folder"),
    ("folder", "folder"),
    ("dashboard", "look"),
    ("scheduled_plan", "look"),
    ("board", "look"),
    ("board", "dashboard"),
    ("dashboard", "user"),
    ("look", "user"),
    ("user", "group"),
    ("user", "role"),
    ("role", "permission_set"),
    ("role", "model_set"),
    ("role", "user"),
]


class World:
    """An object of every type that others refer to, and one of each that refers to it."""

    def __init__(self):
        self.looker = looker = make_looker()
        sets = {
            f"{one}_set_id": self.make(f"{one}_sets", name=f"A {one} set") for one in ("permission", "model")
        }
        self.lost = {
            "folder": looker.folder,
            "look": looker.look,
            "user": looker.owner,
            "dashboard": make_dashboard(looker, "Shown"),
            "group": self.make("groups", name="Sellers"),
            "role": self.make("roles", name="Seller", **sets),
            "permission_set": sets["permission_set_id"],
            "model_set": sets["model_set_id"],
        }
        looker.call("POST", f"/groups/{self.lost['group']}/users", {"user_id": looker.owner})
        looker.call("PUT", f"/roles/{self.lost['role']}/users", [looker.owner])

    def make(self, collection, **body):
        return self.looker.call("POST", f"/{collection}", body)["id"]

    def referring(self, kind, to):
        """An object of a kind that refers to the lost one of another."""
        place = {"folder_id": self.lost["folder"] if to == "folder" else "1"}
        owner = {"user_id": self.lost["user"] if to == "user" else self.looker.call("GET", "/user")["id"]}
        match kind:
            case "folder":
                return self.make("folders", name="Below", parent_id=self.lost["folder"])
            case "look":
                return self.make("looks", title="Other", query_id=self.looker.query, **place, **owner)
            case "dashboard":
                made = make_dashboard(self.looker, "Other", tiles=0, **place, **owner)
                if to == "look":
                    tile = {"dashboard_id": made, "type": "vis", "look_id": self.lost["look"]}
                    self.looker.call("POST", "/dashboard_elements", tile)
                return made
            case "scheduled_plan":
                mail = {"type": "email", "format": "csv", "address": "boss@example.com"}
                needs = dict.fromkeys(("require_results", "require_no_results", "require_change"), False)
                body = {**needs, "name": "Daily", "crontab": "0 6 * * *", "timezone": "UTC", "enabled": False}
                sent = {"scheduled_plan_destination": [mail], f"{to}_id": self.lost[to]}
                return self.make("scheduled_plans", **body, **sent, **owner)
            case "board":
                board = self.make("boards", title="Board")
                section = self.make("board_sections", title="Section", board_id=board)
                self.make("board_items", board_section_id=section, **{f"{to}_id": self.lost[to]})
                return board
            case _:
                return self.lost[kind]

    def content(self, kind, one):
        return {k: v for k, v in self.looker.call("GET", f"/{kind}s/{one}").items() if v is not None}


HALF_MADE = "777"


def restored_without(kind, to, *, half_made, lost):
    """Restore one that refers to a lost one; the result, and the values that were sent as references.

    `half_made`: an attempt has made the lost one anew and has not come to its end; `lost`: it failed in this run, or
    is in conflict, as somebody else's object is under its number.
    """
    world = World()
    looker, one = world.looker, world.referring(kind, to)
    caller = Caller(id=looker.call("GET", "/user")["id"])
    memory = Memory(caller=caller, access="restore", grants_by_role=to != "role")
    for other in world.lost:
        for live in looker.call("GET", f"/{other}s"):
            memory.contents[other, live["id"]] = world.content(other, live["id"])
    content, source_id = world.content(kind, one), world.lost[to]
    if kind in {"user", "role"} and to in {"group", "role", "user"}:
        looker.call("PUT", f"/roles/{world.lost['role']}/users", [])
        looker.call("DELETE", f"/groups/{world.lost['group']}/users/{looker.owner}")
    else:
        looker.call("DELETE", f"/{kind}s/{one}")
    if half_made:
        memory.mappings[to, source_id] = MappedId(HALF_MADE, None, MappingState.BEGUN, MatchRule.CREATED)
    memory.ended_items = {(to, source_id): True} if lost else {}
    looker.clear_log()
    (result,) = restore_any(
        looker, [(one, msgspec.msgpack.encode(content))], memory, content_type=ContentType[kind.upper()]
    )
    written = [one for one in looker.requests if one.method in WRITES]
    return result, source_id, [sent_as(to, one) for one in written]


def sent_as(kind, request):
    """What a request refers to of a kind."""
    body = request.body
    if isinstance(body, list):
        return body
    fields = {f"{kind}_id", *(["parent_id"] if kind == "folder" else [])}
    at = [request.path.split("/")[2]] if request.path.startswith(f"/{kind}s/") else []
    return at + [value for name, value in (body or {}).items() if name in fields]


@pytest.mark.widens_access
@pytest.mark.parametrize(("half_made", "lost"), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize(("kind", "to"), REFERENCES)
def test_nobody_refers_to_what_is_not_to_be_relied_on(kind, to, half_made, lost):
    result, source_id, sent = restored_without(kind, to, half_made=half_made, lost=lost)
    assert not any(one in values for values in sent for one in (HALF_MADE, source_id)), sent
    said = (result.error.message if result.error else "") + str(result.warnings)
    if (kind, to) != ("role", "user"):  # of those who had a role nobody is told who is not there
        assert f"{to} {source_id}" in said
    if to in {"folder", "permission_set", "model_set"}:
        assert result.operation is Operation.FAILED
        assert result.error.blockers == (f"{to} {source_id}",)


@pytest.mark.parametrize(("kind", "to"), REFERENCES)
def test_what_was_found_and_not_made_is_referred_to(kind, to):
    """Where nothing was made an unfinished attempt changes nothing: the object is there under its own number."""
    world = World()
    memory = Memory()
    memory.mappings[to, world.lost[to]] = MappedId(world.lost[to], None, MappingState.BEGUN, MatchRule.ID)
    assert destination_of(memory, to, world.lost[to]) == world.lost[to]
    assert kind


def test_a_folder_that_waits_for_its_name_is_there():
    assert is_lost("folder", Operation.FAILED, Waits.NO)
    assert not is_lost("folder", Operation.FAILED, Waits.FOR_NAME)
    assert is_lost("user", Operation.FAILED, Waits.FOR_NAME)
    assert is_lost("look", Operation.CONFLICT, Waits.NO)
    assert not is_lost("look", Operation.SKIPPED, Waits.NO)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_person_whose_address_is_taken_owns_nothing(tmp_path, dry_run):
    vault = tmp_path / "vault.db"
    write_vault(
        vault, dashboards=12, looks=6, folders=4, users=4, boards=2, plans=4, oddities=False, whole=True
    )
    with looker_of(vault, tmp_path) as place:
        lost = next(one for one in owners(vault) if place.looker.call("GET", f"/users/{one}").get("email"))
        owned = {kind: owned_by(place, kind, lost) for kind in ("dashboard", "look")}
        people = {one["id"] for one in place.looker.call("GET", "/users")}
        place.looker.call("DELETE", f"/users/{lost}")
        for one in owned["dashboard"]:
            place.looker.call("DELETE", f"/dashboards/{one}")
        place.looker.on("POST", "/users/*/credentials_email").answer(
            409,
            {"message": "Validation Failed", "errors": [{"field": "email", "code": "already_exists"}]},
            times=99,
        )
        place.run("all", *(["--dry-run"] if dry_run else []), vault=vault)
        if dry_run:
            assert place.writes() == []
            return
        (made,) = [one for one in place.looker.call("GET", "/users") if one["id"] not in people]
        assert place.ended()["user", lost] == "failed"
        assert owned["dashboard"]
        for kind in ("dashboard", "look"):
            assert owned_by(place, kind, made["id"]) == []
        assert not [r for r in place.looker.requests if (r.body or {}).get("user_id") == made["id"]]


def owners(vault):
    with open_vault(vault) as opened:
        rows = list(opened.rows(ContentType.DASHBOARD))
    return [str(decode_blob(row.blob)["user_id"]) for row in rows if decode_blob(row.blob).get("user_id")]


def owned_by(place, kind, user_id):
    listed = place.looker.call("GET", f"/{kind}s")
    whole = (place.looker.call("GET", f"/{kind}s/{one['id']}") for one in listed)
    return [one["id"] for one in whole if one.get("user_id") == user_id]
