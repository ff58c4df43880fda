"""What the sandbox says about itself, and what it only lists: connections, colours, user attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, the
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import View, pick
from lvrestore.sandbox.instance import RELEASE

if TYPE_CHECKING:
    from lvrestore.sandbox.store import Row

USER_ATTRIBUTE = View("UserAttribute", {})
CONNECTION = View("DBConnection", {})
COLOR_COLLECTION = View("ColorCollection", {})


def versions(call: Call) -> Row:
    """Say which release this is, and how the instance calls itself."""
    url = call.instance.web_server_url
    current = {"version": "4.0", "full_version": f"4.0.{RELEASE}", "status": "current", "swagger_url": None}
    shown = {
        "looker_release_version": RELEASE,
        "current_version": current,
        "supported_versions": [current],
        "api_server_url": url,
        "web_server_url": url,
    }
    return pick(shown, call.wanted)  # type: ignore[no-any-return]  # a dict, as given


def all_user_attributes(call: Call) -> list[Row]:
    """List the user attributes."""
    attributes = call.instance.store.user_attributes.values()
    found = listing(call.instance, attributes, call.params, USER_ATTRIBUTE)
    return [call.show(USER_ATTRIBUTE, row) for row in found]


def get_user_attribute(call: Call) -> Row:
    """Show a user attribute."""
    return call.show(USER_ATTRIBUTE, the(call.instance.store.user_attributes, call.ids[0]))


def all_connections(call: Call) -> list[Row]:
    """List the database connections."""
    return [call.show(CONNECTION, row) for row in call.instance.store.connections.values()]


def all_color_collections(call: Call) -> list[Row]:
    """List the colour collections with their palettes."""
    return [call.show(COLOR_COLLECTION, row) for row in call.instance.store.color_collections.values()]


ROUTES = {
    "GET /versions": versions,
    "GET /connections": all_connections,
    "GET /color_collections": all_color_collections,
    "GET /user_attributes": all_user_attributes,
    "GET /user_attributes/{user_attribute_id}": get_user_attribute,
}
