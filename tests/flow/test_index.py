"""The file of what was read in bulk, shared by the processes of a run."""

import threading
from contextlib import closing

import apsw

from lvrestore.run.index import FILE, Index


def test_a_process_that_opens_it_waits_for_one_that_has_it_to_itself(tmp_path):
    Index(tmp_path, 600).close()
    holder = apsw.Connection(str(tmp_path / FILE))
    for pragma in ("locking_mode=EXCLUSIVE", "user_version=1"):
        holder.execute(f"PRAGMA {pragma}")
    soon = threading.Timer(0.3, holder.close)
    soon.start()
    with closing(Index(tmp_path, 600)) as index:
        assert index.get("folder", "1") is None
    soon.join()
