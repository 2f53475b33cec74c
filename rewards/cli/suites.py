"""`rewards suite list`, `rewards suite show` and `rewards suite copy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewards.cli.terminal import print_table
from rewards.errors import ConfigError, PluginError
from rewards.plugins import Registry, registry

app = typer.Typer(help="List suites, show them, and copy one to edit it.", no_args_is_help=True)


@app.command("list")
def list_all() -> None:
    """List the suites that are installed."""
    print_suites(registry())


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a suite.")]) -> None:
    """Print a suite's YAML."""
    print(text_of(name), end="")


@app.command()
def copy(
    name: Annotated[str, typer.Argument(help="Name of a suite.")],
    to: Annotated[Path, typer.Argument(help="Where to write it, e.g. my-suite.yaml.")],
) -> None:
    """Write a suite's YAML to a file of your own, for `--suite FILE`."""
    from rewards.config import copy_yaml  # pydantic and yaml, which `rewards --help` need not pay for

    to = copy_yaml(text_of(name), to, name, "suite", "--suite")
    print(f"wrote {to}; use it with --suite {to}")


def print_suites(found: Registry) -> None:
    """Print a table of the suites with their descriptions."""
    rows = [(name, _description(path), origin.distribution) for name, path, origin in found.suites]
    print_table("suites", ("name", "description", "from"), rows, "description", "from")


def text_of(name: str) -> str:
    """The YAML of a suite. Raises PluginError where its plugin names a file that cannot be read."""
    path, origin = registry().suite(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PluginError(f"suite {name!r} of {origin}: {path} cannot be read: {error}") from error


def _description(path: Path) -> str:
    from rewards.config import read_yaml

    try:
        return str(read_yaml(path).get("description", ""))
    except ConfigError as error:
        return f"broken: {error}"
