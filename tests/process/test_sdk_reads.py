"""What was restored is read back with Looker's own client, every type of it."""

import pytest
from comparer.pairing import automatic, pair_all
from comparer.world import World
from comparison import Backup
from make_vault import mixed, write_vault
from processes import running_site
from sdk_client import client

pytestmark = [pytest.mark.enables_plans, pytest.mark.widens_access]
# Enough of each type that some are not built in.
SIZES = mixed(120) | {"oddities": False, "groups": 6, "roles": 7, "permission_sets": 9, "model_sets": 4}
# Type: the client's method, and what tells whether it is the same thing, of vault and client alike.
READ = {
    "lookml_model": ("lookml_model", lambda one: (one["project_name"], one["allowed_db_connection_names"])),
    "permission_set": ("permission_set", lambda one: (one["name"], sorted(one["permissions"]))),
    "model_set": ("model_set", lambda one: (one["name"], sorted(one["models"]))),
    "role": ("role", lambda one: (one["name"], one["permission_set"]["name"], one["model_set"]["name"])),
    "group": ("group", lambda one: (one["name"], one["can_add_to_content_metadata"])),
    "user": ("user", lambda one: (one["first_name"], one["last_name"], one["email"], one["is_disabled"])),
    "folder": ("folder", lambda one: (one["name"],)),
    "look": ("look", lambda one: (one["title"], one["description"], one["query_id"])),
    "dashboard": ("dashboard", lambda one: (one["title"], one["slug"], *parts_of(one))),
    "board": ("board", lambda one: (one["title"], one["description"], sections_of(one))),
    "scheduled_plan": ("scheduled_plan", lambda one: (one["name"], one["crontab"], addresses(one))),
}


class Known(dict):
    """Content of a vault, in which a null is absent."""

    def __missing__(self, name):
        return None


def parts_of(one):
    texts = sorted(str(tile["title"] or tile["title_text"]) for tile in one["dashboard_elements"] or ())
    return texts, sorted(each["name"] for each in one["dashboard_filters"] or ())


def sections_of(one):
    alive = {each["id"]: each for each in one["board_sections"] if not each["deleted_at"]}
    return [(alive[i]["title"], len(alive[i]["board_items"])) for i in one["section_order"]]


def addresses(one):
    return sorted((each["type"], each["address"]) for each in one["scheduled_plan_destination"])


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """A backup and the client of an instance of which half was lost and has been restored."""
    folder = tmp_path_factory.mktemp("restored")
    write_vault(folder / "vault.db", **SIZES)
    with running_site(folder / "vault.db", folder, types=("all",), shares=(0.3, 0.1, 0.2)) as site:
        arguments = [
            "all",
            "--procs",
            "1",
            *site.arguments("--access", "restore", "--schedules", "as-backup"),
        ]
        ended = site.run(arguments)
        assert ended.code == 0, ended
        world = World(Backup(site.vault), site.looker.dump())
        pair_all(world)
        sdk = client(site.url)
        yield world, sdk
        sdk.transport.session.close()


@pytest.mark.parametrize("kind", READ)
def test_every_type_is_read_as_it_was(restored, kind):
    world, sdk = restored
    method, view = READ[kind]
    items = {i: one for i, one in world.backup.items[kind].items() if automatic(kind, one) is None}
    for source_id, content in items.items():
        live = getattr(sdk, method)(world.there.ids[kind][source_id])
        assert view(Known(live)) == view(Known(content)), (kind, source_id)
    assert items


@pytest.mark.parametrize("ties", [("group_ids", "group"), ("role_ids", "role")])
def test_memberships_are_read_as_they_were(restored, ties):
    (world, sdk), (field, kind) = restored, ties
    for source_id, content in world.backup.items["user"].items():
        live = sdk.user(world.there.ids["user"][source_id])
        wanted = {world.there.ids[kind][one] for one in content.get(field) or ()}
        assert wanted <= set(live[field])
