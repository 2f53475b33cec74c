"""The HTTP side: bodies in, records to the desk, answers out. Nothing is computed in the loop that answers."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from rewards.config import parse
from rewards.errors import ConfigError, RecordError
from rewards.records import read_revision
from rewards.result import Result
from rewards.suite import Suite
from rewards.types import Revision
from rewards_serve import openrlhf
from rewards_serve.desk import Desk, Full

MAX_BODY = 64 * 2**20  # bytes of one request
RETRY = {"Retry-After": "1"}


class Records(BaseModel):
    """The body of `POST /score`."""

    model_config = ConfigDict(extra="forbid")

    records: list[dict[str, Any]]


class Answer(Response):
    """A value as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


@dataclass(frozen=True, slots=True)
class Service:
    """One suite with its desk; `token` is what a request must bring, `format` the one in which completions are read."""

    suite: Suite
    desk: Desk
    token: str | None = None
    format: str | None = None

    async def health(self, request: Request) -> Response:
        """`{status, waiting, scored}`, for whoever asks."""
        return Answer({"status": "ok", "waiting": self.desk.waiting, "scored": self.desk.scored})

    async def about(self, request: Request) -> Response:
        """The suite with every setting, as the header of a scored file states it."""
        version = metadata.version("appropriateness-rewards")
        return Answer({**self.suite.describe(), "versions": {"appropriateness-rewards": version}})

    async def score(self, request: Request) -> Response:
        """`{results}`: one output record for every input record of `{records}`, in order.

        One that cannot be read is `rejected`, with the reason, and costs the others nothing.
        """
        asked = parse(Records, await _json(request), "the body")
        read = await run_in_threadpool(self._read, asked.records)
        results = iter(await self._results(request, [one for one in read if isinstance(one, Revision)]))
        found = [one if isinstance(one, RecordError) else next(results) for one in read]
        return await run_in_threadpool(lambda: Answer({"results": list(map(self._told, asked.records, found))}))

    async def get_reward(self, request: Request) -> Response:
        """OpenRLHF's request; it has no word for a completion that could not be scored, so that is an error."""
        asked = parse(openrlhf.Query, await _json(request), "the body")
        read = await run_in_threadpool(lambda: self._read(openrlhf.to_records(asked)))
        for index, one in enumerate(read):
            if isinstance(one, RecordError):
                raise RecordError(one.reason, f"query[{index}].{one.field}" if one.field else f"query[{index}]")
        results = await self._results(request, [one for one in read if isinstance(one, Revision)])
        try:
            return Answer(openrlhf.to_answer(results, self.suite))
        except RecordError as error:
            raise HTTPException(500, str(error)) from error

    def _read(self, records: Sequence[Mapping[str, Any]]) -> list[Revision | RecordError]:
        found: list[Revision | RecordError] = []
        for number, record in enumerate(records, 1):
            try:
                found.append(read_revision(record, format=self.format, number=number))
            except RecordError as error:
                found.append(error)
        return found

    def _told(self, record: Mapping[str, Any], found: Result | RecordError) -> dict[str, Any]:
        """The output record, or what stands in its place where the record cannot be read."""
        if isinstance(found, Result):
            return found.to_record()
        unknown = {component.name: None for component in self.suite.components}
        stated = {"id": record.get("id"), "status": "rejected", "error": str(found), "field": found.field or None}
        return {**stated, "reward": None, "rewards": unknown}

    async def _results(self, request: Request, revisions: Sequence[Revision]) -> list[Result]:
        """What the desk makes of the revisions; nothing, where who asked has gone."""
        if len(revisions) > self.desk.limit:
            raise HTTPException(413, f"{len(revisions):,} records; at most {self.desk.limit:,} in one request")
        try:
            future = asyncio.wrap_future(self.desk.submit(revisions))
        except Full as error:
            raise HTTPException(503, str(error), RETRY) from error
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                future.cancel()
                raise ClientDisconnect
            return future.result()
        finally:
            gone.cancel()


def build(service: Service, hosts: Sequence[str] | None) -> Starlette:
    """The application. `hosts` are the names it answers to, None for any."""
    limits = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)] if hosts else []
    guarded = [
        Route("/suite", _guarded(service.about, service.token), methods=["GET"]),
        Route("/score", _guarded(service.score, service.token), methods=["POST"]),
        Route("/get_reward", _guarded(service.get_reward, service.token), methods=["POST"]),
    ]
    return Starlette(
        routes=[Route("/health", service.health, methods=["GET"]), *guarded],
        middleware=limits,
        exception_handlers={HTTPException: _refuse, ConfigError: _unusable, RecordError: _unusable, Exception: _broken},
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _guarded(endpoint: Endpoint, token: str | None) -> Endpoint:
    async def checked(request: Request) -> Response:
        if token is not None and not _holds(request.headers.get("Authorization", ""), token):
            raise HTTPException(401, "a token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it

    return checked


def _holds(header: str, token: str) -> bool:
    """Whether the header holds the token: as a bearer's, or as the password of an address `http://any:TOKEN@host`."""
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
    """The body. It must say that it is JSON, which no page of another site can do unasked."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be application/json")
    too_large = HTTPException(413, f"a request has at most {MAX_BODY:,} bytes; send fewer records at a time")
    if int(request.headers.get("Content-Length", 0)) > MAX_BODY:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise too_large
    try:
        return await run_in_threadpool(orjson.loads, b"".join(parts))
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error


async def _gone(request: Request) -> None:
    """Return once who asked has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (it is registered for these)
    return Answer({"error": error.detail}, error.status_code, error.headers)


async def _unusable(request: Request, error: Exception) -> Response:
    return Answer({"error": str(error)}, 422)


async def _broken(request: Request, error: Exception) -> Response:
    return Answer({"error": f"this is a bug in rewards or a plugin: {type(error).__name__}: {error}"}, 500)
