"""The embedded models for real: the default suite on the examples, as users run it first."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import rewards
from rewards.records import read_revision
from tests.conftest import ROOT, command, read_lines

pytestmark = [pytest.mark.models, pytest.mark.usefixtures("embedded_models")]
EXAMPLES = ROOT / "rewards" / "examples.jsonl"
TOLERANCE = 1e-3  # what docs/data.md states


@pytest.fixture(scope="module")
def revisions() -> list[rewards.Revision]:
    return [read_revision(record) for record in read_lines(EXAMPLES)]


def numbers(results: list[rewards.Result]) -> dict[Any, float]:
    """Every score, by revision, edit or sentence, and reward."""
    found: dict[Any, float] = {}
    for result in results:
        identifier = result.revision.id
        found |= {(identifier, name): value for name, value in result.rewards.items() if value is not None}
        for index, scores in enumerate(result.edits):
            found |= {(identifier, index, name): one.value for name, one in scores.items() if one.value is not None}
    return found


def test_scores_do_not_depend_on_batch_size_or_order(revisions: list[rewards.Revision]) -> None:
    suite = rewards.load_suite("default", engine=rewards.Engine(dtype="float32"))
    some = revisions[::-4]
    whole = numbers(suite.score(some[::-1]))
    assert len(whole) > 200
    suite.engine.cache.clear()
    suite.engine.token_budget = 1
    alone: dict[Any, float] = {}
    for revision in some[::2]:
        alone |= numbers(suite.score([revision]))
        suite.engine.cache.clear()
    # Totals of records whose gates decide within the tolerance could differ; here none does.
    assert alone
    assert max(abs(whole[key] - value) for key, value in alone.items()) < TOLERANCE


def test_the_first_example_of_the_readme_is_what_it_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = next(one for one in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "suite.score(" in one)
    told: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), told)  # noqa: S102  (our own page)
    result: rewards.Result = told["result"]
    assert result.accepted == (0, 1)
    assert result.after_accepted == result.after_all
    chance = result.details["appropriateness"]
    stated = (result.reward, chance["before"]["Inappropriateness"], chance["after"]["Inappropriateness"])
    pattern = r"0\.(\d\d): both edits are accepted, and .* falls\s+from \.(\d\d) to \.(\d\d)"
    said = re.findall(pattern, readme)
    assert len(said) == 2
    for numbers_ in said:
        assert [int(number) / 100 for number in numbers_] == pytest.approx(stated, abs=0.006)


def test_edits_that_help_earn_more_than_bad_ones_and_than_nothing(revisions: list[rewards.Revision]) -> None:
    chosen = [revision for revision in revisions if str(revision.id).startswith("nuclear-json")]
    results = {str(one.revision.id): one for one in rewards.load_suite("default").score(chosen)}
    helps, bad = results["nuclear-json-middling"], results["nuclear-json-bad"]
    assert helps.reward is not None
    assert bad.reward is not None
    assert (helps.rewards["appropriateness_gain"] or 0.0) > 0.2
    assert helps.reward > 0.15 > 0.05 > bad.reward
    # Careful edits that the gates turn down but for one, which changes nothing for the better: no better than none.
    turned_down = results["nuclear-json-good"]
    assert len(turned_down.accepted) == 1
    assert turned_down.reward == pytest.approx(0.0, abs=0.06)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The examples as the command scores them, and what it says meanwhile."""
    out = tmp_path_factory.mktemp("scored") / "out.jsonl"
    done = command("score", EXAMPLES, "-o", out)
    assert done.returncode == 0, done.stderr
    return out, done.stderr


def test_the_command_scores_the_examples_and_says_with_what(scored: tuple[Path, bytes]) -> None:
    out, said = scored
    records = read_lines(out)
    assert len(records) == len(read_lines(EXAMPLES))
    assert all(-1 <= record["reward"] <= 1 for record in records)
    dimensions = records[0]["details"]["appropriateness"]
    assert len(dimensions["before"]) == len(dimensions["after"]) == 14
    header = json.loads(Path(f"{out}.meta.json").read_text())
    assert {one["dtype"] for one in header["models"].values()} <= {"float32", "bfloat16"}
    assert {name.split(" with adapter ")[0] for name in header["models"]} == {
        "smollm2-135m-instruct",
        "all-minilm-l6-v2",
    }
    assert len(header["models"]) == 3  # two adapters on one model
    assert all(len(one["digest"]) == 16 for one in header["models"].values())
    assert header["features"]["computed"] < header["features"]["requested"]
    assert b"Loading" not in said  # the libraries' own progress bars stay away


def test_a_reward_with_a_model_is_appended_and_leaves_the_rest(scored: tuple[Path, bytes], tmp_path: Path) -> None:
    source, out = scored[0], tmp_path / "out.jsonl"
    done = command("score", source, "--append", "--reward", "bertscore", "-o", out)
    assert done.returncode == 0, done.stderr
    for old, new in zip(read_lines(source), read_lines(out), strict=True):
        assert 0 < new["rewards"].pop("bertscore") <= 1
        assert new == old
