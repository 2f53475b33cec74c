"""Measure the shipped rewards: `python -m bench.validate DATA [--only FAMILY …] [--write] [--fold fold0.1=PARAMS …]`.

DATA is a folder with `arguments/`, `human_edits/`, `fluency/`, `toxicity/` and `reference/`. Every number that the package
states (`plugins/rewards_*/params/`) is measured again: those of `validation.json`, and those that a fit wrote to
`card.json`, on the data that the card names. The exit code is 1 where one lies outside its interval or is not produced any
more.

`--write` writes the new numbers to `validation.json`; only a fit writes cards. Numbers of classifiers that were fitted on
other splits of the corpus need their parameters (`rewards fit appropriateness --set fold=fold0.1 …`), given by `--fold`;
without them these numbers stay as they are and are listed as not recomputed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rewards_appropriateness
import rewards_fluency
import rewards_format
import rewards_pattern_conformity
import rewards_semantic_similarity
import rewards_valence
from bench.data import need
from bench.validate import appropriateness, fluency, form, pattern, similarity, valence
from bench.validate.data import FILES, Bench
from bench.validate.figures import figures, measured, merged, without_folds
from rewards.engine.cache import DiskCache, MemoryCache
from rewards.engine.engine import Engine
from rewards.fitting.params import CARD

VALIDATION = "validation.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.validate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", action="append", metavar="FAMILY", help="may be given more than once")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--fold", action="append", default=[], metavar="FOLD=PARAMS")
    given = parser.parse_args()
    need(given.data, () if given.only else FILES)
    engine = Engine(dtype="float32", cache=DiskCache(given.cache) if given.cache else MemoryCache())
    folds = {name: Path(params) for name, _, params in (each.partition("=") for each in given.fold)}
    files = stated_files(Bench(given.data, engine), folds)
    names = list(dict.fromkeys(name for name, _, _ in files))
    if unknown := set(given.only or ()) - set(names):
        parser.error(f"--only {', '.join(sorted(unknown))}: expected any of {', '.join(names)}")
    bad = sum(
        compare(name, file, measure, write=given.write and file.name == VALIDATION)
        for name, file, measure in files
        if not given.only or name in given.only
    )
    print(f"\n{bad} figures lie outside what is stated or are not found any more")
    sys.exit(1 if bad else 0)


def stated_files(bench: Bench, folds: dict[str, Path]) -> list[tuple[str, Path, Callable[[], dict[str, Any]]]]:
    """For every file with figures: its family, its path, and the function that measures them again."""
    similar, tokens = rewards_semantic_similarity.PARAMS, rewards_semantic_similarity.TOKENS
    patterns, fluent, proper = rewards_pattern_conformity.PARAMS, rewards_fluency.PARAMS, rewards_appropriateness.PARAMS
    return [
        ("format", rewards_format.PARAMS / CARD, lambda: form.card(bench)),
        ("pattern_conformity", patterns / CARD, lambda: pattern.card(bench)),
        ("pattern_conformity", patterns / VALIDATION, lambda: pattern.validate(bench)),
        ("semantic_similarity", similar / CARD, lambda: similarity.card(bench)),
        ("semantic_similarity", similar / VALIDATION, lambda: similarity.validate(bench)),
        ("token_similarity", tokens / CARD, lambda: similarity.card_of_tokens(bench)),
        ("token_similarity", tokens / VALIDATION, lambda: similarity.validate_tokens(bench)),
        ("no_praise_for_blame", rewards_valence.PARAMS / CARD, lambda: valence.card(bench)),
        ("no_praise_for_blame", rewards_valence.PARAMS / VALIDATION, lambda: valence.validate(bench)),
        ("fluency", fluent / CARD, lambda: fluency.card(bench)),
        ("fluency", fluent / VALIDATION, lambda: fluency.validate(bench)),
        ("appropriateness", proper / CARD, lambda: appropriateness.card(bench)),
        ("appropriateness", proper / VALIDATION, lambda: appropriateness.validate(bench, folds)),
    ]


def compare(name: str, file: Path, measure: Callable[[], dict[str, Any]], *, write: bool = False) -> int:
    """The number of figures that do not agree with the file; prints all. With `write` the file gets the new ones: then 0."""
    began = time.monotonic()
    if not file.exists() and not write:
        sys.exit(f"{file} is missing: there is nothing to compare with; state the figures with --write")
    stated: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    found = measure()
    if file.name == CARD:
        found, stated = measured(found), measured(stated)
    kept = without_folds(found, stated)
    print(f"\n{name}, {file.name} ({time.monotonic() - began:.0f} s)")
    compared = list(figures(*({key: each[key] for key in each if key not in kept} for each in (found, stated))))
    print("\n".join(map(str, compared)))
    for key in kept:
        print(f"  – {key}: not recomputed: give --fold")
    if write:
        file.write_text(json.dumps(merged(found, stated), indent=2) + "\n", encoding="utf-8")
    return 0 if write else sum(figure.bad for figure in compared)


if __name__ == "__main__":
    main()
