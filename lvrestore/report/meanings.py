"""What the kinds of warnings mean, in a few words: a summary counts them by kind."""

from __future__ import annotations

MEANINGS = {
    "access_differs": "left as it is here: --access restore writes it",
    "access_widens": "people may do more than before",
    "account_differs": "the person's account here is left as it is",
    "membership_lost": "somebody else decides who is in the group, such as an identity provider",
    "login_not_restored": "the instance does not let this login be written",
    "ui_state_lost": "created again without the saved UI preferences; nothing to do",
    "certified_anew": "certified by the API key's account, as of today",
    "certificate_refused": "the API key's account may not certify",
    "orphan": "put into the folder of --orphans-to",
    "disabled": "schedules that were on are created switched off",
    "secrets_to_reenter": "schedules need their passwords or keys entered again before they can send",
    "tabs_lost": "the server refuses the tabs that a schedule sends",
    "switched_off": "schedules and alerts on what comes back from the trash are switched off",
    "wakes_schedule": "schedules send again",
    "wakes_alert": "alerts send again",
    "schedules_may_send": "schedules that cannot be read may send again",
    "alerts_may_send": "alerts that cannot be read may send again",
    "part_kept": "tiles with alerts that were added after the backup stay",
    "alert_deleted": "tiles that were added after the backup are deleted with their alerts",
    "explore_missing": "explores live in LookML",
    "link_not_followed": "links lead to what is not on this instance",
    "matched_by_name": "matched by name alone",
    "slug_taken": "restored without the slug, which another dashboard has",
    "owner_missing": "the owner is not on the destination",
    "owner_not_set": "the server refused the owner",
    "broken_tile": "tiles that showed nothing in the backup are left out",
    "broken_item": "board items that show something else by now are left as they are",
    "image_lost": "board items are created again without their own image",
    "still_in_trash": "the server left it in the trash: another one was created",
    "broken_reference": "positions of tiles that are not in the backup are left out",
    "inherits": "new folders have the access of their parent folder: check who can see them",
    "in_trash": "items refer to something in the trash",
    "no_component": "tiles have no position in a layout",
    "not_deleted": "the server protects a part that was added after the backup",
    "not_kept": "the server stored something else than it was sent",
    "newer_overwritten": "somebody's edit after the backup is overwritten",
    "dead_mapping": "what an earlier run created is gone",
    "deleted_on_source": "items of earlier runs are not in the backup any more; they stay",
}


def counted_kind(count: int, kind: str) -> str:
    """`3 disabled (schedules that were on are created switched off)`."""
    meaning = MEANINGS.get(kind)
    return f"{count:,} {kind}" + (f" ({meaning})" if meaning else "")
