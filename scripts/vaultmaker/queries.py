"""LookML models, and queries on their explores."""

from __future__ import annotations

import random

from vaultmaker.shapes import EXPLORE, QUERY, Content, blank
from vaultmaker.wording import HOST, MODELS, TEXT, WORDS, can, chance, token
from vaultmaker.world import World, remembered

EXPLORES_PER_MODEL = 8
SHARED_QUERIES = 50
# Where the ids of queries of looks, of tiles, and of those used by many tiles begin.
LOOK_QUERY, TILE_QUERY, SHARED_QUERY = 1_000_000_000, 2_000_000_000, 3_000_000_000
COLOURS = (
    ("7c56cc21-66e4-41c9-81ce-a60e1c3967b2", "5d189dfc-4f46-46f3-822b-bfb0b61777b1"),
    ("acme", "acme-categorical-0"),
)
CALCULATION = (
    '[{"category": "table_calculation", "label": "% of total", "table_calculation": "of_total", '
    '"expression": "${a.b} / sum(${a.b})", "_kind_hint": "measure"}]'
)


def explores_of(model: str) -> list[str]:
    """Return the names of a model's explores."""
    first = MODELS.index(model) * EXPLORES_PER_MODEL
    return [f"{WORDS[(first + i) % len(WORDS)]}_{i}" for i in range(EXPLORES_PER_MODEL)]


def lookml_model(_: World, number: int) -> Content:
    """Return a LookML model's configuration with its explores."""
    name = MODELS[number - 1]
    explores = [
        blank(EXPLORE, name=view, description=TEXT if i % 2 else None, label=view.title(), hidden=False)
        for i, view in enumerate(explores_of(name))
    ]
    return {
        "can": can("index", "show", "create"),
        "allowed_db_connection_names": [f"warehouse_{number}"],
        "explores": explores,
        "has_content": True,
        "label": name.title(),
        "name": name,
        "project_name": f"{name}_project",
        "unlimited_db_connections": False,
    }


def query(rng: random.Random, query_id: int) -> Content:
    """Return a query on some explore of some model."""
    model = rng.choice(MODELS)
    view = rng.choice(explores_of(model))
    fields = [f"{view}.{word}" for word in rng.sample(WORDS, rng.randint(1, 6))]
    filters = {
        field: rng.choice(("30 days", "EMEA,APAC", "%a%,-b^_c", "[0,10)", "Yes")) for field in fields[1:3]
    }
    client_id, calculations = token(rng, 22), chance(rng, 0.15)
    path = f"/explore/{model}/{view}?fields={','.join(fields)}"
    return blank(
        QUERY,
        model=model,
        view=view,
        can=can("run", "see_results", "explore", "show", "download", "render"),
        id=str(query_id),
        fields=fields,
        pivots=rng.choice((None, None, None, fields[:1])),
        filters=filters or None,
        sorts=[f"{fields[0]} desc 0"],
        limit=rng.choice(("500", "5000", "-1", None)),
        column_limit=rng.choice(("50", None)),
        total=rng.choice((True, None, None)),
        row_total=rng.choice(("right", None)),
        vis_config=vis_config(rng, fields),
        filter_config={
            f: [{"type": "=", "values": [{"constant": v}], "id": i, "error": False}]
            for i, (f, v) in enumerate(filters.items())
        },
        slug=client_id[:7],
        dynamic_fields=CALCULATION if calculations else None,
        client_id=client_id,
        share_url=f"{HOST}/x/{client_id}",
        expanded_share_url=f"{HOST}{path}&origin=share-expanded",
        url=path,
        query_timezone=rng.choice(("UTC", "Europe/Paris", None)),
        has_table_calculations=calculations,
    )


@remembered(SHARED_QUERIES)
def shared_query(world: World, number: int) -> Content:
    """Return a query that many tiles use."""
    return query(world.rng("shared query", number), SHARED_QUERY + number)


def vis_config(rng: random.Random, fields: list[str]) -> Content:
    """Return a visualisation: free-form, as far as the API is concerned."""
    axis = {"axisId": fields[0], "id": fields[0], "name": fields[0].title()}
    config: Content = {
        "type": rng.choice(("looker_column", "looker_line", "looker_grid", "single_value", "looker_map")),
        "show_view_names": False,
        "stacking": rng.choice(("", "normal")),
        "hidden_fields": [],
        "series_types": {},
        "series_colors": {field: f"#{rng.randrange(2**24):06x}" for field in fields},
        "y_axes": [{"label": "", "orientation": "left", "series": [axis], "type": "linear"}],
        "conditional_formatting": [
            {"type": "greater than", "value": rng.randrange(1000), "bold": False, "fields": None}
        ],
        "defaults_version": 1,
    }
    # Half have colours of a collection: the one that every instance has, or the company's own.
    drawn = config["conditional_formatting"][0]["value"] % 4
    if drawn < len(COLOURS):
        collection, palette = COLOURS[drawn]
        config["color_application"] = {"collection_id": collection, "palette_id": palette}
    return config
