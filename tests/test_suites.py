"""What the shipped suites pay, with toy rewards in the place of the model-based ones."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rewards
import rewards_edit_quality
import rewards_format
import rewards_suites
from rewards.cli.options import parse_settings
from rewards.config import copy_yaml, read_yaml
from rewards.errors import ConfigError, PluginError, RewardsError
from rewards.features import ClassProbabilities
from rewards.fitting.params import Params
from rewards.models.specs import Checkpoint, Hub, Model
from rewards.plan import parse_models
from rewards.plugins import Registry
from rewards.records import read_revision
from rewards.suite import IN_PROCESS, Component, load_suite, suite_of
from rewards.suite import _check_models as check_models
from tests import tiny
from tests.conftest import plugin, record, registry_of

SUITES = Path(rewards_suites.__file__).parent


def by_word(word: str) -> Any:
    """An edit passes where its replacement does not contain `word`."""

    def judge(edits: list[rewards.Edit]) -> list[float]:
        return [float(word not in edit.after) for edit in edits]

    return judge


def by_change(worth: float) -> Any:
    """`worth` for every rude word that is gone."""

    def judge(arguments: list[rewards.Argument]) -> list[float]:
        return [worth * (one.before.count("rude") - one.after.count("rude")) for one in arguments]

    return judge


def toys() -> Registry:
    """Gates that fail edits by a word, and an appropriateness that counts the words of the argument that are not rude."""

    def pattern_conformity(edits: list[rewards.Edit], *, changes_only: bool = False) -> list[float | None]:
        known = [edit.changes or not changes_only for edit in edits]
        return [
            (9.0 if "odd" in edit.after else 1.0) if said else None for edit, said in zip(edits, known, strict=True)
        ]

    def sentence(sentences: list[rewards.Sentence]) -> list[float]:
        return [1.0] * len(sentences)

    def appropriateness(arguments: list[rewards.Argument]) -> list[float]:
        return [1.0 - argument.after.count("rude") / 10 for argument in arguments]

    def bertscore(arguments: list[rewards.Argument]) -> list[float]:
        return [float(argument.after == argument.before) for argument in arguments]

    declared = [
        rewards.reward(name=name, level="edit", range=(0, 1), threshold=0.5)(by_word(word))
        for name, word in (("semantic_similarity", "lost"), ("fluency", "garbled"))
    ]
    for name, word in (("token_similarity", "lost"), ("no_praise_for_blame", "praised")):
        declared.append(rewards.reward(name=name, level="edit", range=(0, 1), threshold=0.5)(by_word(word)))
    declared.append(rewards.reward(level="edit", range=(1, 9), threshold=3, higher_is_better=False)(pattern_conformity))
    named = {"name": "sentence_pattern_conformity", "level": "sentence", "range": (0, 1)}
    declared.append(rewards.reward(**named, threshold=0.5)(sentence))  # type: ignore[arg-type]  # one dictionary of several types
    for name, worth in (("appropriateness_gain", 0.1), ("lost_content", 0.05)):
        declared.append(rewards.reward(name=name, level="global", range=(-1, 1))(by_change(worth)))
    declared.append(rewards.reward(level="global", range=(0, 1))(appropriateness))
    declared.append(rewards.reward(level="global", range=(0, 1))(bertscore))
    found = Registry()
    found.add(plugin(*declared), "toys")
    for module in (rewards_edit_quality, rewards_format, rewards_suites):
        found.add(module, module.__name__)
    from rewards import formats

    found.add(formats, "formats")
    return found


def argument(*edits: tuple[str, str], text: str = "A rude start. A rude end.") -> dict[str, Any]:
    listed = [
        {"sentence_id": 1, "inappropriate_part": part, "rewritten_part": new, "reason": "Toxic Emotions"}
        for part, new in edits
    ]
    return {"id": 1, "argument": text, "edits": listed}


GOOD = argument(("rude", "kind"))
HALF = argument(("rude", "kind"), ("start", "lost"))
NONE = argument(("rude", "lost garbled"))
INVALID = argument(("absent", "x"))
EMPTY = argument()
SAME = argument(("rude", "rude"))


@pytest.mark.parametrize(
    ("suite", "given", "paid"),
    [
        # The seed: the argument after the accepted edits; the original where none is accepted.
        ("grpo_global_v3_sentence", GOOD, 0.9),
        ("grpo_global_v3_sentence", NONE, 0.8),
        ("grpo_global_v3_sentence", EMPTY, 0.8),
        # v11: half global, nothing without accepted edits; half the mean over edits of the share of gates passed.
        ("grpo_edit_v11", GOOD, 0.5 * 0.9 + 0.5 * 1.0),
        ("grpo_edit_v11", HALF, 0.5 * 0.9 + 0.5 * (1 + 2 / 3) / 2),
        ("grpo_edit_v11", NONE, 0.0 + 0.5 * (1 / 3)),
        ("grpo_edit_v11", INVALID, 0.0),
        ("grpo_edit_v11", EMPTY, 0.0),
        ("grpo_edit_v11", SAME, 0.5 * 0.8 + 0.5 * 1.0),  # the toys' gates let it pass; the paper's term pays for it
        # ACL 2024: no gates, all valid edits applied.
        ("ppo_rewrite", NONE, 0.5 * 0.9 + 0.5 * 0.0),
        ("ppo_rewrite", EMPTY, 0.5 * 0.8 + 0.5 * 1.0),
        # default: what is gained, less what is lost and changed; nothing for doing nothing.
        ("default", GOOD, 0.6 * 0.1 + 0.1 * 1.0 - 0.2 * 0.05 - 0.43 / 6),
        ("default", NONE, 0.1 * (6 / 8) ** 14),
        ("default", EMPTY, 0.0),
        ("default", SAME, -0.03),  # an edit that changes nothing has no quality, and is worse than none
        ("default", INVALID, -0.03),
    ],
)
def test_what_is_paid(suite: str, given: dict[str, Any], paid: float) -> None:
    (result,) = load_suite(suite, plugins=toys()).score([read_revision(given)])
    assert result.status == "scored"
    assert result.reward == pytest.approx(paid)


def test_every_suite_loads_in_both_profiles() -> None:
    for path in SUITES.glob("*.yaml"):
        for profile in ("embedded", "full"):
            assert load_suite(path.stem, profile=profile).engine.profile == profile


def test_copy_edit_and_use(tmp_path: Path) -> None:
    from tests.conftest import command, write_lines

    mine = tmp_path / "mine.yaml"
    assert command("suite", "copy", "default", mine, fresh=True).returncode == 0
    command_line, copied, *rest = mine.read_text().splitlines()
    assert command_line == "# rewards score FILE -o OUT.jsonl --suite mine.yaml"
    assert copied == "# Copied from the suite default; docs/ is a folder of the repository that it comes from."
    assert rest == (SUITES / "default.yaml").read_text().splitlines()[1:]
    again = command("suite", "copy", "default", mine)
    assert again.returncode == 2
    assert b"exists already" in again.stderr
    mine.write_text("description: mine\nrewards:\n  format: {weight: 1}\n")
    source = write_lines(tmp_path / "in.jsonl", record())
    done = command("score", source, "--suite", mine)
    assert done.returncode == 0, done.stderr
    assert b'"reward":0.666' in done.stdout


def test_suites_are_listed_and_what_is_none_is_told_with_the_nearest(tmp_path: Path) -> None:
    from tests.conftest import command

    listed = command("suite", "list", fresh=True).stdout.decode()
    assert listed in command("list").stdout.decode()
    for path in SUITES.glob("*.yaml"):
        assert re.search(rf"^{path.stem} +{re.escape(read_yaml(path)['description'])} ", listed, re.MULTILINE)
    mine = written(tmp_path, "rewards: {format: {weight: 1}}")
    for name, told in (
        (
            "defalt",
            "no reward or suite is called 'defalt' (did you mean 'default'?). `rewards list` shows what there is",
        ),
        ("formt", "no reward or suite is called 'formt' (did you mean 'format'?)"),
        (mine, f"a suite in a file of your own is used with --suite {mine}"),
    ):
        done = command("show", name)
        assert (done.returncode, told in done.stderr.decode()) == (2, True), done.stderr


def test_a_copy_of_a_suite_without_a_head_says_what_was_copied(tmp_path: Path) -> None:
    to = copy_yaml("description: x\n", tmp_path / "mine.yaml", "other", "suite", "--suite")
    assert to.read_text() == "# Copied from the suite other.\ndescription: x\n"


def test_a_copy_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(RewardsError, match=r"mine\.yaml cannot be written: File too large"):
            copy_yaml("description: more than fits", tmp_path / "mine.yaml", "mine", "suite", "--suite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


# What a suite's file may say, and how what it says wrongly is told.

POLITENESS = Model("politeness", {"embedded": Checkpoint(Hub("nobody/nothing"), "classifier")})


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def short(edits: list[rewards.Edit], *, least: int = 1) -> list[float]:
    return [1.0] * len(edits)


@rewards.reward(
    level="global",
    range=(0, 1),
    reads=lambda argument: (ClassProbabilities(argument.after, POLITENESS),),
    models=(POLITENESS,),
)
def polite(arguments: list[rewards.Argument], probabilities: Any) -> Any:
    return probabilities[:, 0]


@rewards.reward(level="sentence", range=(0, 1), threshold=0.5)
def whole(sentences: list[rewards.Sentence]) -> list[float]:
    return [1.0] * len(sentences)


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(f"description: mine\n{text}\n", encoding="utf-8")
    return path


def load(path: Path | str, **options: Any) -> Any:
    return load_suite(path, plugins=registry_of(short, whole, polite), **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reward: {short: {gate: true}}", r"unknown key 'reward' \(did you mean 'rewards'\?\); known: description, "),
        ("profile: embedded", "the key 'rewards' is missing"),
        ("rewards: {}", "suite 'mine' names no rewards"),
        (
            "rewards: [short]",
            r"rewards: Input should be a valid dictionary \(given: \['short'\]\); write `rewards: {fluency: ",
        ),
        ("rewards: {shrt: {gate: true}}", r"no reward is called 'shrt' \(did you mean 'short'\?\)"),
        ("rewards: {short: {least: 2}}", r"unknown key 'rewards.short.least' \(what the reward .* `arguments:`\)"),
        ("rewards: {short: {gat: true}}", r"unknown key 'rewards.short.gat' \(did you mean 'gate'\?\)"),
        ("rewards: {short: {arguments: {lest: 2}}}", r"no argument 'lest' \(did you mean 'least'\?\)"),
        ("rewards: {short: {arguments: {least: two}}}", "argument 'least': Input should be a valid integer"),
        ("rewards: {short: {gate: true, threshold: 5}}", "threshold 5 lies outside its range"),
        ("rewards: {polite: {gate: true, threshold: 0.5}}", "reward 'polite' is global"),
        (
            "rewards: {short: {together: true}}",
            "`together` is for gates at edit level; this one is no gate, and at edit level",
        ),
        ("rewards: {whole: {gate: true, together: true}}", "gates at edit level; this one is a gate at sentence level"),
        ("rewards: {polite: {together: true}}", "gates at edit level; this one is no gate, and at global level"),
        ("rewards: {short: {params: gone}}", "gone is not a folder of `rewards fit`"),
        (
            "models: {politness: x}\nrewards: {polite: }",
            r"a model is named for role 'politness', which nothing here reads \(did you mean 'politeness'\?\)",
        ),
    ],
)
def test_what_is_wrong_in_a_suite_names_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises((ConfigError, PluginError), match=f"^{path}: .*{message}"):
        load(path)


@pytest.mark.parametrize(("text", "found"), [("# none yet\n", "nothing"), ("- short\n", "a list"), ("short", "str")])
def test_a_file_that_is_no_suite_is_told_what_prints_one(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    expected = f"{path}: expected settings, a line `key: value` for each, found {found}"
    assert str(caught.value) == f"{expected}; `rewards suite show default` prints one"


def test_what_is_given_besides_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "rewards: {short: {gate: true}}")
    with pytest.raises(ConfigError, match=rf"^{path}, with short.wieght set: .*\(did you mean 'weight'\?\)"):
        load(path, settings={"short": {"wieght": 1}})
    with pytest.raises(PluginError, match="^no reward is called 'polit'"):
        load(path, rewards=["polit"])
    with pytest.raises(ConfigError, match="^a model is named for role 'politness', which nothing here reads"):
        load(path, rewards=["polite"], engine=rewards.Engine(models={"politness": "x"}))


def test_a_call_with_the_wrong_shape_is_told_so(tmp_path: Path) -> None:
    text: Any = "short"
    wrong: Any = {"short": 0.5}
    nothing: Any = None
    with pytest.raises(ConfigError, match="rewards='short': expected a list of names or rewards"):
        suite_of(text, plugins=registry_of(short))
    path = written(tmp_path, "rewards: {short: }")
    with pytest.raises(ConfigError, match="rewards='short'"):
        load(path, rewards=text)
    for one in (wrong, text):
        with pytest.raises(ConfigError, match="settings=.*: expected a mapping for each reward"):
            load(path, settings=one)
    with pytest.raises(ConfigError, match="rewards=None: expected a list of names or rewards"):
        suite_of(nothing, plugins=registry_of(short))
    with pytest.raises(ConfigError, match="engine='short': expected an Engine"):
        load(path, engine=text)


def test_rewards_that_come_one_by_one_are_all_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "rewards: {short: }")
    more: Any = (reward for reward in (polite,))
    assert [one.name for one in load(path, rewards=more).components] == ["short", "polite"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"device": None}, "device None: expected auto, cpu or cuda:N"),
        ({"device": 0}, "device 0: expected auto, cpu or cuda:N"),
        ({"models": "x"}, "Engine(models='x'): expected a folder or hub id for each role"),
        ({"models": {"encoder": None}}, "expected a folder or hub id for each role"),
        ({"progress": True}, "Engine(progress=True): expected a function of how many texts are done"),
    ],
)
def test_an_engine_that_can_never_work_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        rewards.Engine(**given)


def test_the_folder_of_a_model_may_be_a_path() -> None:
    folders: Any = {"encoder": Path("some", "folder")}
    assert rewards.Engine(models=folders).models == {"encoder": str(Path("some", "folder"))}


def test_settings_may_have_the_shape_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "rewards: {short: {weight: 2, arguments: {least: 3}}}")
    for given in ({"arguments": {"least": 4}}, {"least": 4}, {"least": 4, "arguments": {"least": 5}}, {"weight": 1}):
        (component,) = load(path, settings={"short": given}).components
        assert component.arguments == {"least": 3 if "weight" in given else 4}
    with pytest.raises(ConfigError, match=r"short.arguments set: reward 'short': arguments=\[1\]: expected a mapping"):
        load(path, settings={"short": {"arguments": [1]}})
    with pytest.raises(ConfigError, match=r"no argument 'lest' \(did you mean 'least'\?\)"):
        load(path, settings={"short": {"arguments": {"lest": 1}}})


def test_a_threshold_of_zero_and_one_at_a_bound_are_thresholds(tmp_path: Path) -> None:
    path = written(tmp_path, "rewards: {short: {gate: true, threshold: 0}, whole: {gate: true, threshold: 1}}")
    assert [one.threshold and one.threshold.value for one in load(path).components] == [0.0, 1.0]


def test_rewards_of_one_role_do_not_read_two_models_where_one_was_fitted(tmp_path: Path) -> None:
    other = Model("politeness", {"embedded": Checkpoint(Hub("nobody/else"), "classifier")})
    rude = rewards.reward(level="global", range=(0, 1), name="rude", models=(other,), reads=polite.reads)(
        polite.function
    )
    fitted = Params(tmp_path, "digest")
    for one, another in ((fitted, None), (None, fitted), (fitted, fitted)):
        components = [Component(polite, IN_PROCESS, {}, params=one), Component(rude, IN_PROCESS, {}, params=another)]
        with pytest.raises(ConfigError, match="rewards 'polite' and 'rude' share the model of role 'politeness'"):
            check_models(components)


@pytest.mark.parametrize("weight", ["1e39", "-1e39"])
def test_a_weight_that_no_tensor_of_a_trainer_holds_is_refused(tmp_path: Path, weight: str) -> None:
    with pytest.raises(ConfigError, match="rewards.short.weight: Input should be (less|greater) than or equal to"):
        load(written(tmp_path, f"rewards: {{short: {{weight: {weight}}}}}"))


def test_the_home_folder_is_meant_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "rewards: {short: }")
    for name in ("~/mine.yaml", Path("~/mine.yaml")):
        assert load(name).name == "mine"
    with pytest.raises(ConfigError, match="^~nobody-of-that-name/mine.yaml: nobody of that name has a home folder"):
        load("~nobody-of-that-name/mine.yaml")


def test_rewards_are_given_by_name_or_as_they_are_declared(tmp_path: Path) -> None:
    mine = rewards.reward(level="edit", range=(0, 1), name="short", threshold=0.5)(lambda edits: [1.0 for _ in edits])
    suite = rewards.suite_of([mine, "plain_text"], settings={"short": {"weight": 1, "gate": True}})
    result = suite.score([read_revision(record())])[0]
    assert (result.reward, result.rewards["short"]) == (1.0, 1.0)
    assert suite.describe()["rewards"]["short"]["distribution"] == "this process"
    path = written(tmp_path, "rewards: {short: {weight: 2}}")  # in the place of what a plugin registers so
    assert load(path, rewards=[mine]).components[0].reward is mine
    assert [one.weight for one in load(path, rewards=["short", "whole"]).components] == [2.0, 0.0]  # as the file has it
    with pytest.raises(ConfigError, match="two of the rewards are called 'short'"):
        rewards.suite_of([mine, mine])


def test_models_are_found_from_where_the_file_lies(tmp_path: Path) -> None:
    tiny.modernbert(tmp_path / "models" / "own", ("polite", "rude"))
    (tmp_path / "suites").mkdir()
    path = written(tmp_path / "suites", "models: {politeness: ../models/own}\nrewards: {polite: {weight: 1}}")
    (result,) = load(path).score([read_revision(record())])
    assert result.status == "scored"
    assert load(path).identify()["models"]["politeness"]["digest"]
    named = load(path, engine=rewards.Engine(models={"politeness": "nobody/else"}))
    assert named.engine.models == {"politeness": "nobody/else"}
    written(tmp_path / "suites", "models: {politeness: nobody/nothing}\nrewards: {polite: {weight: 1}}")
    assert load(path).engine.models == {"politeness": "nobody/nothing"}


def test_the_profile_is_the_callers_then_the_files_then_the_engines(tmp_path: Path) -> None:
    full, default = rewards.Engine(profile="full"), rewards.Engine()
    silent = written(tmp_path, "rewards: {short: }")
    assert [load(silent, engine=one).engine.profile for one in (full, default, None)] == [
        "full",
        "embedded",
        "embedded",
    ]
    assert load(silent, engine=full, profile="embedded").engine.profile == "embedded"
    assert suite_of(["short"], engine=full, plugins=registry_of(short)).engine.profile == "full"
    stated = written(tmp_path, "profile: full\nrewards: {short: }")
    assert [load(stated, engine=one).engine.profile for one in (full, default)] == ["full", "full"]
    assert load(stated, profile="embedded").engine.profile == "embedded"
    small = written(tmp_path, "profile: embedded\nrewards: {short: }")
    with pytest.raises(ConfigError, match=f"{small}: its profile is 'embedded', the engine's is 'full'; say which"):
        load(small, engine=full)


def test_aliases_of_yaml_are_read_unless_they_stand_for_more_than_memory_holds(tmp_path: Path) -> None:
    """By merging, which copies, thirty lines are a thousand million values."""
    for rule in ("x: *a{0}, y: *a{0}", "<<: [*a{0}, *a{0}]"):
        lines = ["description: x", "a0: &a0 {x: 1}", *(f"a{n + 1}: &a{n + 1} {{{rule.format(n)}}}" for n in range(30))]
        (tmp_path / "few.yaml").write_text("\n".join(lines[:12]))
        assert read_yaml(tmp_path / "few.yaml")["a1"] in ({"x": {"x": 1}, "y": {"x": 1}}, {"x": 1})
        (tmp_path / "many.yaml").write_text("\n".join(lines))
        with pytest.raises(ConfigError, match="with what its aliases repeat it holds more than 100,000"):
            read_yaml(tmp_path / "many.yaml")
    (tmp_path / "itself.yaml").write_text("description: x\nrewards: &a {b: *a}\n")
    with pytest.raises(ConfigError):
        load_suite(tmp_path / "itself.yaml")


@pytest.mark.parametrize(
    ("read", "given", "said"),
    [
        (parse_settings, ["format.weight=1", "format.weight=2"], "--set format.weight is given twice"),
        (parse_settings, [".weight=1"], "--set '.weight=1': expected NAME.KEY=VALUE, e.g. brevity.factor=0.8"),
        (parse_models, ["encoder=a", "encoder=b"], "--model encoder is given twice"),
        (
            parse_settings,
            ["format.threshold= "],
            "--set 'format.threshold= ': expected NAME.KEY=VALUE, e.g. brevity.factor=0.8",
        ),
        (parse_models, ["encoder="], "--model 'encoder=': expected ROLE=MODEL, e.g. encoder=./my-model"),
    ],
)
def test_what_is_said_twice_or_in_part_is_refused(read: Callable[..., Any], given: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        read(given)


def test_a_suite_is_shown_in_one_line_with_what_gates_and_what_is_paid() -> None:
    def always(edits: list[rewards.Edit]) -> list[float]:
        return [1.0 for _ in edits]

    declared = [
        rewards.reward(level="edit", range=(0, 1), threshold=0.5, name=name)(always) for name in ("one", "two", "three")
    ]
    suite = rewards.suite_of(declared, settings={"one": {"gate": True, "weight": 0.5}, "two": {"weight": 1}})
    assert repr(suite) == "<suite 'custom': one gate 0.5, two 1, three>"
