"""`rewards train` and `rewards recipe`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from rewards.errors import ConfigError

recipes = typer.Typer(help="Show training recipes, and copy one to edit it.", no_args_is_help=True)


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (rewards recipe list), or a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Override the recipe: data=FILE, learning_rate=1e-5, lora.r=8, …"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and score one batch, without training.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue at the last checkpoint in the output folder.")
    ] = False,
    sft: Annotated[bool, typer.Option("--sft", help="Do the supervised warm start only.")] = False,
    num_processes: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes, one per GPU or sharing the CPU. [default: the recipe's]"),
    ] = None,
    accelerate_config: Annotated[
        Path | None, typer.Option(help="A configuration of accelerate: DDP, FSDP or DeepSpeed.")
    ] = None,
    reward_device: Annotated[
        str | None, typer.Option(help="Where reward models run: auto, cpu or cuda:N. [default: the recipe's]")
    ] = None,
) -> None:
    """Train a policy with GRPO on a suite of rewards, following a recipe.

    Exit codes: 0 done, 1 too many completions could not be scored, 2 a usage or input error, 3 a bug, 130 interrupted.
    """
    # Imported here: `rewards --help` must not pay for pydantic.
    from rewards_train import recipe as recipes_
    from rewards_train import sharding
    from rewards_train.launch import Launch, LaunchFailed, run

    given = [*(overrides or ()), *([f"reward_device={reward_device}"] if reward_device else [])]
    given += [f"processes={num_processes}"] if num_processes else []
    chosen = recipes_.resolve(recipe, given)
    if accelerate_config is not None and not accelerate_config.is_file():
        raise ConfigError(f"--accelerate-config {accelerate_config}: no such file; `accelerate config` writes one")
    count = sharding.processes(chosen, num_processes, accelerate_config)
    if sft and chosen.sft is None:
        raise ConfigError(f"--sft: recipe {recipe!r} has no warm start; give it a section `sft`, or sft.data=FILE")
    if dry_run:
        from rewards_train.dry_run import DryRun

        DryRun(chosen, count, accelerate_config, resume).print()
        return
    try:
        # Without the option accelerate itself takes the number from its file.
        run(chosen, Launch(count if accelerate_config is None else num_processes, accelerate_config), resume, sft)
    except LaunchFailed as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.code) from error


def worker(stage: str, out: Path, resume: Annotated[bool, typer.Option("--resume")] = False) -> None:
    """Run one process of a run, as a launcher starts it."""
    from rewards_train.launch import run_worker

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # so that a launcher can end a process that waits for the others
    run_worker(stage, out, resume)


@recipes.command("list")
def list_all() -> None:
    """List the recipes that come with the package."""
    from rewards.cli.terminal import print_table
    from rewards.config import read_yaml
    from rewards_train.recipe import names, path_of

    found = [(name, read_yaml(path_of(name))) for name in names()]
    rows = [(name, str(stated["model"]), str(stated["suite"]), str(stated["description"])) for name, stated in found]
    print_table("recipes", ("name", "policy", "suite", "description"), rows, "description")


@recipes.command()
def show(name: Annotated[str, typer.Argument(help="Name of a recipe.")]) -> None:
    """Print a recipe's YAML."""
    from rewards_train.recipe import text_of

    print(text_of(name), end="")


@recipes.command()
def copy(
    name: Annotated[str, typer.Argument(help="Name of a recipe.")],
    to: Annotated[Path, typer.Argument(help="Where to write it, e.g. my-recipe.yaml.")],
) -> None:
    """Write a recipe's YAML to a file of your own, for `rewards train FILE`."""
    from rewards.config import copy_yaml
    from rewards_train.recipe import text_of

    to = copy_yaml(text_of(name), to, name, "recipe", "`rewards train`")
    print(f"wrote {to}; use it with rewards train {to}")
