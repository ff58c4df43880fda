"""Over real sockets: what is sent, and whether a request without an answer was."""

import contextlib
import gzip
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading

import orjson
import pytest

from lvrestore.errors import ApiError, ValidationError
from lvrestore.looker.credentials import Destination, Secret
from lvrestore.looker.models import WriteDashboard
from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent, Token, path
from lvrestore.looker.tokens import LoginTokens
from lvrestore.looker.transport import Endpoint, HttpTransport, normalise_base_url, proxy_for

GET = Request("GET", "/dashboards/1")


def reply(status=200, body=b"{}", **headers):
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = "" if "Content_Length" in headers else f"Content-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} X\r\n{head}{length}\r\n".encode() + body


class Server:
    """Accepts connections; each request is handed to the next step, which may answer or misbehave."""

    def __init__(self, *steps):
        self.steps, self.requests, self.connections = list(steps), [], 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            while request := self._read(connection):
                self.requests.append(request)
                step = self.steps.pop(0)
                if callable(step):
                    step(connection)
                    return
                connection.sendall(step)

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := connection.recv(65536)):
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (h.split(": ", 1) for h in rest)}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        return line, headers, body

    def close(self):
        self._listener.close()


@pytest.fixture
def serve():
    opened = []

    def start(*steps, timeout_s=5.0):
        server = Server(*steps)
        transport = HttpTransport(Endpoint(server.url, timeout_s=timeout_s), inflight=2)
        opened.extend([server, transport])
        return server, transport

    yield start
    for each in opened:
        each.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(connection):
    pass


def stall(connection):
    threading.Event().wait(1.0)


def truncate(connection):
    connection.sendall(reply(body=b'{"id": "1', Content_Length=100))


def truncate_chunks(connection):
    connection.sendall(b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n')


def garbage(connection):
    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")


def bad_gzip(connection):
    connection.sendall(reply(body=b"not gzip", Content_Encoding="gzip"))


def test_a_request_as_it_is_sent(serve):
    server, transport = serve(reply(201, b'{"id": "7"}', X_Thing="a"))
    body = WriteDashboard(title="Ü", description=None)
    answer = transport.send(Request("POST", "/dashboards", {"fields": "id,a b"}, body, Token("tok", 1, 0.0)))
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (201, b'{"id": "7"}', "a")
    assert answer.elapsed_s > 0
    line, headers, sent = server.requests[0]
    assert line == "POST /api/4.0/dashboards?fields=id%2Ca+b HTTP/1.1"
    assert headers["authorization"] == "Bearer tok"
    assert headers["user-agent"].startswith("lvrestore/")
    assert headers["content-type"] == "application/json"
    assert json.loads(sent) == {"title": "Ü", "description": None}


def test_connections_are_kept_and_gzip_is_read(serve):
    body = gzip.compress(b'{"id": "1"}')
    server, transport = serve(reply(), reply(body=body, Content_Encoding="gzip"))
    transport.send(GET)
    assert transport.send(GET).body == b'{"id": "1"}'
    assert server.connections == 1
    assert "authorization" not in server.requests[0][1]
    assert "content-type" not in server.requests[0][1]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirects_are_not_followed(serve, method):
    server, transport = serve(reply(302, b"", Location="/elsewhere"))
    answer = transport.send(Request(method, "/x", token=Token("tok", 1, 0.0)))
    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert len(server.requests) == 1


@pytest.mark.parametrize("step", [reset, close, truncate, truncate_chunks, garbage, bad_gzip])
def test_sent_and_not_answered_is_unknown(serve, step):
    server, transport = serve(step)
    answer = transport.send(Request("POST", "/dashboards", body={}))
    assert isinstance(answer, NoAnswer)
    assert answer.sent is Sent.UNKNOWN
    assert answer.reason
    assert len(server.requests) == 1  # not repeated behind our back


def test_a_stall_is_unknown_after_the_read_timeout(serve):
    _, transport = serve(stall, timeout_s=0.2)
    answer = transport.send(GET)
    assert (answer.sent, "timed out" in answer.reason.lower()) == (Sent.UNKNOWN, True)
    assert answer.elapsed_s < 0.9


def test_a_kept_connection_that_broke_on_use_is_unknown(serve):
    _server, transport = serve(reply(), reset)
    transport.send(GET)
    assert transport.send(GET).sent is Sent.UNKNOWN


def test_a_connection_closed_while_idle_is_replaced(serve):
    def answer_and_close(connection):
        connection.sendall(reply())

    server, transport = serve(answer_and_close, reply())
    transport.send(GET)
    threading.Event().wait(0.05)
    assert transport.send(GET).status == 200
    assert server.connections == 2


def test_nobody_listening_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    answer = HttpTransport(Endpoint(url)).send(GET)
    assert (answer.sent, answer.reason) == (Sent.NO, "Connection refused")


def test_an_unknown_name_is_not_sent():
    answer = HttpTransport(Endpoint("https://no-such-host.invalid")).send(GET)
    assert answer.sent is Sent.NO
    assert answer.reason


def test_a_failed_handshake_is_not_sent(serve):
    server, _ = serve()
    secure = HttpTransport(Endpoint(server.url.replace("http:", "https:"), connect_timeout_s=0.5))
    answer = secure.send(GET)
    assert answer.sent is Sent.NO


def test_a_dead_proxy_is_not_sent(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    answer = HttpTransport(Endpoint("https://looker.example.com")).send(GET)
    assert (answer.sent, answer.reason) == (Sent.NO, "Connection refused")


def test_a_proxy_is_used_by_name_but_never_for_this_machine(monkeypatch):
    monkeypatch.setenv("https_proxy", "proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    assert proxy_for("https://looker.example.com") == "http://proxy.example.com:3128"
    assert proxy_for("https://inside.example.com:19999") is None
    assert proxy_for("https://127.0.0.1:9999") is None


def test_threads_share_a_transport(serve):
    _server, transport = serve(*[reply()] * 20)
    results = []
    threads = [threading.Thread(target=lambda: results.append(transport.send(GET))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in results] == [200] * 20


def test_login_over_http(serve):
    server, _ = serve(reply(body=orjson.dumps({"access_token": "tok", "expires_in": 3600})))
    destination = Destination(endpoint=Endpoint(server.url), client_id="a&b", client_secret=Secret("p=q"))
    assert LoginTokens(destination).current().value == "tok"
    line, headers, body = server.requests[0]
    assert line == "POST /api/4.0/login HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert body == b"client_id=a%26b&client_secret=p%3Dq"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://x.example.com", "https://x.example.com"),
        ("  x.example.com/ ", "https://x.example.com"),
        ("HTTPS://X.Example.com:443//", "https://x.example.com"),
        ("https://x.example.com:19999/api/4.0/", "https://x.example.com:19999"),
        ("https://x.example.com/api", "https://x.example.com"),
        ("https://x.example.com/looker/api/4.0", "https://x.example.com/looker"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost/", "http://localhost"),
        ("http://[::1]:9", "http://[::1]:9"),
    ],
)
def test_base_url(given, expected):
    assert normalise_base_url(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "http://x.example.com",
        "ftp://x.example.com",
        "https://",
        "https://x:port",
        "https://me:pw@x.example.com",
        "https://x.example.com/?a=1",
        "https://x.example.com/#f",
        "https://[::1",
    ],
)
def test_base_url_refused(given):
    with pytest.raises(ValidationError) as error:
        normalise_base_url(given)
    assert "pw" not in str(error.value)


def test_plain_http_on_request():
    assert normalise_base_url("http://x.example.com:80", allow_insecure=True) == "http://x.example.com"


def test_path_segments_are_quoted():
    assert path("dashboards", "model::a/b %") == "/dashboards/model%3A%3Aa%2Fb%20%25"
    for segment in ("", ".", ".."):
        with pytest.raises(ValidationError):
            path("dashboards", segment)


def test_quoted_paths_arrive_as_they_are(serve):
    server, transport = serve(reply())
    transport.send(Request("GET", path("lookml_models", "a/../b")))
    assert server.requests[0][0] == "GET /api/4.0/lookml_models/a%2F..%2Fb HTTP/1.1"


def test_an_unverified_connection_is_possible(monkeypatch):
    transport = HttpTransport(Endpoint("https://127.0.0.1:1", verify=False))
    assert transport.send(GET).sent is Sent.NO


def test_answers_are_plain_values(serve):
    _, transport = serve(reply(404, b""))
    assert isinstance(transport.send(GET), Answered)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return directory


@pytest.fixture
def tls_server(certificate):
    server = Server(*[reply(body=b'{"access_token": "tok"}')] * 4)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    plain = server._serve

    def serve(connection):
        with contextlib.suppress(OSError):
            plain(context.wrap_socket(connection, server_side=True))

    server._serve = serve
    yield server.url.replace("http://127.0.0.1", "https://localhost")
    server.close()


def login(endpoint):
    return LoginTokens(Destination(endpoint=endpoint, client_id="a", client_secret=Secret("b"))).current()


def test_a_certificate_nobody_trusts_is_refused_before_anything_is_sent(tls_server):
    answer = HttpTransport(Endpoint(tls_server)).send(GET)
    assert (answer.sent, answer.reason) == (Sent.NO, "certificate not trusted: self-signed certificate")
    with pytest.raises(ApiError, match=r"cannot trust localhost:\d+: certificate not trusted: self-signed"):
        login(Endpoint(tls_server))


@pytest.mark.parametrize("trust", ["ca_bundle", "verify"])
def test_a_certificate_that_is_trusted_by_option(tls_server, certificate, trust):
    given = {"ca_bundle": str(certificate / "cert.pem")} if trust == "ca_bundle" else {"verify": False}
    endpoint = Endpoint(tls_server, **given)
    transport = HttpTransport(endpoint)
    assert transport.send(GET).status == 200
    transport.close()
    assert login(endpoint).value == "tok"
