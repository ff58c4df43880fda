"""A Looker to ask in memory and over HTTP: the two are one."""

import json
from urllib.parse import urlencode

import pytest
import urllib3

from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.server import App, running

QUERY = {"model": "shop", "view": "orders", "fields": ["orders.count"], "vis_config": {"type": "looker_bar"}}


class Api:
    """One way to call one Looker, with shorthands for what tests need again and again."""

    def __init__(self, looker, call):
        self.looker, self.call = looker, call
        looker.add_model("shop", ["orders"])

    def ok(self, method, path, body=None, **params):
        status, reply = self.call(method, path, body, params)
        assert status < 400, (status, reply)
        return reply

    def refused(self, method, path, body=None, **params):
        status, reply = self.call(method, path, body, params)
        assert f"/{status}/" in reply["documentation_url"]
        return (status, *((fault["field"], fault["code"]) for fault in reply.get("errors", [])))

    def query(self, **given):
        return self.ok("POST", "/queries", {**QUERY, **given})["id"]

    def folder(self, name="Sales", parent_id="1"):
        return self.ok("POST", "/folders", {"name": name, "parent_id": parent_id})["id"]

    def dashboard(self, title="Sales", folder_id="1", **given):
        return self.ok("POST", "/dashboards", {"title": title, "folder_id": folder_id, **given})

    def look(self, title="Orders", **given):
        body = {"title": title, "folder_id": "1", "query_id": self.query(), **given}
        return self.ok("POST", "/looks", body)

    def tile(self, dashboard_id, **given):
        body = given if "type" in given else {"type": "vis", "query_id": self.query(), **given}
        return self.ok("POST", "/dashboard_elements", {"dashboard_id": dashboard_id, **body})

    def filter(self, dashboard_id, title="Date", **given):
        body = {"dashboard_id": dashboard_id, "name": title, "title": title, "type": "field_filter", **given}
        return self.ok("POST", "/dashboard_filters", body)

    def board(self, title="Start here", **given):
        return self.ok("POST", "/boards", {"title": title, **given})

    def plan_body(self, **given):
        """What a plan needs; content is a new dashboard unless given."""
        if not given.keys() & {"dashboard_id", "look_id", "lookml_dashboard_id", "query_id"}:
            given["dashboard_id"] = self.dashboard(f"Planned {len(self.looker.requests)}")["id"]
        destination = {"type": "email", "format": "wysiwyg_pdf", "address": "ann@example.com"}
        return {
            "name": "Daily",
            "crontab": "0 6 * * *",
            "enabled": False,
            "scheduled_plan_destination": [destination],
            **given,
        }

    def layouts(self, dashboard_id):
        return self.ok("GET", f"/dashboards/{dashboard_id}/dashboard_layouts")

    def found(self, path, **params):
        return [row["id"] for row in self.ok("GET", path, **params)]


def _text(params):
    return {name: str(value) for name, value in (params or {}).items()}


class Http:
    """Calls over a keep-alive connection."""

    def __init__(self, url):
        self.url, self.pool, self.token = url, urllib3.PoolManager(retries=False, timeout=10), ""

    def login(self):
        form = {"client_id": "id", "client_secret": "secret"}
        reply = self.pool.request("POST", f"{self.url}/api/4.0/login", fields=form, encode_multipart=False)
        self.token = reply.json()["access_token"]

    def call(self, method, path, body=None, params=None):
        url = f"{self.url}/api/4.0{path}" + (f"?{urlencode(params)}" if params else "")
        raw = None if body is None else json.dumps(body)
        reply = self.pool.request(method, url, body=raw, headers={"authorization": f"Bearer {self.token}"})
        return reply.status, (reply.json() if reply.data else None)


@pytest.fixture(scope="module")
def server():
    app = App(Looker())
    with running(app) as url:
        yield app, Http(url)


@pytest.fixture(params=["memory", "http"])
def make(request, server):
    """A maker of Lookers with given switches, reached one way or the other."""

    def memory(**switches):
        looker = Looker(switches)
        return Api(
            looker,
            lambda method, path, body=None, params=None: looker.handle(method, path, _text(params), body),
        )

    def over_http(**switches):
        app, http = server
        app.looker = Looker(switches)
        http.login()
        return Api(app.looker, http.call)

    return memory if request.param == "memory" else over_http


@pytest.fixture
def api(make):
    return make()
