"""An evaluation from files to report: read or score, measure, compare, write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from rewards.errors import ConfigError, RewardsError
from rewards.files.reading import is_stream
from rewards.plan import SuitePlan
from rewards_eval import agreement, breakdowns, figures, notes, report, systems, tables
from rewards_eval.evaluation import Evaluation, evaluate
from rewards_eval.labels import read_labels
from rewards_eval.models import Models
from rewards_eval.names import choose_names
from rewards_eval.references import read_references
from rewards_eval.statistics import Draws
from rewards_eval.systems import System
from rewards_eval.values import References


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an evaluation. With `measure` None, models measure only if a FILE is unscored.

    `plan` holds the suite that scores unscored files, and the models, device and cache for scoring and measuring.
    """

    files: Sequence[str]
    out: Path
    names: Sequence[str] = ()
    reference: str | None = None
    labels: str | None = None
    measure: bool | None = None
    plan: SuitePlan = field(default_factory=SuitePlan)
    draws: Draws = field(default_factory=Draws)
    strict: bool = False
    quiet: bool = False


def run(options: Options) -> dict[str, Any]:
    """Evaluate, write all files into the folder, and return the report. Raises RewardsError for unusable input."""
    if os.path.exists(options.out) and not options.out.is_dir():  # noqa: PTH110  (Path.exists can raise PermissionError)
        raise ConfigError(f"-o {options.out} is a file; give a folder")
    for file in (*options.files, *([options.labels] if options.labels else [])):
        if is_stream(file):
            raise ConfigError(f"{file} is read more than once, so it cannot be standard input or a pipe; give a file")
    names = choose_names(options.files, options.names)
    references: References = read_references(options.reference) if options.reference else {}
    labels = read_labels(options.labels) if options.labels else None
    if labels:
        labels.check(names)
    models = Models(options.plan, options.out, options.quiet)
    read = _read(options, names, models, references)
    common = systems.compare(read)
    if options.strict:
        _refuse(common.systems, common.missing)
    evaluation = evaluate(common, options.draws, references)
    made = _tables(evaluation, references)
    remarks = [*notes.of(evaluation, options.reference, references), *models.notes()]
    agreed: dict[str, list[agreement.Agreement]] = {}
    if labels:
        agreed = {one.name: agreement.agree(one, labels, options.draws) for one in common.shared}
        made.append(agreement.to_table(agreed, labels.source))
        remarks += notes.on_labels(common.shared, labels)
    plots = figures.draw({one["id"]: one for one in made}, names, [one for all_ in agreed.values() for one in all_])
    whole = report.build(evaluation, made, plots, remarks, models.describe(common.systems))
    whole["calibration"] = _bins(agreed)
    report.write(options.out, whole, plots, report.arguments_of(evaluation, references))
    return whole


def _read(options: Options, names: Sequence[str], models: Models, references: References) -> list[System]:
    """The systems: read, or scored first where they are unscored, and measured where that is wanted."""
    dialects: list[systems.Dialect] = [systems.detect(file) for file in options.files]
    unscored = "unscored" in dialects
    if options.plan.suite and not unscored:
        raise ConfigError("--suite says how to score, but every FILE is scored already; leave it out")
    known = [
        None if dialect == "unscored" else systems.read_system(file, name, dialect)
        for file, name, dialect in zip(options.files, names, dialects, strict=True)
    ]
    if unscored:  # raises before the slow scoring starts
        pairs = zip(options.files, known, strict=True)
        systems.check_common([(file, one.records if one else systems.stated_ids(file)) for file, one in pairs])
    _make(options.out)
    wanted = unscored if options.measure is None else options.measure
    if wanted:
        stated = [(name, systems.digest(file)) for name, file in zip(names, options.files, strict=True)]
        models.check(stated, references, scored_here=unscored)
    read = [
        one or systems.read_system(file, name, "unscored", models.score(file, name))
        for file, name, one in zip(options.files, names, known, strict=True)
    ]
    systems.compare(read)  # raises before the slow measuring starts, where files do not fit together
    if not (wanted or unscored) and (options.plan.models or options.plan.profile):
        raise ConfigError("--model and --profile say what computes, but every FILE is scored already; add --measure")
    return models.measure(read, references) if wanted else read


def _make(folder: Path) -> None:
    """Make the folder. Raises ConfigError where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"-o {folder} cannot be written: {error.strerror or error}; give another folder") from error


def _tables(evaluation: Evaluation, references: References) -> list[tables.Table]:
    made = [
        tables.arguments(evaluation),
        tables.edits(evaluation),
        tables.rewards(evaluation),
        tables.against_references(evaluation),
        tables.comparisons(evaluation),
        breakdowns.dimensions(evaluation),
        breakdowns.rounds(evaluation, references),
        breakdowns.reasons(evaluation),
        breakdowns.lengths(evaluation),
        breakdowns.issues(evaluation),
    ]
    return [one for one in made if one is not None]


def _refuse(read: Sequence[System], missing: Mapping[str, int]) -> None:
    """Raise RewardsError where a record failed, was rejected or is missing."""
    faults = [
        f"{system.name}: {system.failed} failed, {system.rejected} rejected, {missing[system.name]} missing"
        for system in read
        if system.failed or system.rejected or missing[system.name]
    ]
    if faults:
        raise RewardsError(f"--strict: {'; '.join(faults)}; score these again, or leave --strict out to count them")


def _bins(agreed: dict[str, list[agreement.Agreement]]) -> list[dict[str, Any]]:
    """The bins of the calibration plot, as numbers for report.json."""
    return [
        {"system": name, "reward": one.reward, "label": one.label, "bins": [list(bin_) for bin_ in one.bins]}
        for name, all_ in agreed.items()
        for one in all_
        if one.bins
    ]
