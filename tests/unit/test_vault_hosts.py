"""Where the backed-up instance was reached, from whatever rows tell it."""

import msgspec
import pytest

from lvrestore.model import VaultRow
from lvrestore.vault.hosts import source_hosts


class Rows:
    """A vault of a few rows."""

    def __init__(self, source=None, **contents):
        self.source_instance, self.contents = source, contents

    def rows(self, content_type, **_wanted):
        for content in self.contents.get(content_type.label, ()):
            blob = content if isinstance(content, bytes) else msgspec.msgpack.encode(content)
            yield VaultRow(content_type=content_type, source_id="1", name="", blob=blob)


@pytest.mark.parametrize(
    ("vault", "hosts"),
    [
        (Rows(), set()),
        (Rows(source="https://X.looker.com:19999"), {"x.looker.com"}),
        (Rows(source="x.looker.com"), {"x.looker.com"}),
        (Rows(user=[{"url": "https://x.looker.com:19999/api/4.0/users/1"}]), {"x.looker.com"}),
        (Rows(look=[{"public_url": "https://x.looker.com/looks/a.txt"}]), {"x.looker.com"}),
        (Rows(dashboard=[{"url": "/dashboards/1"}]), set()),
        (Rows(user=[{"url": "https://[nonsense/"}]), set()),
        (Rows(dashboard=[{"dashboard_elements": [{"query": {"share_url": "https://y.com/x/1"}}]}]), {"y.com"}),
        (Rows(dashboard=[{"dashboard_elements": [{"query": None}, {}]}], role=[b"\xc1", {"url": None}]), set()),
    ],
)  # fmt: skip
def test_hosts_of_the_source(vault, hosts):
    assert source_hosts(vault) == hosts
