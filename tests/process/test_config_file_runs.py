"""Runs whose options are in the config file."""

import json

import pytest


@pytest.mark.parametrize("name", ["lvrestore.toml", "lookervault.toml"])
def test_a_dry_run_of_the_file_writes_nothing(name, site):
    (site.folder / name).write_text('[restore]\ndry_run = true\ntype = ["dashboard"]\nprocs = 2\n')
    dry = site.run(["bulk", *site.arguments()])
    assert dry.code == 0, dry
    assert json.loads(dry.out.splitlines()[-1])["status"] == "planned"
    assert site.writes() == []
    assert not site.state.exists()
    real = site.run(["bulk", "--no-dry-run", *site.arguments()])
    assert real.code == 0, real
    assert site.writes()
    (site.folder / name).unlink()
    site.assert_restored()


def test_a_run_needs_no_options_where_the_file_has_them(site):
    (site.folder / "lvrestore.toml").write_text(
        f'[looker]\nbase_url = "{site.url}"\ntimeout = 5\n'
        f'[restore]\ntype = "dashboard"\ndb_path = "{site.vault}"\nstate = "{site.state}"\njson = true\n'
    )
    refused = site.run(["bulk"])
    assert refused.code == 64, refused
    assert json.loads(refused.out)["kind"] == "usage"
    done = site.run(["bulk", "--force"])
    assert done.code == 0, done
    told = site.run(["status"])
    assert told.summary["session_id"] == done.summary["session_id"]


def test_what_is_asked_is_compared_with_what_the_file_says(site):
    file = site.folder / "lvrestore.toml"
    file.write_text('[restore]\nschedules = "skip"\ntype = "dashboard"\n')
    once = site.run(["bulk", "--run-id", "nightly", "--max-errors", "1000", *site.arguments()])
    assert once.code == 0, once
    again = site.run(["bulk", "--run-id", "nightly", *site.arguments()])
    assert again.code == 0, again
    file.write_text('[restore]\ntype = "dashboard"\n')
    changed = site.run(["bulk", "--run-id", "nightly", *site.arguments()])
    assert changed.code == 6, changed
    assert "schedules" in changed.out
