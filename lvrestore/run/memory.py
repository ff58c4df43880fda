"""How the C library keeps memory for threads."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# `M_ARENA_MAX` of glibc's malloc.h.
ARENA_MAX = -8


def keep_one_heap() -> None:
    """Have all threads allocate from one heap, where glibc would give each its own and keep what they freed.

    Python runs one thread at a time anyway, so that they seldom wait for it. `bench/memory.py`: a third less in a
    parent that has read a large instance. Other C libraries have no such setting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, 1)
