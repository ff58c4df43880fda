"""Links to Looker content inside texts: find them, and give them the ids that the content has now.

A link is a path like `/dashboards/42`, on its own or behind a host that is known to be Looker's. Ids are numbers;
slugs and LookML dashboards (`model::name`) are the same on every instance and stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial

import msgspec

from lvrestore.content.calls import Exists, Steps, Warn
from lvrestore.content.knowledge import References, standing_in
from lvrestore.model import Json

# (kind, source id) -> the id on the destination, or None to leave the link alone.
Resolve = Callable[[str, str], str | None]
# A host name -> the host or origin (`https://host:port`) to write instead, or None for a stranger's.
HostOf = Callable[[str], str | None]

KINDS = {
    "dashboards": "dashboard",
    "dashboards-next": "dashboard",
    "dashboards-legacy": "dashboard",
    "looks": "look",
    "folders": "folder",
    "spaces": "folder",  # what folders were called, and still answers
    "boards": "board",
}
# Kinds of which the run knows which objects exist.
ASKED_FOR = frozenset({"dashboard", "folder", "look"})
# JSON inside a text may write a slash as `\/`.
_SLASH = r"\\?/"
# More than a number, a part of a word or a template that continues it, is another thing's name.
_PATH = (
    rf"{_SLASH}(?:embed{_SLASH})?(?P<word>{'|'.join(KINDS)}){_SLASH}(?P<source_id>[0-9]+)(?![\w%$~{{-]|::)"
)
# A path of its own begins after a blank, a quote or the like, not in the middle of a longer path; `\n` is JSON's.
_BEGINS = r"""(?:(?<![^\s"'`(\[<>=,|])|(?<=\\n)|(?<=\\t))"""
# A URL goes on until something that none holds unescaped. Whatever follows `//` is taken as its host.
_URL_END = r"""\s"'`<>)\]|\\"""
_AT = rf"(?P<scheme>(?i:https?):)?(?P<slashes>{_SLASH}{_SLASH})(?P<authority>[^/?#{_URL_END}]*)"
_URL = rf"{_AT}(?P<rest>[^{_URL_END}]*(?:\\/[^{_URL_END}]*)*)"
_ANY = re.compile(f"{_URL}|{_BEGINS}{_PATH}")
_AT_ONCE = re.compile(_PATH)
_AUTHORITY = re.compile(r"([A-Za-z0-9.-]+)(?::[0-9]+)?")
# Part of every link, also in JSON, which doubles backslashes.
_IN_EVERY_LINK = re.compile(rf"(?:{'|'.join(KINDS)})\\*/[0-9]".encode())


def rewrite_links(text: str, resolve: Resolve, hosts: Mapping[str, str] = {}) -> str:
    """Replace the id in each link that `resolve` has another id for; all at once, so that ids may swap.

    `hosts` says which absolute links are meant: the source's host name (lower case, no port) -> the host or origin
    (`https://host:port`) of what `resolve` names. An origin takes the place of scheme, host and port; the same name
    leaves all three as they are. Links to any other host are never touched.
    """
    return _rewrite(text, resolve, hosts.get)


def rewrite_beside(text: str, live: str, resolve: Resolve, hosts: Mapping[str, str] = {}) -> str:
    """`rewrite_links`, but a link without another id stays as it is in `live`, if both differ only in their links.

    So a number that means something on the destination is not replaced by one that does not. An absolute link of
    `live` counts only at the host that links are given; elsewhere, the source's own number is right.
    """
    ours, theirs = _ANY.findall(text), list(_ANY.finditer(live))
    if len(ours) != len(theirs) or without_ids(text) != without_ids(live):
        return rewrite_links(text, resolve, hosts)
    beside = iter(theirs)

    def replaced(match: re.Match[str]) -> str:
        there = next(beside)
        new = _renewed(match, resolve, hosts.get)
        return new or (there[0] if _is_counterpart(match, there, hosts) else match[0])

    return _ANY.sub(replaced, text)


def without_ids(text: str) -> str:
    """The text with all its links made alike: equal for two texts that differ only in where they link to."""
    return _rewrite(text, lambda _kind, _source_id: "0", lambda _host: "")


def rewrite_in(value: Json, resolve: Resolve, hosts: Mapping[str, str] = {}) -> Json:
    """`rewrite_links` for every string inside a JSON value; keys stay. The value itself is not changed."""
    if not may_link(value):
        return value
    return each_text(value, lambda text: rewrite_links(text, resolve, hosts))


def linked_in(value: Json, hosts: Mapping[str, str] = {}) -> set[tuple[str, str]]:
    """Every (kind, source id) that any string inside a JSON value links to."""
    found: set[tuple[str, str]] = set()

    def note(kind: str, source_id: str) -> None:
        found.add((kind, source_id))

    rewrite_in(value, note, hosts)
    return found


def may_link(value: Json) -> bool:
    """Whether a JSON value can hold a link at all: one search instead of one for each of its texts."""
    return bool(value) and _IN_EVERY_LINK.search(msgspec.json.encode(value)) is not None


def each_text(value: Json, change: Callable[[str], str]) -> Json:
    """A copy of a JSON value in which every string, keys left out, is what `change` makes of it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_text(one, change) for one in value]
    if isinstance(value, dict):
        return {key: each_text(one, change) for key, one in value.items()}
    return value


def relinked(value: Json, refs: References) -> Json:
    """A JSON value whose links go to where the committed mappings say that their content is."""
    if not refs.policy.rewrite_links:
        return value
    return rewrite_in(value, partial(_settled, refs), refs.policy.link_hosts)


def relinked_beside(value: Json, live: Json, refs: References) -> Json:
    """`relinked`, but what is unknown stays as the live value has it where both differ only in their links."""
    if not may_link(value) or not refs.policy.rewrite_links or alike(value) != alike(live):
        return relinked(value, refs)
    return _beside(value, live, refs)


def _beside(value: Json, live: Json, refs: References) -> Json:
    if isinstance(value, str):
        return rewrite_beside(value, live, partial(_settled, refs), refs.policy.link_hosts)
    if isinstance(value, list):
        return [_beside(one, there, refs) for one, there in zip(value, live, strict=True)]
    if isinstance(value, dict):
        return {key: _beside(one, live[key], refs) for key, one in value.items()}
    return value


def alike(value: Json) -> Json:
    """A value with all its links made alike, as `without_ids` does for one text."""
    return each_text(value, without_ids) if may_link(value) else value


def _settled(refs: References, kind: str, source_id: str) -> str | None:
    """The destination's id of what a link leads to, as far as it is known by now."""
    found = refs.mapped(kind, source_id)
    return standing_in(refs, kind, source_id) or (found.destination_id if found is not None else None)


def unsettled_targets(value: Json, refs: References) -> set[tuple[str, str]]:
    """The (kind, source id) of everything in the backup that a value links to and that has no mapping yet."""
    if not refs.policy.rewrite_links:
        return set()
    # The row itself is asked for: `in_vault` says yes as well for a type that was not backed up at all.
    return {
        (kind, source_id)
        for kind, source_id in linked_in(value, refs.policy.link_hosts)
        if _settled(refs, kind, source_id) is None and refs.has_row(kind, source_id)
    }


def name_strays(value: Json, refs: References) -> Steps[None]:
    """Report links to what has no id on this instance: their number means something else here, or nothing.

    Absolute ones of the backup still lead to where it was taken, which is not where it was moved to.
    """
    if refs.same_instance or not refs.policy.rewrite_links:
        return
    links = linked_in(value, refs.policy.link_hosts)
    strays = sorted(link for link in links if _settled(refs, *link) is None)
    if strays:
        names = ", ".join(f"{kind} {source_id}" for kind, source_id in strays)
        text = (
            f"links to {names} cannot be followed, as none of these was restored or recognised here: a text that is "
            "here already keeps its links, a text that is written has those of the backup, which lead elsewhere"
        )
        yield Warn("link_not_followed", text)


def may_move(targets: Collection[tuple[str, str]], refs: References) -> Steps[bool]:
    """Whether one of these can have another id at the end of the run: not so what is there under its own.

    What the backup marks deleted is hardly there, and to ask for it, for every link to it, costs more than to look at
    the link again, which is done only where something has moved.
    """
    if any(refs.marked_deleted(kind, source_id) for kind, source_id in targets):
        return True
    ids = {kind: tuple(sorted(i for k, i in targets if k == kind)) for kind, _ in targets}
    for kind, wanted in ids.items():
        if not refs.same_instance or kind not in ASKED_FOR or (yield Exists(kind, wanted, quiet=True)):
            return True
    return False


def _rewrite(text: str, resolve: Resolve, host_of: HostOf) -> str:
    return _ANY.sub(lambda match: _renewed(match, resolve, host_of) or match[0], text)


def _renewed(match: re.Match[str], resolve: Resolve, host_of: HostOf) -> str | None:
    """What takes the place of a URL or path; None if it stays."""
    if match["authority"] is not None:
        return _absolute(match, resolve, host_of)
    return _with_id(match, resolve)


def _is_counterpart(match: re.Match[str], there: re.Match[str], hosts: Mapping[str, str]) -> bool:
    """Whether a link of another text is what this one became on the destination, or would have."""
    name = _host(match["authority"])
    if name is None:
        return there["authority"] is None
    return name in hosts and _host(there["authority"]) == _host(hosts[name].rpartition("//")[2])


def _host(authority: str | None) -> str | None:
    """The host name of `host:port`, lower case."""
    name = _AUTHORITY.fullmatch(authority or "")
    return name[1].lower() if name is not None else None


def _absolute(url: re.Match[str], resolve: Resolve, host_of: HostOf) -> str | None:
    """A whole URL with its new id and host; the link is where its path begins (not `/api/4.0/dashboards/42`)."""
    name, rest = _host(url["authority"]), url["rest"]
    host = host_of(name) if name is not None else None
    link = _AT_ONCE.match(rest) if host is not None else None
    path = _with_id(link, resolve) if link is not None else None
    if name is None or host is None or link is None or path is None:
        return None
    at = url[0][: url.start("rest") - url.start()] if host == name else _moved(url, host)
    return at + path + rest[link.end() :]


def _moved(url: re.Match[str], to: str) -> str:
    """Scheme, slashes and host of a URL that leads elsewhere by now; what begins with `//` goes without a scheme."""
    scheme, is_origin, host = to.rpartition("//")
    keeps_scheme = not url["scheme"] or (host and not is_origin)
    return ((url["scheme"] or "") if keeps_scheme else scheme) + url["slashes"] + host


def _with_id(link: re.Match[str], resolve: Resolve) -> str | None:
    """The link with its new id, or None if it has none."""
    source_id = link["source_id"]
    destination_id = resolve(KINDS[link["word"]], source_id)
    return None if destination_id is None else link[0][: -len(source_id)] + destination_id
