"""The two reference tables, to the printed digits, from the authors' stored scores; skipped where the data is not at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rewards.scored import read_scored
from rewards_eval.authors import to_record
from rewards_eval.formulas import nes
from tests.conftest import command, read_lines

pytestmark = pytest.mark.shared

EDITS = {  # edits, then rates over all of them
    "base": ("1773", ".949", ".819", ".646", ".940", ".487", ".542", ".209"),
    "v11": ("1767", ".979", ".916", ".753", ".964", ".559", ".692", ".234"),
}
EDIT_KEYS = (
    "edits", "valid", "pass:semantic_similarity", "pass:fluency", "pass:pattern_conformity", "edit_app", "accepted",
    "reason_strict",
)  # fmt: skip
ARGUMENTS = {  # after the accepted edits, after all valid edits
    ("base", "accepted"): (".298", ".863", ".783", "55.7", "15"),
    ("base", "all"): (".404", ".707", ".580", "47.7", "39"),
    ("v11", "accepted"): (".364", ".841", ".744", "50.1", "28"),
    ("v11", "all"): (".422", ".742", ".601", "38.5", "44"),
}
ARGUMENT_KEYS = ("app", "sim", "nes", "ppl", "flips")


def printed(value: float, like: str) -> str:
    """The value with as many digits as the reference prints."""
    digits = len(like.partition(".")[2])
    return f"{value:.{digits}f}".removeprefix("0")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from tests.conftest import SHARED

    if not SHARED.is_dir():
        pytest.skip("the reference data is not at hand (../shared/data)")
    out = tmp_path_factory.mktemp("eval")
    files = [SHARED / "reference" / f"{name}.scored.jsonl" for name in ("base", "v11")]
    done = command("eval", *files, "--name", "base", "--name", "v11", "-o", out)
    assert done.returncode == 0, done.stderr.decode()
    read: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return read


def cells(report: dict[str, Any], table: str, system: str, group: str | None = None) -> dict[str, Any]:
    rows = next(one for one in report["tables"] if one["id"] == table)["rows"]
    found: dict[str, Any] = next(
        row["cells"] for row in rows if row["label"] == system and (group is None or row["group"] == group)
    )
    return found


@pytest.mark.parametrize("system", EDITS)
def test_rates_over_all_edits_are_the_references(report: dict[str, Any], system: str) -> None:
    found = cells(report, "edits", system)
    assert (
        tuple(printed(found[key]["value"], like) for key, like in zip(EDIT_KEYS, EDITS[system], strict=True))
        == (EDITS[system])
    )


@pytest.mark.parametrize(("system", "variant"), ARGUMENTS)
def test_arguments_are_judged_as_the_reference_does(report: dict[str, Any], system: str, variant: str) -> None:
    group = {"accepted": "accepted edits", "all": "all valid edits"}[variant]
    found, expected = cells(report, "arguments", system, group), ARGUMENTS[system, variant]
    assert tuple(printed(found[key]["value"], like) for key, like in zip(ARGUMENT_KEYS, expected, strict=True)) == (
        expected
    )
    assert [found[key]["n"] for key in ARGUMENT_KEYS] == [225, 225, 225, 225, 170]


@pytest.mark.parametrize("name", ["lengths", "issues"])
def test_parts_hold_every_argument_once(report: dict[str, Any], name: str) -> None:
    rows = next(one for one in report["tables"] if one["id"] == name)["rows"]
    for system in ("base", "v11"):
        parts = [row["cells"]["accepted.app"] for row in rows if row["group"] == system]
        assert sum(part["n"] for part in parts) == 225
        assert sum(part["value"] * part["n"] for part in parts) == pytest.approx({"base": 67, "v11": 82}[system])


def stored(shared: Path) -> list[dict[str, Any]]:
    return [line for name in ("base", "v11") for line in read_lines(shared / "reference" / f"{name}.scored.jsonl")]


def test_nes_recomputed_from_texts_is_every_stored_value(shared: Path) -> None:
    checked = 0
    for one in stored(shared):
        for text, metrics in (("argument_after_edits", "metrics"), ("argument_after_all_edits", "metrics_all")):
            assert nes(one["argument"], one[text]) == one[metrics]["NES"]
            checked += 1
    assert checked == 900


def test_every_record_is_read_back_as_the_core_reads_scored_records(shared: Path) -> None:
    for number, one in enumerate(stored(shared), 1):
        record = to_record(one, number)
        scored = read_scored(record)
        assert scored.revision.argument == one["argument"]
        assert [edit.valid for edit in scored.revision.edits] == [edit["valid"] for edit in one["edits"]]
        assert len(scored.accepted) == sum(edit["rewards"]["perfect"] for edit in one["edits"])
