"""Where people find an object in their browser."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from lvrestore.model import ContentType

# Where an instance does not say what it is called, its URL may be that of the API, and people go elsewhere.
API_PORT = ":19999"
# What is not here has no page of its own that is known.
PAGES = {
    ContentType.DASHBOARD: "/dashboards/{}",
    ContentType.LOOK: "/looks/{}",
    ContentType.FOLDER: "/folders/{}",
    ContentType.BOARD: "/boards/{}",
    ContentType.EXPLORE: "/explore/{}",
    ContentType.USER: "/admin/users/{}/edit",
}


def web_url(instance: str, content_type: ContentType, object_id: str | None) -> str | None:
    """The page of an object; None where there is no object, no such page, or no known instance."""
    if object_id is None or content_type not in PAGES or not urlsplit(instance).hostname:
        return None
    # An explore is called `model::explore`, and its page `model/explore`; a LookML dashboard keeps its name.
    name = object_id.replace("::", "/") if content_type is ContentType.EXPLORE else object_id
    return instance.removesuffix(API_PORT) + PAGES[content_type].format(quote(name, safe="/:"))
