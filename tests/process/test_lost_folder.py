"""The README's command for a lost folder tree brings that tree back, and leaves everything else as it is."""

import re
import shlex
from pathlib import Path

import pytest
from make_vault import mixed, write_vault
from processes import running_site

from lvrestore.model import ContentType
from lvrestore.vault import open_vault

README = Path(__file__).parents[2] / "README.md"
IN_FOLDERS = ("dashboards", "looks")


@pytest.fixture(scope="module")
def whole_vault(tmp_path_factory):
    """A small backup of all types."""
    path = tmp_path_factory.mktemp("vault") / "whole.db"
    write_vault(path, **mixed(220), oddities=False)
    return path


def command_of_the_readme(path):
    """Its words, for a folder of another path."""
    line = re.search(r"^lvrestore (bulk .*?)\s+# a lost folder tree", README.read_text(), re.MULTILINE)
    return [path if word == "Shared/Sales" else word for word in shlex.split(line[1])]


def changed(before, after):
    """What was there and is not as it was: (kind, id, fields)."""
    return [
        (kind, i, [name for name in one if one[name] != after[kind][i].get(name)])
        for kind, objects in before.items()
        for i, one in objects.items()
        if after[kind][i] != one
    ]


def a_full_folder(vault_path):
    """An ordinary folder with dashboards and looks: its id and its path."""
    with open_vault(vault_path) as vault:
        tree = vault.folder_tree.folders
        rows = [row.folder_id for t in (ContentType.DASHBOARD, ContentType.LOOK) for row in vault.rows(t)]
        full = max((one for one in tree if tree[one].parent_id == "1"), key=rows.count)
        return full, f"Shared/{tree[full].name}"


def titles(dump):
    """What lies in folders, by title and the name of its folder."""
    names = {i: one["name"] for i, one in dump["folders"].items()}
    return sorted(
        (one["title"], names[one["folder_id"]]) for kind in IN_FOLDERS for one in dump[kind].values()
    )


def test_a_lost_folder_tree_comes_back_and_nothing_else_changes(whole_vault, tmp_path):
    with running_site(whole_vault, tmp_path, damaged=False) as site:
        folder_id, path = a_full_folder(whole_vault)
        whole = site.looker.dump()
        outside = next(i for i, one in whole["dashboards"].items() if one["folder_id"] == "1")
        site.looker.handle("PATCH", f"/dashboards/{outside}", {}, {"description": "edited by a colleague"})
        site.looker.handle("DELETE", f"/folders/{folder_id}")
        before = site.looker.dump()
        assert len(titles(before)) < len(titles(whole))
        ended = site.run([*command_of_the_readme(path), *site.arguments()])
        assert ended.code == 0, ended
        after = site.looker.dump()
        assert titles(after) == titles(whole)
        assert changed(before, after) == [("folders", "1", ["child_count"])]
