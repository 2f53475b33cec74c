"""The report as plain data, and the files that are written from it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from rewards.errors import RewardsError
from rewards.files.replacing import replacing
from rewards.paths import as_text
from rewards.versions import OWN, versions
from rewards_eval import outputs
from rewards_eval.evaluation import Evaluation, describe_system
from rewards_eval.figures import Plot
from rewards_eval.values import References

VERSION = 1
ENDINGS = {"tables": ("csv", "tex"), "figures": ("svg", "png")}
"""The suffixes of the files that each table and each plot is written to."""


def build(
    evaluation: Evaluation,
    tables: Sequence[Mapping[str, Any]],
    plots: Sequence[Plot],
    notes: Sequence[str],
    suite: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of report.json."""
    common = evaluation.common
    systems = [describe_system(common, index) for index in range(len(common.systems))]
    names = ", ".join(system["name"] for system in systems)
    return {
        "version": VERSION,
        "title": f"Evaluation of {names}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["rewards", *map(as_text, sys.argv[1:])],
        "suite": dict(suite),
        "versions": versions((OWN, "numpy", "scipy", "scikit-learn", "rapidfuzz")),
        "draws": {"seed": evaluation.draws.seed, "resamples": evaluation.draws.resamples},
        "systems": systems,
        "common": {
            "ids": len(common.ids),
            "arguments": common.arguments,
            "left_out": dict(common.left_out),
            "lacking": dict(common.lacking),
        },
        "tables": list(tables),
        "figures": [plot.to_record() for plot in plots],
        "notes": list(notes),
    }


def arguments_of(evaluation: Evaluation, references: References) -> list[dict[str, Any]]:
    """Every common id with its argument, its human rewrites and the record of each system, for report.html."""
    common = evaluation.common
    found = []
    for identifier in common.ids:
        first = common.systems[0].records[identifier]
        found.append(
            {
                "id": identifier,
                "issue": first["issue"],
                "argument": first["argument"],
                "reference": "\n\n".join(references.get(identifier, ())) or None,
                "systems": {system.name: system.records[identifier] for system in common.systems},
            }
        )
    return found


def write(
    folder: Path, report: Mapping[str, Any], plots: Sequence[Plot], arguments: Sequence[Mapping[str, Any]]
) -> None:
    """Write report.json and report.html, every table as CSV and LaTeX, and every plot, into the folder."""
    from rewards_eval import html

    try:
        _remove_stale(folder, report)
        for table in report["tables"]:
            (folder / f"{table['id']}.csv").write_text(outputs.to_csv(table), encoding="utf-8")
            (folder / f"{table['id']}.tex").write_text(outputs.to_latex(table), encoding="utf-8")
        for plot in plots:
            (folder / f"{plot.id}.svg").write_text(plot.svg, encoding="utf-8")
            (folder / f"{plot.id}.png").write_bytes(plot.png)
        with replacing(folder / "report.json") as file:
            file.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        html.write(folder / "report.html", report, arguments)
    except OSError as error:
        raise RewardsError(f"{folder} cannot be written: {error.strerror or error}") from error


def _remove_stale(folder: Path, report: Mapping[str, Any]) -> None:
    """Remove the tables and plots that the folder's last report had and this one has not."""
    try:
        last = orjson.loads((folder / "report.json").read_bytes())
        names = [(kind, one["id"]) for kind in ENDINGS for one in last[kind]]
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return  # there is no report, or another program wrote it
    kept = {(kind, one["id"]) for kind in ENDINGS for one in report[kind]}
    for kind, name in names:
        if isinstance(name, str) and (kind, name) not in kept and re.fullmatch(r"[a-z-]+", name):
            for ending in ENDINGS[kind]:
                (folder / f"{name}.{ending}").unlink(missing_ok=True)
