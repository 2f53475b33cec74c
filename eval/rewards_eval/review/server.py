"""Serves the review page to one person on this machine: on loopback only, with a one-time token, and to no other site."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from rewards.errors import ConfigError, RecordError
from rewards_eval.review.journal import Journal, latest
from rewards_eval.review.page import POLICY, document, entrance, scripts, styles
from rewards_eval.review.peers import owner
from rewards_eval.review.session import Session

HOST = "127.0.0.1"
MAX_BODY = 131_072  # bytes; an amendment of 20,000 characters fits, whichever they are
JSON = "application/json"
JSONL = "application/jsonl; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


class Refused(Exception):  # noqa: N818  (it says what happened to the request)
    """A request that is refused, with the status and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves one session and writes its decisions. `url` lets one browser in, once."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # on Windows it would let two reviews have one port

    def __init__(self, session: Session, journal: Journal, port: int) -> None:
        self.session, self.journal = session, journal
        self._token: str | None = secrets.token_urlsafe(32)
        self._pass = secrets.token_urlsafe(32)
        self._guard = threading.Lock()
        self._only: int | None = None
        # The browser stores unsent decisions under this digest: they must not go to another reviewer or file.
        stated = json.dumps([session.digest, str(journal.path.resolve())])
        self.digest = hashlib.sha256(stated.encode()).hexdigest()
        data = {**session.data(), "digest": self.digest}
        self.data = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        super().__init__((HOST, port), Handler)
        self.authority = f"{HOST}:{self.server_address[1]}"
        # Cookies are shared by all ports of a host: two reviews at a time must not replace each other's.
        self.cookie = f"rewards-review-{self.server_address[1]}"
        self.url = f"http://{self.authority}/?token={self._token}"

    def open(self) -> bool:
        """Open the address in a browser, and admit only this user from then on; False where there is no browser.

        All users of a machine can read the command lines of its programs, and so the token in the browser's.
        """
        self._only = os.getuid() if hasattr(os, "getuid") else None
        opened = webbrowser.open(self.url)
        if not opened:
            self._only = None
        return opened

    def is_stranger(self, client: tuple[str, int]) -> bool:
        """Whether the client is known to be another user, who is not root, after a browser was opened for this one."""
        return self._only is not None and owner(client, (HOST, self.server_address[1])) not in (self._only, 0, None)

    def admit(self, token: str) -> str | None:
        """The pass for the first caller with the token, which is then used up; None for all others."""
        with self._guard:
            if self._token is None or not hmac.compare_digest(self._token.encode(), token.encode("utf-8", "replace")):
                return None
            self._token = None
            return self._pass

    def admitted(self, cookies: str) -> bool:
        """Whether these cookies hold the pass."""
        held = {name.strip(): value for name, _, value in (part.partition("=") for part in cookies.split(";"))}
        return hmac.compare_digest(self._pass.encode(), held.get(self.cookie, "").encode("utf-8", "replace"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing where the browser closed the connection during an answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve_at(session: Session, journal: Journal, port: int, preferred: int) -> Server:
    """A server at `port`; for port 0 at `preferred`, so that an open page finds a restarted server, else at a free port.

    Raises ConfigError where the server cannot be started at a given `port`.
    """
    try:
        return Server(session, journal, port or preferred)
    except OSError as error:
        if not port:
            return Server(session, journal, 0)
        raise ConfigError(f"--port {port}: {error.strerror or error}") from error


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]  (only a Server makes handlers of this class)
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a silent connection is kept
    server_version, sys_version = "rewards", ""
    _HEADERS: ClassVar[dict[str, str]] = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }

    def do_GET(self) -> None:
        """Answer with the page, its parts, or the decisions."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Write down a decision."""
        self._answer(self._post)

    def _answer(self, work: Callable[[], None]) -> None:
        try:
            self._check_host()
            work()
        except Refused as refused:
            self.close_connection = True  # else its unread body would be parsed as the next request
            self._send(refused.status, TEXT, str(refused).encode())

    def _get(self) -> None:
        try:
            address = urlsplit(self.path)
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"no address: {error}") from error
        token = parse_qs(address.query).get("token")
        if address.path == "/" and token:
            self._enter(token[0])
            return
        self._check_pass()
        lines, session = self.server.journal.lines, self.server.session
        answers: dict[str, Callable[[], tuple[str, bytes]]] = {
            "/": lambda: ("text/html; charset=utf-8", document()),
            "/app.css": lambda: ("text/css; charset=utf-8", styles()),
            "/app.js": lambda: ("text/javascript; charset=utf-8", scripts(session.script)),
            "/data.json": lambda: (JSON, self.server.data),
            "/decisions.json": lambda: (JSON, orjson.dumps(session.state(lines))),
            "/export.jsonl": lambda: (JSONL, b"".join(orjson.dumps(line) + b"\n" for line in latest(lines))),
        }
        if address.path not in answers or address.netloc:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        kind, body = answers[address.path]()
        name = self.server.journal.path.name.encode("ascii", "replace").decode().replace('"', "_")
        more = {"Content-Disposition": f'attachment; filename="{name}"'} if kind is JSONL else {}
        self._send(HTTPStatus.OK, kind, body, more)

    def _post(self) -> None:
        self._check_pass()
        if self.headers.get("Origin") != f"http://{self.server.authority}":
            raise Refused(HTTPStatus.FORBIDDEN, "decisions are taken from the page of this server only")
        if self.path != "/decisions":
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        posted = self._body()
        if posted.get("digest") != self.server.digest:
            raise Refused(HTTPStatus.CONFLICT, "this page is of other files or of another reviewer; reload it")
        try:
            self.server.journal.append(lambda: self.server.session.line(posted))
        except RecordError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except OSError as error:
            reason = f"{self.server.journal.path.name} cannot be written: {error.strerror or error}"
            raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, reason) from error
        self._send(HTTPStatus.OK, JSON, b"{}")

    def _enter(self, token: str) -> None:
        if self.server.is_stranger(self.client_address):
            raise Refused(HTTPStatus.FORBIDDEN, "This address was opened for another user of this machine.")
        granted = self.server.admit(token)
        if granted is None and not self.server.admitted(self.headers.get("Cookie", "")):
            raise Refused(
                HTTPStatus.FORBIDDEN, "This address has been used. Start `rewards review` again for a new one."
            )
        more = {"Set-Cookie": f"{self.server.cookie}={granted}; HttpOnly; SameSite=Strict; Path=/"} if granted else {}
        # A page that forwards by itself: after a redirect from elsewhere a browser does not send a strict cookie.
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", entrance(), more)

    def _check_host(self) -> None:
        if self.headers.get_all("Host") != [self.server.authority]:  # against DNS rebinding
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, f"this server answers to {self.server.authority} only")

    def _check_pass(self) -> None:
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(HTTPStatus.FORBIDDEN, "other sites are not answered")
        if not self.server.admitted(self.headers.get("Cookie", "")):
            raise Refused(HTTPStatus.UNAUTHORIZED, "open the address that `rewards review` printed")

    def _body(self) -> Mapping[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or self.headers.get("Transfer-Encoding"):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a length is needed")
        if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a decision has at most {MAX_BODY:,} bytes")
        if self.headers.get_content_type() != JSON:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a decision is {JSON}")
        try:
            posted = orjson.loads(self.rfile.read(int(length)))
        except orjson.JSONDecodeError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"not JSON: {error}") from error
        if not isinstance(posted, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "a decision is an object")
        return posted

    def _send(self, status: HTTPStatus, kind: str, body: bytes, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        closing = {"Connection": "close"} if self.close_connection else {}
        for name, value in {**self._HEADERS, "Content-Type": kind, **closing, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The library's own errors, such as for other methods, in plain text with our headers."""
        self.close_connection = True
        self._send(HTTPStatus(code), TEXT, (message or HTTPStatus(code).phrase).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, since addresses hold the token."""
