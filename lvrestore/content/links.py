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
from lvrestore.content.references import References, standing_in
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


def linked(text: str, hosts: Mapping[str, str] = {}) -> set[tuple[str, str]]:
    """Every (kind, source id) that a text links to."""
    return linked_in(text, hosts)


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


def _settled(refs: References, kind: str, source_id: str) -> str | None:
    """The destination's id of what a link leads to, as far as it is known by now."""
    found = refs.mapped(kind, source_id)
    return standing_in(refs, kind, source_id) or (found.destination_id if found is not None else None)


def unsettled(value: Json, refs: References) -> bool:
    """Whether a value links to something in the backup that has no mapping, or none yet."""
    return bool(unsettled_targets(value, refs))


def unsettled_targets(value: Json, refs: References) -> set[tuple[str, str]]:
    """The (kind, source id) of everything in the backup that a value links to and that has no mapping yet."""
    if not refs.policy.rewrite_links:
        return set()
    # The content itself is asked for: `in_vault` says yes as well for a type that was not backed up at all.
    return {
        (kind, source_id)
        for kind, source_id in linked_in(value, refs.policy.link_hosts)
        if _settled(refs, kind, source_id) is None and refs.content(kind, source_id) is not None
    }


def name_strays(value: Json, refs: References) -> Steps[None]:
    """Report links that keep a number which means something else on this instance, or nothing.

    Absolute ones still lead to where the backup was taken, which is not where it was moved to.
    """
    if refs.same_instance or not refs.policy.rewrite_links:
        return
    links = linked_in(value, refs.policy.link_hosts)
    strays = sorted(link for link in links if _settled(refs, *link) is None)
    if strays:
        names = ", ".join(f"{kind} {source_id}" for kind, source_id in strays)
        text = f"links to {names} stay as they are, and lead elsewhere: what they led to is not restored here"
        yield Warn("link_not_followed", text)


def may_move(targets: Collection[tuple[str, str]], refs: References) -> Steps[bool]:
    """Whether one of these can have another id at the end of the run: not so what is there under its own."""
    ids = {kind: tuple(sorted(i for k, i in targets if k == kind)) for kind, _ in targets}
    for kind, wanted in ids.items():
        if not refs.same_instance or kind not in ASKED_FOR or (yield Exists(kind, wanted, quiet=True)):
            return True
    return False


def _rewrite(text: str, resolve: Resolve, host_of: HostOf) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match["authority"] is not None:
            return _absolute(match, resolve, host_of) or match[0]
        return _with_id(match, resolve) or match[0]

    return _ANY.sub(replaced, text)


def _absolute(url: re.Match[str], resolve: Resolve, host_of: HostOf) -> str | None:
    """A whole URL with its new id and host; the link is where its path begins (not `/api/4.0/dashboards/42`)."""
    authority, rest = url["authority"], url["rest"]
    name = _AUTHORITY.fullmatch(authority)
    host = host_of(name[1].lower()) if name is not None else None
    link = _AT_ONCE.match(rest) if host is not None else None
    path = _with_id(link, resolve) if link is not None else None
    if name is None or host is None or link is None or path is None:
        return None
    at = url[0][: url.start("rest") - url.start()] if host == name[1].lower() else _moved(url, host)
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
