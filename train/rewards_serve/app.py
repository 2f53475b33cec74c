"""The HTTP application: parses requests, gives records to the desk, sends results. Parsing and writing run in threads."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from rewards.config import parse
from rewards.errors import ConfigError, RecordError, RewardsError, tell
from rewards.files.pipeline import installed
from rewards.files.reading import no_json
from rewards.records import read_revision, reading
from rewards.result import Result
from rewards.suite import Suite
from rewards.types import Revision
from rewards.values import doubled_key
from rewards.values import kind as kind_of
from rewards_serve import openrlhf
from rewards_serve.desk import Desk, Full

MAX_BODY = 16 * 2**20  # bytes of one request
SILENCE = 30.0  # seconds that the next part of a body may take
WHOLE = 300.0  # seconds that all of a body may take
M = TypeVar("M", bound=BaseModel)
log = logging.getLogger("rewards.serve")


class Records(BaseModel):
    """The body of `POST /score`."""

    model_config = ConfigDict(extra="forbid")

    records: list[Any]  # checked one by one


class Answer(Response):
    """A response with a value as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


@dataclass(frozen=True, slots=True)
class Service:
    """One suite with its desk; `token` is what a request must send, `format` the only one in which completions are read."""

    suite: Suite
    desk: Desk
    token: str | None = None
    format: str | None = None

    async def health(self, request: Request) -> Response:
        """`{status, waiting, scored}`, without a token; 503 with the problem where the last pass failed as a whole."""
        desk = self.desk
        state = {"status": "failing" if desk.problem else "ok", "waiting": desk.waiting, "scored": desk.scored}
        return Answer({**state, "error": desk.problem} if desk.problem else state, 503 if desk.problem else 200)

    async def about(self, request: Request) -> Response:
        """The suite with every setting, as the header of a scored file states it."""
        return Answer({**self.suite.describe(), "versions": installed()})

    async def score(self, request: Request) -> Response:
        """`{results}`: one output record for every input record of `{records}`, in order.

        A record that cannot be read gets the status `rejected` and the reason; the others are scored. Raises what `_body`,
        `_check_size` and `_results` raise.
        """
        body = await self._body(request, Records)
        self._check_size(len(body.records))
        read = await run_in_threadpool(self._read, body.records)
        results = iter(await self._results(request, [one for one in read if isinstance(one, Revision)]))
        found = [one if isinstance(one, RecordError) else next(results) for one in read]
        return await run_in_threadpool(lambda: Answer({"results": list(map(self._output, body.records, found))}))

    async def get_reward(self, request: Request) -> Response:
        """OpenRLHF's answer. Its protocol cannot represent a completion that could not be scored: that is an error.

        Raises RecordError and ConfigError for a request that is wrong, and what `_body`, `_check_size` and `_results` raise.
        """
        body = await self._body(request, openrlhf.Query)
        self._check_size(len(body.query))
        read = await run_in_threadpool(lambda: self._read(openrlhf.to_records(body)))
        for index, one in enumerate(read):
            if isinstance(one, RecordError):
                raise openrlhf.at_fault(index, one)
        results = await self._results(request, [one for one in read if isinstance(one, Revision)])
        try:
            return Answer(openrlhf.to_answer(results, self.suite))
        except RecordError as error:
            raise HTTPException(500, str(error)) from error

    def _check_size(self, count: int) -> None:
        """Raise HTTPException for more records than there can ever be room for, whether they can be read or not."""
        if count > self.desk.limit:
            raise HTTPException(413, f"{count:,} records; at most {self.desk.limit:,} in one request (--max-waiting)")

    def _read(self, records: Sequence[Any]) -> list[Revision | RecordError]:
        found: list[Revision | RecordError] = []
        for number, record in enumerate(records, 1):
            try:
                with reading(f"record {number} of a request"):
                    found.append(read_revision(record, format=self.format, number=number))
            except RecordError as error:
                found.append(error)
        return found

    def _output(self, record: Any, found: Result | RecordError) -> dict[str, Any]:
        """The output record; for a record that cannot be read, one of status `rejected`."""
        if isinstance(found, Result):
            return found.to_record()
        stated = record.get("id") if isinstance(record, Mapping) else None
        unknown = {component.name: None for component in self.suite.components}
        return {
            "id": stated if isinstance(stated, str | int) and not isinstance(stated, bool) else None,
            "status": "rejected", "error": str(found), "field": found.field or None, "reward": None, "rewards": unknown,
        }  # fmt: skip

    async def _body(self, request: Request, kind: type[M]) -> M:
        """The body of a request, read only where there is room for it.

        Raises Full where there is none, HTTPException for a body that is no JSON, ConfigError for one that is not of this
        kind.
        """
        self.desk.check_room(1)
        body = await _json(request)
        if not isinstance(body, dict):
            raise ConfigError(f"the body: expected an object, found {kind_of(body)}")
        return await run_in_threadpool(parse, kind, body, "the body")

    async def _results(self, request: Request, revisions: Sequence[Revision]) -> list[Result]:
        """The desk's results for the revisions.

        Raises Full where there is no room, ClientDisconnect where the client has disconnected, and what the desk's future
        ends with.
        """
        if not revisions:
            return []
        future = asyncio.wrap_future(self.desk.submit(revisions))
        disconnected = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((future, disconnected), return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise ClientDisconnect
            return future.result()
        finally:
            disconnected.cancel()
            future.cancel()  # has no effect on one that is done


def build(service: Service, hosts: Collection[str] | None) -> Starlette:
    """The application. `hosts` are the names and addresses it answers to, None for any."""
    table: list[tuple[str, str, Endpoint, str | None]] = [
        ("/health", "GET", service.health, None),
        ("/suite", "GET", service.about, service.token),
        ("/score", "POST", service.score, service.token),
        ("/get_reward", "POST", service.get_reward, service.token),
    ]
    return Starlette(
        routes=[Route(path, _guarded(answer, hosts, token), methods=[method]) for path, method, answer, token in table],
        exception_handlers={
            HTTPException: _refuse,
            Full: _later,
            ConfigError: _unusable,
            RecordError: _unusable,
            Exception: _broken,
        },
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _guarded(endpoint: Endpoint, hosts: Collection[str] | None, token: str | None) -> Endpoint:
    """The endpoint, behind checks of the host name and the token."""

    async def checked(request: Request) -> Response:
        if hosts is not None and _name(request.headers.get("Host", "")) not in hosts:
            raise HTTPException(400, "this server answers to the names of its own machine only")
        if token is not None and not _holds(request.headers.get("Authorization", ""), token):
            raise HTTPException(401, "a token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it

    return checked


def _name(host: str) -> str | None:
    """The name or address in a header `Host`; None where there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _holds(header: str, token: str) -> bool:
    """Whether the header holds the token: as a bearer's, or as the password in an address `http://any:TOKEN@host`."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "basic":
        try:
            _, _, value = base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")
        except ValueError:
            return False
    elif kind.lower() != "bearer":
        return False
    return hmac.compare_digest(value.encode(), token.encode())


async def _json(request: Request) -> Any:
    """The parsed body. It must be declared as JSON: a browser lets no page of another site send that without permission."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be application/json")
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "the body must not be compressed")
    too_large = HTTPException(413, f"a request has at most {MAX_BODY:,} bytes; send fewer records at a time")
    if int(request.headers.get("Content-Length", 0)) > MAX_BODY:
        raise too_large
    parts, size = [], 0
    now = asyncio.get_running_loop().time
    ends = now() + WHOLE
    try:
        async with asyncio.timeout(min(SILENCE, WHOLE)) as patience:
            async for part in request.stream():
                patience.reschedule(min(now() + SILENCE, ends))
                parts.append(part)
                size += len(part)
                if size > MAX_BODY:
                    raise too_large
    except TimeoutError as error:
        waited = f"in {WHOLE:g} s" if now() >= ends else f"for {SILENCE:g} s"
        raise HTTPException(408, f"the rest of the body did not come {waited}") from error
    return await run_in_threadpool(_loaded, b"".join(parts).removeprefix(BOM_UTF8))


def _loaded(body: bytes) -> Any:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"the body is {no_json(body, error)}") from error
    if (key := doubled_key(body, found)) is not None:
        raise HTTPException(400, f"the body: the key {key[:80]!r} stands twice in one object")
    return found


async def _disconnected(request: Request) -> None:
    """Return once the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(request: Request, error: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that failed. The error is also logged, since OpenRLHF's client shows only the status."""
    log.warning("%s answered with %d: %s", request.url.path, status, error)
    return Answer({"error": error}, status, headers)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (it is registered for these)
    return _refusal(request, error.detail, error.status_code, error.headers)


async def _later(request: Request, error: Exception) -> Response:
    return Answer({"error": str(error)}, 503, {"Retry-After": "1"})


async def _unusable(request: Request, error: Exception) -> Response:
    return _refusal(request, str(error), 422)


async def _broken(request: Request, error: Exception) -> Response:
    if isinstance(error, RewardsError):
        return _refusal(request, str(error), 500)
    return Answer({"error": f"this is a bug in rewards or a plugin: {tell(error.__cause__ or error)}"}, 500)
