"""`rewards serve`."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rewards.cli.options import (
    Cache,
    Device,
    DType,
    Format,
    Models,
    Profile,
    Rewards,
    Settings,
    SuiteName,
    TokenBudget,
    countable,
    settings_of,
)
from rewards.errors import ConfigError
from rewards.plan import SuitePlan, check_format, parse_models

LOCAL = ("127.0.0.1", "localhost", "::1")
TOKEN = "REWARDS_TOKEN"  # noqa: S105  (the name of a variable)


def serve(
    suite: SuiteName = None,
    reward: Rewards = None,
    set_: Settings = None,
    format: Format = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others can reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks one.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the token that requests must send. [default: the variable {TOKEN}]"),
    ] = None,
    max_waiting: Annotated[
        int,
        typer.Option(
            min=1,
            callback=countable,
            help="Completions that may wait; further requests get status 503 with Retry-After.",
        ),
    ] = 4096,
    batch_size: Annotated[
        int, typer.Option(min=1, callback=countable, help="Maximum number of completions to score together.")
    ] = 256,
    profile: Profile = None,
    model: Models = None,
    device: Device = "auto",
    dtype: DType = "auto",
    cache: Cache = None,
    token_budget: TokenBudget = 0,
) -> None:
    """Serve a suite over HTTP: POST /score, OpenRLHF's POST /get_reward, GET /suite and GET /health.

    It listens once its models are loaded. Requests that arrive while it computes are scored together. Ctrl-C and SIGTERM end
    it with exit code 0, once accepted requests are answered.
    """
    token = _token(token_file)
    local = _is_loopback(host)
    if not local and token is None:
        raise ConfigError(f"--host {host}: others can reach it, so give it a token: --token-file, or {TOKEN}")
    check_format(format)
    names, settings = settings_of(reward or (), set_ or ())
    plan = SuitePlan(suite, names, settings, profile, parse_models(model), device, dtype, token_budget, cache)
    try:
        from rewards_serve.app import Service, build
        from rewards_serve.desk import Desk
        from rewards_serve.listening import run, warm_up
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed here: pip install 'appropriateness-rewards[serve]'"
        raise ConfigError(missing) from error
    with _listen(host, port) as listening:
        chosen = plan.load()
        warm_up(chosen)
        with _taking(host, port):  # another server that was loading too may have been faster
            listening.listen(2048)
        with Desk(chosen, max_waiting, batch_size) as desk:
            app = build(Service(chosen, desk, token, format), {*LOCAL, host.lower()} if local else None)
            run(app, listening, host, chosen.name, desk)


def _token(path: Path | None) -> str | None:
    """The token that requests must send; None where there is none. Raises ConfigError for one that no header can hold."""
    place = f"--token-file {path}" if path else TOKEN
    try:
        token = (path.read_text(encoding="utf-8") if path else os.environ.get(TOKEN, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place} cannot be read: {error}") from error
    if not token and path is None:
        return None
    if not token or not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigError(f"{place}: expected one word of printable ASCII characters")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """A socket with this address, before minutes are spent on models. Raises ConfigError where the address is not available."""
    with _taking(host, port):
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":  # on Windows it would give two servers the same port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    return found


@contextmanager
def _taking(host: str, port: int) -> Iterator[None]:
    """Raise ConfigError where the address is not available."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host {host} --port {port}: {getattr(error, 'strerror', None) or error}") from error
