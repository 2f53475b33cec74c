"""What `rewards train` says of its data, its output folder and its options, before and without a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rewards.errors import ConfigError, RewardsError
from rewards_train import cli, data, folder, launch, recipe, sharding
from rewards_train.launch import Launch
from rewards_train.recipe import Data, Recipe
from tests import tiny
from tests.conftest import write_lines

ARGUMENTS = [
    {"id": f"a{n}", "issue": "Should lunch be longer?", "argument": f"Lunch is way too short, duh. {text} It is."}
    for n, text in enumerate(("Everybody knows it.", "Nobody eats.", "We run.", "Ask them.", "I wait.", "So what."))
]
SUITE = {"description": "toy", "rewards": {"format": {"weight": 1}}}
Run = Callable[..., str]


@pytest.fixture(scope="module")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A recipe on six arguments, of which two are held out, and a policy that reads 2,048 tokens."""
    from transformers import AutoTokenizer

    at = tmp_path_factory.mktemp("data")
    files = tiny.causal(at / "policy")
    tokenizer: Any = AutoTokenizer.from_pretrained(files)
    tokenizer.eos_token = "[SEP]"  # noqa: S105  (no secret)
    tokenizer.save_pretrained(files)
    (at / "toy.yaml").write_text(json.dumps(SUITE), encoding="utf-8")
    return {
        "description": "tiny",
        "model": str(files),
        "format": "rewrite",
        "suite": str(at / "toy.yaml"),
        "data": {"train": str(write_lines(at / "arguments.jsonl", *ARGUMENTS)), "eval_fraction": 0.34},
        "grpo": {
            "max_steps": 4, "per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "num_generations": 2,
            "max_completion_length": 6, "use_cpu": True, "bf16": False, "save_steps": 4, "eval_steps": 4,
            "eval_strategy": "steps", "gradient_checkpointing": False,
        },
    }  # fmt: skip


@pytest.fixture
def dry(
    tiny_recipe: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """`rewards train tiny.yaml KEY=VALUE … --dry-run`: what it prints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(json.dumps(tiny_recipe), encoding="utf-8")

    def run(*overrides: str, **options: Any) -> str:
        cli.train("tiny.yaml", list(overrides), dry_run=True, **options)
        return capsys.readouterr().out

    yield run
    assert not (tmp_path / "runs").exists()


def on(**given: Any) -> Recipe:
    """`smoke` on other data."""
    return recipe.resolve("smoke").model_copy(update={"data": Data(**given)})


def test_a_dry_run_counts_the_processes_that_accelerate_would_start(dry: Run, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("distributed_type: MULTI_CPU\nnum_processes: 2\nuse_cpu: true\n", encoding="utf-8")
    assert "2 process(es): 8 completions of 4 prompt(s)" in dry("processes=3", accelerate_config=file)
    assert "1 process(es): 4 completions of 2 prompt(s)" in dry(accelerate_config=file, num_processes=1)
    file.write_text("distributed_type: MULTI_CPU\nnum_processes: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"4 argument\(s\) to train on, and 6 are answered together"):
        dry(accelerate_config=file)


@pytest.mark.parametrize(
    ("stated", "given", "count"),
    [
        ("num_processes: 2", None, 2), ("num_processes: 2", 3, 3), ("", 3, 3), (None, 3, 3), (None, None, 4),
        ("distributed_type: 'NO'", None, 1),
    ],
)  # fmt: skip
def test_the_option_goes_before_accelerates_file_and_that_before_the_recipe(
    stated: str | None, given: int | None, count: int, tmp_path: Path
) -> None:
    file = None
    if stated is not None:
        file = tmp_path / "file.yaml"
        file.write_text(f"{stated}\nmixed_precision: 'no'\n", encoding="utf-8")
    assert sharding.processes(recipe.resolve("smoke", ["processes=4"]), given, file) == count


def test_a_file_of_accelerate_without_a_number_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    for stated in ("", "num_processes: -1\n", "num_processes: two\n"):
        file.write_text(f"distributed_type: FSDP\n{stated}", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"file\.yaml: no num_processes in it; give --num-processes N"):
            sharding.processes(recipe.resolve("smoke"), None, file)


def test_a_prompt_that_leaves_no_room_for_an_answer_is_left_out(dry: Run, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "long.jsonl", *ARGUMENTS, {"id": "long", "argument": "It is short. " * 200})
    told = dry(f"data={file}", "eval_fraction=0")
    assert "data       6 arguments to train on, 0 to evaluate with" in told
    assert "left out   long: its prompt has 2," in told
    assert "tokens, more than 2,042: the policy reads 2,048, of which grpo.max_completion_length takes 6" in told
    assert "7 arguments to train on" in dry(f"data={file}", "eval_fraction=0", "max_prompt_tokens=9999")
    with pytest.raises(
        ConfigError, match="no usable prompt: 7 left out, a0: its prompt has .* more than 0: the policy"
    ):
        dry(f"data={file}", "max_completion_length=4000")


def test_how_long_a_prompt_may_be(tmp_path: Path) -> None:
    assert data.longest_prompt(recipe.resolve("smoke")) == (300, "data.max_prompt_tokens 300")
    assert data.longest_prompt(recipe.resolve("smoke", ["max_prompt_tokens=null", f"model={tmp_path}"])) is None
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}', encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    given = ["max_prompt_tokens=null", f"model={tmp_path}"]
    assert data.longest_prompt(recipe.resolve("smoke", given)) is None
    for reads, most in ((100, 99), (0, None)):
        stated = {"model_type": "llama", "max_position_embeddings": reads}
        (tmp_path / "config.json").write_text(json.dumps(stated), encoding="utf-8")
        found = data.longest_prompt(recipe.resolve("smoke", [*given, "max_completion_length=null"]))
        assert (found[0] if found else None) == most


def test_another_split_of_the_same_data_is_held_out(dry: Run, tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    parts = {"train": ARGUMENTS[:4], "test": ARGUMENTS[4:]}
    DatasetDict({name: Dataset.from_list(rows) for name, rows in parts.items()}).save_to_disk(tmp_path / "dd")
    told = dry("data=dd", "data.eval=dd", "data.eval_split=test", "eval_fraction=0")
    assert "data       4 arguments to train on, 2 to evaluate with" in told
    found = data.load(on(train="dd", split="test", eval="dd", eval_split="train"))
    assert ([item.id for item in found.train.items], len(found.eval.items)) == (["a4", "a5"], 4)
    with pytest.raises(
        ConfigError, match="no usable prompt: 4 left out, a0: also among the arguments to evaluate with"
    ):
        data.load(on(train="dd", eval="dd"))
    with pytest.raises(ConfigError, match=r"data\.eval_split 'test' needs a dataset: add data.eval=dd"):
        recipe.resolve("smoke", ["data=dd", "eval_split=test"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["settings.nosuch.weight=1"],
            r"^nosuch\.weight is set, but suite 'toy' has no reward 'nosuch'; it has format$",
        ),
        (
            ["settings.format.a=1", "settings.format.b=1"],
            r"toy\.yaml, with format\.a, format\.b set: re",
        ),
        (["models.foo=bar"], r"^a model is named for role 'foo', which nothing here reads; the roles are none"),
    ],
)
def test_settings_and_models_of_a_recipe_that_do_not_fit(dry: Run, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dry(*overrides)


def test_what_a_dry_run_could_not_check_says_how_to_name_it(dry: Run) -> None:
    told = dry("suite=default", "profile=full").splitlines()
    assert told[-1] == (
        "not checked: rewards: role 'fluency' has no published model in profile 'full'; name a folder or hub id for it"
        " (models.fluency in a file, --model fluency=FOLDER_OR_HUB_ID)"
    )


def test_a_dry_run_refuses_a_folder_that_a_run_would_not_take(
    dry: Run, tmp_path: Path, tiny_recipe: dict[str, Any]
) -> None:
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "thesis.tex").write_text("mine", encoding="utf-8")
    for out, message in (
        ("tiny.yaml", r"^out tiny\.yaml is a file; give another out=FOLDER$"),
        ("tiny.yaml/run", r"^out tiny\.yaml/run: .*/tiny\.yaml is a file; give another out=FOLDER$"),
        ("strange", "^strange is not empty, and holds no run; give another out=FOLDER$"),
    ):
        with pytest.raises(ConfigError, match=message):
            dry(f"out={out}")
        with (
            pytest.raises(ConfigError, match=message),
            folder.opened(recipe.resolve("tiny.yaml", [f"out={out}"]), resume=False),
        ):
            pass
    with folder.opened(recipe.resolve("tiny.yaml", ["out=held"]), resume=False) as out:
        (out / "parts").mkdir()
        (out / folder.STATE).write_text('{"finished": true}', encoding="utf-8")
    before = sorted(path.name for path in (tmp_path / "held").iterdir())
    with pytest.raises(ConfigError, match="^held holds a run already: add --resume to go on with it"):
        dry("out=held")
    with pytest.raises(ConfigError, match=r"^held holds a run of another recipe \(grpo.learning_rate: None there, 0.1"):
        dry("out=held", "learning_rate=0.1", resume=True)
    with pytest.raises(
        ConfigError, match="^held: the run was begun by another version of .*, which did not note its data, "
    ):
        dry("out=held", resume=True)
    folder.write_state(tmp_path / "held", data="of others", processes=1, version="0", rewards={})
    with pytest.raises(ConfigError, match="^held: the run began with data of others, and now has"):
        dry("out=held", resume=True)
    (tmp_path / "held" / folder.STATE).write_text("{}", encoding="utf-8")
    assert "output     held" in dry("out=held", resume=True)
    with pytest.raises(ConfigError, match=r"cannot be folded into weights that grpo\.fsdp spreads; give save=adapter"):
        dry("fsdp=full_shard", "lora={r: 4}")
    assert sorted(path.name for path in (tmp_path / "held").iterdir()) == before


def test_a_dry_run_tells_the_policy_the_rewards_and_the_warm_start(
    dry: Run, tmp_path: Path, tiny_recipe: dict[str, Any]
) -> None:
    pairs = write_lines(tmp_path / "pairs.jsonl", {"argument": "A bad idea.", "rewrite": "A poor idea."})
    told = dry("settings.format.threshold=0.5", f"sft.data={pairs}", "lora={r: 4}", "report_to=none")
    assert "\nwarm start 1 pairs" in told
    assert re.search(r"\n *format +global +weight 1 +Share of the stated edits that are valid", told)
    sizes = re.search(r"\npolicy +(\S+): ([\d,]+) parameters, ([\d,]+) trained\n", told)
    assert sizes
    assert sizes[1] == tiny_recipe["model"]
    assert 0 < int(sizes[3].replace(",", "")) < int(sizes[2].replace(",", ""))
    parts = r"weights 0\.00, optimizer 0\.00, activations 0\.\d\d, cache 0\.00 \(estimated\)"
    assert re.search(rf"\nmemory +about 0\.\d GB per process, without reward models: {parts}\n", told)
    assert "\nrewards    8 arguments, each with its longest word deleted, scored in" in told
    assert told.endswith("\noutput     runs/tiny\n")
    assert "not checked: warm start: sft.data=FILE names its pairs" in dry("sft={}")
    assert "not checked: data: none is given yet; data=FILE names it" in dry("data.train=null", "eval_fraction=0")


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cpu:0", "GPU"])
def test_a_device_that_no_machine_has_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=f"reward_device '{device}': expected auto, cpu or cuda:N"):
        recipe.resolve("smoke", [f"reward_device={device}"])


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:7"])
def test_a_device_that_another_machine_may_have(device: str) -> None:
    assert recipe.resolve("smoke", [f"reward_device={device}"]).reward_device == device


def test_nothing_is_held_out_by_a_fraction_that_is_less_than_one(dry: Run, tmp_path: Path) -> None:
    told = dry("eval_fraction=0.05", "limit=5")
    assert (
        "5 arguments to train on, 0 to evaluate with\n           data.eval_fraction 0.05 of 6 arguments is none" in told
    )
    assert "is none" not in dry("eval_fraction=0")
    with pytest.raises(
        ConfigError, match=r"data\.eval_fraction 0\.05 of 6 arguments is none; raise it, or give data.eval"
    ):
        dry("eval_fraction=0.05", "load_best_model_at_end=true")
    empty = write_lines(tmp_path / "empty.jsonl")
    with pytest.raises(ConfigError, match="no usable prompt: it is empty"):
        dry(f"data={empty}", "eval_fraction=0.05", "load_best_model_at_end=true")


def test_arguments_beyond_a_limit_are_counted(dry: Run) -> None:
    found = data.load(recipe.resolve("smoke"))
    assert (len(found.train.items), len(found.eval.items), found.eval.beyond) == (38, 4, 6)
    assert data.summary(found, recipe.resolve("smoke").data)[-1] == "left out   6 beyond data.eval_limit 4"
    told = dry("limit=2", "eval_limit=1")
    assert "data       2 arguments to train on, 1 to evaluate with" in told
    assert "left out   2 beyond data.limit 2\nleft out   1 beyond data.eval_limit 1\n" in told


def test_resuming_where_nothing_is_says_so_and_starts(
    tiny_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[str] = []
    monkeypatch.setattr(launch, "_run_stage", lambda stage, *_: started.append(stage))
    (tmp_path / "tiny.yaml").write_text(json.dumps(tiny_recipe), encoding="utf-8")
    for resume, told in ((True, "nothing to resume in {out}; starting\n"), (False, "")):
        out = tmp_path / f"out-{resume}"
        launch.run(recipe.resolve(str(tmp_path / "tiny.yaml"), [f"out={out}"]), Launch(), resume)
        assert capsys.readouterr().err == told.format(out=out)
    assert started == ["grpo", "grpo"]


def test_files_of_plain_text_are_no_data(tmp_path: Path) -> None:
    from datasets import Dataset

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("hello\nthere\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notes': files of plain text hold no arguments; give a JSONL or Parquet of"):
        data.load(on(train=str(tmp_path / "notes")))
    Dataset.from_list([{"text": "It is short."}]).save_to_disk(tmp_path / "saved")
    assert data.load(on(train=str(tmp_path / "saved"))).train.items[0].argument == "It is short."


def test_what_states_no_argument_is_left_out_with_what_is_missing(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "1. Lunch is short.\n2. It is."}]
    lines: list[Any] = [
        {"prompt": asked},
        {"issue": "x"},
        [],
        3,
        "text",
        None,
        True,
        {"argument": " "},
        {"argument": 3},
    ]
    good: list[Any] = [{"text": "It is."}, {"sentences": ["It is.", "So."]}, {"argument": "We run.", "prompt": asked}]
    found = data.load(on(train=str(write_lines(tmp_path / "data.jsonl", *lines, *good)))).train
    assert [item.argument for item in found.items] == ["It is.", "It is. So.", "We run."]
    nothing = "argument: no text: give `argument` or `sentences`"
    assert [reason for _, reason in found.dropped] == [
        f"{nothing}; it is not guessed from `prompt`",
        nothing,
        "expected an object, found a list",
        "expected an object, found a number",
        "expected an object, found a string",
        "expected an object, found null",
        "expected an object, found a boolean",
        "argument: no text: give `sentences`, `argument` or `text`",
        "argument: expected a string, found a number",
    ]


def test_an_output_folder_that_cannot_be_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder, "_check_place", refuse)
    chosen: Any = SimpleNamespace(out=str(tmp_path / "out"))
    with pytest.raises(RewardsError, match="out cannot be used: Permission denied"):
        folder.check(chosen, resume=False)


def test_an_output_folder_where_nothing_can_be_written(tmp_path: Path) -> None:
    chosen: Any = SimpleNamespace(out="/proc/runs/mine")
    with pytest.raises(RewardsError, match="^/proc/runs/mine cannot be used: No such file or directory"):
        folder.check(chosen, resume=False)
    chosen.out = str(tmp_path / "runs" / "mine")
    folder.check(chosen, resume=False)
    assert list(tmp_path.iterdir()) == []


def test_other_data_has_another_digest() -> None:
    def item(name: str, argument: str = "It is short.", asked: str = "Edit.") -> data.Item:
        return data.Item(name, "Lunch?", argument, (argument,), [{"role": "user", "content": asked}])

    one, two = item("1"), item("2")
    found = data.Splits(data.Loaded((one,)), data.Loaded((two,)))
    assert found.digest() == data.Splits(data.Loaded((item("1"),), cut=3), data.Loaded((item("2"),))).digest()
    others = [
        data.Splits(data.Loaded((one,))), data.Splits(data.Loaded((two,)), data.Loaded((one,))),
        data.Splits(data.Loaded((item("3"),)), data.Loaded((two,))),
        data.Splits(data.Loaded((item("1", "It is long."),)), data.Loaded((two,))),
        data.Splits(data.Loaded((item("1", asked="Mend."),)), data.Loaded((two,))),
        data.Splits(data.Loaded((one,)), data.Loaded((item("2", "It is long."),))),
    ]  # fmt: skip
    assert len({one.digest() for one in (found, *others)}) == 7


def test_what_is_left_out_of_both_parts_is_told_up_to_five_of_each_reason(dry: Run, tmp_path: Path) -> None:
    wrong = [{"issue": f"{n}"} for n in range(4)]
    long = [{"id": f"long{n}", "argument": f"It is short. So, {n}. We wait."} for n in range(2)]
    train = write_lines(tmp_path / "train.jsonl", *wrong, *ARGUMENTS, long[0])
    test = write_lines(tmp_path / "test.jsonl", *wrong[:3], long[1])
    told = dry(f"data={train}", f"data.eval={test}", "eval_fraction=0", "max_sentences=2")
    assert (
        "data       7 arguments to train on, 1 to evaluate with\n           8 cut to their first 2 sentences\n" in told
    )
    assert told.count("no text: give `argument`") == 5
    assert "left out   2 more\n" in told
    assert re.search(r"prompts    tokens: shortest [\d,]+, median [\d,]+, longest [\d,]+\n", told)
    empty = write_lines(tmp_path / "empty.jsonl", *wrong)
    with pytest.raises(
        ConfigError, match=r"^data\.eval .*empty\.jsonl: no usable prompt: 4 left out, line 1: argument:"
    ):
        dry(f"data={train}", f"data.eval={empty}", "eval_fraction=0")


def test_names_of_strangers_are_shown_and_not_obeyed() -> None:
    splits = data.Splits(data.Loaded((), (("\x1b[2J", "too long"),)))
    assert data.summary(splits, Data())[-1] == "left out   \\x1b[2J: too long"


def test_lengths_of_prompts() -> None:
    items = [data.Item(str(n), "", "", (), [], tokens=n) for n in (7, 1, 9, 3, 4)]
    assert data.lengths(items) == {"shortest": 1, "median": 4, "longest": 9}
    assert data.lengths([]) == {"shortest": 0, "median": 0, "longest": 0}


def test_a_prompt_as_long_as_it_may_be_is_used_and_what_was_made_of_an_argument_is_not_read(
    dry: Run, tmp_path: Path
) -> None:
    made: list[Any] = [
        {"argument": "It is short.", "completion": 3}, {"argument": "It is short, so.", "edits": "none"},
        {"argument": "It is short, so so.", "completion": "1 | a | b", "format": "no such format"},
    ]  # fmt: skip
    file = write_lines(tmp_path / "made.jsonl", *made)
    told = dry(f"data={file}", "eval_fraction=0", "num_generations=4")
    assert "data       3 arguments to train on" in told
    counts = re.search(r"prompts    tokens: shortest ([\d,]+), median [\d,]+, longest ([\d,]+)\n", told)
    assert counts
    longest = int(counts[2].replace(",", ""))
    for most, used in ((longest, 3), (longest - 1, 2)):
        told = dry(f"data={file}", "eval_fraction=0", "num_generations=4", f"max_prompt_tokens={most}")
        assert f"data       {used} arguments to train on" in told


@pytest.mark.parametrize("name", ["gone.jsonl", "gone.json", "gone.jsonl.gz", "gone.parquet"])
def test_a_file_that_is_not_there_is_no_name_of_a_dataset(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: no such file$"):
        data.load(on(train=name))
