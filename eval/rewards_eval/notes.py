"""The notes of a report: what was left out, what is missing, what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rewards.scored import differing
from rewards_eval.agreement import scores_of
from rewards_eval.evaluation import Evaluation
from rewards_eval.labels import Labels
from rewards_eval.systems import ALIKE, Common, System
from rewards_eval.values import References, evaluation_of

SHOWN = 5
"""The most ids that a note lists; report.json has all of them."""


def of(evaluation: Evaluation, reference: str | None, references: References) -> Iterator[str]:
    """Sentences about the systems and what they have in common."""
    common = evaluation.common
    yield from _left_out(common)
    if common.arguments < len(common.ids):
        yield (
            f"{len(common.ids):,} completions of {common.arguments:,} arguments (ids with the same text): intervals and"
            " tests draw and swap whole arguments."
        )
    for system in common.systems:
        if system.failed:
            yield f"{system.name}: {system.failed:,} records failed; what is known of them counts, and n shows the rest."
        if system.rejected:
            yield f"{system.name}: {system.rejected:,} lines could not be scored; they are missing here."
        failed = [record for record in system.records.values() if evaluation_of(record).get("failures")]
        if failed:
            yield f"{system.name}: models failed on {len(failed):,} records; measured.jsonl says why."
    yield from _incomparable(common.systems)
    found = sum(identifier in references for identifier in common.ids)
    names = {"app": "App after all valid edits", "sim": "Sim", "ppl": "PPL"}
    names |= {"ref_sim": "BERTScore against people's rewrites"} if found else {}
    unknown = [label for key, label in names.items() if not evaluation.values.present(f"all.{key}")]
    if unknown:
        listed = " and ".join(filter(None, (", ".join(unknown[:-1]), unknown[-1])))
        yield f"{listed}: not in the files; --measure computes what models can say."
    if reference:
        yield f"{found:,} of {len(common.ids):,} arguments have a human rewrite in {reference}."


def _left_out(common: Common) -> Iterator[str]:
    if any(common.left_out.values()):
        listed = ", ".join(f"{count:,} of {name}" for name, count in common.left_out.items() if count)
        yield f"Only the {len(common.ids):,} arguments that every system has are compared; left out: {listed}."
        for name, ids in common.lacking.items():
            if ids:
                named = ", ".join(repr(one) for one in ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
                yield f"{name} lacks {len(ids):,}: {named}. If it fails on what is hard, it gains by what is left out."
    if common.alike:
        yield f"{common.alike:,} of the ids left out differ in their type alone: {ALIKE}."


def _incomparable(systems: Sequence[System]) -> Iterator[str]:
    """Notes where the systems were scored with different models or suites."""
    measured = all(
        evaluation_of(record).get("failures") is not None for system in systems for record in system.records.values()
    )
    if len({system.dialect == "authors" for system in systems}) > 1:
        what = "which edits were accepted" if measured else "App and which edits were accepted"
        also = "" if measured else "; --measure judges all of them by one"
        yield f"Some files hold the authors' verdicts, others ours: {what} come from different models{also}."
    suites = [system.header["rewards"] for system in systems if "rewards" in system.header]
    found = sorted({setting for other in suites[1:] for setting in differing(suites[0], other)})
    if found:
        listed = f"{', '.join(found[:3])}{', …' if len(found) > 3 else ''}"
        yield f"The files were scored with different suites ({listed}): accepted edits and totals are not comparable."


def on_labels(systems: Sequence[System], labels: Labels) -> Iterator[str]:
    """For each system, for how many of the labelled arguments and edits it has scores."""
    for system in systems:
        own = labels.of(system.name)
        found = scores_of(system, own.by)
        valid = found.pop("valid").values if "valid" in found else {}
        scored = {unit for scores in found.values() for unit in scores.values}
        met = own.units & (scored | valid.keys() & own.values.get("valid", {}).keys())
        invalid = sum(unit in valid and not valid[unit] for unit in own.units - met)
        also = f"; {invalid:,} are invalid edits, which have no scores" if invalid else ""
        yield f"{system.name}: {len(met):,} of the {len(own.units):,} things labelled in {labels.source} are scored{also}."
