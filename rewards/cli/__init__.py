"""The command line: one file per command; plugins add theirs."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from rewards.cli import models, plugins, score, suites
from rewards.cli.terminal import plain
from rewards.errors import RewardsError
from rewards.plugins import registry

EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"appropriateness-rewards {version('appropriateness-rewards')}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what is loaded and computed, on stderr.")] = False,
) -> None:
    """Rewards for edited text: score edits of arguments, with rewards that plugins add.

    Exit codes: 0 everything scored, 1 some records were rejected or failed, 2 usage or input error, 3 a bug here.
    """
    logging.getLogger("rewards").setLevel(logging.INFO if verbose else logging.WARNING)


def build() -> typer.Typer:
    """The whole command line, plugins' commands included."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_main)
    app.command("score")(score.score)
    app.command("list")(plugins.list_all)
    app.command("show")(plugins.show)
    app.command("plugins")(plugins.plugins)
    app.add_typer(suites.app, name="suite")
    app.add_typer(models.app, name="models")
    registry().add_commands(app)
    return app


def main() -> None:
    """Run the command line; every error ends in one message and an exit code, never in a traceback."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    sys.exit(_run())


def _run() -> int:
    try:
        code = build()(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except RewardsError as error:
        print(plain(f"error: {error}"), file=sys.stderr)
        return EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted; add --resume to go on where it stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if callable(show := getattr(error, "show", None)):  # a usage error of click, or of the click inside typer
            show()
            return EXIT_USAGE
        if os.environ.get("REWARDS_DEBUG"):
            raise
        print(plain(f"error: this is a bug in rewards or a plugin: {type(error).__name__}: {error}"), file=sys.stderr)
        print("Run again with REWARDS_DEBUG=1 for the traceback, and report it.", file=sys.stderr)
        return EXIT_BUG
