"""Measure the shipped rewards: `python -m bench.validate DATA [--write] [--fold fold0.1=PARAMS …]`.

DATA is a folder with `arguments/`, `human_edits/`, `fluency/` and `reference/`. Every figure is compared with the one
that the package states (`plugins/rewards_*/params/validation.json`), and the exit code is 1 where one lies outside its
interval; `--write` states them anew. `--fold` adds a classifier that was fitted on another split of the corpus
(`rewards fit appropriateness --set fold=fold0.1`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rewards_appropriateness
import rewards_fluency
import rewards_pattern_conformity
import rewards_semantic_similarity
from bench.validate import appropriateness, fluency, pattern, similarity
from bench.validate.data import Bench
from rewards.engine.cache import DiskCache, MemoryCache
from rewards.engine.engine import Engine

SLACK = 0.005  # of a figure without an interval: what another machine's rounding may move


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.validate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--fold", action="append", default=[], metavar="FOLD=PARAMS")
    given = parser.parse_args()
    engine = Engine(dtype="float32", cache=DiskCache(given.cache) if given.cache else MemoryCache())
    bench = Bench(given.data, engine)
    folds = {name: Path(params) for name, _, params in (each.partition("=") for each in given.fold)}
    families: list[tuple[Path, Callable[[], dict[str, Any]]]] = [
        (rewards_semantic_similarity.PARAMS, lambda: similarity.validate(bench)),
        (rewards_semantic_similarity.TOKENS, lambda: similarity.validate_tokens(bench)),
        (rewards_pattern_conformity.PARAMS, lambda: pattern.validate(bench)),
        (rewards_fluency.PARAMS, lambda: fluency.validate(bench)),
        (rewards_appropriateness.PARAMS, lambda: appropriateness.validate(bench, folds)),
    ]
    outside = 0
    for params, validate in families:
        began, file = time.monotonic(), params / "validation.json"
        found = validate()
        stated = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if not stated and not given.write:
            sys.exit(f"{file} is missing: there is nothing to compare with; state the figures with --write")
        if given.write:
            kept = {key: value for key, value in stated.items() if key.startswith("fold") and key not in found}
            file.write_text(json.dumps({**kept, **found}, indent=2) + "\n", encoding="utf-8")
        print(f"\n{params.parent.name} ({time.monotonic() - began:.0f} s)")
        for name, value, low, high in figures(found, stated):
            bad = low is not None and high is not None and not low - SLACK <= value <= high + SLACK
            outside += bad
            print(
                f"  {'✗' if bad else ' '} {name:70} {value:8.4f}" + ("" if low is None else f"  stated [{low}, {high}]")
            )
    print(f"\n{outside} figures lie outside what is stated")
    sys.exit(1 if outside and not given.write else 0)


def figures(found: Any, stated: Any, path: str = "") -> Iterator[tuple[str, float, float | None, float | None]]:
    """Every number found, with the interval that the package states for it (its own value where it states none)."""
    for key, value in found.items():
        there = stated.get(key) if isinstance(stated, dict) else None
        if isinstance(value, dict):
            yield from figures(value, there or {}, f"{path}{key}.")
        elif isinstance(value, (int, float)):
            interval = stated.get(f"{key}_95") if isinstance(stated, dict) else None
            low, high = interval or ((there, there) if there is not None else (None, None))
            yield f"{path}{key}", value, low, high


if __name__ == "__main__":
    main()
