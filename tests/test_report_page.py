"""The report page as text: what it embeds, what it allows, how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import RewardsError
from rewards.scored import read_scored
from rewards_eval import html
from rewards_eval.html import page
from rewards_eval.html.compact import Offsets, describe_rewards
from tests import pages
from tests.conftest import record


def embedded(text: str) -> Any:
    """The data of a page, as a script of it reads them."""
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


@given(st.text(st.characters()))
def test_what_is_embedded_reads_back_and_holds_no_markup(text: str) -> None:
    embedded = page.embed({"text": text})
    assert json.loads(embedded) == {"text": text}
    assert not re.search("[<>&\u2028\u2029\u202e\ud800-\udfff]", embedded)


def test_the_policy_allows_the_page_and_nothing_else(tmp_path: Path) -> None:
    systems = {"one": pages.score(tmp_path, record())}
    text = page.render(pages.report(systems), pages.arguments(systems))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    stated = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert stated["default-src"] == "'none'"
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert stated[kind] == f"'sha256-{digest}'"
    assert not re.search(
        r"""(?:src|href)=["'](?!data:)|\son\w+=|style=|url\(|@import|https?:|\.innerHTML|eval\(""", text
    )


def test_a_page_holds_every_text_once_and_numbers_as_they_are(tmp_path: Path) -> None:
    raw = record(sentences=["Lunch \U0001f354 is way too short, duh.", "Everybody knows it."])
    (scored,) = pages.score(tmp_path, raw)
    systems = {"one": [scored], "two": [scored]}
    data = embedded(page.render(pages.report(systems), pages.arguments(systems)))
    (argument,) = data["arguments"]
    one = argument["systems"]["one"]
    assert argument["text"] == scored["argument"]
    assert argument["systems"]["two"] == one
    assert one == {
        "status": "scored", "reward": 0.7092, "rewards": {"shortness": 1.0, "busyness": 2.0, "politeness": 0.7092},
        "spans": [[0, 31], [32, 51]],
        "edits": [
            {"kind": 0, "after": "too", "sentence": 1, "place": [12, 19], "reason": "Toxic Emotions", "scores": [[1.0, 1]]},
            {"kind": 0, "after": "", "sentence": 1, "place": [25, 30], "reason": "Toxic Emotions", "scores": [[1.0, 1]]},
            {"kind": 2, "after": "Few", "sentence": 2, "before": "No one", "reason": "Other Reasons",
             "why": "its part does not occur in its sentence"},
        ],
        "sentences": {"1": [[2.0, 0]]},
        "dimensions": {"Inappropriateness": [0.167, 0.137], "Toxic Emotions": [0.333, 0.273], "Excessive Intensity": [0.5, 0.41]},
    }  # fmt: skip
    assert data["rewards"]["one"] == [
        {"name": "shortness", "level": "edit", "higher": True, "gate": True, "threshold": 0.5},
        {"name": "busyness", "level": "sentence", "higher": False, "gate": True, "threshold": 1.0},
    ]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_offsets_count_as_javascript_does(text: str) -> None:
    offsets = Offsets(text)
    assert [offsets[i] for i in range(len(text) + 1)] == [
        len(text[:i].encode("utf-16-le")) // 2 for i in range(len(text) + 1)
    ]


def test_failures_are_kept_in_words(tmp_path: Path) -> None:
    (scored,) = pages.score(tmp_path, record())
    score = scored["edits"][0]["scores"]["shortness"]
    score |= {"value": None, "passed": None, "margin": None, "failed": "ValueError: <b>no</b>"}
    scored |= {"status": "failed", "error": "ValueError: <b>no</b>", "reward": None, "problem": "cut off"}
    systems = {"one": [scored]}
    one = embedded(page.render(pages.report(systems), pages.arguments(systems)))["arguments"][0]["systems"]["one"]
    assert one["edits"][0]["scores"] == ["ValueError: <b>no</b>"]
    assert (one["status"], one["error"], one["problem"], one["reward"]) == (
        "failed",
        "ValueError: <b>no</b>",
        "cut off",
        None,
    )


def test_what_gates_say_of_edits_together_stands_with_the_edits_that_it_turned_down(tmp_path: Path) -> None:
    (scored,) = pages.score(tmp_path, pages.clashing("Lunch"), joint=True)
    systems = {"one": [scored]}
    one = embedded(page.render(pages.report(systems), pages.arguments(systems)))["arguments"][0]["systems"]["one"]
    assert [edit.get("together") for edit in one["edits"]] == [[["reach", 12, 9]], [["reach", 12, 9]], None]
    assert ["failed" in edit for edit in one["edits"]] == [False, False, True]
    scored["sentences"][0]["together"]["reach"] |= {"value": None, "passed": None, "failed": pages.MARKUP}
    one = embedded(page.render(pages.report(systems), pages.arguments(systems)))["arguments"][0]["systems"]["one"]
    assert one["edits"][0]["together"] == [["reach", pages.MARKUP, 9]]
    scored["edits"][1]["failed_gates"] = ["changes nothing together"]  # no gate said so
    one = embedded(page.render(pages.report(systems), pages.arguments(systems)))["arguments"][0]["systems"]["one"]
    assert (one["edits"][1]["failed"], "together" in one["edits"][1]) == (["changes nothing together"], False)
    del scored["sentences"][0]["together"]  # no file had it before 2026-11-30
    one = embedded(page.render(pages.report(systems), pages.arguments(systems)))["arguments"][0]["systems"]["one"]
    assert one["edits"][0]["failed"] == ["reach together"]


def test_only_what_decides_about_edits_is_shown_as_a_gate(tmp_path: Path) -> None:
    records = pages.score(tmp_path, record())
    stated = {"shortness": {"gate": False}, "busyness": {"gate": True}}
    assert {one["name"]: one["gate"] for one in describe_rewards(records, stated)} == {
        "shortness": False,
        "busyness": True,
    }
    records[0]["edits"][0]["accepted"] = True
    records[0]["edits"][0]["scores"]["shortness"]["passed"] = False
    assert {one["name"]: one["gate"] for one in describe_rewards(records)} == {"shortness": False, "busyness": True}


def test_numbers_that_json_cannot_say_are_null(tmp_path: Path) -> None:
    systems = {"one": pages.score(tmp_path, record())}
    report = pages.report(systems)
    report["tables"][0]["rows"][0]["cells"]["app"] |= {"low": float("nan"), "high": float("inf")}
    cell = embedded(page.render(report, pages.arguments(systems)))["report"]["tables"][0]["rows"][0]["cells"]["app"]
    assert (cell["low"], cell["high"]) == (None, None)


def test_a_record_that_was_changed_is_named(tmp_path: Path) -> None:
    (scored,) = pages.score(tmp_path, record())
    scored["edits"][0]["start"] = 3
    systems = {"one": [scored]}
    with pytest.raises(RewardsError, match=r"record 'one' of 'one': edits\[0\]: does not fit its sentence"):
        html.write(tmp_path / "report.html", pages.report(systems), pages.arguments(systems))
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]


def test_a_page_is_written_without_being_held(tmp_path: Path) -> None:
    (scored,) = pages.score(tmp_path, record())
    systems = {"one": [{**scored, "id": i} for i in range(3_000)]}
    report, arguments, path = pages.report(systems), pages.arguments(systems), tmp_path / "report.html"
    tracemalloc.start()
    try:
        html.write(path, report, arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    systems = {"one": pages.score(tmp_path, record())}
    with pytest.raises(RewardsError, match=r"report\.html cannot be written: No such file or directory"):
        html.write(tmp_path / "absent" / "report.html", pages.report(systems), pages.arguments(systems))


def test_colours_have_the_contrast_that_small_text_needs() -> None:
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", page.asset("base.css"))
    colours = {name: (light, dark) for name, light, dark in pairs}
    papers = ("paper", "card")
    grounds = {"ink": (*papers, "hover", "accent-card"), "soft": (*papers, "hover", "accent-card", "yes-card", "no-card"),
               "accent": (*papers, "accent-card"), "yes": (*papers, "yes-card"), "no": (*papers, "no-card"),
               "bad": (*papers, "bad-card")}  # fmt: skip
    for text, places in grounds.items():
        for place in places:
            for text_colour, ground in zip(colours[text], colours[place], strict=True):
                assert contrast(text_colour, ground) >= 4.5, (text, place)


def contrast(*colours: str) -> float:
    """The contrast of two colours by the definition of WCAG 2."""
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_five_systems_of_225_arguments_stay_under_five_megabytes(tmp_path: Path) -> None:
    write_large(tmp_path / "report.html")
    assert 1_000_000 < (tmp_path / "report.html").stat().st_size < 5_000_000


def write_large(path: Path) -> None:
    """A page as large as the evaluation of five systems on the reference arguments: 8 edits each, 1,000 characters."""
    sentence = (
        "This sentence number {} is about as long as the sentences that people write in arguments on the web, at least."
    )
    sentences = [sentence.format(i) for i in range(8)]
    edits = [
        {"sentence_id": i + 1, "inappropriate_part": "is about as long as", "rewritten_part": "has the length of",
         "reason": "Missing Intelligibility"} for i in range(8)
    ]  # fmt: skip
    (scored,) = pages.score(path.parent, {"id": 0, "issue": "How long?", "sentences": sentences, "edits": edits})
    assert read_scored(scored).revision.argument == scored["argument"]
    scored["details"]["politeness"] = {
        when: {f"A dimension of some length {i}": 0.1234 + i / 100 for i in range(14)} for when in ("before", "after")
    }
    records = [{**scored, "id": i} for i in range(225)]
    systems = {f"system {k}": records for k in range(5)}
    html.write(path, pages.report(systems), pages.arguments(systems))
