"""Looks."""

from __future__ import annotations

def _look_with_query(self, number: int) -> Content:
    """Return a look as it is nested in tiles."""
    rng, look_id = self.rng("look", number), self.id("look", number)
    query, folder = self.query(rng, 1_000_000_000 + number), self._home(rng)
    public_slug = token(rng, 32)
    public = f"{HOST}/looks/{public_slug}"
    return blank(
        LOOK,
        can=can("index", "show", "copy", "run", "explore", "move", "update", "destroy", "schedule"),
        content_metadata_id=str(200_000 + number),
        id=look_id,
        title=self._title(rng, number, every=6),
        user_id=self._user_id(rng),
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
        last_updater_id=self._user_id(rng),
        last_viewed_at=moment(rng, 2025, 1),
        model={"id": query["model"], "label": query["model"].title()},
        public=chance(rng, 0.1),
        public_slug=public_slug,
        public_url=f"{public}.txt",
        query_id=query["id"],
        short_url=f"/looks/{look_id}",
        folder=folder,
        folder_id=folder["id"],
        updated_at=moment(rng, 2024, 1),
        view_count=rng.randrange(5000),
        query=query,
        url=query["url"],
    )


def look(self, number: int) -> Content:
    """Return a look as a row of its own: the search that lookervault uses does not carry the query."""
    nested = self.look_with_query(number)
    return {key: value for key, value in nested.items() if key not in ("query", "url")}
