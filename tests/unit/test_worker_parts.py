"""The parts of a worker that matter when it has to stop, and the items that an earlier attempt left in doubt."""

import shutil
import tempfile
import threading
from datetime import UTC, datetime, timedelta

import pytest
from factory import backup, make_dashboard, make_looker
from harness import restore

from lvrestore.errors import PeerGone
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Token
from lvrestore.run.messages import BeforeImage, TokenGiven, TokenWanted
from lvrestore.run.pipes import MeetingPoint, meet, pipe_pair, private_folder
from lvrestore.run.worker import PipeRecorder, PipeTokens

PATIENCE_S = 10.0


class Outcome:
    """What a call in another thread gave or raised."""

    def __init__(self, call):
        self.value = self.error = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.value = self._call()
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.error = error

    def wait(self):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self


@pytest.fixture
def pipes():
    ours, theirs = pipe_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_write_waits_until_its_before_image_is_stored(pipes):
    worker, writer = pipes
    recorder = PipeRecorder(worker)
    kept = Outcome(lambda: recorder.keep("dashboard", "1", b"{}"))
    image = writer.receive()
    assert isinstance(image, BeforeImage)
    recorder.stored(image.ticket)
    assert kept.wait().error is None


def test_a_write_is_not_made_when_its_before_image_is_not_stored(pipes):
    worker, writer = pipes
    recorder = PipeRecorder(worker)
    kept = Outcome(lambda: recorder.keep("dashboard", "1", b"{}"))
    writer.receive()
    recorder.give_up()
    assert isinstance(kept.wait().error, PeerGone)
    with pytest.raises(PeerGone):
        recorder.keep("dashboard", "2", b"{}")


def test_a_token_is_asked_for_once_however_many_threads_need_it(pipes):
    worker, parent = pipes
    tokens = PipeTokens(worker, Token("old", 1, 0.0))
    renewed = [Outcome(lambda: tokens.renew(Token("old", 1, 0.0))) for _ in range(4)]
    assert parent.receive() == TokenWanted(1)
    tokens.give(TokenGiven("new", 2, 99.0))
    assert [one.wait().value.value for one in renewed] == ["new"] * 4
    assert not parent.waiting()


def test_a_stop_is_not_a_failed_item():
    looker = make_looker()
    row = backup(looker, make_dashboard(looker))

    def send(_request):
        raise StoppedWaiting

    looker.send = send
    with pytest.raises(StoppedWaiting):
        restore(looker, [row])


def test_nothing_is_created_while_an_earlier_request_may_land():
    looker = make_looker()
    dashboard_id = make_dashboard(looker, tiles=3)
    row = backup(looker, dashboard_id)
    tile = looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_elements")[1]
    looker.call("DELETE", f"/dashboard_elements/{tile['id']}")
    body = {"dashboard_id": dashboard_id, "title": tile["title"], "type": "vis", "look_id": looker.look}
    waits = []

    def land(seconds):
        waits.append(seconds)
        looker.call("POST", "/dashboard_elements", body)

    now = datetime.now(UTC)
    doubt = {"uncertain_since": now - timedelta(seconds=9), "lands_until": now + timedelta(seconds=60)}
    looker.advance = land
    (result,) = restore(looker, [row], **doubt)
    assert result.error is None
    assert waits == [pytest.approx(60, abs=5)]
    assert len(looker.call("GET", f"/dashboards/{dashboard_id}/dashboard_elements")) == 3


def test_the_meeting_point_is_found_below_a_long_path(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    folder = private_folder()
    point = MeetingPoint(folder)
    meet(folder).close()
    point.close()
    shutil.rmtree(folder)
