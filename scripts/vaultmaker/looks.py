"""Looks."""

from __future__ import annotations

from vaultmaker.folders import home
from vaultmaker.queries import LOOK_QUERY, query
from vaultmaker.shapes import LOOK, Content, blank
from vaultmaker.wording import HOST, TEXT, can, chance, moment, token
from vaultmaker.world import World, remembered

ODD_TITLE = (6, 0)


@remembered(512)
def look_with_query(world: World, number: int) -> Content:
    """Return a look as it is nested in tiles."""
    rng, look_id = world.rng("look", number), world.id("look", number)
    source, folder = query(rng, LOOK_QUERY + number), home(world, rng)
    public_slug = token(rng, 32)
    public = f"{HOST}/looks/{public_slug}"
    return blank(
        LOOK,
        can=can("index", "show", "copy", "run", "explore", "move", "update", "destroy", "schedule"),
        content_metadata_id=str(200_000 + number),
        id=look_id,
        title=world.title(rng, number, ODD_TITLE),
        user_id=world.some_id(rng, "user"),
        created_at=moment(rng),
        deleted=False,
        description=rng.choice((TEXT, "", None)),
        embed_url=f"{HOST}/embed/public/{public_slug}",
        excel_file_url=f"{public}.iqy",
        favorite_count=rng.randrange(10),
        google_spreadsheet_formula=f'=ImportXML("{public}.gsxml", "//row")',
        image_embed_url=f"{public}.png",
        is_run_on_load=True,
        last_accessed_at=moment(rng, 2025, 1),
        last_updater_id=world.some_id(rng, "user"),
        last_viewed_at=moment(rng, 2025, 1),
        model={"id": source["model"], "label": source["model"].title()},
        public=chance(rng, 0.1),
        public_slug=public_slug,
        public_url=f"{public}.txt",
        query_id=source["id"],
        short_url=f"/looks/{look_id}",
        folder=folder,
        folder_id=folder["id"],
        updated_at=moment(rng, 2024, 1),
        view_count=rng.randrange(5000),
        query=source,
        url=source["url"],
    )


def look(world: World, number: int) -> Content:
    """Return a look as a row of its own: the search that lookervault uses does not carry the query."""
    nested = look_with_query(world, number)
    return {key: value for key, value in nested.items() if key not in ("query", "url")}
