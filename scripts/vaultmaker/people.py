"""Users."""

from __future__ import annotations

def user(self, number: int) -> Content:
    """Return a user; each eighth one has no e-mail login."""
    rng, user_id = self.rng("user", number), self.id("user", number)
    url, email = f"{HOST}/api/4.0/users/{user_id}", f"user{number}@example.com"
    has_email = number % 8 != 0
    first_name, last_name = self._user_name(number).split(" ", 1)
    credentials = blank(
        CREDENTIALS_EMAIL,
        created_at=moment(rng).isoformat(timespec="milliseconds"),
        email=email,
        forced_password_reset_at_next_login=False,
        user_id=user_id,
        is_disabled=False,
        logged_in_at=moment(rng, 2025, 1).isoformat(timespec="milliseconds"),
        type="email",
        url=f"{url}/credentials_email",
    )
    return {
        "can": can("show", "index", "show_details", "sudo"),
        "avatar_url": f"{HOST}/avatar/{user_id}.png",
        "credentials_api3": [],
        "credentials_email": credentials if has_email else None,
        "credentials_embed": [],
        "display_name": f"{first_name} {last_name}",
        "email": email if has_email else None,
        "first_name": first_name,
        "group_ids": [],
        "home_folder_id": self.id("folder", 1),
        "id": user_id,
        "is_disabled": number % 19 == 0,
        "last_name": last_name,
        "locale": rng.choice(("en", "fr", "ja", None)),
        "looker_versions": ["25.18.30"],
        "personal_folder_id": self.id("folder", len(ROOTS) + number),
        "presumed_looker_employee": False,
        "role_ids": [],
        "sessions": [],
        "ui_state": {
            "homepageViewMode": "grid",
            "dashboardsNext": True,
            "lastSeen": rng.randrange(10**12),
        },
        "verified_looker_employee": False,
        "roles_externally_managed": False,
        "allow_direct_roles": True,
        "allow_normal_group_membership": True,
        "allow_roles_from_normal_groups": True,
        "is_service_account": False,
        "url": url,
    }
