"""`rewards fit`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rewards.cli.options import LARGEST, Cache, Models
from rewards.errors import ConfigError
from rewards.plan import SuitePlan, pairs, parse_models
from rewards.text.plain import plain


def fit(
    reward: Annotated[str, typer.Argument(metavar="REWARD", help="Name of a reward; `rewards list` shows them.")],
    data: Annotated[list[Path], typer.Option(metavar="FILE", help="JSONL, JSONL.gz or Parquet. Repeatable.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the parameters and their card."),
    ],
    percentile: Annotated[
        float | None, typer.Option(help="Percentage of human edits that should fail the threshold.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="Set an option of this fit. Repeatable.")
    ] = None,
    unseen: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Leave out rows that share eight words in a row with a test row of FILE."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Random seed.")] = 20261122,
    profile: Annotated[
        str, typer.Option(help="Models to calibrate a threshold with, and for: embedded or full.")
    ] = "embedded",
    model: Models = None,
    device: Annotated[str, typer.Option(help="Device for computing features: auto, cpu or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="Precision of features: auto, float32, bfloat16 or float16.")] = "float32",
    cache: Cache = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fit a reward, or calibrate its threshold, on your own data.

    Use the result with `rewards score FILE --reward REWARD.params=DIR`, or as `params:` in a suite. A reward without a fit
    of its own gets a threshold: a percentile of its scores of human edits.
    """
    from rewards.fitting.run import run

    began = time.monotonic()

    def say(line: str) -> None:
        if not quiet:
            print(f"{time.monotonic() - began:6.0f} s  {line}", file=sys.stderr, flush=True)

    engine = SuitePlan(profile=profile, models=parse_models(model), device=device, dtype=dtype, cache=cache).engine()
    options = _options(set_ or ())
    if percentile is not None:
        if "percentile" in options:
            raise ConfigError("--percentile and --set percentile=… are one option: give it once")
        options["percentile"] = percentile
    try:
        card = run(reward, data, out, options, seed, engine, say, unseen)
    except BaseException as error:  # Ctrl-C too: a note names the folder that keeps what was fitted so far
        for note in getattr(error, "__notes__", ()):
            print(plain(note), file=sys.stderr)
        raise
    if not quiet:
        for line in _thresholds(card):
            say(line)
        say(f"done; see {out / 'card.json'}. Use it: rewards score FILE --reward {reward}.params={out}")


def _thresholds(card: Mapping[str, Any]) -> Iterator[str]:
    """A line for each threshold in a card: a fit may have set several."""
    for key, stated in card.items():
        if key.startswith("threshold") and isinstance(stated, dict) and "source" in stated:
            value = stated.get("value")
            if isinstance(value, (int, float)):
                yield f"{key} {value:g}: {stated['source']}"


def _options(given: Sequence[str]) -> dict[str, Any]:
    from rewards.config import parse_value

    return {name: parse_value(value) for name, value in pairs(given, "--set", "OPTION=VALUE, e.g. epochs=2").items()}
