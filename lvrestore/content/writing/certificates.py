"""Certificates of dashboards, looks and tiles. They are written last, as an edit may revoke them.

Who certified, and when, the server says by itself: a certificate that is written is the calling account's, from now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lvrestore.content.calls import Get, Steps, Update, Warn
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body, body_of, changed, changes, only, settled, without
from lvrestore.content.writing.shapes import known
from lvrestore.content.writing.work import Work
from lvrestore.looker.classify import Refused
from lvrestore.looker.models import WriteCertification
from lvrestore.looker.protocol import CERTIFICATION
from lvrestore.model import Json

FIELD = "certification_metadata"
WRITABLE = WriteCertification.__struct_fields__


def certificate_of(vault: Any, refs: References) -> Body | None:  # noqa: ANN401 - a dashboard, a look or a tile
    """The certificate to write; None where the backup has none, or none is to be written."""
    certificate = known(vault.certification_metadata)
    if refs.policy.certification == "skip" or certificate is None:
        return None
    return body_of(certificate) if known(certificate.certification_status) else None


def with_certificate(body: Body, vault: Any, refs: References) -> Body:  # noqa: ANN401 - as above
    """A body with just what of its certificate is to be written."""
    certificate = certificate_of(vault, refs) if FIELD in body else None
    return without(body, FIELD) | ({FIELD: certificate} if certificate else {})


def as_comparable(live: Body) -> Body:
    """A live object without who certified it, and when."""
    return {**live, FIELD: only(live[FIELD], WRITABLE)} if live.get(FIELD) else live


def certify_tiles(work: Work) -> Steps[None]:
    """Make the certificates of a dashboard's tiles equal; these have no call of their own."""
    for want, tile in work.certificates:
        where, label = f"/dashboard_elements/{tile['id']}", f"dashboard_elements[{tile['id']}]."
        if changed(want, _shown(tile)):
            yield from _write(work, where, label, {FIELD: _whole(want, tile)}, want, tile)


def certify(work: Work, want: Body | None, live: Body, *, is_stale: bool) -> Steps[Body]:
    """Make the certificate of a dashboard or a look equal. Return the live object as it is then.

    `is_stale`: an edit since `live` was read may have revoked the certificate.
    """
    if want is None:
        return live
    if is_stale:
        live = {**live, **(yield Get(work.path, {"fields": FIELD}, seen=True))}
    if not changed(want, _shown(live)):
        return live
    return (yield from _write(work, f"{work.path}{CERTIFICATION}", "", _whole(want, live), want, live))


def _write(work: Work, where: str, label: str, body: Body, want: Body, live: Body) -> Steps[Body]:
    yield from work.remember()
    what = f"{work.kind} {work.item_id}" + (f", {label.rstrip('.')}" if label else "")
    try:
        reply = (yield Update(where, body)) or {FIELD: want}
    except Refused as refused:
        work.not_kept = True
        yield Warn("certificate_refused", f"{what}: the server refuses its certificate: {refused}")
        return live
    delta = changed(want, _shown(live))
    work.changes += changes(f"{label}{FIELD}.", only(want, delta), _shown(live))
    if changed(want, _shown(reply)):
        work.not_kept = True
        yield Warn("not_kept", f"{label}{FIELD}: the server stored something else than it was sent")
    else:
        yield Warn("certified_anew", f"{what}: its certificate is the calling account's, of today")
    return {**live, **reply}


def _shown(live: Mapping[str, Json]) -> Body:
    return live.get(FIELD) or {}


def _whole(want: Body, live: Mapping[str, Json]) -> Body:
    """What to send: whether the rest of what is live stays is undocumented."""
    return {**settled(_shown(live), WRITABLE), **want}
