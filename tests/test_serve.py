"""`rewards serve`: the same scores as a file's, together where requests come together, and nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from starlette.exceptions import HTTPException
from starlette.requests import Request

from rewards.errors import ConfigError, ModelError, RecordError, RewardFailed, RewardsError
from rewards.files.reading import header_path
from rewards.result import Result
from rewards.types import Revision
from rewards_serve import app, listening
from rewards_serve.command import TOKEN, _listen, serve
from rewards_serve.desk import Desk, Full, _unexpected
from rewards_serve.openrlhf import Query, to_records, without_special
from rewards_train.losses import Budget
from rewards_train.remote import RemoteTotal
from rewards_train.verl import compute_score
from tests.conftest import ROOT, Untellable, command, read_lines, write_lines
from tests.serving import Served, asked, running, serving

FAILED = "reward 'fragile' of toy_rewards 1.0 failed: ZeroDivisionError: division by zero"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with serving(folder) as found:
        yield found


RECORDS = [asked(identifier="a"), asked(edit="short -> very short", identifier="b"), asked("boom", identifier="c")]


@pytest.fixture(scope="module")
def scored(server: Served, folder: Path) -> Path:
    """What `rewards score` makes of the records."""
    write_lines(folder / "in.jsonl", *RECORDS)
    out = folder / "out.jsonl"
    command("score", folder / "in.jsonl", "-o", out, "--suite", folder / "toy.yaml", PYTHONPATH=str(folder))
    return out


def test_results_are_those_of_rewards_score(server: Served, scored: Path) -> None:
    answer = server.post("/score", {"records": [*RECORDS, {"id": "d"}]})
    assert answer.status_code == 200
    *results, rejected = answer.json()["results"]
    assert results == read_lines(scored)
    assert [result["reward"] for result in results] == [1.5, 0.0, None]
    assert results[2]["error"] == FAILED
    assert rejected == {
        "id": "d",
        "status": "rejected",
        "error": "argument: no text: give `sentences`, `argument` or `text`",
        "field": "argument",
        "reward": None,
        "rewards": {"shorter": None, "patient": None, "fragile": None, "format": None},
    }


def test_the_suite_is_stated_as_in_a_header(server: Served, scored: Path) -> None:
    stated = requests.get(f"{server.url}/suite", timeout=60).json()
    header = json.loads(header_path(scored).read_text(encoding="utf-8"))
    assert stated["rewards"] == header["rewards"]
    assert stated["versions"].items() <= header["versions"].items()


def test_requests_that_come_together_are_scored_together(folder: Path) -> None:
    with serving(folder) as server, ThreadPoolExecutor(33) as pool:
        slow = pool.submit(server.post, "/score", {"records": [asked("slow")]})
        server.busy()
        bodies = [{"records": [asked(identifier=number)]} for number in range(32)]
        found = list(pool.map(lambda body: server.post("/score", body).json()["results"], bodies))
        assert [result["id"] for (result,) in found] == list(range(32))
        assert slow.result().status_code == 200
        assert server.health() == {"status": "ok", "waiting": 0, "scored": 33}
        code, said = server.interrupt()
    assert code == 0
    passes = [int(match[1]) for match in re.finditer(r"(\d+) completions of \d+ requests", said)]
    assert passes[0] == 1
    assert sum(passes) == 33
    assert len(passes) < 10  # what gathers during the slow pass is scored in one, not in 32


def test_what_does_not_fit_is_told_to_come_back(folder: Path) -> None:
    with serving(folder, "--max-waiting", 2) as server, ThreadPoolExecutor(2) as pool:
        slow = pool.submit(server.post, "/score", {"records": [asked("slow"), asked("slow")]})
        server.busy()
        full = server.post("/score", {"records": [asked()]})
        assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
        assert full.json() == {
            "error": "2 completions are waiting, of at most 2 (--max-waiting): ask again in a moment"
        }
        # The client of trainers comes back.
        client = RemoteTotal(server.url)
        (result,) = client.score([asked()])
        assert result["reward"] == 1.5
        assert len(slow.result().json()["results"]) == 2
        large = server.post("/score", {"records": [asked()] * 3})
        assert large.status_code == 413
        assert large.json() == {"error": "3 records; at most 2 in one request (--max-waiting)"}
        assert server.post("/score", {"records": [1] * 3}).status_code == 413  # those that cannot be read count too
        three = {"query": [PROMPT] * 3, "prompts": [PROMPT] * 3, "labels": [LABEL] * 3}
        assert server.post("/get_reward", three).status_code == 413


def test_a_request_that_breaks_the_pass_costs_the_others_nothing(folder: Path) -> None:
    with serving(folder) as server, ThreadPoolExecutor(3) as pool:
        slow = pool.submit(server.post, "/score", {"records": [asked("slow")]})
        server.busy()
        leaving = pool.submit(server.post, "/score", {"records": [asked("leave")]})
        honest = pool.submit(server.post, "/score", {"records": [asked()]})
        assert slow.result().status_code == honest.result().status_code == 200
        assert leaving.result().status_code == 500
        assert leaving.result().json() == {"error": "this is a bug in rewards or a plugin: KeyboardInterrupt: seven"}
        assert server.post("/score", {"records": [asked()]}).status_code == 200


@pytest.mark.parametrize(
    ("error", "told"), [(Untellable(), "Untellable"), (ValueError("a\ud800"), "ValueError: a\ufffd")]
)
def test_what_breaks_a_pass_is_told_though_it_cannot_tell_itself(error: Exception, told: str) -> None:
    answer = asyncio.run(app._broken(Request({"type": "http"}), _unexpected(error)))
    assert (answer.status_code, json.loads(bytes(answer.body))) == (
        500, {"error": f"this is a bug in rewards or a plugin: {told}"},
    )  # fmt: skip


def test_who_has_gone_is_not_scored(folder: Path) -> None:
    with serving(folder) as server, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.post, "/score", {"records": [asked("slow")]})
        server.busy()
        with pytest.raises(requests.Timeout):
            requests.post(f"{server.url}/score", json={"records": [asked()] * 5}, timeout=0.2)
        assert slow.result().status_code == 200
        assert server.health() == {"status": "ok", "waiting": 0, "scored": 1}


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_answers_what_was_taken_in(folder: Path, sign: signal.Signals) -> None:
    with serving(folder) as server, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.post, "/score", {"records": [asked("slow")]})
        server.busy()
        code, said = server.end(sign)
        assert slow.result().json()["results"][0]["reward"] == 1.5
    assert code == 0
    assert "answering accepted requests; again to stop at once" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(folder: Path, sign: signal.Signals) -> None:
    with serving(folder, "--batch-size", 1) as server, ThreadPoolExecutor(20) as pool, connected(server.url) as upload:
        upload.sendall(HEAD + b"Content-Length: 100000\r\n\r\n{")
        waiting = [pool.submit(server.post, "/score", {"records": [asked("slow")]}) for _ in range(20)]
        server.busy(20)
        began = time.monotonic()
        code, said = server.end(sign, sign)
        assert time.monotonic() - began < 15  # all of it would take 30 s
        assert code == 0
        assert "Traceback" not in said
        assert all(one.exception() or one.result().status_code for one in waiting)
        assert upload.recv(100) == b""  # and no error of the server


HEAD = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def connected(url: str) -> socket.socket:
    """A connection to a server, without a request on it."""
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=20)


async def served(desk: Any, clients: Callable[[listening.Server, Any], Awaitable[None]]) -> None:
    """Serve in this process as long as the clients, who are given the server and how to connect, take."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        built = app.build(app.Service(desk._suite, desk), None)
        server = listening.Server(listening.configured(built), desk)
        serve = asyncio.ensure_future(server.serve([place]))
        while not server.started:
            await asyncio.sleep(0.01)
        await clients(server, lambda: asyncio.open_connection(*place.getsockname()))
        server.should_exit = True
        await asyncio.wait_for(serve, 20)


def test_a_connection_without_a_whole_head_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody can hold all that a server may have open; a body has more time."""
    monkeypatch.setattr(listening, "HEAD", 0.3)
    health, body = b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b'{"records": []}'

    async def clients(server: listening.Server, connect: Any) -> None:
        (silent, _), (begun, drip), (again, more), (slow, upload) = [await connect() for _ in range(4)]
        more.write(health + b"\r\n")
        upload.write(HEAD + b"Content-Length: %d\r\n\r\n{" % len(body))
        assert (await again.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        for part in (health[:5], health[5:9], health[9:12], health[12:15]):
            for writer in (drip, more):
                writer.write(part)
            await asyncio.sleep(0.1)
        for reader in (silent, begun, again):
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
        upload.write(body[1:])
        assert b'{"results":[]}' in await asyncio.wait_for(slow.readuntil(b"}"), 5)

    nothing: Any = None
    with Desk(nothing, 10, 4) as desk:
        asyncio.run(served(desk, clients))


def test_a_connection_outlives_what_clients_keep() -> None:
    """A server that closes first may do so while the next request is on its way, which the client then has lost."""
    nothing: Any = None
    longest = 15  # seconds; aiohttp's, httpx keeps its own for 5
    assert listening.configured(nothing).timeout_keep_alive > longest


def test_a_server_that_ends_does_not_wait_for_a_client_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sends a body byte by byte; while the desk is at work, whoever waits for it is left alone."""
    monkeypatch.setattr(listening, "GRACE", 0.3)
    desk = SimpleNamespace(waiting=1, limit=10, check_room=lambda size: None, _suite=None)

    async def clients(server: listening.Server, connect: Any) -> None:
        reader, writer = await connect()
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n{")
        await asyncio.sleep(0.1)
        server.should_exit = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.8)
        desk.waiting = 0
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 5) == b""

    asyncio.run(served(desk, clients))


@pytest.mark.parametrize(
    ("drips", "limit", "said"),
    [
        (False, "SILENCE", "the rest of the body did not come for 0.05 s"),
        (True, "WHOLE", "the rest of the body did not come in 0.05 s"),
    ],
)
def test_an_upload_that_stalls_or_drips_is_given_up(
    monkeypatch: pytest.MonkeyPatch, drips: bool, limit: str, said: str
) -> None:
    """So that a server that stops does not wait for it for ever."""
    part = {"type": "http.request", "body": b"{", "more_body": True}
    parts = itertools.repeat(part) if drips else iter([part])

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return next(parts, None) or await asyncio.Event().wait()

    monkeypatch.setattr(app, limit, 0.05)
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    with pytest.raises(HTTPException, match=re.escape(said)) as refused:
        asyncio.run(asyncio.wait_for(app._json(Request(scope, receive)), 5))
    assert refused.value.status_code == 408


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415, "the body must be application/json"),
        (b"{", {}, 400, "the body is not JSON: unexpected end of data: column 2"),
        (b"null", {"Content-Type": "Application/JSON; charset=utf-8"}, 422, "the body: expected an object, found null"),
        (b'{"records": [{"id": NaN}]}', {}, 400, "the body is not JSON, which has no NaN and no Infinity: write null"),
        (b'{"records": [{"id": 1, "id": 2}]}', {}, 400, "the body: the key 'id' stands twice in one object"),
        (b'{"records": ["\xff"]}', {}, 400, "the body is not valid UTF-8 at byte 14"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "the body must not be compressed"),
        (b"null", {}, 422, "the body: expected an object, found null"),
        (b"\xef\xbb\xbf{}", {}, 422, "the body: the key 'records' is missing"),
        (b'{"record": []}', {}, 422, "the body: unknown key 'record' (did you mean 'records'?); known: records"),
        (b'{"records": {}}', {}, 422, "the body: records: Input should be a valid list (given: {})"),
        (
            b'{"records": []}',
            {"Host": "elsewhere.example"},
            400,
            "this server answers to the names of its own machine only",
        ),
        (b'{"records": []}', {"Host": "["}, 400, "this server answers to the names of its own machine only"),
    ],
)
def test_wrong_requests_are_named(
    server: Served, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    stated = {"Content-Type": "application/json", **headers}
    answer = requests.post(f"{server.url}/score", data=body, headers=stated, timeout=60)
    assert answer.status_code == status
    assert answer.json() == {"error": error}


def test_a_record_of_any_kind_costs_the_others_nothing(server: Served) -> None:
    deep: Any = 0
    for _ in range(400):
        deep = [deep]
    strange = [1, None, [], {"id": deep}, {"id": True}, {"argument": 5, "id": "five"}, asked() | {"more": deep}]
    *rejected, scored = server.post("/score", {"records": strange}).json()["results"]
    assert [one["status"] for one in rejected] == ["rejected"] * 6
    assert [one["id"] for one in rejected] == [None] * 5 + ["five"]
    assert scored["reward"] == 1.5
    answer = server.post("/score", {"records": "x" * 5_000_000})
    assert answer.status_code == 422
    assert len(answer.text) < 500


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_a_body_is_bounded(server: Served) -> None:
    stated = {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("POST", "/score", headers={**stated, "Content-Length": str(10**12)})
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read()) == {
        "error": "a request has at most 16,777,216 bytes; send fewer records at a time"
    }
    connection.close()
    before, status = peak(server), 413
    with contextlib.suppress(requests.ConnectionError):  # closed before all of it was sent
        parts = (b" " * 2**20 for _ in range(300))
        status = requests.post(f"{server.url}/score", data=parts, headers=stated, timeout=60).status_code
    assert status == 413
    assert peak(server) - before < 100  # what came after the refusal was not kept
    assert server.health()["status"] == "ok"


def peak(server: Served) -> float:
    """Megabytes that the server has held at most."""
    told = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", told)[0]) / 1024


def test_a_token_is_asked_for(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-word\n", encoding="utf-8")
    with serving(folder, "--token-file", tmp_path / "token") as server:
        assert server.post("/score", {"records": []}).status_code == 401
        for wrong in ("Bearer secret", "secret-word", "Basic secret-word", "Basic é"):
            answer = server.post("/score", {"records": []}, headers={"Authorization": wrong.encode("latin-1")})
            assert answer.status_code == 401
        assert requests.get(f"{server.url}/suite", timeout=60).status_code == 401
        assert server.post("/get_reward", {"query": []}).status_code == 401
        nothing = {"records": list[Any]()}
        assert server.post("/score", nothing, headers={"Authorization": "bearer secret-word"}).status_code == 200
        assert server.health()["status"] == "ok"
        assert RemoteTotal(server.url, "secret-word").score([asked()])[0]["reward"] == 1.5
        # Clients that know nothing but an address, such as OpenRLHF, put it there.
        address = server.url.replace("http://", "http://any:secret-word@")
        assert requests.post(f"{address}/score", json={"records": []}, timeout=60).json() == {"results": []}
        client = RemoteTotal(address)
        assert client.score([asked()])[0]["reward"] == 1.5
        assert "secret" not in repr(client)
        given: dict[str, Any] = {"data_source": "arguments", "ground_truth": "", "extra_info": LABEL}
        paid = compute_score(**given, solution_str="1 | way too | too", url=server.url, token="secret-word")  # noqa: S106
        assert paid["score"] == 1.5
        with pytest.raises(ConfigError, match="refused a request: 401"):
            RemoteTotal(server.url).score([asked()])
    other = command("serve", "--host", "0.0.0.0")  # noqa: S104  (refused)
    assert other.returncode == 2
    assert b"--host 0.0.0.0: others can reach it, so give it a token" in other.stderr


def test_what_cannot_be_served_is_said_before_models_load(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = command("serve", "--port", taken.getsockname()[1])
    assert found.returncode == 2
    assert b"Address already in use" in found.stderr
    (tmp_path / "token").write_text("two words", encoding="utf-8")
    assert b"REWARDS_TOKEN: expected one word" in command("serve", **{TOKEN: "wörd"}).stderr
    for arguments, said in (
        (("--format", "compct"), "did you mean 'compact'"),
        (("--token-file", tmp_path / "token"), "expected one word"),
        (("--token-file", tmp_path / "none"), "cannot be read"),
        (("--host", "no.such.host.invalid"), "--host no.such.host.invalid --port 8000: "),
        (("--host", "a..b"), "--host a..b --port 8000: "),
    ):
        found = command("serve", *arguments, **{TOKEN: "word"})
        assert found.returncode == 2
        assert said in found.stderr.decode()


def test_of_two_servers_that_load_at_once_the_slower_is_told_that_the_port_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = _listen("127.0.0.1", 0)  # bound, as while models load
    port = held.getsockname()[1]
    monkeypatch.setattr(listening, "warm_up", lambda suite: held.listen())
    (tmp_path / "suite.yaml").write_text("description: toy\nrewards: {format: {}}\n", encoding="utf-8")
    with held, pytest.raises(ConfigError, match=f"^--host 127.0.0.1 --port {port}: Address already in use$"):
        serve(suite=str(tmp_path / "suite.yaml"), port=port)


def test_what_is_not_installed_is_named_with_the_line_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')")
    found = command("serve", "--port", 0, PYTHONPATH=str(tmp_path))
    assert found.returncode == 2
    assert found.stderr == b"error: uvicorn is not installed here: pip install 'appropriateness-rewards[serve]'\n"


def test_rewards_that_never_work_are_not_served(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        AssertionError,
        match=r"error: the rewards fail on the text that warms the server up: reward 'rejecting' of \S+ 1\.0 failed: ValueError",
    ):
        Served("--reward", "rejecting", PYTHONPATH=_plugin(tmp_path))


def test_a_reward_that_fails_beside_others_is_warned_of_and_served(tmp_path: Path) -> None:
    with running(Served("--reward", "rejecting", "--reward", "format", PYTHONPATH=_plugin(tmp_path))) as found:
        (answer,) = found.post("/score", {"records": [asked()]}).json()["results"]
        assert (list(answer["failures"]), answer["rewards"]["format"]) == (["rejecting"], 1.0)
        said = found.interrupt()[1]
    assert (
        "WARNING rewards.serve: not every reward works on the text that warms the server up: reward 'rejecting'" in said
    )


def _plugin(path: Path) -> str:
    """A search path with a reward that always fails."""
    from tests.conftest import installed

    code = """
import rewards

@rewards.reward(level="global", range=(0, 1))
def rejecting(arguments):
    "Fails."
    raise ValueError("never")

@rewards.hookimpl
def register_rewards(register):
    register(rejecting)
"""
    folder = installed(path, "rejecting_rewards", code)
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


PROMPT = "<|im_start|>user\nEdit.<|im_end|>\n<|im_start|>assistant\n"
LABEL = {"issue": "lunch", "argument": "Lunch is way too short, duh."}


def test_openrlhf_is_answered(server: Served, folder: Path) -> None:
    """As its executor does: one query a request, many at once, over aiohttp, with special tokens and nothing of ours."""
    import aiohttp

    async def one(session: aiohttp.ClientSession, answer: str, label: Any) -> Any:
        body = {"query": [f"{PROMPT}{answer}"], "prompts": [PROMPT], "labels": [label]}
        async with session.post(f"{server.url}/get_reward", json=body) as response:
            return response.status, await response.json()

    async def all_of_them() -> list[Any]:
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(
                one(session, "1 | way too | too<|im_end|>", LABEL),
                one(session, "1 | way too | too<|im_end|>\n<|endoftext|>", json.dumps(LABEL)),
                one(session, "1 | short | very short</s>", LABEL),
                one(session, "1 | way too | too", LABEL | {"issue": "boom"}),
                one(session, "1 | way too | too", "no label"),
            )

    good, same, longer, failed, unknown = asyncio.run(all_of_them())
    logged = {"patient": [1.0], "fragile": [1.0], "edits": [1.0], "edits_accepted": [1.0]}
    assert good == same == (200, {"rewards": [1.5], "scores": [1.5], "extra_logs": logged})
    assert longer[1]["rewards"] == [0.0]
    assert longer[1]["extra_logs"] == {"patient": [0.0], "fragile": [0.0], "edits": [1.0], "edits_accepted": [0.0]}
    assert failed[0] == 500  # it is asked again, and then has no reward; a number would be a lie
    assert failed[1] == {"error": f"query[0]: {FAILED}"}
    assert unknown[0] == 422
    assert unknown[1]["error"].startswith("labels[0]: expected {issue, argument}")
    wrong = server.post("/get_reward", {"query": [PROMPT], "prompts": [PROMPT], "labels": [{"argument": 5}]})
    assert wrong.json() == {"error": "labels[0].argument: expected a string, found a number"}


def test_why_a_request_failed_is_said_where_the_server_runs(folder: Path) -> None:
    """OpenRLHF's client tells its user the status alone, and asks five times."""
    wrong = {"query": [f"{PROMPT}1 | way too | too"], "prompts": [PROMPT], "labels": ["no label"]}
    broken = wrong | {"labels": [LABEL | {"issue": "boom"}]}
    with serving(folder) as found:
        statuses = [found.post("/get_reward", body).status_code for body in (wrong, broken) for _ in range(5)]
        said = found.interrupt()[1]
    assert statuses == [422] * 5 + [500] * 5
    assert (
        said.count("WARNING rewards.serve: /get_reward answered with 422: labels[0]: expected {issue, argument}") == 3
    )
    assert said.count(f"WARNING rewards.serve: /get_reward answered with 500: query[0]: {FAILED}") == 3
    assert "(2 more times)" in said


def test_openrlhf_with_several_servers_sends_empty_lists(server: Served) -> None:
    answer = server.post("/get_reward", {"query": [], "prompts": [], "labels": []})
    assert answer.json()["rewards"] == answer.json()["scores"] == []
    wrong = server.post("/get_reward", {"query": ["a"], "prompts": [], "labels": []})
    assert wrong.json() == {"error": "the body: `prompts` has 0 entries for 1 queries"}
    wrong = server.post("/get_reward", {"query": ["a"], "prompts": ["b"], "labels": [LABEL]})
    assert wrong.json() == {
        "error": "query[0]: it does not begin with its prompt, so its completion is not known (OpenRLHF cuts a prompt that"
        " leaves no room for an answer)"
    }


def test_the_client_is_what_a_trainer_calls(server: Served) -> None:
    client = pickle.loads(pickle.dumps(RemoteTotal(server.url, budget=Budget(0.5, 4))))
    given = {
        "prompts": ["p"] * 2,
        "completions": [[{"role": "assistant", "content": "1 | way too | too"}], "1 | short | very short"],
        "issue": ["lunch"] * 2,
        "argument": ["Lunch is way too short, duh."] * 2,
    }
    assert client.__name__ == "total"
    assert client(**given) == [1.5, 0.0]
    assert client(**given | {"issue": ["boom", "lunch"]}) == [None, 0.0]
    with pytest.raises(RewardFailed, match=r"step 4: 3 of the last 4 completions could not .*division by zero"):
        client(**given | {"issue": ["boom", "boom"], "trainer_state": SimpleNamespace(global_step=3)})
    with pytest.raises(ConfigError, match="2 prompts came with 1 completions"):
        client(["p", "p"], ["a"])
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(
        RewardsError,
        match=r"the reward server at http://127\.0\.0\.1:\d+ did not answer in 0 s.*Is `rewards serve` running there",
    ):
        RemoteTotal(f"http://127.0.0.1:{port}", patience=0)(**given)


def test_verl_gets_a_total_and_fixed_keys_beside_it(server: Served) -> None:
    """Called by keyword, as verl's reward loop does, with an array of sentences, as Parquet gives them."""
    original = {
        "issue": "lunch",
        "sentences": np.array(["Lunch is way too short, duh."], dtype=object),
        "num_turns": None,
    }
    given: dict[str, Any] = {"data_source": "arguments", "ground_truth": "", "url": server.url}
    paid = compute_score(**given, solution_str="1 | way too | too", extra_info=original)
    assert paid["score"] == 1.5
    assert compute_score(**given, solution_str="nothing", extra_info=original).keys() == paid.keys()
    with pytest.raises(
        ConfigError, match=r"extra_info holds neither `argument` nor `sentences`.*put the columns into extra_info"
    ):
        compute_score(**given, solution_str="1 | a | b", extra_info={"issue": "lunch"})
    with pytest.raises(ConfigError, match=r"refused a request: 500: .*division by zero"):
        compute_score(**given, solution_str="1 | way too | too", extra_info={**original, "issue": "boom"})


def test_what_is_asked_for_from_afar_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The clock of its patience starts with the first refusal; proxies and .netrc are for other addresses."""
    (tmp_path / "netrc").write_text("default login a password b\n", encoding="utf-8")
    for name, value in (("HTTP_PROXY", "http://127.0.0.1:9"), ("NETRC", str(tmp_path / "netrc"))):
        monkeypatch.setenv(name, value)
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers["Authorization"])
            body = b'{"results": []}' if len(seen) > 1 else b"no"
            time.sleep(0.6 if len(seen) == 1 else 0)
            self.send_response(200 if len(seen) > 1 else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        client = RemoteTotal(f"http://127.0.0.1:{other.server_port}", "word", patience=0.5)
        assert client.score([]) == []
        assert seen == ["Bearer word"] * 2
        Handler.do_POST = Handler.do_GET = lambda self: self.send_error(200, "hello")  # type: ignore[attr-defined,method-assign]
        with pytest.raises(ConfigError, match=r"what answers at http://127\.0\.0\.1:\d+ is not `rewards serve`"):
            client.score([])
        other.shutdown()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_a_proxy_cannot_reach_is_asked_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [SimpleNamespace(status_code=status), SimpleNamespace(status_code=200, json=lambda: {"results": []})]
    )
    monkeypatch.setattr(RemoteTotal, "_post", lambda *_: (next(answers), ""))
    assert RemoteTotal("http://127.0.0.1:9", patience=0.1).score([]) == []


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(RewardsError, match=r"failed: .*timed out"):
        RemoteTotal(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout=0.1).score([])


def test_a_token_in_an_address_may_hold_any_mark() -> None:
    client = RemoteTotal("http://any:a%2Fb%40c@127.0.0.1:9/", patience=0)
    asked_for = requests.Request("GET", "http://127.0.0.1:9").prepare()
    assert client._authorize(asked_for).headers["Authorization"] == "Bearer a/b@c"
    assert client.url == "http://127.0.0.1:9"


def test_what_is_beside_lone_surrogates_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def post(self: RemoteTotal, path: str, data: bytes) -> tuple[Any, str]:
        sent.append(json.loads(data))
        return SimpleNamespace(status_code=200, json=lambda: {"results": [{}]}), ""

    monkeypatch.setattr(RemoteTotal, "_post", post)
    assert RemoteTotal("http://127.0.0.1:9").score([{"completion": "a\ud800é"}]) == [{}]
    assert sent == [{"records": [{"completion": "a\ufffdé"}]}]


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'http://\[x' is no address of a reward server: Invalid IPv6 URL"):
        RemoteTotal("http://[x")


def test_spaces_that_a_tokenizer_changes_in_a_prompt_do_not_hide_the_completion() -> None:
    """Some decode `way , way` as `way, way`, and `<s>[INST]` as `<s> [INST]`."""
    prompt = "<s>[INST] They do n't care , do they ? [/INST]\n"
    answer = "1 | care , do | mind , do\n2 | a | b"
    for query in (f"{prompt}{answer}", f"<s> [INST] They don't care, do they? [/INST] {answer}</s>"):
        asked_for = Query(query=[query], prompts=[prompt], labels=[LABEL])
        assert to_records(asked_for) == [{**LABEL, "completion": answer}]
    assert to_records(Query(query=["1 | a | b"], prompts=[" "], labels=[LABEL]))[0]["completion"] == "1 | a | b"
    with pytest.raises(RecordError, match=r"query\[0\]: it does not begin with its prompt.*cuts a prompt"):
        to_records(Query(query=[f"They do n't care [/INST] {answer}"], prompts=[prompt], labels=[LABEL]))


def test_special_tokens_at_the_end_are_not_the_completion() -> None:
    assert without_special("1 | a | b<|im_end|>\n<|endoftext|> ") == "1 | a | b"
    assert without_special("1 | a | b" + "<pad>" * 1000) == "1 | a | b"
    assert without_special("<s> stays </s>") == "<s> stays"
    began = time.monotonic()
    assert without_special(" " * 200_000 + "x") == " " * 200_000 + "x"
    assert time.monotonic() - began < 5  # a pattern over all of it took minutes


def test_a_pass_that_fails_as_a_whole_shows() -> None:
    """Not in one reward, whose failure is a record's: a device that is gone, a model that is not there."""

    class Gone:
        def score(self, revisions: Sequence[Revision]) -> list[Result]:
            if self.broken:
                raise ModelError("the device is gone")
            return []

    suite: Any = Gone()
    with Desk(suite, 10, 4) as desk:
        suite.broken = True
        futures = [desk.submit([]) for _ in range(3)]
        assert [str(future.exception(timeout=30)) for future in futures] == ["the device is gone"] * 3
        assert (desk.problem, desk.waiting) == ("ModelError: the device is gone", 0)
        answer = asyncio.run(app.Service(suite, desk).health(Request({"type": "http"})))
        assert (answer.status_code, json.loads(bytes(answer.body))["status"]) == (503, "failing")
        cancelled = desk.submit([])
        cancelled.cancel()
        for _ in range(100):
            if not desk._queue:
                break
            time.sleep(0.05)
        assert desk.problem is not None  # a pass of nothing says nothing
        suite.broken = False
        assert desk.submit([]).result(timeout=30) == []
        assert desk.problem is None
    with pytest.raises(Full, match="the server is stopping"):
        desk.submit([])


class Toy:
    """A suite that waits until it may go on, and breaks at the revision 13."""

    def __init__(self) -> None:
        self.passes: list[list[Any]] = []
        self.may = threading.Event()

    def score(self, revisions: Sequence[Any]) -> list[Any]:
        self.passes.append(list(revisions))
        assert self.may.wait(30)
        if 13 in revisions:
            raise ModelError("thirteen")
        return [10 * revision for revision in revisions]


def test_no_pass_is_larger_than_a_batch_and_what_breaks_one_takes_nothing_that_is_done() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: list[Any] = [[0], [1], [2, 3, 4, 5, 6], [7, 13], [8]]
        first, *futures = list[Any](desk.submit(revisions) for revisions in given)
        assert desk.waiting == 10
        suite.may.set()
        assert first.result(30) == [0]
        assert [future.result(30) for future in (*futures[:2], futures[3])] == [[10], [20, 30, 40, 50, 60], [80]]
        assert str(futures[2].exception(30)) == "thirteen"
        assert max(map(len, suite.passes)) == 2
        assert (desk.scored, desk.waiting) == (8, 0)


def test_a_request_of_several_batches_takes_turns_with_others() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: list[Any] = [[1, 2, 3, 4, 5, 6], [7]]
        large, small = list[Any](desk.submit(revisions) for revisions in given)
        suite.may.set()
        assert small.result(30) == [70]
        assert large.result(30) == [10, 20, 30, 40, 50, 60]
    assert suite.passes == [[1, 2], [7, 3], [4, 5], [6]]
    assert (desk.scored, desk.waiting) == (7, 0)


def test_what_has_begun_when_a_server_ends_is_completed() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: list[Any] = [[1, 2, 3, 4, 5, 6], [7]]
        large, small = list[Any](desk.submit(revisions) for revisions in given)
        while not suite.passes:
            time.sleep(0.01)
        threading.Timer(0.2, suite.may.set).start()
    assert large.result(0) == [10, 20, 30, 40, 50, 60]
    assert small.cancelled()


def test_one_that_breaks_a_shared_pass_fails_alone() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 4) as desk:
        given: list[Any] = [[0], [1], [2, 3, 13, 4], [5]]
        futures = list[Any](desk.submit(revisions) for revisions in given)
        suite.may.set()
        assert [futures[place].result(30) for place in (0, 1, 3)] == [[0], [10], [50]]
        assert str(futures[2].exception(30)) == "thirteen"


def test_what_is_given_up_is_not_kept_until_its_turn() -> None:
    """Clients that come and go while one pass runs would otherwise fill the memory, whatever the limit is."""
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: Any = [1]
        running = desk.submit(given)
        while not suite.passes:
            time.sleep(0.01)
        for _ in range(100):
            desk.submit(given * 10).cancel()
        last = desk.submit(given)
        assert (desk.waiting, len(desk._queue)) == (2, 1)
        suite.may.set()
        assert [running.result(30), last.result(30)] == [[10], [10]]
    assert (desk.waiting, desk.scored) == (0, 2)


def test_what_is_given_up_between_its_batches_is_not_scored_further() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: list[Any] = [[1, 2, 3, 4, 5, 6], [7], [8, 9]]
        large, small, at_last = list[Any](desk.submit(revisions) for revisions in given)
        while not suite.passes:
            time.sleep(0.01)
        assert large.cancel()
        assert at_last.cancel()
        assert desk.waiting == 1
        suite.may.set()
        assert small.result(30) == [70]
    assert suite.passes == [[1, 2], [7]]
    assert desk.waiting == 0


def test_what_is_given_up_in_its_last_pass_ends_nothing() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: list[Any] = [[1, 2], [13], [3]]
        for revisions in given[:2]:
            suite.may.clear()
            done = len(suite.passes)
            gone = desk.submit(revisions)
            while len(suite.passes) == done:
                time.sleep(0.01)
            assert gone.cancel()
            suite.may.set()
        assert desk.submit(given[2]).result(30) == [30]


def test_what_has_not_begun_when_a_server_ends_is_cancelled() -> None:
    suite: Any = Toy()
    with Desk(suite, 20, 2) as desk:
        given: list[Any] = [[1, 2], [3]]
        running_one, waiting_one = list[Any](desk.submit(revisions) for revisions in given)
        while not suite.passes:
            time.sleep(0.01)
        threading.Timer(0.2, suite.may.set).start()
    assert running_one.result(0) == [10, 20]
    assert waiting_one.cancelled()


def test_what_the_page_shows_runs(server: Served) -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8").replace("http://127.0.0.1:8000", server.url)
    rows, trl, awaited = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(trl.replace("\nreward(", "\nanswer = reward("), found)  # noqa: S102  (our own page)
    assert found["answer"] == [1.5]
    # Where no name is given, verl takes `compute_score`.
    assert f"path=pkg://{compute_score.__module__} " in page
    exec(rows, found)  # noqa: S102  (our own page)
    carried = {key: [value] for key, value in found["trl_row"].items() if key != "prompt"}
    assert found["reward"](completions=["1 | way too | too"], **carried) == [1.5]
    query = {"query": ["Edit.1 | way too | too"], "prompts": ["Edit."], "labels": [found["openrlhf_row"]["label"]]}
    assert server.post("/get_reward", query).json()["rewards"] == [1.5]
    row = found["verl_row"]
    given = {"ground_truth": row["reward_model"]["ground_truth"], "solution_str": "1 | way too | too"}
    stated = {"data_source": row["data_source"], "extra_info": row["extra_info"], "url": server.url}
    assert compute_score(**given, **stated)["score"] == 1.5
    exec(awaited, found)  # noqa: S102  (our own page)
    ask = found["edit_reward"]
    assert asyncio.run(ask(**found["original"], completion="1 | way too | too")) == 1.5
    with pytest.raises(RuntimeError, match="division by zero"):
        asyncio.run(ask(**found["original"] | {"issue": "boom"}, completion="1 | way too | too"))


def test_a_client_needs_the_packages_that_the_page_names() -> None:
    """They are put beside a trainer whose own packages ours exclude."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"`pip install (numpy [\w ]+)`", page)
    code = (
        "import sys, rewards_train.verl, rewards.prompts, importlib.metadata as m;"
        "one = rewards.read_revision({'issue': 'a', 'argument': 'A b. C d.', 'completion': '1 | b | c'}, format='compact');"
        "rewards.prompts.messages('compact', one.issue, one.sentences); found = m.packages_distributions();"
        "print(*{d.lower() for name in sys.modules for d in found.get(name.partition('.')[0], ())})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    direct = {re.split(r"[^\w-]", one)[0].lower() for one in ours}
    assert set(done.stdout.split()) & direct == set(named.split())
