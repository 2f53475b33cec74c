"""The adapter inside the installed TRL: what it is called with, what it may return, what reaches the logs."""

from __future__ import annotations

import math
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import pytest

import rewards
import rewards_train
from rewards.engine.engine import Engine
from rewards.errors import ConfigError, PluginError, RewardFailed
from rewards.suite import Suite, load_suite, suite_of
from rewards_train import adapter
from rewards_train.adapter import RewardPlan, Scorer, rows_of
from rewards_train.log import RewardLog, discard, merge, record
from rewards_train.losses import Budget, Losses
from rewards_train.metrics import means
from rewards_train.remote import RemoteTotal
from tests import tiny
from tests.conftest import ROOT, registry_of
from tests.serving import Served, running

SENTENCES = ["Lunch is way too short, duh.", "Everybody knows it."]
GOOD = "1 | way too | too"
BAD = "2 | knows | ignores"
calls: list[int] = []


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def shorter(edits: Sequence[rewards.Edit]) -> list[float]:
    """1 where the edit shortens its sentence."""
    calls.append(len(edits))
    return [float(len(e.sentence_after) < len(e.sentence_before)) for e in edits]


@rewards.reward(level="global", range=(0, 10), threshold=1.0)
def length(arguments: Sequence[rewards.Argument]) -> list[float]:
    """How many tenths of its characters an argument lost."""
    return [10 * (1 - len(a.after) / len(a.before)) for a in arguments]


@rewards.reward(level="global", range=(0, math.inf))
def fragile(arguments: Sequence[rewards.Argument]) -> list[float]:
    """Fails on one argument, and on others is too large for float32, alone or doubled."""
    if any("boom" in a.issue for a in arguments):
        raise ValueError("boom")
    return [{"huge": 1e39, "large": 3e38}.get(a.issue, 1.0) for a in arguments]


SUITE = """
description: toy
rewards:
  shorter: {gate: true}
  length: {weight: 2.0, empty: zero}
  fragile: {weight: FRAGILE}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., Suite]:
    def build(fragile_weight: float = 0.0) -> Suite:
        path = tmp_path / "toy.yaml"
        path.write_text(SUITE.replace("FRAGILE", str(fragile_weight)), encoding="utf-8")
        return load_suite(path, engine=Engine(), plugins=registry_of(shorter, length, fragile))

    return build


def batch(*completions: Any, issues: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """What TRL hands to a reward function."""
    size = len(completions)
    return {
        "prompts": ["p"] * size,
        "completions": list(completions),
        "completion_ids": [[1]] * size,
        "id": [str(i) for i in range(size)],
        "issue": list(issues) or ["Should lunch be longer?"] * size,
        "sentences": [SENTENCES] * size,
        "trainer_state": SimpleNamespace(global_step=3),
        **more,
    }


def scorer(suite: Suite, observe: Callable[[Any], None] | None = None, budget: Budget | None = None) -> Scorer:
    made = Scorer(RewardPlan(format="compact", budget=budget or Budget()), suite=suite)
    if observe is not None:
        made.observe(observe)
    return made


def ask(columns: Sequence[Any], given: dict[str, Any]) -> dict[str, list[float | None]]:
    return {column.__name__: column(**given) for column in columns}


def test_columns_are_views_on_one_pass(suite: Callable[..., Suite]) -> None:
    passes: list[Any] = []
    judge = scorer(suite(), observe=passes.append)
    columns = judge.columns()
    assert [column.__name__ for column in columns] == ["shorter", "length", "fragile"]
    assert judge.weights() == [0.0, 2.0, 0.0]
    calls.clear()
    found = ask(columns, batch(GOOD, BAD, "nothing of the kind"))
    shortened = 10 * (1 - (len("Lunch is too short, duh. Everybody knows it.")) / len(" ".join(SENTENCES)))
    assert found == {"shorter": [1.0, 0.0, None], "length": [shortened, 0.0, 0.0], "fragile": [1.0, 1.0, 1.0]}
    assert calls == [2]
    assert len(passes) == 1
    assert [done.step for done in passes] == [4]
    # The same batch once more is a batch of its own; another column of it is not.
    ask(columns, batch(GOOD, BAD, "nothing of the kind"))
    assert len(passes) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"id": ["another"]},
        {"issue": ["Should it be shorter?"]},
        {"sentences": [["Lunch is way too long."]]},
        {"argument": ["  ".join(SENTENCES)]},
        {"completions": [BAD]},
    ],
)
def test_a_column_that_asks_about_other_rows_is_answered_for_those(
    suite: Callable[..., Suite], other: dict[str, Any]
) -> None:
    passes: list[Any] = []
    first, second, _ = scorer(suite(), observe=passes.append).columns()
    first(**batch(GOOD))
    second(**batch(GOOD, **other))
    assert len(passes) == 2


def test_the_format_of_the_plan_is_the_one_in_which_completions_are_read(suite: Callable[..., Suite]) -> None:
    passes: list[Any] = []
    judge = Scorer(RewardPlan(format="rewrite"), suite=suite())
    judge.observe(passes.append)
    ask(judge.columns(), batch(GOOD))
    assert passes[0].results[0].revision.format == "rewrite"


def test_features_that_needed_no_computing_are_counted(suite: Callable[..., Suite]) -> None:
    passes: list[Any] = []
    toy = suite()
    judge = scorer(toy, observe=passes.append)
    score = toy.score

    def counted(revisions: Any) -> Any:
        toy.engine.counts.requested += 8
        toy.engine.counts.computed += 2
        return score(revisions)

    object.__setattr__(toy, "score", counted)
    ask(judge.columns(), batch(GOOD))
    object.__setattr__(toy, "score", score)
    ask(judge.columns(), batch(GOOD))
    assert [done.cached for done in passes] == [0.75, 1.0]


def test_the_deletion_that_warms_up_is_of_the_longest_word_of_the_longest_sentence() -> None:
    (edit,) = adapter.deletion({"issue": "Lunch?", "sentences": ["It is.", "Everybody knows it."]}).edits
    assert (edit.sentence_id, edit.before, edit.after, edit.valid) == (2, "Everybody", "", True)
    (edit,) = adapter.deletion({"issue": "Lunch?", "sentences": ["Go.", " " * 9], "completion": 3}).edits
    assert not edit.valid


def test_steps_count_as_trainers_log_them(suite: Callable[..., Suite]) -> None:
    passes: list[Any] = []
    judge = scorer(suite(), observe=passes.append)
    for given in ({"split": ["train"]}, {"split": ["eval"]}, {"trainer_state": None}):
        ask(judge.columns(), batch(GOOD, **given))
    assert [done.step for done in passes] == [4, 3, 0]  # of a step that is made, of those made before, of nobody knows


def test_messages_and_strings_score_alike_and_the_argument_is_kept_to_the_character(
    suite: Callable[..., Suite],
) -> None:
    messages = [[{"role": "assistant", "content": text}] for text in (GOOD, BAD)]
    plain, chat = scorer(suite()), scorer(suite())
    assert ask(plain.columns(), batch(GOOD, BAD)) == ask(chat.columns(), batch(*messages))
    passes: list[Any] = []
    given = batch(GOOD, argument=["  ".join(SENTENCES)])
    ask(scorer(suite(), observe=passes.append).columns(), given)
    assert passes[0].results[0].after_accepted == "Lunch is too short, duh.  Everybody knows it."


def test_sentences_may_be_an_array() -> None:
    """As pandas gives the lists of a Parquet file."""
    record = {"sentences": np.array(["A bad idea.", "Go."], dtype=object), "id": np.int64(3)}
    (row,) = rows_of(["x"], {name: [value] for name, value in record.items()})
    assert row.record == {"sentences": ["A bad idea.", "Go."], "id": 3}


def test_columns_of_a_table_are_read_in_their_order_whatever_their_labels() -> None:
    texts = pandas.Series(["A bad idea.", "A good one."], index=[1, 0])
    rows = rows_of(pandas.Series(["x", "y"], index=[7, 3]), {"argument": texts})
    assert [(row.completion, row.record["argument"]) for row in rows] == [("x", "A bad idea."), ("y", "A good one.")]


def test_the_names_of_the_package_are_offered_on_completion() -> None:
    assert {*rewards_train.__all__, "register_commands"} <= {*dir(rewards_train)}


def test_what_is_no_plan_is_told_so(suite: Callable[..., Suite]) -> None:
    for wrong in ("default", suite()):
        with pytest.raises(
            ConfigError, match=r"expected a RewardPlan\('NAME'\), or a loaded suite as Scorer\(suite=…\)"
        ):
            Scorer(wrong)  # type: ignore[arg-type]


def test_what_could_not_be_scored_is_dropped_from_every_column(suite: Callable[..., Suite]) -> None:
    issues = ["fine", "boom", "huge"]
    found = ask(scorer(suite(1.0)).columns(), batch(GOOD, GOOD, GOOD, issues=issues))
    assert [values[1:] for values in found.values()] == [[None, None]] * 3
    assert all(values[0] is not None for values in found.values())
    # A reward of weight 0 that fails leaves the others alone.
    held_out = ask(scorer(suite(0.0)).columns(), batch(GOOD, GOOD, GOOD, issues=issues))
    assert held_out["fragile"] == [1.0, None, None]
    assert len(set(held_out["length"])) == 1
    assert adapter.why_dropped(-4e38, None) == "its reward is not a number that a tensor holds: -4e+38"
    assert adapter.why_dropped(adapter.FLOAT32, None) is None
    assert adapter.why_dropped(None, None) == "the suite has no total for it"


def test_a_total_that_no_tensor_holds_is_dropped_though_its_parts_are_none_such(suite: Callable[..., Suite]) -> None:
    passes: list[Any] = []
    judge = scorer(suite(2.0), observe=passes.append)
    assert ask([*judge.columns(), judge.total()], batch(GOOD, issues=["large"])) == {
        "shorter": [None], "length": [None], "fragile": [None], "total": [None],
    }  # fmt: skip
    row = record(passes[0], 0, 0)
    assert (row["reward"], row["rewards"]["fragile"]) == (None, 3e38)


def test_a_batch_of_nothing_is_answered_with_nothing(suite: Callable[..., Suite], tmp_path: Path) -> None:
    numbers: dict[str, float] = {}
    rows = RewardLog(tmp_path, suite(), {"train": 2, "eval": 2})
    column = scorer(suite(), observe=rows.observe).columns()[0]
    assert column(**batch(log_metric=numbers.__setitem__)) == []
    assert numbers["suite/edits"] == 0


def test_what_rewards_take_is_measured_from_one_pass_to_the_next(
    suite: Callable[..., Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(
        [0.0, 60.0, 100.0, 130.0, 180.0, 190.0]
    )  # made; warm; a pass of 30 s after 40 s; one of 10 s after 50 s
    monkeypatch.setattr(adapter.time, "monotonic", lambda: next(clock))
    passes: list[Any] = []
    judge = scorer(suite(), observe=passes.append)
    judge.warm_up({"issue": "Lunch?", "sentences": SENTENCES})
    for _ in range(2):
        judge.columns()[0](**batch(GOOD))
    assert [(done.seconds, done.share) for done in passes] == [(30, 30 / 70), (10, 10 / 60)]


def test_rewards_are_tried_on_some_arguments_before_training(suite: Callable[..., Suite]) -> None:
    record = {"issue": "Lunch?", "sentences": SENTENCES}
    broken = {**record, "issue": "boom"}
    scorer(suite(1.0)).warm_up(broken, record)  # one argument that cannot be scored stops nothing
    scorer(suite()).warm_up(broken)  # nor does a reward that is not paid
    with pytest.raises(
        ConfigError, match=r"fail on arguments with a word deleted, .*fragile.* failed: ValueError: boom"
    ):
        scorer(suite(1.0)).warm_up(broken, broken)


def test_past_the_budget_the_run_stops(suite: Callable[..., Suite]) -> None:
    judge = scorer(suite(1.0), budget=Budget(0.25, 8))
    columns = judge.columns()
    ask(columns, batch(GOOD, GOOD, issues=["boom", "boom"]))
    with pytest.raises(RewardFailed, match=r"step 4: 3 of the last 4 completions .* the 2 that .*'fragile'.*boom"):
        ask(columns, batch(GOOD, GOOD, issues=["fine", "boom"]))


def test_names_in_the_logs_never_change(suite: Callable[..., Suite]) -> None:
    seen: list[tuple[dict[str, float], dict[str, list[Any]]]] = []
    judge = scorer(suite(1.0))
    for completions, issues in (((GOOD, BAD), ["a", "b"]), (("", ""), ["a", "b"]), ((GOOD, GOOD), ["boom", "boom"])):
        numbers: dict[str, float] = {}
        extra: dict[str, list[Any]] = {}
        given = batch(*completions, issues=issues, log_metric=numbers.__setitem__, log_extra=extra.__setitem__)
        ask(judge.columns(), given)
        seen.append((numbers, extra))
    assert len({(tuple(numbers), tuple(extra)) for numbers, extra in seen}) == 1
    assert all(math.isfinite(value) for numbers, _ in seen for value in numbers.values())
    numbers, extra = seen[0]
    assert numbers["suite/edits"] == 1.0
    assert numbers["suite/with_accepted_edit"] == numbers["suite/shorter/passed"] == 0.5
    assert "suite/length/passed" not in numbers  # an argument is not proposed
    assert seen[1][0]["suite/shorter/passed"] == 0.0  # nothing was proposed that could pass
    assert seen[2][0]["suite/failed"] == seen[2][0]["suite/fragile/failed"] == 1.0
    assert extra["edits"] == ["1. Lunch is [-way too-]{+too+} short, duh.", "2. Everybody [~knows~]{~ignores~} it."]
    assert extra["rejected"] == ["", "'knows' -> 'ignores' (shorter)"]
    assert extra["failed"] == ["", ""]


def test_an_edit_that_cannot_be_applied_is_not_counted_as_one_without_change(suite: Callable[..., Suite]) -> None:
    numbers: dict[str, float] = {}
    ask(scorer(suite()).columns(), batch("1 | nowhere | x\n1 | way | way", log_metric=numbers.__setitem__))
    assert (numbers["suite/edits"], numbers["suite/edits_valid"], numbers["suite/edits_without_change"]) == (2, 1, 1)


def test_hostile_text_in_the_table_is_shown_and_not_obeyed(suite: Callable[..., Suite]) -> None:
    extra: dict[str, list[Any]] = {}
    ask(scorer(suite()).columns(), batch("1 | way too | \x1b[2Jgone", log_extra=extra.__setitem__))
    assert extra["edits"] == ["1. Lunch is [~way too~]{~\\x1b[2Jgone~} short, duh."]


def test_edits_are_shown_by_sentence_with_what_they_take_out_and_put_in(suite: Callable[..., Suite]) -> None:
    extra: dict[str, list[Any]] = {}
    judge = Scorer(suite=suite())
    ask(judge.columns(), batch("2 | Everybody knows it | It\n1 | , duh | ", log_extra=extra.__setitem__))
    assert extra["edits"] == ["1. Lunch is way too short[-, duh-].\n2. [-Everybody knows it-]{+It+}."]
    ask(judge.columns(), batch("Lunch is way too very short, duh. Everybody knows it.", log_extra=extra.__setitem__))
    assert extra["edits"] == ["1. Lunch is way too {~very ~}short, duh."]


def test_the_table_blames_gates_alone() -> None:
    @rewards.reward(level="sentence", range=(0, 1), threshold=0.5)
    def kept(sentences: Sequence[rewards.Sentence]) -> list[float]:
        """0 for every sentence."""
        return [0.0] * len(sentences)

    settings = {"shorter": {"gate": False, "weight": 1.0}, "kept": {"gate": True}}
    judged = suite_of([shorter, kept], settings=settings)
    extra: dict[str, list[Any]] = {}
    ask(scorer(judged).columns(), batch(BAD, log_extra=extra.__setitem__))
    assert extra["rejected"] == ["'knows' -> 'ignores' (kept)"]


def test_wrong_calls_are_named(suite: Callable[..., Suite]) -> None:
    column = scorer(suite()).columns()[0]
    with pytest.raises(ConfigError, match="neither a column `sentences` nor `argument`"):
        column(**{**batch(GOOD), "sentences": None})
    with pytest.raises(ConfigError, match="`issue` has 1 values for 2 completions"):
        column(**batch(GOOD, BAD, issues=["one"]))
    with pytest.raises(ConfigError, match="`issue` has 2 values for 1 completions"):
        column(**batch(GOOD, issues=["one", "two"]))
    with pytest.raises(ConfigError, match="1 prompts came with 2 completions"):
        column(**{**batch(GOOD, BAD), "prompts": ["p"]})
    with pytest.raises(ConfigError, match="2 prompts came with 1 completions"):
        column(**{**batch(GOOD), "prompts": ["p", "q"]})


def test_a_suite_that_pays_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text("description: toy\nrewards: {shorter: {gate: true}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="pays nothing"):
        Scorer(suite=load_suite(path, plugins=registry_of(shorter)))
    path.write_text("description: toy\nrewards: {format: {}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="pays nothing"):
        Scorer(RewardPlan(str(path))).weights()


def test_columns_travel_to_another_process(suite: Callable[..., Suite]) -> None:
    plan = RewardPlan("default", settings={"format": {"weight": 1.0}}, format="compact", device="cpu")
    columns = pickle.loads(pickle.dumps(Scorer(plan).columns()))
    assert columns[0].scorer is columns[1].scorer
    assert columns[0].scorer.plan == plan
    names = [column.__name__ for column in columns]
    assert columns[0].scorer.weights()[names.index("format")] == 1.0
    with pytest.raises(TypeError, match="ready suite"):
        pickle.dumps(scorer(suite()).columns())


def test_a_plan_takes_rewards_as_they_are_declared(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text("description: toy\nrewards: {format: {weight: 1}}\n", encoding="utf-8")
    judge = pickle.loads(pickle.dumps(Scorer(RewardPlan(str(path), rewards=[shorter], format="compact"))))
    assert ask(judge.columns(), batch(GOOD)) == {"format": [1.0], "shorter": [1.0]}


@pytest.mark.parametrize("more", [{"suite": "grpo_edit"}, {"settings": {"format": {"weight": 1}}}, {"device": "cpu"}])
def test_a_plan_beside_a_ready_suite_says_nothing_that_would_be_ignored(
    suite: Callable[..., Suite], more: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="the suite is ready, so the plan can say only `format` and `budget`"):
        Scorer(RewardPlan(format="compact", **more), suite=suite())


def test_the_total_is_what_the_weights_make_of_the_columns(suite: Callable[..., Suite]) -> None:
    judge = scorer(suite(0.5))
    given = batch(GOOD, BAD, GOOD, GOOD, issues=["a", "b", "boom", "huge"])
    found = ask(judge.columns(), given)
    total = judge.total()(**given)
    assert judge.total().__name__ == "total"
    assert total[2:] == [None, None]
    expected = [sum(w * (v[i] or 0.0) for w, v in zip(judge.weights(), found.values(), strict=True)) for i in (0, 1)]
    assert total[:2] == pytest.approx(expected)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.causal(tmp_path_factory.mktemp("policy") / "llama")


def train(policy: Path, out: Path, judge: Scorer, chat: bool, trainer: str = "GRPO", **options: Any) -> Any:
    """Two steps of the installed trainer."""
    import trl
    from datasets import Dataset
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(policy)
    tokenizer.eos_token = "[SEP]"  # noqa: S105  (no secret)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}" if chat else None
    rows = [
        {
            "prompt": [{"role": "user", "content": "Edit."}] if chat else "Edit.",
            "id": str(number),
            "issue": "boom" if number == 1 else "lunch",
            "argument": " ".join(SENTENCES),
            "sentences": SENTENCES,
        }
        for number in range(2)
    ]
    config = getattr(trl, f"{trainer}Config")(
        output_dir=str(out), per_device_train_batch_size=4, num_generations=2, max_completion_length=8, max_steps=2,
        logging_steps=1, report_to="none", use_cpu=True, bf16=False, log_completions=True, num_completions_to_print=0,
        reward_weights=judge.weights(), save_strategy="no", disable_tqdm=True, **options,
    )  # fmt: skip
    made = getattr(trl, f"{trainer}Trainer")(
        model=str(policy), args=config, reward_funcs=judge.columns(), train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )  # fmt: skip
    made.train()
    return made


@pytest.mark.parametrize("chat", [False, True])
def test_inside_the_installed_trainer(suite: Callable[..., Suite], policy: Path, tmp_path: Path, chat: bool) -> None:
    from pyarrow import parquet

    seen: list[Any] = []
    judge = scorer(suite(1.0), observe=seen.append, budget=Budget(1.0, 64))
    made = train(policy, tmp_path, judge, chat)
    # What TRL passes: a new keyword here is a change of the contract to look at.
    logged = [entry for entry in made.state.log_history if "reward" in entry]
    assert len(logged) == 2
    keys = [{key for key in entry if key.startswith(("suite/", "rewards/"))} for entry in logged]
    assert keys[0] == keys[1]
    assert {"rewards/shorter/mean", "rewards/length/std", "suite/share_of_time", "suite/fragile/failed"} <= keys[0]
    for done, entry in zip(seen, logged, strict=True):
        # Both prompts are in every batch, and everything of the second is dropped: its advantages must be 0.
        assert [reason is not None for reason in done.dropped].count(True) == 2
        assert entry["suite/failed"] == 0.5
        assert entry["reward"] == pytest.approx(1.0, abs=2)
        totals = [value for value in done.totals() if value is not None]
        assert entry["reward"] == pytest.approx(sum(totals) / len(totals))
    table = parquet.read_table(next((tmp_path / "completions").glob("*00002.parquet"))).to_pydict()
    assert {"edits", "rejected", "failed", "shorter", "length", "fragile", "advantage"} <= set(table)
    dropped = [bool(reason) for reason in table["failed"]]
    assert dropped.count(True) == 2
    assert all(value == 0 for value, gone in zip(table["advantage"], dropped, strict=True) if gone)


def test_what_the_page_shows_runs(tmp_path: Path) -> None:
    """The trainer with the columns, then with a function beside them, which loses what the suite could not score."""
    from transformers import AutoTokenizer

    chat = tiny.causal(tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(chat)
    tokenizer.eos_token, tokenizer.chat_template = "[SEP]", "{% for m in messages %}{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(chat)
    path = tmp_path / "toy.yaml"
    path.write_text("description: toy\nrewards: {format: {weight: 1}}\n", encoding="utf-8")
    options = (
        f"output_dir={str(tmp_path)!r}, per_device_train_batch_size=4, num_generations=4, max_completion_length=8, max_steps=2,"
        " logging_steps=1, report_to='none', use_cpu=True, bf16=False, save_strategy='no', disable_tqdm=True, "
    )
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").partition("## From Python")[2]
    page = page.replace('"default"', repr(str(path))).replace("trl.GRPOConfig(", f"trl.GRPOConfig({options}")
    alone, rows, beside, called = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {"model": str(chat)}
    for block in (rows, alone, beside, called.replace("\nreward(", "\nanswer = reward(")):
        exec(block, found)  # noqa: S102  (our own page)
    assert found["answer"] == [1.0]
    found["trainer"].train()
    logged = [entry for entry in found["trainer"].state.log_history if "reward" in entry]
    assert len(logged) == 2
    for entry in logged:
        paid = entry["rewards/suite/format/mean"] + 0.1 * entry["rewards/brevity/mean"]
        assert entry["reward"] == pytest.approx(paid)
        assert entry["rewards/brevity/mean"] < 0
    given = batch(*([{"role": "assistant", "content": GOOD}] for _ in range(2))) | {"sentences": [SENTENCES, []]}
    assert found["brevity"](**given) == [-len(GOOD) / 1000, None]


def test_an_evaluation_counts_every_completion_once(suite: Callable[..., Suite], tmp_path: Path) -> None:
    toy, answers = suite(), {"a": f"{GOOD}\n1 | , duh | ", "b": "", "c": ""}
    for rounds, processes in (
        ([["a", "a", "b", "b"], ["c", "c"]], 1),
        ([["a", "a"], ["b", "b"], ["c", "c"], ["a", "a"]], 2),
        ([["a", "a", "b", "b"], ["c", "c", "a", "a"], ["b", "b", "c", "c"]], 3),
    ):
        logs = [RewardLog(tmp_path, toy, {"train": 2, "eval": 2}, 6, rank, processes) for rank in range(processes)]
        for _ in range(2):  # evaluations, each of which counts anew
            for number, ids in enumerate(rounds):  # what fills up the last of several processes is the first arguments
                judge = scorer(toy, observe=logs[number % processes].observe)
                ask(judge.columns(), batch(*map(answers.__getitem__, ids), id=ids, split=["eval"] * len(ids)))
            found = [row for rows in logs for row in rows.evaluated()]
            assert len(found) == 6
        assert means(found)["suite/edits"] == pytest.approx(2 / 3)
        assert means(found)["suite/with_accepted_edit"] == pytest.approx(1 / 3)
        assert means(found)["rewards/shorter/mean"] == 1.0  # of those that it applies to
        assert not any(rows.evaluated() for rows in logs)


def test_inside_rloo(suite: Callable[..., Suite], policy: Path, tmp_path: Path) -> None:
    made = train(policy, tmp_path, scorer(suite()), chat=False, trainer="RLOO")
    assert sum("rewards/length/mean" in entry for entry in made.state.log_history) == 2


def test_inside_the_rollout_loop_of_async_grpo(policy: Path, tmp_path: Path) -> None:
    """That trainer sends its reward functions to a process without a GPU, and sums them without weights.

    A suite that is served may be on one.
    """
    path = tmp_path / "paid.yaml"
    path.write_text("description: paid twice\nrewards: {format: {weight: 2.0}}\n", encoding="utf-8")
    here = score_in_async_grpo(policy, Scorer(RewardPlan(str(path), format="compact")).total())
    with running(Served("--suite", path, "--format", "compact")) as server:
        there = score_in_async_grpo(policy, RemoteTotal(server.url))
    for samples in (here, there):
        assert [sample.metrics["rewards/total"] for sample in samples[:2]] == [2.0, 0.0]
        assert math.isnan(samples[2].metrics["reward"])
        assert [sample.advantage for sample in samples] == pytest.approx([1.0, -1.0, 0.0])


def score_in_async_grpo(policy: Path, reward: Any) -> list[Any]:
    """What the trainer's loop makes of a group of three completions, of which the last is of a row that is broken off."""
    import asyncio
    import multiprocessing as mp

    from accelerate import PartialState
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl.experimental.async_grpo import async_rollout_worker as trl_loop

    tokenizer = AutoTokenizer.from_pretrained(policy)
    tokenizer.response_template = {}  # read where it takes completions apart, which are given here
    PartialState()  # its logger asks for it
    spawn = mp.get_context("spawn")
    loop = trl_loop._AsyncRolloutLoop(
        model_name="tiny", dataset=Dataset.from_list([{"prompt": "Edit."}]), reward_funcs=[pickle.loads(pickle.dumps(reward))],
        processing_class=tokenizer, eos_token_ids=[1], rollout_buffer=spawn.Queue(),
        model_version_value=spawn.Value("i", 0), heartbeat_value=spawn.Value("d", 0.0), failed_event=spawn.Event(),
        exception_info_queue=spawn.Queue(), metrics_queue=spawn.Queue(),
    )  # fmt: skip
    given = batch(*([{"role": "assistant", "content": text}] for text in (GOOD, "nothing of the kind", GOOD)))
    sequence = trl_loop.TrainingSequence(input_ids=[1], completion_mask=[1], old_log_probs=[0.0], rollout_id="a")
    # A row of the dataset is broken off: its completion must push the policy nowhere.
    carried = {name: given[name] for name in ("id", "issue", "sentences")} | {"sentences": [SENTENCES, SENTENCES, []]}
    group = trl_loop.RolloutGroup(
        prompts=given["prompts"], reward_kwargs=carried, completions=given["completions"],
        completions_ids=given["completion_ids"], completions_sequences=[[sequence]] * 3, tool_call_counts=[0] * 3,
        tool_failure_counts=[0] * 3, model_version=0, group_id=0, env_rewards=[None] * 3, rollout_rewards=[None] * 3,
    )  # fmt: skip
    return list(asyncio.run(loop._score_group(group)))


def test_what_trl_passes_is_what_the_columns_expect(suite: Callable[..., Suite], policy: Path, tmp_path: Path) -> None:
    judge, seen = scorer(suite()), []
    asked = judge.ask

    def ask_and_note(name: str | None, completions: Sequence[Any], given: Any) -> list[float | None]:
        seen.append(set(given))
        return asked(name, completions, given)

    judge.ask = ask_and_note  # type: ignore[method-assign]  # only listens
    train(policy, tmp_path, judge, chat=False)
    assert (
        seen
        == [{"completion_ids", "id", "issue", "argument", "sentences", "trainer_state", "log_extra", "log_metric"}] * 6
    )


def test_a_column_tells_whose_it_is_and_loads_nothing_for_it(suite: Callable[..., Suite]) -> None:
    ready = suite()
    assert ready.name != "default"
    columns = [repr(one) for one in Scorer(suite=ready).columns()]
    assert columns[0] == f"<reward 'shorter' of suite {ready.name!r}>"
    lazy = Scorer(RewardPlan("no-such-suite"))
    assert repr(lazy.total()) == "<reward 'total' of suite 'no-such-suite'>"
    assert Scorer(suite=ready).columns(prefix="second/")[0].__name__ == "second/shorter"


def test_a_reward_needs_no_prompts_and_compares_their_number_where_they_come(suite: Callable[..., Suite]) -> None:
    total, given = scorer(suite()).total(), batch(GOOD, BAD)
    assert total(**{key: value for key, value in given.items() if key != "prompts"}) == total(**given)
    with pytest.raises(ConfigError, match="1 prompts came with 2 completions"):
        total(**{**given, "prompts": ["…"]})


def test_a_misspelt_format_is_refused_before_a_completion_is_lost() -> None:
    with pytest.raises(PluginError, match=r"no format is called 'compct' \(did you mean 'compact'\?\)"):
        Scorer(RewardPlan(format="compct"))


def test_the_short_names_are_those_of_the_modules() -> None:
    assert [getattr(rewards_train, name) for name in rewards_train.__all__] == [RemoteTotal, RewardPlan, Scorer]
    with pytest.raises(AttributeError, match="module 'rewards_train' has no attribute 'Scorers'"):
        rewards_train.Scorers  # noqa: B018  (it is looked up)
    code = "import sys, rewards_train; assert not {'rewards_train.adapter', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_format_that_fails_costs_its_completion(
    suite: Callable[..., Suite], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = adapter.read_revision

    def breaks(record: Any, **more: Any) -> Any:
        return 1 / 0 if record["completion"] == "boom" else read(record, **more)

    monkeypatch.setattr(adapter, "read_revision", breaks)
    passes: list[Any] = []
    numbers: dict[str, float] = {}
    given = {**batch("boom", GOOD, log_metric=numbers.__setitem__), "id": None}
    found = ask(scorer(suite(), observe=passes.append).columns(), given)
    assert "completion 1 " in caplog.text
    assert numbers["suite/shorter/passed"] == 0.5
    assert passes[0].results[1].revision.id == 2
    assert [values[0] for values in found.values()] == [None] * 3
    assert None not in [values[1] for values in found.values()]
    reason = "its record cannot be read: could not be read: ZeroDivisionError: division by zero"
    assert passes[0].dropped == (reason, None)


def test_a_server_that_answers_for_other_records_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    client = RemoteTotal("http://127.0.0.1:1")
    answer = SimpleNamespace(status_code=200, text="", json=lambda: {"results": [{"reward": 1.0, "error": None}]})
    monkeypatch.setattr(client, "_post", lambda path, body: (answer, ""))
    with pytest.raises(ConfigError, match="is not `rewards serve`: 1 results for 2 records"):
        client(**batch(GOOD, BAD))


def test_only_the_last_completions_count_against_the_budget() -> None:
    losses = Losses(Budget(0.5, 4))
    for step, dropped in enumerate((["x", None, "x", None], [None] * 4, ["x", "x"], [None, None], ["x", None])):
        losses.count(dropped, step)
    with pytest.raises(RewardFailed, match=r"step 9: 3 of the last 4 completions .*; the last: z"):
        losses.count(["y", "z"], 9)


def test_the_log_of_several_processes_is_one_in_the_order_of_steps(suite: Callable[..., Suite], tmp_path: Path) -> None:
    from pyarrow import parquet

    toy, parts = suite(1.0), tmp_path / "parts"
    logs = [RewardLog(parts, toy, {"train": 2, "eval": 2}, rank=rank, processes=2) for rank in (1, 0)]
    for step in (1, 2, 10):
        for log in logs:
            judge = scorer(toy, observe=log.observe, budget=Budget(1.0, 64))
            issues = ["boom" if step == 10 else "fine"] * 2
            given = batch(f"{GOOD} {step}", "caf\udce9", issues=issues, id=["a", "a"])
            for _ in range(2):
                ask(judge.columns(), {**given, "trainer_state": SimpleNamespace(global_step=step - 1)})
            if step > 1:
                log.flush(step)
                log.flush(step + 90)  # nothing came in since
    assert len(list(parts.iterdir())) == 4
    (parts / "train-00000011-0000.parquet.partial").touch()

    def merged() -> list[tuple[int, int, str, float | None]]:
        counts = merge(parts, tmp_path)
        rows = parquet.read_table(tmp_path / "rewards.parquet").to_pylist()
        assert counts == {"train": len(rows)}
        return [(row["step"], row["sample"], row["completion"][-2:], row["reward"]) for row in rows]

    rows = merged()
    assert [row[:3] for row in rows] == [
        (step, sample, "f?" if sample else f" {step}"[-2:])
        for step in (1, 2, 10)
        for _ in range(4)
        for sample in (0, 1)
    ]
    assert [row[3] is None for row in rows] == [False] * 16 + [True] * 8  # what was dropped earned nothing
    discard(parts, 2)
    assert merged() == rows[:16]
    assert sorted(path.name for path in parts.iterdir()) == [f"train-00000002-{rank:04d}.parquet" for rank in (0, 1)]
    discard(parts, 0)
    assert merge(parts, tmp_path) == {}


@pytest.mark.parametrize(("share", "window", "allowed"), [(0.29, 100, 29), (0.05, 256, 12), (0.0, 9, 0), (1.0, 9, 9)])
def test_as_many_may_fail_as_the_share_says(share: float, window: int, allowed: int) -> None:
    assert Budget(share, window).allowed == allowed


def test_a_gate_of_sentences_is_counted_by_sentences_and_what_is_read_in_part_is_counted(
    suite: Callable[..., Suite],
) -> None:
    @rewards.reward(level="sentence", range=(0, 1), threshold=0.5)
    def single(sentences: Sequence[rewards.Sentence]) -> list[float]:
        """1 where a sentence has one edit."""
        return [float(len(one.edits) == 1) for one in sentences]

    @rewards.reward(level="edit", range=(0, 1), threshold=0.5)
    def broken(edits: Sequence[rewards.Edit]) -> list[rewards.Score]:
        """Fails on every edit."""
        return [rewards.Score(None, failed="glass") for _ in edits]

    settings = {"shorter": {"gate": True, "weight": 1.0}, "single": {"gate": True}}
    numbers: dict[str, float] = {}
    two = "1 | way too | too\n1 | , duh | \n2 | knows | ignores"
    given = batch(two, GOOD, f"{BAD}\n1 | not", "nothing of the kind", log_metric=numbers.__setitem__)
    ask(scorer(suite_of([shorter, single, broken], settings=settings)).columns(), given)
    assert numbers["suite/single/passed"] == pytest.approx((1 / 2 + 1 + 1 + 0) / 4)
    assert numbers["suite/shorter/passed"] == pytest.approx((2 / 3 + 1 + 0 + 0) / 4)
    assert (numbers["suite/edits"], numbers["suite/edits_valid"]) == (1.5, 1.25)
    assert numbers["suite/not_read_in_full"] == 0.25
    assert numbers["suite/share_of_time"] <= 1
    assert numbers["suite/failed"] == numbers["suite/single/failed"] == numbers["suite/broken/passed"] == 0
    assert numbers["suite/broken/failed"] == 0.75


def test_a_row_of_the_log_says_what_was_proposed_and_what_became_of_it(suite: Callable[..., Suite]) -> None:
    passes: list[Any] = []
    extra: dict[str, list[Any]] = {}
    given = batch(GOOD, BAD, "1 | nowhere | x", GOOD, issues=["a", "b", "huge", "boom"], log_extra=extra.__setitem__)
    torn = {"sentences": [*given["sentences"][:3], [3]], "argument": [None, None, None, "It is."]}
    ask(scorer(suite(1.0), observe=passes.append).columns(), {**given, **torn})
    assert extra["edits"][2] == extra["edits"][3] == ""  # nothing that could be shown
    ask(scorer(suite(1.0), observe=passes.append).columns(), given)
    rows = [record(passes[0], index, index % 2) for index in range(4)]
    told = [[row[key] for key in ("id", "sample", "issue", "completion")] for row in rows]
    assert told == [
        ["0", 0, "a", GOOD],
        ["1", 1, "b", BAD],
        ["2", 0, "huge", "1 | nowhere | x"],
        ["3", 1, "boom", GOOD],
    ]
    assert [[row[key] for key in ("edits", "valid", "accepted")] for row in rows] == [
        [1, 1, 1],
        [1, 1, 0],
        [1, 0, 0],
        [0, 0, 0],
    ]
    assert [(row["words_before"], row["words_after"]) for row in rows] == [(9, 8), (9, 9), (9, 9), (0, 0)]
    assert [row["argument"] for row in rows] == [" ".join(SENTENCES)] * 3 + ["It is."]
    assert [row["reward"] is None for row in rows] == [False, False, True, True]  # more than a tensor holds is none
    assert rows[0]["rewards"] == passes[0].results[0].rewards
    assert (rows[3]["rewards"], rows[0]["failure"]) == ({}, None)
    assert rows[3]["failure"].startswith("its record cannot be read: ")
    failed = record(passes[1], 3, 0)  # read, but not scored
    assert failed["reward"] is None
    assert "boom" in failed["failure"] == extra["failed"][3]
    assert (failed["edits"], failed["argument"]) == (1, " ".join(SENTENCES))
    assert "'nowhere' -> 'x' (its part does not occur" in extra["rejected"][2]
