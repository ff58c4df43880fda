"""LookML models: their configuration, which can be changed, and their explores, which are code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, need, not_blank, the
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import EXPLORE, MODEL, source_query_id
from lvrestore.sandbox.refusals import conflict, not_found, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row


def _check_name(instance: Instance, name: str, own_name: str | None) -> None:
    if name in instance.store.models and name != own_name:
        raise conflict() if instance.on("model_taken", "409") else taken("name", "Name already taken")


def create_model(call: Call) -> Row:
    """Configure a model; its explores are those of its LookML, if that is there."""
    body = call.body
    need(body, "name")
    _check_name(call.instance, body["name"], None)
    call.instance.store.models[body["name"]] = {"label": body["name"].title(), **body}
    return call.show(MODEL, call.instance.store.models[body["name"]])


def update_model(call: Call) -> Row:
    """Change a model's configuration, its name too."""
    models = call.instance.store.models
    row = the(models, call.ids[0])
    not_blank(call.body, "name")
    _check_name(call.instance, call.body.get("name") or row["name"], row["name"])
    del models[row["name"]]
    row.update(call.body)
    models[row["name"]] = row
    return call.show(MODEL, row)


def delete_model(call: Call) -> None:
    """Forget a model's configuration; its LookML stays."""
    the(call.instance.store.models, call.ids[0])
    del call.instance.store.models[call.ids[0]]


def all_models(call: Call) -> list[Row]:
    """List the configured models with their explores."""
    models = listing(call.instance, call.instance.store.models.values(), call.params, MODEL)
    return [call.show(MODEL, model) for model in models]


def get_model(call: Call) -> Row:
    """Show a model."""
    return call.show(MODEL, the(call.instance.store.models, call.ids[0]))


def get_explore(call: Call) -> Row:
    """Show an explore of a configured model."""
    name, explore_name = call.ids
    the(call.instance.store.models, name)
    for explore in call.instance.store.explores.get(name, ()):
        if explore["name"] == explore_name:
            names = {"id": f"{name}::{explore_name}", "model_name": name, "view_name": explore_name}
            return call.show(EXPLORE, {**explore, **names})
    raise not_found()


# Content validation


def _fault(instance: Instance, query_id: str | None) -> Row | None:
    """Say what a query needs and the instance lacks."""
    if query_id not in instance.store.queries:
        return None
    query = instance.store.query_parts(query_id)
    there = query.model in instance.store.models
    explores = [explore["name"] for explore in instance.store.explores.get(query.model, ())]
    if there and query.view in explores:
        return None
    lacking = f'explore "{query.view}"' if there else f'model "{query.model}"'
    return {"message": f"Unknown {lacking}", "model_name": query.model, "explore_name": query.view}


def _broken(instance: Instance) -> Iterator[Row]:
    for look in instance.store.looks.values():
        if not look.get("deleted") and (fault := _fault(instance, look.get("query_id"))):
            shown = {"id": look["id"], "title": look.get("title")}
            yield {"id": f"look:{look['id']}", "look": shown, "errors": [fault]}
    for tile in instance.store.tiles.values():
        if fault := _fault(instance, source_query_id(instance, tile)):
            row = instance.store.dashboard_of(tile).row
            shown = {"id": row["id"], "title": row.get("title")}
            element = {"id": tile["id"], "title": tile.get("title")}
            yield {
                "id": f"dashboard:{row['id']}",
                "dashboard": shown,
                "dashboard_element": element,
                "errors": [fault],
            }


def validate_content(call: Call) -> Row:
    """Find looks and tiles whose model or explore is not there."""
    store = call.instance.store
    return {
        "content_with_errors": list(_broken(call.instance)),
        "computation_time": 0.0,
        "total_looks_validated": len(store.looks),
        "total_dashboard_elements_validated": len(store.tiles),
        "total_dashboard_filters_validated": len(store.filters),
    }


ROUTES = {
    "GET /lookml_models": all_models,
    "POST /lookml_models": create_model,
    "GET /lookml_models/{lookml_model_name}": get_model,
    "PATCH /lookml_models/{lookml_model_name}": update_model,
    "DELETE /lookml_models/{lookml_model_name}": delete_model,
    "GET /lookml_models/{lookml_model_name}/explores/{explore_name}": get_explore,
    "GET /content_validation": validate_content,
}
