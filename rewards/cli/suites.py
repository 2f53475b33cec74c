"""`rewards suite show` and `rewards suite copy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewards.errors import PluginError, RewardsError
from rewards.plugins import registry

app = typer.Typer(help="Show suites, and copy one to edit it.", no_args_is_help=True)


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a suite.")]) -> None:
    """Print a suite's YAML."""
    print(text_of(name), end="")


@app.command()
def copy(
    name: Annotated[str, typer.Argument(help="Name of a suite.")],
    to: Annotated[Path, typer.Argument(help="Where to write it, e.g. mine.yaml.")],
) -> None:
    """Write a suite's YAML to a file of your own, for `--suite FILE`."""
    if to.is_dir():
        to = to / f"{name}.yaml"
    if to.suffix not in (".yaml", ".yml"):
        raise RewardsError(f"{to}: a suite's file must end in .yaml, so that --suite takes it for a file")
    text = text_of(name)
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise RewardsError(f"{to} exists already; delete it or choose another name") from error
    except OSError as error:
        raise RewardsError(f"{to} cannot be written: {error.strerror}") from error
    print(f"wrote {to}; use it with --suite {to}")


def text_of(name: str) -> str:
    """The YAML of a suite. Raises PluginError where its plugin names a file that cannot be read."""
    path, origin = registry().suite(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PluginError(f"suite {name!r} of {origin}: {path} cannot be read: {error}") from error
