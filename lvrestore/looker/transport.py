"""Requests over HTTP: one keep-alive pool, each request sent once, and whether it can have been sent."""

from __future__ import annotations

import http.client
import ipaddress
import re
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlencode, urlsplit

import certifi
import msgspec
import orjson
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from lvrestore import __version__
from lvrestore.errors import ValidationError
from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

API_PATH = "/api/4.0"
USER_AGENT = f"lvrestore/{__version__}"
MAX_REASON = 300
# A server that lost its client finishes what it has begun, and proxies give up by then; no source says more.
LANDS_WITHIN_S = 30.0


class Endpoint(msgspec.Struct, frozen=True):
    """Where Looker is and how to reach it, without any secret."""

    base_url: str
    timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    verify: bool = True
    ca_bundle: str | None = None

    @property
    def grace_s(self) -> float:
        """How long after its connection broke a request may still be carried out."""
        return min(self.timeout_s, LANDS_WITHIN_S)

    @property
    def host(self) -> str:
        """The host and, unless it is the scheme's own, the port."""
        return urlsplit(self.base_url).netloc


def normalise_base_url(text: str, *, allow_insecure: bool = False) -> str:
    """Give `https://host[:port]` for whatever form of an instance's address people paste."""
    text = text.strip()
    parts = _split(text if "://" in text else f"https://{text}")
    scheme, host = parts.scheme.lower(), (parts.hostname or "")
    if scheme == "http" and not (allow_insecure or is_loopback(host)):
        raise ValidationError(
            f"{scheme}://{host} would send the credentials unencrypted",
            "use https://, or give --allow-insecure-http",
        )
    port = "" if parts.port in {None, 443 if scheme == "https" else 80} else f":{parts.port}"
    bracketed = f"[{host}]" if ":" in host else host
    prefix = re.sub(r"/+api(/\d+\.\d+)?$", "", parts.path.rstrip("/"))
    return f"{scheme}://{bracketed}{port}{prefix}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        usable = False
    if not usable:
        raise ValidationError(f"{url!r} is not the address of a Looker instance", "https://HOST[:PORT]")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValidationError(
            f"the address of {parts.hostname} contains more than host and port",
            "give https://HOST[:PORT]; credentials have options of their own",
        )
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_for(base_url: str) -> str | None:
    """Give the proxy that the environment (`HTTPS_PROXY`, `NO_PROXY`, ...) asks for, none for loopback."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


class HttpTransport:
    """Sends requests over a pool of `inflight` connections; safe to share between threads."""

    def __init__(self, endpoint: Endpoint, *, inflight: int = 4) -> None:
        self.endpoint = endpoint
        self._manager = _pool_manager(endpoint, inflight)
        self._urlopen, self._root = _way_to(endpoint, self._manager)

    def send(self, request: Request) -> Answered | NoAnswer:
        """Send once and read the whole answer; redirects are answers, never followed."""
        start = time.perf_counter()
        try:
            response = self._urlopen(
                request.method,
                self._url(request),
                body=_body(request),
                headers=_headers(request),
                redirect=False,
            )
        except _ConnectFailed as error:
            return NoAnswer(Sent.NO, error.reason, time.perf_counter() - start)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            return NoAnswer(Sent.UNKNOWN, reason_of(error), time.perf_counter() - start)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answered(response.status, headers, response.data, time.perf_counter() - start)

    def close(self) -> None:
        """Close all idle connections."""
        self._manager.clear()

    def _url(self, request: Request) -> str:
        url = self._root + request.path
        return f"{url}?{urlencode(request.params)}" if request.params else url


def _way_to(
    endpoint: Endpoint, manager: urllib3.PoolManager
) -> tuple[Callable[..., urllib3.BaseHTTPResponse], str]:
    """What sends a request, and what its URL begins with.

    There is one host, whose pool need not be looked up each time; a proxy of plain HTTP wants whole URLs.
    """
    root = urlsplit(endpoint.base_url + API_PATH)
    if manager.proxy is not None and root.scheme == "http":
        return manager.urlopen, root.geturl()
    return manager.connection_from_url(endpoint.base_url).urlopen, root.path


def _body(request: Request) -> bytes | None:
    if request.body is None:
        return None
    # Of a struct, to_builtins keeps the fields that are set.
    return orjson.dumps(request.body, default=msgspec.to_builtins)


def _headers(request: Request) -> Mapping[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    if request.token is not None:
        headers["Authorization"] = f"Bearer {request.token.value}"
    return headers


# --- urllib3, with one addition: an error while connecting is told apart from all later ones ---


class _ConnectFailed(Exception):  # noqa: N818 - a signal from the connection to `send`
    """No connection, tunnel or TLS session came about, so nothing of the request was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _HttpConnection(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise _ConnectFailed(reason_of(error)) from error


class _HttpsConnection(HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise _ConnectFailed(reason_of(error)) from error


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection  # ty: ignore[invalid-assignment] - as urllib3 documents it


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection  # ty: ignore[invalid-assignment] - as above


def _pool_manager(endpoint: Endpoint, inflight: int) -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=endpoint.connect_timeout_s, read=endpoint.timeout_s)
    settings: dict[str, Any] = {"maxsize": inflight, "retries": False, "timeout": timeout}
    settings |= _tls_settings(endpoint)
    proxy = proxy_for(endpoint.base_url)
    manager = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)
    pools: dict[str, Any] = {"http": _HttpPool, "https": _HttpsPool}
    manager.pool_classes_by_scheme = pools
    return manager


def _tls_settings(endpoint: Endpoint) -> dict[str, Any]:
    if not endpoint.base_url.startswith("https:"):
        return {}
    if endpoint.verify:
        return {"cert_reqs": "CERT_REQUIRED", "ca_certs": endpoint.ca_bundle or certifi.where()}
    # The person asked for it and is told once; a warning for each request would bury everything else.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return {"cert_reqs": "CERT_NONE"}


def reason_of(error: BaseException) -> str:
    """Say in one line why no answer came: the innermost cause, without urllib3's wrapping."""
    seen: set[int] = set()
    while (inner := _inner(error)) is not None and id(inner) not in seen:
        seen.add(id(error))
        error = inner
    text = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
    text = " ".join(str(text).split()) or type(error).__name__
    return (f"certificate not trusted: {text}" if hasattr(error, "verify_message") else text)[:MAX_REASON]


def _inner(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), error.__cause__, *error.args)
    return next((c for c in candidates if isinstance(c, BaseException)), None)
