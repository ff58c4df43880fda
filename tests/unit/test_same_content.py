"""The comparison of two sandboxes: ids do not matter, everything else does."""

import copy
import json

import pytest
from make_vault import mixed, write_vault
from same_content import differences, main

from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.seeding.seed import from_vault


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    write_vault(path, **mixed(120))
    return path


@pytest.fixture(scope="module")
def dump(vault):
    looker = Looker()
    from_vault(looker, vault)
    return looker.dump()


def found(first, second):
    return [str(one).partition(": ")[2] for one in differences(first, second)]


def small(first_id, titles):
    """A Looker with a look and a dashboard per title, which links to the one before."""
    looker, dashboard_id = Looker(first_id=first_id), "0"
    looker.add_model("shop", ["orders"])
    query_id = looker.call("POST", "/queries", {"model": "shop", "view": "orders"})["id"]
    folder_id = looker.call("POST", "/folders", {"name": "Sales", "parent_id": str(first_id)})["id"]
    for title in titles:
        home = {"title": title, "folder_id": folder_id}
        look_id = looker.call("POST", "/looks", {**home, "query_id": query_id})["id"]
        made = looker.call("POST", "/dashboards", {**home, "slug": f"slug-{title}"})
        text = f"After /dashboards/{dashboard_id}" if dashboard_id != "0" else "First"
        tile = {"dashboard_id": made["id"], "type": "vis", "look_id": look_id, "note_text": text}
        looker.call("POST", "/dashboard_elements", tile)
        dashboard_id = made["id"]
    return looker.dump()


def test_ids_do_not_matter():
    assert found(small(1, "ab"), small(1000, "ab")) == []


def test_links_and_references_are_followed():
    first, second = small(1, "ab"), small(1000, "ab")
    (tile,) = second["dashboards"]["1001"]["dashboard_elements"]
    tile["note_text"], tile["look_id"] = "After /dashboards/1001", "1000"
    paths = [text.partition(": ")[0] for text in found(first, second)]
    assert "differs dashboard_elements[0].note_text" in paths
    assert "differs dashboard_elements[0].look_id" in paths


def test_whole_instance_is_like_itself(dump):
    assert found(dump, dump) == []


@pytest.mark.parametrize(
    "kind", ["dashboards", "looks", "boards", "scheduled_plans", "users", "groups", "roles"]
)
def test_what_is_missing_or_there_twice_is_said(dump, kind):
    more = copy.deepcopy(dump)
    more[kind]["99999999"] = copy.deepcopy(next(iter(dump[kind].values())))
    assert found(dump, more) == ["surplus"]
    assert found(more, dump) == ["missing"]


def test_a_tile_that_is_there_twice_is_said(dump):
    more = copy.deepcopy(dump)
    tiles = next(
        one["dashboard_elements"] for one in more["dashboards"].values() if one["dashboard_elements"]
    )
    tiles.append({**tiles[0], "id": "99999999"})
    (said,) = found(dump, more)
    assert said.startswith("differs dashboard_elements[0]: null != ")


@pytest.mark.parametrize("kind", ["grants", "memberships"])
def test_who_belongs_to_what_matters(dump, kind):
    more = copy.deepcopy(dump)
    held = next(one for one in more[kind].values() if one["user_ids"])
    held["user_ids"].pop()
    assert len(found(dump, more)) == 1


def test_what_lies_in_the_trash_differs(dump):
    more = copy.deepcopy(dump)
    for kind in ("looks", "boards"):
        thing = next(iter(more[kind].values()))
        thing["deleted_at"] = None if thing["deleted_at"] else "2026-01-01T00:00:00.000+00:00"
    said = [text.partition(": ")[0] for text in found(dump, more)]
    assert said == ["differs deleted_at", "differs deleted_at"]


def test_command(dump, tmp_path, monkeypatch, capsys):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps(dump))
    for content, code, last in ((dump, 0, "the same"), ({**dump, "looks": {}}, 1, "differences")):
        second.write_text(json.dumps(content))
        monkeypatch.setattr("sys.argv", ["same_content.py", str(first), str(second)])
        assert main() == code
        assert capsys.readouterr().out.rstrip().endswith(last)
