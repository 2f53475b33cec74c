"""The command line: one file per command; plugins add theirs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, Annotated

import typer

from rewards.cli import examples, fit, models, plugins, score, suites
from rewards.cli.logs import log_level, log_to_terminal
from rewards.cli.signals import terminated_as_interrupted
from rewards.cli.terminal import results_alone
from rewards.errors import DISK_FULL, RewardFailed, RewardsError
from rewards.paths import user_path
from rewards.plugins import registry
from rewards.stderr import discard_writes, hold_closed
from rewards.text.plain import plain
from rewards.versions import OWN, lacking, version

if TYPE_CHECKING:
    from typer.core import TyperGroup

EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


def _print_version(value: bool) -> None:
    if value:
        print(f"{OWN} {version()}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what is loaded and computed, on stderr.")] = False,
) -> None:
    """Reward functions for edited text: score, train, evaluate, audit and serve. Plugins add rewards.

    Exit codes: 0 everything scored, 1 some records were rejected or failed (with --strict: the first that failed),
    2 usage or input error, 3 a bug in rewards, 130 interrupted.
    """
    log_level(logging.INFO if verbose else logging.WARNING)


def build() -> TyperGroup:
    """The whole command line, plugins' commands included."""
    from typer.main import get_group

    app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_main)
    app.command("score")(score.score)
    app.command("examples")(examples.examples)
    app.command("fit")(fit.fit)
    app.command("list")(plugins.list_all)
    app.command("show")(plugins.show)
    app.command("plugins")(plugins.plugins)
    app.add_typer(suites.app, name="suite")
    app.add_typer(models.app, name="models")
    group = get_group(app)
    registry().add_commands(group)
    return group


def main() -> None:
    """Run the command line; every error ends in one message and an exit code, never in a traceback."""
    hold_closed()
    for stream in (sys.stdout, sys.stderr):
        if callable(reconfigure := getattr(stream, "reconfigure", None)):
            reconfigure(errors="backslashreplace")  # a console whose encoding lacks ≥ gets an escape
    flood = log_to_terminal()
    try:
        with terminated_as_interrupted():
            code = _run()
    finally:
        flood.report()
    sys.exit(code)


def _at_home(word: str) -> str:
    """The argument with `~` expanded in `--out=~/kept`: shells do not expand it there, and a folder `~` would be created."""
    option, tilde, name = word.partition("=~")
    is_option = bool(tilde) and option.startswith("--") and "=" not in option
    return f"{option}={user_path('~' + name)}" if is_option else word


def _resume_hint(group: TyperGroup) -> str:
    """The hint to add --resume; empty where the running command of `group` has no such option or left nothing to resume."""
    running = next((group.commands[word] for word in sys.argv[1:] if word in group.commands), None)
    options = {name for one in running.params for name in one.opts} if running is not None else set[str]()
    written = "-o" not in options or any(word.startswith(("-o", "--out")) for word in sys.argv[1:])
    streamed = {"-", "-o-", "--out=-"} & set(sys.argv[1:])  # as input or output: neither can be resumed
    kept = written and not streamed and "--dry-run" not in sys.argv[1:]
    return "; add --resume to go on where it stopped" if "--resume" in options and kept else ""


def _discard_output() -> None:
    """Discard the rest of standard output's buffer, which would fail again when the process ends."""
    discard_writes(sys.stdout.fileno())


def _tell(text: str) -> None:
    """Print to standard error. Where that is closed or full, only the exit code says what happened."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _run() -> int:
    group: TyperGroup | None = None
    try:
        with results_alone():  # imports plugins, which may print
            group = build()
        code = group([_at_home(word) for word in sys.argv[1:]], standalone_mode=False)
        if code == EXIT_INTERRUPTED:  # typer handles Ctrl-C itself, without a message
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except RewardsError as error:
        debug = os.environ.get("REWARDS_DEBUG")
        if debug:
            _tell(plain("".join(traceback.format_exception(error.__cause__ or error))))
        _tell(plain(f"error: {error}"))
        if isinstance(error, RewardFailed) and error.__cause__ and not debug:
            _tell("Run again with REWARDS_DEBUG=1 for the traceback.")
        return EXIT_SOME_FAILED if isinstance(error, RewardFailed) else EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        _tell(f"interrupted{_resume_hint(group) if group else ''}")  # without a group, nothing has started
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:  # the reader closed the pipe, as `head` does
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):  # typer exits for it
            raise
        _discard_output()
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL and error.filename is None:
            _discard_output()
            _tell(plain(f"error: standard output cannot be written: {error.strerror}"))
            return EXIT_USAGE
        if isinstance(error, OSError) and isinstance(error.filename, str) and not os.environ.get("REWARDS_DEBUG"):
            _tell(plain(f"error: {error.filename}: {error.strerror or error}"))
            return EXIT_USAGE  # no permission for a folder, a name that is too long
        if callable(show := getattr(error, "show", None)):  # a usage error of click, or of the click inside typer
            with contextlib.suppress(OSError):
                show()
            return EXIT_USAGE
        if os.environ.get("REWARDS_DEBUG"):
            raise
        importing = isinstance(error, ImportError) or "Failed to import" in str(error)  # as transformers and TRL do
        if importing and (problem := lacking()):
            _tell(f"error: {problem}")
            return EXIT_USAGE
        _tell(plain(f"error: this is a bug in rewards or a plugin: {type(error).__name__}: {error}"))
        _tell("Run again with REWARDS_DEBUG=1 for the traceback, and report it.")
        return EXIT_BUG
