"""What `status` tells of a run that was killed, and of one that is under way."""

import json
import signal

from processes import ORPHANS_LEAVE_S, eventually


def status(site, *more):
    return json.loads(site.run(["status", "--state", str(site.state), "--json", *more]).out)


def test_a_killed_run_tells_how_far_it_came_of_every_type(slow_site):
    run = slow_site.start(
        [
            "bulk",
            "--type",
            "look",
            "--type",
            "dashboard",
            "--procs",
            "2",
            "--inflight",
            "2",
            *slow_site.arguments(),
        ]
    )
    slow_site.await_writes(5)
    run.signal(signal.SIGSTOP)  # however long it takes to look at it
    under_way = status(slow_site)
    run.signal(signal.SIGKILL)
    run.end()
    eventually(lambda: not run.group(), ORPHANS_LEAVE_S)
    cut_off = status(slow_site)
    assert (under_way["status"], cut_off["status"]) == ("running", "interrupted")
    for one in (under_way["progress"], cut_off["progress"]):
        assert list(one["types"]) == ["look", "dashboard"]
        assert 0 <= one["done"] < one["total"]
    assert cut_off["progress"]["done"] == cut_off["summary"]["total_items"]
    resumed = slow_site.run(slow_site.resume())
    assert resumed.code == 0, resumed
    whole = status(slow_site)["progress"]
    assert whole["done"] == whole["total"] == cut_off["progress"]["total"]
