"""How many requests a second the sandbox bears: component PATCHes from client processes of their own.

    python bench/sandbox.py --clients 2 --threads 4 --requests 20000

A benchmark of the tool says nothing once the sandbox is what is slow, so this is to be known first.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import orjson
import urllib3

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))


def main() -> None:
    """Start a sandbox, load it, print one JSON line."""
    given = arguments()
    with tempfile.TemporaryDirectory() as folder:
        server = start_sandbox(Path(folder, "vault.db"))
        try:
            url = server.stdout.readline().split()[1]
            token, ids = log_in(url), component_ids(url)
            share = given.requests // given.clients
            with ProcessPoolExecutor(given.clients) as pool:
                work = [
                    pool.submit(patch_all, url, token, ids, share, given.threads)
                    for _ in range(given.clients)
                ]
                seconds = max(one.result() for one in work)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    rate = round(share * given.clients / seconds)
    print(json.dumps({"clients": given.clients, "threads": given.threads, "requests_per_second": rate}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--requests", type=int, default=20_000)
    return parser.parse_args()


def start_sandbox(vault: Path) -> subprocess.Popen[str]:
    """Start a sandbox with the content of a generated vault."""
    from make_vault import write_vault  # noqa: PLC0415 - beside this folder

    write_vault(vault, dashboards=100, oddities=False)
    command = [sys.executable, "-m", "lvrestore", "sandbox", "--from-vault", str(vault)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program


def log_in(url: str) -> str:
    """Give an access token."""
    form = "client_id=bench&client_secret=bench"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = urllib3.request("POST", f"{url}/api/4.0/login", body=form, headers=headers)
    return orjson.loads(reply.data)["access_token"]


def component_ids(url: str) -> list[str]:
    """Give the ids of all rectangles of tiles."""
    dump = orjson.loads(urllib3.request("GET", f"{url}/_sandbox/dump").data)
    layouts = [layout for one in dump["dashboards"].values() for layout in one["dashboard_layouts"]]
    return [c["id"] for layout in layouts for c in layout["dashboard_layout_components"]]


def patch_all(url: str, token: str, ids: list[str], requests: int, threads: int) -> float:
    """Send the requests over keep-alive connections; return the seconds it took."""
    http = urllib3.PoolManager(maxsize=threads)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def patch(n: int) -> None:
        body = orjson.dumps({"row": n % 50, "column": n % 12, "width": 6, "height": 8})
        where = f"{url}/api/4.0/dashboard_layout_components/{ids[n % len(ids)]}"
        reply = http.request("PATCH", where, body=body, headers=headers)
        if reply.status != 200:  # noqa: PLR2004 - HTTP's own number
            raise RuntimeError(reply.data)
        orjson.loads(reply.data)

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(patch, range(requests)))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
