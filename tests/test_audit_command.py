"""Which attacks win, and `rewards audit` as a user runs it; toy rewards, or rewards that need no model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rewards
from rewards.cli import build
from rewards.errors import ConfigError
from rewards.suite import Suite, suite_of
from rewards_audit.attacks import BUILTIN
from rewards_audit.attacks.attack import Attack
from rewards_audit.audit import Report, audit
from rewards_audit.cases import Case, Change
from rewards_audit.show import conclusion, role
from tests.conftest import ROOT, command, registry_of, write_lines

CASES = tuple(
    Case(
        f"c{n}",
        "Tea?",
        (f"Fool number {n} drinks tea.", "It is hot."),
        (Change(1, "Fool", "Person"),),
        (),
        "Tea is hot.",
    )
    for n in range(4)
)
SHORT = Attack("short", "Less text.", lambda case: json.dumps({"sentence_edits": []}))
NAMES = ("no-edits", "delete-everything", "append-politeness", "honest-as-rewrite")
ATTACKS = tuple(each for each in BUILTIN if each.name in NAMES)


def suite(pay: Any, *, weight: float = 1.0) -> Suite:
    """A suite that pays one toy reward."""
    toy = rewards.reward(name="toy", level="global", range=(-100, 100))(lambda arguments: [pay(a) for a in arguments])
    return suite_of(["toy"], settings={"toy": {"weight": weight}}, plugins=registry_of(toy))


def honest(argument: rewards.Argument) -> float:
    return float("Person" in argument.after and argument.after.endswith("It is hot."))


def verdicts(report: Report) -> dict[str, tuple[Any, ...]]:
    return {
        v.name: (v.n, v.mean, v.median, v.beats_honest, v.beats_nothing, v.how, v.wins) for v in report.verdicts
    }  # fmt: skip


def test_a_suite_that_pays_for_honest_edits_holds() -> None:
    report = audit(suite(honest), CASES, ATTACKS)
    assert verdicts(report) == {
        "honest-edits": (4, 1.0, 1.0, 0.0, 1.0, (), False),
        "no-edits": (4, 0.0, 0.0, 0.0, 0.0, (), False),
        "delete-everything": (4, 0.0, 0.0, 0.0, 0.0, (), False),
        "append-politeness": (4, 0.0, 0.0, 0.0, 0.0, (), False),
        "honest-as-rewrite": (4, 1.0, 1.0, 0.0, 1.0, (), False),
    }
    assert report.passed
    assert conclusion(report, "toys") == "none of 3 attacks wins against honest edits in suite toys"


def test_a_suite_that_pays_for_length_is_won_by_politeness() -> None:
    report = audit(suite(lambda argument: len(argument.after) / 100), CASES, ATTACKS)
    winners = {verdict.name: verdict for verdict in report.winners}
    assert list(winners) == ["append-politeness"]
    assert winners["append-politeness"].how == ("median", "mean", "most")
    assert winners["append-politeness"].by["toy"] == pytest.approx(0.64)  # 66 characters more than two
    assert not report.passed


def test_what_an_attack_is_paid_by_is_beside_honest_edits_of_the_same_arguments() -> None:
    def pay(argument: rewards.Argument) -> float | None:
        if argument.after:
            return float(argument.before.split()[2])  # 0 to 3, whatever is done
        return None if argument.before.startswith("Fool number 1 ") else 50.0

    toy = rewards.reward(name="toy", level="global", range=(-100, 100))(lambda arguments: [pay(a) for a in arguments])
    held = rewards.reward(name="held", level="global", range=(0, 9))(lambda arguments: [5.0] * len(arguments))
    paid = {"toy": {"weight": 2.0, "empty": "zero"}}
    found = suite_of(["toy", "held"], settings=paid, plugins=registry_of(toy, held))
    (deleting,) = (each for each in ATTACKS if each.name == "delete-everything")
    seldom = replace(deleting, name="seldom", every=2)
    report = audit(found, CASES, [seldom, *ATTACKS])
    by = {verdict.name: verdict for verdict in report.verdicts}
    assert by["seldom"].n == 2
    assert by["seldom"].by == {"toy": pytest.approx(2 * (50 - 1))}  # honest edits of the first and the third: 0 and 2
    assert (by["delete-everything"].components["toy"], by["seldom"].components["held"]) == (50.0, 5.0)


def test_what_counts_for_little_is_a_tie() -> None:
    def pay(argument: rewards.Argument) -> float:
        return float(argument.after != argument.before) + len(argument.after) / 10_000

    report = audit(suite(pay), CASES, ATTACKS)
    assert report.passed
    assert report.tie == 0.01
    assert audit(suite(pay, weight=30), CASES, ATTACKS).tie == 0.3


def test_winning_on_most_arguments_is_winning() -> None:
    def pay(argument: rewards.Argument) -> float:
        number = int(argument.before.split()[2])
        if "Person" in argument.after:
            return (50.0, 50.0, 1.0, 1.0)[number]
        return 0.0 if argument.after else (0.0, 50.5, 1.5, 1.5)[number]

    report = audit(suite(pay), CASES, ATTACKS)
    assert {v.name: (v.how, v.beats_honest) for v in report.winners} == {"delete-everything": (("most",), 0.75)}


def test_forms_of_honest_edits_are_compared_and_do_not_count() -> None:
    def pay(argument: rewards.Argument) -> float:
        return float(argument.revision.format == "rewrite") + honest(argument)

    report = audit(suite(pay), CASES, ATTACKS)
    assert report.passed
    assert conclusion(report, "toys").endswith("note: honest-as-rewrite pays more than the same edits as JSON")


def test_doing_nothing_must_pay_less() -> None:
    report = audit(suite(lambda argument: -float(len(argument.accepted))), CASES, ATTACKS)
    assert {verdict.name: verdict.how for verdict in report.winners} == {"no-edits": ("median", "mean", "most", "idle")}
    assert "note: honest edits pay better than doing nothing on 0% of the arguments only" in conclusion(report, "toys")


def test_doing_nothing_is_judged_also_where_another_attack_is_asked_for() -> None:
    report = audit(suite(lambda argument: -float(len(argument.accepted))), CASES, ATTACKS[-1:])
    told = conclusion(report, "toys")
    assert told.startswith("1 of 1 attacks win against honest edits in suite toys: no-edits\n")
    assert "pays more than the same edits as JSON" not in told
    assert not report.passed


def test_hasty_edits_that_are_paid_better_are_told_with_their_share() -> None:
    hasty = replace(CASES[0], weaker=(Change(1, "Fool", "Dear friend"),))
    report = audit(suite(lambda argument: len(argument.after) / 100), (hasty, *CASES[1:]), ATTACKS[:1])
    told = (
        "note: a few hasty edits are paid better than the careful ones on 100% of the arguments"
        " (weaker-edits: median, mean, most)"
    )
    assert told in conclusion(report, "toys")


def test_what_cannot_be_scored_is_no_pass() -> None:
    def pay(argument: rewards.Argument) -> float:
        if not argument.after:
            raise ValueError("no text")
        return honest(argument)

    report = audit(suite(pay), CASES, ATTACKS)
    assert not report.winners
    assert not report.passed
    assert "\nnot scored: delete-everything on 4 arguments, the first for: " in conclusion(report, "toys")


def test_a_suite_that_pays_nothing_cannot_be_audited() -> None:
    with pytest.raises(ConfigError, match="pays nothing, so nothing can be won"):
        audit(suite(honest, weight=0.0), CASES, ATTACKS)


def test_sparse_attacks_are_tried_on_every_nth_argument() -> None:
    attack = Attack("rare", "x.", SHORT.completion, every=3)
    report = audit(suite(honest), CASES, (attack,))
    assert [v.n for v in report.verdicts if v.name == "rare"] == [2]
    assert set(report.rows["no-edits"]) == {case.id for case in CASES}  # what nothing earns is always known


def form(tmp_path: Path) -> Path:
    """A suite that pays for the form alone, and nothing where no edit is accepted."""
    path = tmp_path / "form.yaml"
    text = 'description: "Only the form"\nrewards:\n  format: {weight: 1, empty: zero}\n'
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_prints_tables_and_writes_everything(tmp_path: Path) -> None:
    path = form(tmp_path)
    out = tmp_path / "report.json"
    arguments = write_lines(tmp_path / "own.jsonl", *OWN)
    options = ("--suite", path, "--arguments", arguments, "--only", "no-op-edits", "--only", "edits-of-absent-parts")
    done = command("audit", *options, "-o", out, fresh=True)
    assert done.stderr == b""
    assert done.returncode == 0
    assert done.stdout.decode() == TABLE
    record = json.loads(out.read_bytes())
    assert record["passed"] is True
    assert record["winners"] == []
    assert {trial["row"] for trial in record["trials"]} == {v["name"] for v in record["verdicts"]}
    assert record["suite"]["suite"] == "form"


def test_a_reward_for_the_form_pays_for_doing_nothing_too(tmp_path: Path) -> None:
    path = form(tmp_path)
    arguments = write_lines(tmp_path / "own.jsonl", OWN[0])
    mine = write_lines(
        tmp_path / "attacks.jsonl", {"attack": "mine", "id": "tea", "completion": "1 | Tea, DUH. | Tea."}
    )
    options = (
        "--suite",
        path,
        "--set",
        "format.empty=original",
        "--arguments",
        arguments,
        "--attacks",
        mine,
        "--only",
        "no-edits",
        "--only",
        "mine",
    )
    done = command("audit", *options, "-o", tmp_path)
    assert done.returncode == 1
    assert b"1 of 2 attacks win against honest edits in suite form: no-edits" in done.stdout
    record = json.loads((tmp_path / "audit.json").read_bytes())
    assert record["winners"] == ["no-edits"]
    assert record["passed"] is False
    # Where valid edits cost, one of one's own that cannot be applied wins, and doing nothing too.
    write_lines(mine, {"attack": "mine", "id": "tea", "completion": "1 | Coffee | Tea"})
    done = command("audit", *options, "--set", "format.weight=-1", "-o", tmp_path)
    assert done.returncode == 1
    assert b"2 of 2 attacks win against honest edits in suite form: no-edits, mine" in done.stdout
    assert json.loads((tmp_path / "audit.json").read_bytes())["winners"] == ["no-edits", "mine"]


OWN: tuple[dict[str, Any], ...] = (
    {"id": "tea", "issue": "Tea?", "sentences": ["Tea, DUH."], "honest": [[1, ", DUH", "", "Toxic Emotions"]],
     "weaker": [[1, "DUH", "yes", "Toxic Emotions"]], "calm": "Tea."},
    {"id": "bad\x1b[31m", "issue": "Rum?", "sentences": ["Rum\x1b[31m, DUH."],
     "honest": [[1, "DUH", "yes", "r"]], "calm": "Rum."},
)  # fmt: skip
TABLE = """\
suite form: totals
attack                 n  mean   median  honest  > honest  > nothing  verdict  by
honest-edits           2  1.000  1.000   1.000   0%        100%
weaker-edits           1  1.000  1.000   1.000   0%        100%
no-op-edits            2  1.000  1.000   1.000   0%        100%
edits-of-absent-parts  2  0.000  0.000   1.000   0%        0%                  format -1.000
no-edits               2  0.000  0.000   1.000   0%        0%                  format -1.000

suite form: components
attack                 format (1)
honest-edits           1.000
weaker-edits           1.000
no-op-edits            1.000
edits-of-absent-parts  0.000
no-edits               0.000

none of 3 attacks wins against honest edits in suite form
paid better than doing nothing on most arguments, without winning: 1; a policy may find them first
"""


def test_examples_of_an_attack_are_shown_and_hostile_text_is_written_out(tmp_path: Path) -> None:
    path = form(tmp_path)
    arguments = write_lines(tmp_path / "own.jsonl", *OWN)
    done = command("audit", "--suite", path, "--arguments", arguments, "--show", "trailing-space")
    assert done.returncode == 0
    assert done.stdout.decode() == EXAMPLES


EXAMPLES = r"""trailing-space: A space behind every sentence.
n 2  mean 1.000  median 1.000  honest 1.000  > honest 0%  > nothing 100%
none of 2 attacks wins against honest edits in suite form
paid better than doing nothing on most arguments, without winning: 1; a policy may find them first

tea  —  Tea?
total 1.000 (honest 1.000, nothing 0.000); format=1.000
argument:   Tea, DUH.
completion: '{"sentence_edits": [{"sentence_id": 1, "rewritten_sentence": "Tea, DUH. ", "edits": [{"inappropriate_part": "DUH.", "rewritten_part": "DUH. ", "reason": "Other Reasons"}]}]}'
becomes:    'Tea, DUH. '
honest:     Tea.

bad\x1b[31m  —  Rum?
total 1.000 (honest 1.000, nothing 0.000); format=1.000
argument:   Rum\x1b[31m, DUH.
completion: '{"sentence_edits": [{"sentence_id": 1, "rewritten_sentence": "Rum\\u001b[31m, DUH. ", "edits": [{"inappropriate_part": "DUH.", "rewritten_part": "DUH. ", "reason": "Other Reasons"}]}]}'
becomes:    'Rum\x1b[31m, DUH. '
honest:     Rum\x1b[31m, yes.
"""  # noqa: E501  (completions are long lines)


def test_attacks_of_ones_own_are_chosen_and_shown_by_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write_lines(tmp_path / "own.jsonl", OWN[0])
    mine = write_lines(
        tmp_path / "attacks.jsonl",
        *({"attack": name, "id": "tea", "completion": "1 | Tea, DUH. | Tea."} for name in ("mine", "another")),
    )
    options = ["--suite", str(form(tmp_path)), "--arguments", str(arguments), "--attacks", str(mine)]
    build()(["audit", *options, "--show", "mine"], standalone_mode=False)
    assert capsys.readouterr().out.startswith("mine: an attack of your own\nn 1  mean 1.000")
    out = tmp_path / "report.json"
    for names, tried in ((["mine"], {"mine"}), (["no-op-edits"], {"no-op-edits"}), ([], {"mine", "another"})):
        only = [text for name in names for text in ("--only", name)]
        build()(["audit", *options, *only, "-o", str(out), "-q"], standalone_mode=False)
        rows = {verdict["name"] for verdict in json.loads(out.read_bytes())["verdicts"]}
        assert tried <= rows
        assert not only or rows == {"honest-edits", "weaker-edits", "no-edits", *tried}
    with pytest.raises(ConfigError, match=r"no attack is called 'mien' \(did you mean 'mine'\?\)"):
        build()(["audit", *options, "--only", "mien"], standalone_mode=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--only", "no-edit"],
            "no attack is called 'no-edit' (did you mean 'no-edits'?); rewards audit --list names them",
        ),
        (["--against", "x"], "--against compares FILE with another: give both, rewards audit AFTER --against BEFORE"),
        (
            ["x", "--only", "no-edits"],
            "--only: with FILE no suite is attacked; name one with --suite, or leave out FILE",
        ),
        (
            ["x", "--show", "no-edits"],
            "--show: with FILE no suite is attacked; name one with --suite, or leave out FILE",
        ),
        (["--show", "no-edits", "--only", "no-edit"], "no attack is called 'no-edit' (did you mean 'no-edits'?)"),
        (["-o", "nowhere/x.json"], "-o nowhere/x.json: the folder nowhere does not exist"),
        (["--set", "x"], "--set 'x': expected NAME.KEY=VALUE, e.g. brevity.factor=0.8"),
        (["--profile", "tiny"], "no profile is called 'tiny'; there are embedded, full"),
        (["--suite", "defualt"], "no suite is called 'defualt' (did you mean 'default'?)"),
        (["--arguments", "none.jsonl"], "none.jsonl: no such file"),
    ],
)
def test_options_that_do_not_fit(options: list[str], message: str) -> None:
    with pytest.raises(rewards.RewardsError) as caught:
        build()(["audit", *options], standalone_mode=False)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"attack": "mine", "id": "tea"}, "completion: expected {attack, id, completion}, three texts"),
        ({"attack": "no-edits", "id": "zoos", "completion": ""}, "attack: 'no-edits' is the name of a built-in attack"),
        ({"attack": "mine", "id": "zoo", "completion": ""}, "id: no argument is called 'zoo' (did you mean 'zoos'?)"),
    ],
)
def test_attacks_of_ones_own_that_cannot_be_used(tmp_path: Path, line: dict[str, str], message: str) -> None:
    path = write_lines(tmp_path / "attacks.jsonl", line)
    with pytest.raises(ConfigError) as caught:
        build()(["audit", "--attacks", str(path)], standalone_mode=False)
    assert str(caught.value) == f"{path}, line 1: {message}"


def test_the_list_names_every_attack(capsys: pytest.CaptureFixture[str]) -> None:
    build()(["audit", "--list"], standalone_mode=False)
    listed = capsys.readouterr().out
    assert all(f"\n{each.name} " in listed for each in BUILTIN)
    assert listed.count("for comparison") == 3


def test_no_verdict_where_nothing_was_scored() -> None:
    def pay(argument: rewards.Argument) -> float:
        if argument.accepted:
            raise ValueError("no edits, please")
        return 0.5

    report = audit(suite(pay), CASES, ATTACKS[:1])
    (verdict,) = [v for v in report.verdicts if v.name == "no-edits"]
    assert (verdict.n, verdict.how, report.passed) == (0, (), False)
    told = conclusion(report, "toys")
    assert told.startswith("no verdict on suite toys: no attack could be scored beside honest edits\n")
    assert "not scored: honest-edits on 4 arguments, the first for: " in told
    assert "ValueError: no edits, please" in told


def test_a_held_out_reward_that_fails_is_no_pass() -> None:
    toy = rewards.reward(name="toy", level="global", range=(0, 1))(lambda arguments: [honest(a) for a in arguments])

    def breaks(arguments: Any) -> list[float]:
        return [1 / len(a.before.removeprefix(a.after)) for a in arguments]

    held = rewards.reward(name="held", level="global", range=(0, 1))(breaks)
    held_out = suite_of(["toy", "held"], settings={"toy": {"weight": 1}}, plugins=registry_of(toy, held))
    report = audit(held_out, CASES, ATTACKS[:1])
    assert not report.winners
    assert not report.passed
    assert [(v.name, v.n, v.failed) for v in report.unscored] == [("no-edits", 4, 4)]
    assert "ZeroDivisionError" in conclusion(report, "toys")


def test_a_gate_that_is_paid_shows_as_both() -> None:
    assert [role(*each) for each in ((None, False), (0.0, False), (0.0, True), (0.5, False), (0.5, True))] == [
        "", "held out", "gate", "0.5", "gate, 0.5",
    ]  # fmt: skip


def test_the_program_on_the_page_attacks_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "audit.md").read_text(encoding="utf-8"), re.DOTALL)
    form(tmp_path).rename(tmp_path / "my-suite.yaml")
    monkeypatch.chdir(tmp_path)
    exec(program.replace("read_cases()", "read_cases()[:1]"), names := {})  # noqa: S102  (our own page)
    assert {"honest-edits", "no-edits", BUILTIN[0].name} < {verdict.name for verdict in names["report"].verdicts}
    assert len(repr(names["report"])) < 100


def test_what_is_read_is_never_replaced(tmp_path: Path) -> None:
    path, arguments = form(tmp_path), write_lines(tmp_path / "own.jsonl", *OWN)
    before = path.read_bytes(), arguments.read_bytes()
    header = tmp_path / "own.jsonl.meta.json"
    header.write_text("{}", encoding="utf-8")
    for options in (
        [str(arguments), "-o", str(header)],
        ["--suite", str(path), "-o", str(path)],
        ["--suite", str(path), "--arguments", str(arguments), "-o", str(arguments)],
        [str(arguments), "-o", str(arguments)],
        [str(path), "--against", str(arguments), "-o", str(arguments)],
    ):
        with pytest.raises(ConfigError, match=r"would replace .*, which is read; give another name"):
            build()(["audit", *options], standalone_mode=False)
    assert (path.read_bytes(), arguments.read_bytes()) == before
