"""The host names under which the backed-up instance is reached, as its own rows tell them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

import msgspec

from lvrestore.model import ContentType
from lvrestore.vault.decode import BlobError, decode_as
from lvrestore.vault.reader import Vault

# These name their own address; all rows of an instance name the same host, so that a few are enough.
TELLING = (
    ContentType.USER,
    ContentType.ROLE,
    ContentType.PERMISSION_SET,
    ContentType.MODEL_SET,
    ContentType.LOOK,
    ContentType.DASHBOARD,
)
ASKED = 5


class _Query(msgspec.Struct):
    share_url: str | None = None


class _Tile(msgspec.Struct):
    query: _Query | None = None


class _Content(msgspec.Struct):
    url: str | None = None
    public_url: str | None = None
    dashboard_elements: list[_Tile] | None = None


def source_hosts(vault: Vault) -> frozenset[str]:
    """Lower-case host names without ports; empty when nothing in the vault tells one."""
    said = {_host(url) for url in _urls(vault)}
    return frozenset(host for host in said if host)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # brackets that hold no address
        return None


def _urls(vault: Vault) -> Iterator[str]:
    if source := vault.source_instance:
        yield source if "//" in source else f"//{source}"
    for content_type in TELLING:
        for row in islice(vault.rows(content_type, deleted="include"), ASKED):
            try:
                content = decode_as(row.blob, _Content)
            except BlobError:
                continue
            shared = (tile.query.share_url for tile in content.dashboard_elements or () if tile.query)
            yield from filter(None, (content.url, content.public_url, *shared))
