"""`rewards serve`."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    TokenBudget,
    build_suite,
    check_format,
    settings_of,
)
from rewards.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from rewards.suite import Suite

TOKEN = "REWARDS_TOKEN"  # noqa: S105  (the name of a variable)


def serve(
    suite: Annotated[str | None, typer.Option(help="Name of a suite, or a YAML file. [default: default]")] = None,
    reward: Rewards = None,
    set_: Settings = None,
    format: Format = None,
    host: Annotated[str, typer.Option(help="Address to listen on; one that others reach needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks one.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the token that requests must bring. [default: the variable {TOKEN}]"),
    ] = None,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Completions that may wait; requests beyond it are told to come back.")
    ] = 4096,
    batch_size: Annotated[int, typer.Option(min=1, help="Completions that are scored together, at most.")] = 256,
    profile: Profile = None,
    model: Models = None,
    device: Device = "auto",
    dtype: DType = "auto",
    cache: Cache = None,
    token_budget: TokenBudget = 0,
) -> None:
    """Serve a suite over HTTP: POST /score, OpenRLHF's POST /get_reward, GET /suite and GET /health.

    It listens once its models are loaded. Requests that come while it computes are scored together. End it with Ctrl-C; what
    was taken in is still answered.
    """
    token = _token(token_file)
    local = _is_loopback(host)
    if not local and token is None:
        raise ConfigError(f"--host {host}: others can reach it, so give it a token: --token-file, or {TOKEN}")
    check_format(format)
    names, settings = settings_of(reward or (), set_ or ())
    try:
        import uvicorn

        from rewards_serve.app import Service, build
        from rewards_serve.desk import Desk
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed here: pip install 'appropriateness-rewards[serve]'"
        raise ConfigError(missing) from error
    listening = _listen(host, port)
    with listening:
        chosen = build_suite(suite, names, settings, dtype, token_budget, cache, model or (), profile, False, device)
        _warm_up(chosen)
        with Desk(chosen, max_waiting, batch_size) as desk:
            app = build(
                Service(chosen, desk, token, format), ["127.0.0.1", "localhost", "::1", "[::1]"] if local else None
            )
            config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off")
            listening.listen(2048)
            shown = f"[{host}]" if ":" in host else host
            print(f"http://{shown}:{listening.getsockname()[1]}", flush=True)
            print(f"serving suite {chosen.name!r}; end it with Ctrl-C", file=sys.stderr)
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn passes it on once everybody is answered
                uvicorn.Server(config).run(sockets=[listening])


def _token(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {path} cannot be read: {error}") from error
    if not token or len(token.split()) > 1:
        raise ConfigError(f"--token-file {path}: expected one word")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """The address, taken before minutes are spent on models. Raises ConfigError where it cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise ConfigError(f"--host {host} --port {port}: {error.strerror or error}") from error
    return found


def _warm_up(suite: Suite) -> None:
    """Load every model by scoring one edit. Raises ModelError where a reward fails on it."""
    from rewards.records import read_revision

    edit = {"sentence_id": 1, "inappropriate_part": "a stupid", "rewritten_part": "a weak", "reason": "Toxic Emotions"}
    (result,) = suite.score([read_revision({"argument": "That is a stupid idea.", "edits": [edit]})])
    if result.error is not None:
        raise ModelError(f"the rewards fail: {result.error}")
