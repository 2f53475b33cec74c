"""Agreement of several reviewers, against values worked out by hand, and as the command prints it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rewards.errors import RewardsError
from rewards_eval.review.agreement import agreements, read_reviews
from tests.conftest import command, read_lines, write_lines
from tests.test_review_journal import line


def verdicts(who: str, *decisions: str | None, **more: Any) -> list[dict[str, Any]]:
    """One edit of each argument, in order."""
    return [line(0, decision, **{"reviewer": who, "id": i, **more}) for i, decision in enumerate(decisions) if decision]


def comparison(who: str, number: int, decision: str, left: str, right: str, **texts: str) -> dict[str, Any]:
    preferred = {"left": left, "right": right}.get(decision)
    return {
        "version": 1, "kind": "comparison", "reviewer": who, "id": number, "left_system": left, "right_system": right,
        "decision": decision, "preferred": preferred, **texts,
    }  # fmt: skip


def test_alpha_is_that_of_the_definition(tmp_path: Path) -> None:
    # Coincidences of 4 units: aa, ar, rr, rr. Observed disagreement 2/8; expected (3·5·2)/(8·7) = 30/56.
    ann = write_lines(tmp_path / "ann.jsonl", *verdicts("ann", "accept", "accept", "reject", "reject", "accept"))
    ben = write_lines(tmp_path / "ben.jsonl", *verdicts("ben", "accept", "reject", "reject", "reject"))
    first, second = agreements(read_reviews([ann, ben]))
    assert first.alpha == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert (first.units, first.same) == (4, 0.75)
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.alpha < first.high <= 1
    assert second.alpha == first.alpha
    assert agreements(read_reviews([ann, ben])) == [first, second]
    one = [
        write_lines(path, *({**each, "id": 1, "edit": each["id"]} for each in read_lines(path))) for path in (ann, ben)
    ]
    alone, _ = agreements(read_reviews(one))  # one argument says nothing of others
    assert (alone.alpha, alone.low) == (first.alpha, None)


def test_amending_is_another_verdict_but_not_acceptance(tmp_path: Path) -> None:
    ann = write_lines(tmp_path / "ann.jsonl", *verdicts("ann", "amend", "accept"))
    ben = write_lines(tmp_path / "ben.jsonl", *verdicts("ben", "reject", "accept"))
    three, kept = agreements(read_reviews([ann, ben]))
    assert three.same == 0.5
    assert (kept.same, kept.alpha) == (1.0, 1.0)


def test_no_verdict_lies_between_two_others(tmp_path: Path) -> None:
    # Coincidences of 3 units: ax, xr, rr, for accept, amend (x) and reject. Observed disagreement 4/6; expected over
    # counts a 1, x 2, r 3: (1·2 + 1·3 + 2·3)·2/(6·5) = 22/30.
    ann = write_lines(tmp_path / "ann.jsonl", *verdicts("ann", "accept", "amend", "reject"))
    ben = write_lines(tmp_path / "ben.jsonl", *verdicts("ben", "amend", "reject", "reject"))
    three, _ = agreements(read_reviews([ann, ben]))
    assert three.alpha == pytest.approx(1 - (4 / 6) / (22 / 30))


def test_what_a_reviewer_takes_back_in_another_file_is_no_verdict(tmp_path: Path) -> None:
    ann = write_lines(tmp_path / "ann.jsonl", *verdicts("ann", "accept", "reject", "accept"))
    ben = write_lines(tmp_path / "ben.jsonl", *verdicts("ben", "accept", "reject", "reject"))
    later = write_lines(tmp_path / "later.jsonl", *verdicts("ben", None, None, "clear"))
    assert {(found.units, found.alpha) for found in agreements(read_reviews([ann, ben, later]))} == {(2, 1.0)}


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_comparison_of_what_is_no_text(tmp_path: Path, side: str) -> None:
    one = comparison("ann", 1, "left", "x", "y", left_text="a", right_text="b")
    path = write_lines(tmp_path / "d.jsonl", one, {**one, "reviewer": "ben", f"{side}_text": {}})
    with pytest.raises(RewardsError, match=rf"d\.jsonl, line 2: {side}_text is no text; this is not a file that"):
        read_reviews([path])


def test_comparisons_are_about_systems_whatever_their_side(tmp_path: Path) -> None:
    ann = [comparison("ann", 1, "left", "x", "y"), comparison("ann", 2, "tie", "x", "y")]
    ben = [comparison("ben", 1, "right", "y", "x"), comparison("ben", 2, "tie", "y", "x")]
    path = write_lines(tmp_path / "both.jsonl", *ann, *ben)
    (found,) = agreements(read_reviews([path]))
    assert (found.question, found.alpha, found.units) == ("comparison: which system, or none", 1.0, 2)


def test_versions_of_a_system_are_judged_apart(tmp_path: Path) -> None:
    ann = [comparison("ann", i, "left", "x", "y", left_text="Late.", right_text="Too late.") for i in (1, 2)]
    ben = [
        comparison("ben", 1, "left", "y", "x", left_text="Too late.", right_text="Now late."),
        comparison("ben", 2, "left", "y", "x", left_text="Too late.", right_text="Late."),
    ]
    path = write_lines(tmp_path / "both.jsonl", *ann, *ben)
    (found,) = agreements(read_reviews([path]))
    assert (found.units, found.same) == (1, 0.0)


def test_without_any_difference_there_is_no_alpha(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "d.jsonl", *verdicts("ann", "accept"), *verdicts("ben", "accept"))
    assert [(found.alpha, found.low, found.same) for found in agreements(read_reviews([path]))] == [
        (None, None, 1.0)
    ] * 2
    alone = write_lines(tmp_path / "alone.jsonl", *verdicts("ann", "accept"), *verdicts("ben", None, "accept"))
    assert [(found.alpha, found.same, found.units) for found in agreements(read_reviews([alone]))] == [
        (None, None, 0)
    ] * 2


def test_one_person_cannot_agree(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "d.jsonl", *verdicts("ann", "accept"))
    with pytest.raises(RewardsError, match="takes two reviewers; these files hold decisions of ann"):
        read_reviews([path, path])


def test_the_command_prints_it(tmp_path: Path) -> None:
    more = verdicts("ann", "accept", "reject", system="two") + verdicts("ben", "accept", "reject", system="two")
    ann = write_lines(tmp_path / "ann.jsonl", *verdicts("ann", "accept", "accept", "reject", "reject"), *more)
    ben = write_lines(tmp_path / "ben.jsonl", *verdicts("ben", "accept", "reject", "reject", "reject"))
    done = command("review", "--agreement", ann, ben)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        "decisions\n"
        "reviewer  on     decisions\n"
        "ann       edits  6\n"
        "ben       edits  6\n"
        "agreement\n"
        "question                       alpha  95 % interval    same verdict  n\n"
        "edit: accept, reject or amend  0.686  -0.182 to 1.000  83.3%         6\n"
        "edit: accepted as it is        0.686  -0.182 to 1.000  83.3%         6\n"
        "edit: accepted as it is, one   0.533  -0.400 to 1.000  75.0%         4\n"
        "edit: accepted as it is, two   1.000                   100.0%        2\n"
        "alpha: Krippendorff's, nominal; n: judged by two or more people; same verdict: share of pairs of people\n"
    )


def test_a_seed_is_no_negative_number() -> None:
    done = command("review", "--agreement", "x", "y", "--seed", "-1")
    assert done.returncode == 2
    assert b"Invalid value for '--seed'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--agreement", "--compare", "x"],
            "--agreement reads files of decisions; leave out --compare, --out and --name",
        ),
        (["--compare", "x"], "--compare takes two files, one of each system; 1 given"),
        (["x", "--reviewer", " "], "--reviewer is empty; say who decides"),
        (["absent.jsonl", "--no-open"], "absent.jsonl: no such file"),
        (["--agreement", "absent.jsonl"], "absent.jsonl: no such file"),
    ],
)
def test_what_does_not_fit_is_said(arguments: list[str], says: str) -> None:
    done = command("review", *arguments)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", f"error: {says}\n")
