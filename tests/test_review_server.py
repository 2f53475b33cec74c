"""The server: one browser is let in, nobody else is answered, and what is sent is bounded."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rewards_eval.review.journal import Journal
from rewards_eval.review.peers import owner
from rewards_eval.review.server import serve_at
from rewards_eval.review.session import Review
from rewards_eval.review.sources import read_sources
from tests import pages
from tests.conftest import command, read_lines, record, write_lines
from tests.reviewing import Serving, serving

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DECISION = {"argument": 0, "system": "in", "edit": 0, "decision": "accept"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("review")
    write_lines(found / "in.jsonl", *pages.score(found, record()))
    return found


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Serving]:
    with serving(folder / "in.jsonl", "-o", folder / "d.jsonl", "--reviewer", "me") as running:
        yield running


@pytest.fixture(scope="module")
def cookie(server: Serving) -> str:
    """The pass of the one browser that was let in."""
    status, headers, body = ask(server, "GET", f"/?token={server.token}")
    assert status == 200
    assert b'content="0;url=/"' in body
    name, _, attributes = headers["Set-Cookie"].partition("; ")
    assert name.startswith(f"rewards-review-{server.port}=")
    assert attributes == "HttpOnly; SameSite=Strict; Path=/"
    assert server.token not in name
    return name


def ask(
    server: Serving, method: str, path: str, body: Any = None, **headers: str | None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request, with the headers of a browser unless others are given; None leaves one out."""
    stated: dict[str, str | None] = {"Host": f"127.0.0.1:{server.port}"}
    if method == "POST":
        stated |= {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{server.port}"}
    stated |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if data is not None and "Content_Length" not in headers:
        stated["Content-Length"] = str(len(data))
    for name, value in stated.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def digest(server: Serving, cookie: str) -> str:
    return str(json.loads(ask(server, "GET", "/data.json", Cookie=cookie)[2])["digest"])


def test_the_token_lets_one_browser_in_and_is_then_worth_nothing(server: Serving, cookie: str) -> None:
    status, headers, body = ask(server, "GET", f"/?token={server.token}")
    assert (status, headers["Set-Cookie"]) == (403, None)
    assert b"has been used" in body
    assert ask(server, "GET", f"/?token={server.token}", Cookie=cookie)[0] == 200  # the browser goes back
    assert ask(server, "GET", "/?token=")[0] == 401
    assert ask(server, "GET", "/?token=%ff%00é".replace("é", "%C3%A9"))[0] == 403


def test_an_address_or_a_length_that_is_none_is_refused(server: Serving, cookie: str) -> None:
    assert ask(server, "GET", "http://[x/", Cookie=cookie)[0] == 400
    assert ask(server, "POST", "/decisions", {}, Cookie=cookie, Content_Length="9" * 5_000)[0] == 413


@pytest.mark.parametrize("path", ["/", "/app.js", "/app.css", "/data.json", "/decisions.json", "/export.jsonl"])
def test_every_answer_is_closed_to_others(server: Serving, cookie: str, path: str) -> None:
    status, headers, _ = ask(server, "GET", path, Cookie=cookie)
    assert status == 200
    assert {name: headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "img-src": "data:",
        "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }  # fmt: skip
    for wrong in ({}, {"Cookie": "other=1"}, {"Cookie": f"{cookie}x"}, {"Cookie": cookie.partition("=")[0] + "="}):
        assert ask(server, "GET", path, **wrong)[0] == 401
    for site in ("cross-site", "same-site"):
        assert ask(server, "GET", path, Cookie=cookie, Sec_Fetch_Site=site)[0] == 403
    for host in ("evil.example", "localhost", f"evil.example:{server.port}", "127.0.0.1", None):
        status, headers, _ = ask(server, "GET", path, Cookie=cookie, Host=host)
        assert status == 421
        assert {name: headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Origin": None}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Host": "evil.example:{port}"}, 421),
        ({"Cookie": None}, 401),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "1_0"}, 411),
        ({"Content_Length": "131073"}, 413),
        ({"Content_Length": "99999999999999"}, 413),
        ({"Transfer_Encoding": "chunked"}, 411),
    ],
)
def test_decisions_come_from_our_page_only(
    server: Serving, cookie: str, folder: Path, change: dict[str, Any], status: int
) -> None:
    before = (folder / "d.jsonl").read_bytes()
    filled = {name: value and value.format(port=server.port) for name, value in change.items()}
    posted = {**DECISION, "digest": digest(server, cookie)}
    assert ask(server, "POST", "/decisions", posted, **{"Cookie": cookie, **filled})[0] == status
    assert (folder / "d.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1]", 400),
        (b'{"digest": NaN}', 400),
        (b"\xff", 400),
        ({}, 409),
        ({**DECISION, "digest": "other"}, 409),
        ({**DECISION, "edit": 2}, 422),
        ({**DECISION, "decision": "maybe"}, 422),
        ({**DECISION, "argument": [0]}, 422),
        ({**DECISION, "system": {"a": 1}}, 422),
    ],
)
def test_what_is_no_decision_is_refused_with_a_reason(server: Serving, cookie: str, body: Any, status: int) -> None:
    if isinstance(body, dict) and status == 422:
        body = {**body, "digest": digest(server, cookie)}
    code, headers, reason = ask(server, "POST", "/decisions", body, Cookie=cookie)
    assert code == status
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reason


def test_a_page_of_another_reviewer_or_another_file_is_refused(
    server: Serving, cookie: str, folder: Path, tmp_path: Path
) -> None:
    stamps = {digest(server, cookie)}
    for out, reviewer in ((tmp_path / "d.jsonl", "you"), (tmp_path / "other.jsonl", "me")):
        with serving(folder / "in.jsonl", "-o", out, "--reviewer", reviewer) as other:
            let_in = ask(other, "GET", f"/?token={other.token}")[1]["Set-Cookie"].partition(";")[0]
            stamps.add(digest(other, let_in))
    assert len(stamps) == 3
    before = (folder / "d.jsonl").read_bytes()
    for stamp in stamps - {digest(server, cookie)}:
        status, _, reason = ask(server, "POST", "/decisions", {**DECISION, "digest": stamp}, Cookie=cookie)
        assert (status, b"reload it" in reason) == (409, True)
    assert (folder / "d.jsonl").read_bytes() == before


def test_other_paths_and_methods_are_not_there(server: Serving, cookie: str) -> None:
    for path in ("/etc/passwd", "/../in.jsonl", "/app.js/", "/%2e%2e/in.jsonl", "http://evil.example/"):
        assert ask(server, "GET", path, Cookie=cookie)[0] == 404
    assert ask(server, "POST", "/other", {}, Cookie=cookie)[0] == 404
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "HEAD"):
        status, headers, _ = ask(server, method, "/", Cookie=cookie)
        assert status == 501
        assert {name: headers[name] for name in HEADERS} == HEADERS


def test_nobody_but_this_machine_is_listened_to(server: Serving) -> None:
    with socket.socket() as probe:  # the same port is free on every other address of this machine
        probe.bind(("127.0.0.2", server.port))


def test_a_decision_is_on_the_disk_when_it_is_confirmed_and_export_holds_the_last_word(
    server: Serving, cookie: str, folder: Path
) -> None:
    path = folder / "d.jsonl"
    stamp = digest(server, cookie)
    for decision in ("accept", "reject"):
        status, _, body = ask(
            server, "POST", "/decisions", {**DECISION, "decision": decision, "digest": stamp}, Cookie=cookie
        )
        assert (status, body) == (200, b"{}")
        assert read_lines(path)[-1]["decision"] == decision
    assert json.loads(ask(server, "GET", "/decisions.json", Cookie=cookie)[2]) == [
        {"argument": 0, "system": "in", "edit": 0, "decision": "reject", "amended": None}
    ]
    _, headers, export = ask(server, "GET", "/export.jsonl", Cookie=cookie)
    assert headers["Content-Disposition"] == 'attachment; filename="d.jsonl"'
    assert [json.loads(line) for line in export.splitlines()] == read_lines(path)[-1:]


def test_a_file_and_a_reviewer_whose_names_are_no_text_are_written_out(folder: Path) -> None:
    file = folder / os.fsdecode(b"bad\xff.jsonl")
    file.write_bytes((folder / "in.jsonl").read_bytes())
    with serving(file, "-o", folder / "bad.jsonl", "--reviewer", os.fsdecode(b"me\xfe")) as running:
        own = ask(running, "GET", f"/?token={running.token}")[1]["Set-Cookie"].partition(";")[0]
        data = json.loads(ask(running, "GET", "/data.json", Cookie=own)[2])
        posted = {**DECISION, "system": "bad\\xff", "digest": data["digest"]}
        assert ask(running, "POST", "/decisions", posted, Cookie=own)[0] == 200
    (line,) = read_lines(folder / "bad.jsonl")
    assert (line["reviewer"], line["file"], line["system"]) == ("me\\xfe", "bad\\xff.jsonl", "bad\\xff")


def test_a_taken_port_and_a_file_in_use_are_said(server: Serving, folder: Path) -> None:
    done = command("review", folder / "in.jsonl", "-o", folder / "other.jsonl", "--port", server.port, "--no-open")
    assert (done.returncode, done.stderr) == (2, f"error: --port {server.port}: Address already in use\n".encode())
    done = command("review", folder / "in.jsonl", "-o", folder / "d.jsonl", "--no-open")
    assert done.returncode == 2
    assert b"is in use by another `rewards review`; end that one, or give another -o" in done.stderr


def test_ctrl_c_ends_it_with_a_word_on_what_is_decided(folder: Path) -> None:
    with serving(folder / "in.jsonl", "-o", folder / "c.jsonl", "--reviewer", "me") as running:
        code, said = running.interrupt()
    assert code == 0
    stated = f"0 of 2 decided by me; decisions in {folder / 'c.jsonl'}\n"
    assert said == f"{stated}\n{stated}"


def test_a_token_in_a_browsers_command_line_is_worth_nothing_to_other_users(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of a machine can read what its programs were started with."""
    session, journal = Review(read_sources([folder / "in.jsonl"], []), "me"), Journal(tmp_path / "d.jsonl")
    with serve_at(session, journal, 0, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        statuses = []
        for user in (os.getuid() + 1, None, 0, os.getuid()):
            monkeypatch.setattr("rewards_eval.review.server.owner", lambda *_, user=user: user)
            for opened in (False, True):
                monkeypatch.setattr("webbrowser.open", lambda url, opened=opened: opened)
                assert server.open() is opened
                address = urlsplit(server.url)
                server._token = parse_qs(address.query)["token"][0]
                connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
                connection.request("GET", f"/?{address.query}")
                statuses.append(connection.getresponse().status)
                connection.close()
        server.shutdown()
    journal.close()
    assert statuses == [200, 403, *[200] * 6]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose a connection is")
@pytest.mark.parametrize("client", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
def test_linux_says_whose_a_connection_is(client: tuple[socket.AddressFamily, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(client[0]) as asking:
        port = listening.getsockname()[1]
        asking.connect((client[1], port))
        taken, there = listening.accept()
        with taken:
            assert owner(there, ("127.0.0.1", port)) == os.getuid()
            assert owner(("127.0.0.2", there[1]), ("127.0.0.1", port)) is None
