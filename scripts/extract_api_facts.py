#!/usr/bin/env python3
"""Extract the facts that the sandbox checks requests against from Looker's API description.

    scripts/extract_api_facts.py Looker.4.0.oas.json > lvrestore/sandbox/api_facts.json

Only names, types, flags, enum values and path templates are taken, never prose, and only for what is served.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

Facts = dict[str, Any]

SERVED = {
    "/versions": "GET",
    "/user": "GET",
    "/users": "GET POST",
    "/users/search": "GET",
    "/users/credential/{credential_type}/{credential_id}": "GET",
    "/users/{user_id}": "GET PATCH DELETE",
    "/users/{user_id}/credentials_email": "GET POST PATCH DELETE",
    "/credentials_email/search": "GET",
    "/users/{user_id}/roles": "GET PUT",
    "/permissions": "GET",
    "/permission_sets": "GET POST",
    "/permission_sets/search": "GET",
    "/permission_sets/{permission_set_id}": "GET PATCH DELETE",
    "/model_sets": "GET POST",
    "/model_sets/search": "GET",
    "/model_sets/{model_set_id}": "GET PATCH DELETE",
    "/roles": "GET POST",
    "/roles/search": "GET",
    "/roles/search/with_user_count": "GET",
    "/roles/{role_id}": "GET PATCH DELETE",
    "/roles/{role_id}/users": "GET PUT",
    "/roles/{role_id}/groups": "GET PUT",
    "/groups": "GET POST",
    "/groups/search": "GET",
    "/groups/search/with_hierarchy": "GET",
    "/groups/search/with_roles": "GET",
    "/groups/{group_id}": "GET PATCH DELETE",
    "/groups/{group_id}/users": "GET POST",
    "/groups/{group_id}/users/{user_id}": "DELETE",
    "/groups/{group_id}/groups": "GET POST",
    "/groups/{group_id}/groups/{deleting_group_id}": "DELETE",
    "/lookml_models": "GET POST",
    "/lookml_models/{lookml_model_name}": "GET PATCH DELETE",
    "/lookml_models/{lookml_model_name}/explores/{explore_name}": "GET",
    "/content_validation": "GET",
    "/connections": "GET",
    "/color_collections": "GET",
    "/user_attributes": "GET",
    "/user_attributes/{user_attribute_id}": "GET",
    "/alerts": "POST",
    "/alerts/search": "GET",
    "/alerts/{alert_id}": "GET PUT PATCH DELETE",
    "/folders": "GET POST",
    "/folders/search": "GET",
    "/folders/{folder_id}": "GET PATCH DELETE",
    "/folders/{folder_id}/children": "GET",
    "/folders/{folder_id}/children/search": "GET",
    "/folders/{folder_id}/parent": "GET",
    "/folders/{folder_id}/ancestors": "GET",
    "/folders/{folder_id}/looks": "GET",
    "/folders/{folder_id}/dashboards": "GET",
    "/queries": "POST",
    "/queries/{query_id}": "GET",
    "/queries/slug/{slug}": "GET",
    "/merge_queries": "POST",
    "/merge_queries/{merge_query_id}": "GET",
    "/looks": "GET POST",
    "/looks/search": "GET",
    "/looks/{look_id}": "GET PATCH DELETE",
    "/looks/{look_id}/move": "PATCH",
    "/looks/{look_id}/certification": "PATCH",
    "/dashboards": "GET POST",
    "/dashboards/search": "GET",
    "/dashboards/{dashboard_id}": "GET PATCH DELETE",
    "/dashboards/{dashboard_id}/move": "PATCH",
    "/dashboards/{dashboard_id}/certification": "PATCH",
    "/dashboards/{dashboard_id}/dashboard_elements": "GET",
    "/dashboards/{dashboard_id}/dashboard_filters": "GET",
    "/dashboards/{dashboard_id}/dashboard_layouts": "GET",
    "/boards": "GET POST",
    "/boards/search": "GET",
    "/boards/{board_id}": "GET PATCH DELETE",
    "/board_sections": "GET POST",
    "/board_sections/{board_section_id}": "GET PATCH DELETE",
    "/board_items": "GET POST",
    "/board_items/{board_item_id}": "GET PATCH DELETE",
    "/scheduled_plans": "GET POST",
    "/scheduled_plans/search": "GET",
    "/scheduled_plans/run_once": "POST",
    "/scheduled_plans/dashboard/{dashboard_id}": "GET",
    "/scheduled_plans/look/{look_id}": "GET",
    "/scheduled_plans/lookml_dashboard/{lookml_dashboard_id}": "GET",
    "/scheduled_plans/{scheduled_plan_id}": "GET PATCH DELETE",
    "/scheduled_plans/{scheduled_plan_id}/run_once": "POST",
    "/dashboard_elements": "POST",
    "/dashboard_elements/search": "GET",
    "/dashboard_elements/{dashboard_element_id}": "GET PATCH DELETE",
    "/dashboard_filters": "POST",
    "/dashboard_filters/{dashboard_filter_id}": "GET PATCH DELETE",
    "/dashboard_layouts": "POST",
    "/dashboard_layouts/{dashboard_layout_id}": "GET PATCH DELETE",
    "/dashboard_layouts/{dashboard_layout_id}/dashboard_layout_components": "GET",
    "/dashboard_layout_components/{dashboard_layout_component_id}": "GET PATCH",
}

# Where the description is known to be wrong about what the server takes.
CORRECTIONS: dict[tuple[str, str], Facts] = {
    ("ResultMakerFilterables", "listen"): {"read_only": False},
    ("GroupIdForGroupUserInclusion", "user_id"): {"read_only": False},
    ("GroupIdForGroupInclusion", "group_id"): {"read_only": False},
    ("MergeQuery", "vis_config"): {"items": "any"},
    ("User", "ui_state"): {"items": "any"},
}

# Types that only replies hold and that nothing here looks into: fields of these count as `any`.
OPAQUE = re.compile(
    r"(LookmlModelExplore|ContentValidator|SelfService)\w+|Dialect|Snippet|DBConnectionOverride"
)


def ref_name(schema: Facts) -> str | None:
    """Name the type that a schema refers to, if it is a reference."""
    ref: str | None = schema.get("$ref")
    return ref.rsplit("/", 1)[-1] if ref else None


def type_of(schema: Facts) -> str:
    """Name a schema's type: a JSON type, `any`, or the type it refers to."""
    name = ref_name(schema) or str(schema.get("type", "any"))
    return "any" if name == "number" or OPAQUE.fullmatch(name) else name


def field_facts(schema: Facts) -> Facts:
    """Keep what a validator needs to know about one property."""
    facts: Facts = {"type": type_of(schema)}
    if inner := schema.get("items") or schema.get("additionalProperties"):
        facts["items"] = type_of(inner)
    if "enum" in schema:
        facts["enum"] = schema["enum"]
    if schema.get("nullable") or "$ref" in schema:
        facts["nullable"] = True
    if schema.get("readOnly"):
        facts["read_only"] = True
    if schema.get("x-looker-write-only"):
        facts["write_only"] = True
    return facts


def type_facts(name: str, schema: Facts) -> Facts:
    """Return the properties of one type, corrected."""
    fields = {key: field_facts(value) for key, value in schema["properties"].items()}
    for (type_name, field), correction in CORRECTIONS.items():
        if type_name == name:
            fields[field].update(correction)
    return {key: {k: v for k, v in facts.items() if v is not False} for key, facts in fields.items()}


def references(types: Facts, name: str) -> set[str]:
    """Name the types that one type's properties refer to."""
    return {t for facts in types[name].values() for t in (facts["type"], facts.get("items")) if t in types}


def closure(types: Facts, roots: set[str]) -> set[str]:
    """Return the roots and everything they refer to, at any depth."""
    found: set[str] = set()
    waiting = set(roots)
    while waiting:
        found |= waiting
        waiting = {t for name in waiting for t in references(types, name)} - found
    return found


def mark_read_only_references(types: Facts) -> None:
    """Mark a reference read-only when every property of the type it refers to is: it cannot say so itself."""
    changed = True
    while changed:
        sealed = {name for name, fields in types.items() if all(f.get("read_only") for f in fields.values())}
        refs = [f for fields in types.values() for f in fields.values() if f["type"] in sealed]
        changed = any(not f.get("read_only") for f in refs)
        for facts in refs:
            facts["read_only"] = True


def named(schema: Facts) -> str:
    """Name the type of a body or a reply; a list of it is `[Type]`."""
    return f"[{type_of(schema['items'])}]" if schema.get("type") == "array" else type_of(schema)


def reply_of(operation: Facts) -> str | None:
    """Name the type that a call answers with."""
    content = operation["responses"].get("200", {}).get("content")
    return named(content["application/json"]["schema"]) if content else None


def body_of(operation: Facts) -> Facts:
    """Name the type of what a call sends, and say whether it may send nothing."""
    request = operation.get("requestBody", {})
    content = request.get("content", {}).get("application/json")
    if not content:
        return {}
    # The same properties twice, the second time for what a call may write.
    return {
        "body": named(content["schema"]).removeprefix("Write"),
        "optional_body": not request.get("required"),
    }


def endpoint_facts(operation: Facts) -> Facts:
    """Keep the query parameters and the types of body and reply."""
    params = {p["name"]: p["schema"]["type"] for p in operation.get("parameters", []) if p["in"] == "query"}
    facts = {"params": params, **body_of(operation), "reply": reply_of(operation)}
    return {key: value for key, value in facts.items() if value}


def extract(api: Facts) -> Facts:
    """Return the facts about everything in SERVED."""
    paths = {
        path: {method: endpoint_facts(api["paths"][path][method.lower()]) for method in methods.split()}
        for path, methods in SERVED.items()
    }
    types = {n: type_facts(n, s) for n, s in api["components"]["schemas"].items() if "properties" in s}
    mark_read_only_references(types)
    endpoints = [endpoint for methods in paths.values() for endpoint in methods.values()]
    spoken = {str(e[key]).strip("[]") for e in endpoints for key in ("body", "reply") if key in e}
    served = sorted(closure(types, spoken & set(types)))
    schemas = api["components"]["schemas"]
    return {
        "api_version": api["info"]["version"],
        "paths": paths,
        "required": {n: schemas[n]["required"] for n in served if schemas[n].get("required")},
        "types": {n: types[n] for n in served},
    }


def as_text(facts: Facts) -> str:
    """Write one property a line, so that a change of the API is a readable difference."""
    text = json.dumps(facts, indent=1, sort_keys=False, ensure_ascii=True)
    lines: list[str] = []
    for line in text.splitlines():
        deep = len(line) - len(line.lstrip())
        if deep > 3 or (deep == 3 and line.strip().startswith(("}", "]"))):  # noqa: PLR2004 - below one property
            lines[-1] += (" " if lines[-1].endswith(",") else "") + line.strip()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the description named on the command line, write the facts to stdout."""
    api = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(as_text(extract(api)))


if __name__ == "__main__":
    main()
