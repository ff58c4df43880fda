"""Which state file a command is about, found without asking the instance for its name."""

from __future__ import annotations

import os
from pathlib import Path

from lvrestore.errors import NotFoundError, UsageError
from lvrestore.looker.transport import normalise_base_url
from lvrestore.settings import default_state_path
from lvrestore.state.store import StateReader

URL_VARIABLES = ("LOOKER_BASE_URL", "LOOKERVAULT_API_URL", "LOOKERSDK_BASE_URL")


def state_reader(state_path: Path | None, base_url: str | None) -> StateReader:
    """The state file named, or that of the instance named by option or environment."""
    if state_path is None:
        url = base_url or next((os.environ[name] for name in URL_VARIABLES if os.environ.get(name)), None)
        if url is None:
            raise UsageError("which destination?", hint="give --state PATH or --base-url URL")
        state_path = default_state_path(normalise_base_url(url, allow_insecure=True))
    if not state_path.exists():
        hint = "nothing was restored there from this account yet, or it needs --state PATH"
        raise NotFoundError(f"the state file {state_path.name}", str(state_path.parent), hint)
    return StateReader(state_path)
