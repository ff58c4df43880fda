"""Scheduled plans: who gets which content, when and how."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from vaultmaker.dashboards import tab_ids, title_of
from vaultmaker.links import link
from vaultmaker.looks import look_with_query
from vaultmaker.people import public_user
from vaultmaker.queries import SHARED_QUERIES, shared_query
from vaultmaker.shapes import DESTINATION, PLAN, Content, blank
from vaultmaker.wording import EXTRACTED_AT, HOST, MODELS, can, chance, moment
from vaultmaker.world import World, falls

ODD_TITLE = (4, 0)
MOST_DESTINATIONS = 3
CRONTABS = ("0 6 * * 1-5", "0 0 1 * *", "*/15 8-18 * * *")
TIMEZONES = ("Europe/Paris", "UTC", "America/Los_Angeles")
FILTERS = "?Date=7+days&R%C3%A9gion=EMEA%2CAPAC"
MESSAGE = "Bonjour 👋,\n\nplease find the report attached.\n"
FORMATS = ("assembled_pdf", "wysiwyg_pdf", "wysiwyg_png", "inline_json", "csv_zip", "xlsx")
# Type, address and parameters; Looker never shows the secret ones.
WAYS = (
    ("email", "user{}@example.com", None),
    ("email", "user{}@example.com", None),
    ("webhook", "https://hooks.example.com/T000/B{}", None),
    ("s3", "s3://example-bucket/reports-{}", '{"region": "eu-west-1", "access_key_id": "EXAMPLE"}'),
    ("sftp", "sftp://files.example.com/in/{}/", '{"username": "looker"}'),
    ("looker-integration::slack", "user{}@example.com", '{"channel": "C0EXAMPLE"}'),
)


def plan(world: World, number: int) -> Content:
    """Return a plan on a dashboard or a look."""
    rng, (kind, shown), owner = _start(world, number)
    made = blank(
        PLAN,
        name=world.title(rng, number, ODD_TITLE),
        user_id=world.id("user", owner) if owner else None,
        run_as_recipient=False,
        enabled=True,
        **world.reference(kind, shown),
        filters_string=None if kind == "look" else FILTERS,
        require_results=chance(rng, 0.5),
        require_no_results=False,
        require_change=False,
        send_all_results=False,
        crontab=rng.choice(CRONTABS),
        timezone=rng.choice(TIMEZONES),
        scheduled_plan_destination=_destinations(world, rng, number),
        run_once=False,
        include_links=True,
        pdf_landscape=False,
        embed=False,
        long_tables=False,
        id=world.id("scheduled_plan", number),
        created_at=moment(rng),
        updated_at=moment(rng, 2025, 1),
        user=public_user(world, owner) if owner else None,
        next_run_at=EXTRACTED_AT + timedelta(hours=26),
        last_run_at=EXTRACTED_AT + timedelta(hours=2),
        can=can("update", "destroy"),
    )
    for every, offset, alter in ODDITIES if world.oddities else ():
        if falls(number, (every, offset)):
            alter(world, number, made)
    return made


def _start(world: World, number: int) -> tuple[random.Random, tuple[str, int], int]:
    """Return the randomness of a plan, what it sends and who owns it."""
    rng = world.rng("scheduled_plan", number)
    return rng, world.some_content(rng), world.some_number(rng, "user")


def _destinations(world: World, rng: random.Random, number: int) -> list[Content]:
    return [
        _destination(world, rng, number, str(number * 10 + place))
        for place in range(rng.randint(1, MOST_DESTINATIONS))
    ]


def _destination(world: World, rng: random.Random, number: int, destination_id: str) -> Content:
    way, address, parameters = rng.choice(WAYS)
    linked = f"{MESSAGE}\n{link(world, rng)}" if world.whole else MESSAGE
    return blank(
        DESTINATION,
        id=destination_id,
        scheduled_plan_id=world.id("scheduled_plan", number),
        format=rng.choice(FORMATS),
        apply_formatting=True,
        apply_vis=True,
        address=address.format(rng.randint(1, 40)),
        looker_recipient=way == "email" and chance(rng, 0.5),
        type=way,
        parameters=parameters,
        message=rng.choice((linked, None, None)),
    )


# -- oddities ---------------------------------------------------------------------------------------


def disable(_: World, __: int, made: Content) -> None:
    """Switch the plan off; then Looker plans no run."""
    made.update(enabled=False, next_run_at=None, last_run_at=None)


def run_once(_: World, __: int, made: Content) -> None:
    """Make a plan that was sent immediately."""
    made["run_once"] = True


def run_as_recipient(_: World, __: int, made: Content) -> None:
    """Run with the rights of those who receive it."""
    made["run_as_recipient"] = True


def follow_datagroup(_: World, __: int, made: Content) -> None:
    """Run after a cache policy's trigger, at no fixed time."""
    made.update(crontab=None, datagroup=f"{MODELS[0]}::daily_etl")


def customise_url(_: World, __: int, made: Content) -> None:
    """Let the mail link somewhere else."""
    url = f"{HOST}/dashboards/{made.get('dashboard_id') or 1}"
    made.update(custom_url_base=url, custom_url_label="Open", show_custom_url=True)


def choose_tabs(world: World, number: int, made: Content) -> None:
    """Send some tabs only, as extractions by newer releases of the SDK tell."""
    kind, shown = _start(world, number)[1]
    if tabs := tab_ids(world, shown) if kind == "dashboard" else []:
        made["tab_ids"] = tabs[1:]


def title_by_content(world: World, number: int, made: Content) -> None:
    """Carry the title of what is sent; the row is then named after it instead of the plan."""
    titles: dict[str, Callable[[World, int], str]] = {
        "dashboard": title_of,
        "look": lambda world, shown: str(look_with_query(world, shown)["title"]),
        "lookml_dashboard": lambda _, __: "Business Pulse",
    }
    kind, shown = _start(world, number)[1]
    made["title"] = titles[kind](world, shown)


def send_query(world: World, number: int, made: Content) -> None:
    """Send the result of a query that nobody saved."""
    gone = dict.fromkeys(
        ("dashboard_id", "look_id", "lookml_dashboard_id", "filters_string", "tab_ids", "title")
    )
    made.update(gone, query_id=shared_query(world, number % SHARED_QUERIES)["id"])


# (every, offset, what it does): plans whose number is `offset` modulo `every`.
ODDITIES: tuple[tuple[int, int, Callable[[World, int, Content], None]], ...] = (
    (6, 4, disable),
    (13, 6, run_once),
    (19, 11, run_as_recipient),
    (9, 2, follow_datagroup),
    (17, 3, customise_url),
    (1, 0, choose_tabs),
    (3, 0, title_by_content),
    (29, 20, send_query),
)
