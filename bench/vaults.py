"""Generated backups, made once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from make_vault import mixed, write_vault  # noqa: E402 - the path is set above


def cache_folder() -> Path:
    """Give the folder that holds what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base, "lvrestore-bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def mixed_vault(items: int, seed: int = 1) -> Path:
    """Give a backup of a whole instance with so many rows of all types."""
    return _cached(f"mixed-{items}-{seed}", lambda path: write_vault(path, seed=seed, **mixed(items)))


def light_vault(items: int, seed: int = 1) -> Path:
    """Give a backup of about so many rows that are quickly restored: looks, one dashboard in 20, few users."""
    counts = {"dashboards": items // 20, "folders": items // 50, "users": min(100, items // 50)}
    looks = max(1, items - sum(counts.values()))
    return _cached(
        f"light-{items}-folders{counts['folders']}-{seed}",
        lambda path: write_vault(path, seed=seed, looks=looks, tiles=2, oddities=False, **counts),
    )


# Backups of which the size is given, by what they are like.
MIXES: dict[str, Callable[[int], Path]] = {"whole": mixed_vault, "light": light_vault}


def dashboards_vault(dashboards: int, seed: int = 1, **world: Any) -> Path:  # noqa: ANN401 - World's
    """Give a backup of so many dashboards, and little else."""
    counts = {"dashboards": dashboards, "looks": 20, "folders": 10, "users": 5, "oddities": False} | world
    name = "-".join(f"{key}{value}" for key, value in sorted(counts.items()))
    return _cached(f"{name}-{seed}", lambda path: write_vault(path, seed=seed, **counts))


def _cached(name: str, write: Callable[[Path], object]) -> Path:
    """Write a vault, unless this very generator has written it before."""
    path = cache_folder() / f"{name}-{_generator()}.db"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.partial")
        write(partial)
        partial.replace(path)
    return path


def _generator() -> str:
    """Name the code that makes vaults: another one makes other vaults."""
    digest = hashlib.blake2b(digest_size=4)
    for file in sorted([SCRIPTS / "make_vault.py", *(SCRIPTS / "vaultmaker").glob("*.py")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()
