"""Certificates of dashboards, looks and tiles: written last, whatever the instance makes of edits and bodies."""

import itertools
from datetime import UTC, datetime

import msgspec
import pytest
from factory import backup, destroy, make_dashboard, make_looker, trash
from harness import Cut, Memory, PowerCut, restore

from lvrestore.model import ContentType, Operation
from lvrestore.settings import Policy

BELIEFS = [
    {"certification_in_body": in_body, "edit_revokes": revokes}
    for in_body, revokes in itertools.product(("honoured", "ignored"), ("no", "yes"))
]
CERTIFIED = {"certification_status": "certified", "notes": "checked by finance"}
REVOKED = {"certification_status": "revoked", "notes": None}
STATES = ["untouched", "revoked", "other notes", "edited", "part edited", "trashed", "destroyed"]


def certify(looker, kind, item_id, certificate=CERTIFIED):
    return looker.call("PATCH", f"/{kind}s/{item_id}/certification", certificate)


def certificate(looker, kind, item_id):
    live = looker.call("GET", f"/{kind}s/{item_id}")["certification_metadata"] or {}
    return {name: live.get(name) for name in CERTIFIED}


def writes(looker):
    return [f"{r.method} {r.path}" for r in looker.requests if r.method != "GET"]


def of_certificates(result):
    return [one for one in result.changes if "certification" in one[0]]


def spoil(looker, state, dashboard_id):
    match state:
        case "revoked":
            certify(looker, "dashboard", dashboard_id, REVOKED)
        case "other notes":
            certify(looker, "dashboard", dashboard_id, {**CERTIFIED, "notes": "who knows"})
        case "edited":
            looker.call("PATCH", f"/dashboards/{dashboard_id}", {"title": "Spoiled"})
        case "part edited":
            tile = looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_elements")[0]["id"]
            looker.call("PATCH", f"/dashboard_elements/{tile}", {"title": "Spoiled"})
        case "trashed":
            trash(looker, dashboard_id)
        case "destroyed":
            destroy(looker, dashboard_id)


@pytest.mark.parametrize("beliefs", BELIEFS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("wanted", [CERTIFIED, REVOKED])
def test_a_dashboard_is_certified_as_in_the_backup_and_then_nothing_more_is_written(wanted, state, beliefs):
    looker = make_looker(**beliefs)
    dashboard_id = make_dashboard(looker)
    certify(looker, "dashboard", dashboard_id, wanted)
    row, memory = backup(looker, dashboard_id), Memory()
    spoil(looker, state, dashboard_id)
    looker.clear_log()
    (planned,) = restore(looker, [row], Memory(), dry_run=True)
    assert writes(looker) == []
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    here = result.destination_id
    assert result.error is None
    assert certificate(looker, "dashboard", here) == wanted
    sent = writes(looker)
    certifying = [one for one in sent if one.endswith("/certification")]
    assert certifying in ([], sent[-1:])
    renewed = [kind for kind, _ in result.warnings if kind == "certified_anew"]
    assert len(renewed) == len(certifying)
    if beliefs["edit_revokes"] == "no":  # what an edit does to a certificate no dry run knows
        assert of_certificates(planned) == of_certificates(result)
        patches = [one.calls.by_method.get("PATCH", 0) for one in (planned, result)]
        assert state == "destroyed" or patches[0] == patches[1]  # rectangles are an upper bound
    looker.clear_log()
    (again,) = restore(looker, [row], memory)
    assert (writes(looker), again.operation) == ([], Operation.UNCHANGED)


@pytest.mark.parametrize("beliefs", BELIEFS)
@pytest.mark.parametrize("state", ["untouched", "revoked", "edited", "trashed", "destroyed"])
def test_a_look_is_certified_as_in_the_backup_and_then_nothing_more_is_written(state, beliefs):
    looker = make_looker(**beliefs)
    certify(looker, "look", looker.look)
    live = looker.call("GET", f"/looks/{looker.look}")
    row = (
        looker.look,
        msgspec.msgpack.encode({k: v for k, v in live.items() if v is not None and k != "query"}),
    )
    match state:
        case "revoked":
            certify(looker, "look", looker.look, REVOKED)
        case "edited":
            looker.call("PATCH", f"/looks/{looker.look}", {"description": "Spoiled"})
        case "trashed":
            looker.call("PATCH", f"/looks/{looker.look}", {"deleted": True})
        case "destroyed":
            looker.call("DELETE", f"/looks/{looker.look}")
    looker.clear_log()
    memory = Memory()
    (result,) = restore(looker, [row], memory, content_type=ContentType.LOOK)
    assert certificate(looker, "look", result.destination_id) == CERTIFIED
    assert not any(one.endswith("/certification") for one in writes(looker)[:-1])
    looker.clear_log()
    (again,) = restore(looker, [row], memory, content_type=ContentType.LOOK)
    assert (writes(looker), again.operation) == ([], Operation.UNCHANGED)


@pytest.mark.parametrize("beliefs", BELIEFS)
@pytest.mark.parametrize("state", ["untouched", "part edited", "destroyed"])
def test_a_tile_is_certified_last_and_where_it_cannot_be_that_is_said_once(state, beliefs):
    looker = make_looker(**{**beliefs, "certification_in_body": "honoured"})
    dashboard_id = make_dashboard(looker)
    tile = looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_elements")[0]["id"]
    looker.call("PATCH", f"/dashboard_elements/{tile}", {"certification_metadata": CERTIFIED})
    certify(looker, "dashboard", dashboard_id)
    row, memory = backup(looker, dashboard_id), Memory()
    looker.switches.update(beliefs)
    spoil(looker, state, dashboard_id)
    (result,) = restore(looker, [row], memory)
    here = looker.call("GET", f"/dashboards/{result.destination_id}")
    assert certificate(looker, "dashboard", here["id"]) == CERTIFIED
    shown = (here["dashboard_elements"][0]["certification_metadata"] or {}).get("certification_status")
    not_kept = [text for kind, text in result.warnings if kind == "not_kept"]
    assert (shown == "certified") is not bool(not_kept)
    assert not not_kept or beliefs["certification_in_body"] == "ignored"
    looker.clear_log()
    (again,) = restore(looker, [row], memory)
    assert (writes(looker), again.operation) == ([], Operation.UNCHANGED)


@pytest.mark.parametrize("beliefs", BELIEFS)
def test_a_dashboard_that_is_looked_at_again_is_certified_after_that(beliefs):
    """A link to a dashboard that gets a new id is written last; the certificate comes after it."""
    looker = make_looker(**beliefs)
    target, linking = make_dashboard(looker, "Target"), make_dashboard(looker, "Linking")
    text = looker.call("GET", f"/dashboards/{linking}/dashboard_elements")[2]["id"]
    looker.call(
        "PATCH", f"/dashboard_elements/{text}", {"body_text": f'<a href="/dashboards/{target}">x</a>'}
    )
    certify(looker, "dashboard", linking)
    rows, memory = [backup(looker, linking), backup(looker, target)], Memory()
    memory.contents["dashboard", target] = {"title": "Target"}
    destroy(looker, linking)
    destroy(looker, target)
    results = restore(looker, rows, memory)
    here, there = (r.destination_id for r in results)
    memory.again = True
    looker.clear_log()
    (second,) = restore(looker, rows[:1], memory)
    assert (
        f"/dashboards/{there}"
        in looker.call("GET", f"/dashboards/{here}")["dashboard_elements"][2]["body_text"]
    )
    assert certificate(looker, "dashboard", here) == CERTIFIED
    assert second.error is None
    assert writes(looker)[-1] == f"PATCH /dashboards/{here}/certification"


@pytest.mark.parametrize("beliefs", BELIEFS)
@pytest.mark.parametrize("state", ["revoked", "part edited", "trashed", "destroyed"])
def test_cut_after_every_call_the_rerun_certifies(state, beliefs):
    def damaged():
        looker = make_looker()
        dashboard_id = make_dashboard(looker, tiles=1, filters=0)
        tile = looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_elements")[0]["id"]
        looker.call("PATCH", f"/dashboard_elements/{tile}", {"certification_metadata": CERTIFIED})
        certify(looker, "dashboard", dashboard_id)
        row = backup(looker, dashboard_id)
        looker.switches.update(beliefs)
        spoil(looker, state, dashboard_id)
        looker.clear_log()
        return looker, row

    looker, row = damaged()
    restore(looker, [row])
    for cut in range(len(looker.requests)):
        looker, row = damaged()
        memory, claimed = Memory(), datetime.fromtimestamp(looker.instance.now(), UTC)
        with pytest.raises(PowerCut):
            restore(Cut(looker, cut), [row], memory)
        (result,) = restore(looker, [row], memory, uncertain_since=claimed)
        assert certificate(looker, "dashboard", result.destination_id) == CERTIFIED, cut
        looker.clear_log()
        (again,) = restore(looker, [row], memory)
        assert (writes(looker), again.operation) == ([], Operation.UNCHANGED), cut


def test_certificates_are_left_alone_if_so_wished():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    certify(looker, "dashboard", dashboard_id)
    row, memory = backup(looker, dashboard_id), Memory(certification="skip")
    certify(looker, "dashboard", dashboard_id, REVOKED)
    looker.clear_log()
    (result,) = restore(looker, [row], memory)
    assert (writes(looker), result.operation) == ([], Operation.UNCHANGED)
    destroy(looker, dashboard_id)
    (made,) = restore(looker, [row], memory)
    assert certificate(looker, "dashboard", made.destination_id) == dict.fromkeys(CERTIFIED)


def test_what_was_accepted_while_certificates_were_left_alone_is_certified_later():
    looker = make_looker(normalises="text_and_colours")
    dashboard_id = make_dashboard(looker)
    certify(looker, "dashboard", dashboard_id)
    row, memory = backup(looker, dashboard_id, description="ends in blanks  "), Memory(certification="skip")
    certify(looker, "dashboard", dashboard_id, REVOKED)
    (first,) = restore(looker, [row], memory)
    assert "not_kept" in dict(first.warnings)
    memory.policy = Policy()
    restore(looker, [row], memory)
    assert certificate(looker, "dashboard", dashboard_id) == CERTIFIED


@pytest.mark.parametrize("in_backup", [None, {"certification_status": None, "notes": None}])
def test_what_the_backup_has_no_certificate_of_keeps_the_one_that_it_has(in_backup):
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    row = backup(looker, dashboard_id, **({"certification_metadata": in_backup} if in_backup else {}))
    certify(looker, "dashboard", dashboard_id)
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert (writes(looker), result.operation) == ([], Operation.UNCHANGED)


def test_who_certified_and_when_is_no_difference():
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    certify(looker, "dashboard", dashboard_id)
    ours = {**CERTIFIED, "user_name": "Somebody Else", "updated_at": "2020-01-01T00:00:00Z", "ui_status": "x"}
    row = backup(looker, dashboard_id, certification_metadata=ours)
    looker.clear_log()
    (result,) = restore(looker, [row])
    assert (writes(looker), result.operation) == ([], Operation.UNCHANGED)


@pytest.mark.parametrize("status", [403, 404, 422])
def test_an_instance_that_lets_nobody_certify_is_named_and_not_asked_again(status):
    looker = make_looker()
    dashboard_id = make_dashboard(looker)
    certify(looker, "dashboard", dashboard_id)
    row, memory = backup(looker, dashboard_id), Memory()
    certify(looker, "dashboard", dashboard_id, REVOKED)
    looker.on("PATCH", "/dashboards/*/certification").answer(status, {"message": "no"}, times=9)
    (result,) = restore(looker, [row], memory)
    assert result.error is None
    assert [kind for kind, _ in result.warnings] == ["certificate_refused"]
    looker.clear_log()
    (again,) = restore(looker, [row], memory)
    assert (writes(looker), again.operation) == ([], Operation.UNCHANGED)


def test_a_look_of_another_certificate_is_not_taken_over_on_another_instance():
    looker = make_looker()
    live = looker.call("GET", f"/looks/{looker.look}")
    content = {**{k: v for k, v in live.items() if v is not None}, "certification_metadata": CERTIFIED}
    memory = Memory(same_instance=False)
    memory.note_known("folder", looker.folder)
    memory.note_known("query", looker.query)
    row = "7", msgspec.msgpack.encode({**content, "id": "7"})
    (result,) = restore(looker, [row], memory, content_type=ContentType.LOOK)
    assert result.operation is Operation.CONFLICT
    assert "certification_metadata" in result.reason
