"""The engine's promises: what a cached feature depends on, whose model a role is, what fails with whom."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rewards.engine import device
from rewards.engine.cache import DiskCache, MemoryCache
from rewards.engine.engine import Engine
from rewards.errors import ConfigError, ModelError, PluginError
from rewards.features import (
    ClassProbabilities,
    Embedding,
    Failure,
    HiddenState,
    Request,
    TokenEmbeddings,
    TokenLogProbs,
)
from rewards.models import keys
from rewards.models.batches import isolate
from rewards.models.catalog import BERTSCORE, ENCODER
from rewards.models.specs import Adapter, Checkpoint, Derived, Hub, Model
from tests import tiny


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("tiny")
    return {name: getattr(tiny, name)(base / name) for name in ("causal", "gemma", "modernbert", "deberta")}


def engine(**options: Any) -> Engine:
    return Engine(**{"dtype": "float32", "device": "cpu", **options})


def role(folder: Path, architecture: Any, name: str = "", **more: Any) -> Model:
    return Model(name or folder.name, {"embedded": Checkpoint(Hub(str(folder)), architecture, **more)})


def head(
    base: Model, compute: Callable[..., Any], reads: Callable[[Any], Any] | None = None, name: str = "judge"
) -> Model:
    """A derived classifier of two labels on the hidden state of the text after one block."""
    checkpoint = base.profiles["embedded"]
    assert isinstance(checkpoint, Checkpoint)
    read = reads or (lambda request: (HiddenState(request.text, base, 1),))
    return Model(name, {"embedded": Derived("tiny head", "0" * 64, ("no", "yes"), read, compute, (checkpoint,))})


def halves(states: Any) -> Any:
    return np.full((len(states), 2), 0.5)


# What a cached feature depends on.


def test_every_setting_that_changes_outputs_is_part_of_the_key(folders: dict[str, Path], tmp_path: Path) -> None:
    plain = role(folders["modernbert"], "classifier", "a", labels=("disfluent", "fluent"))
    others = [
        role(folders["modernbert"], "classifier", "b", labels=("fluent", "disfluent")),
        role(folders["modernbert"], "classifier", "c", labels=("disfluent", "fluent"), multi_label=True),
        role(folders["modernbert"], "classifier", "d", labels=("disfluent", "fluent"), reads_pair=False),
    ]
    for cache in (MemoryCache(), DiskCache(tmp_path)):
        first = ClassProbabilities("x", plain, "y")
        expected = engine(cache=cache).compute([first])[first]
        for model in others:
            request = ClassProbabilities("x", model, "y")
            found = engine(cache=cache).compute([request])[request]
            alone = engine().compute([request])[request]
            np.testing.assert_array_equal(found, alone)
            assert not np.array_equal(found, expected)


def test_start_token_libraries_version_and_limit_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(Hub("x"), "causal-lm")
    adapted = [replace(checkpoint, adapter=Adapter(digest, Path("a"))) for digest in ("1", "2")]
    others: list[dict[str, Any]] = [
        {"start_token": "<s>"}, {"layers": 1}, {"labels": ("a",)}, {"multi_label": True}, {"reads_pair": False},
        {"architecture": "classifier"},
    ]  # fmt: skip

    def prefix(given: Checkpoint = checkpoint, *, dtype: str = "float32", device: str = "cpu") -> tuple[str, ...]:
        return keys.prefix(given, "digest", dtype, device)

    found = {prefix(), keys.prefix(checkpoint, "other", "float32", "cpu"), prefix(dtype="bfloat16")}
    found |= {prefix(device="cuda"), *(prefix(replace(checkpoint, **other)) for other in others), *map(prefix, adapted)}
    assert prefix(replace(adapted[0], adapter=Adapter("1", Path("elsewhere")))) in found
    monkeypatch.setattr(keys, "FEATURES_VERSION", "next")
    found.add(prefix())
    monkeypatch.setattr(keys, "MAX_TOKENS", 7)
    found.add(prefix())
    for library in ("none", "torch", "transformers", "tokenizers"):
        monkeypatch.setattr("importlib.metadata.version", lambda name, new=library: f"{name == new}")
        found.add(prefix())
    assert len(found) == 18
    encoder = Checkpoint(Hub("x"), "sentence-encoder")
    before = prefix(encoder)
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"{name != 'torch'}")
    assert prefix(encoder) != before  # by the library that pools
    elsewhere = replace(checkpoint, source=Hub("y"), query_prompt="not of the model but of the text: ")
    assert prefix(elsewhere) == prefix()


def test_every_parameter_of_a_request_is_part_of_the_key() -> None:
    causal = Model("causal", {"embedded": Checkpoint(Hub("x"), "causal-lm")})
    prompts: dict[str, Any] = {"query_prompt": "query: ", "document_prompt": "text: "}
    encoder = Model("encoder", {"embedded": Checkpoint(Hub("x"), "sentence-encoder", **prompts)})
    plain = Model("plain", {"embedded": Checkpoint(Hub("x"), "sentence-encoder")})
    classifier = Model("classifier", {"embedded": Checkpoint(Hub("x"), "classifier")})
    requests: list[Request] = [
        *(HiddenState("x", causal, layer, skip) for layer in (1, 2) for skip in (0, 1, 2)),
        TokenLogProbs("x", causal),
        Embedding("x", encoder),
        Embedding("x", encoder, "query"),
        Embedding("x", plain),
        TokenEmbeddings("x", plain),
        *(ClassProbabilities(text, classifier, pair) for text in ("x", "y") for pair in (None, "", "x", "y")),
    ]
    found = {keys.identity(engine().spec(request.model), request) for request in requests}  # type: ignore[arg-type]  # no head
    assert len(found) == len(requests)


def test_a_changed_tokenizer_or_pooling_is_another_model(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["gemma"], tmp_path / "gemma"))
    request = Embedding("The cat", role(folder, "sentence-encoder"))
    cache = DiskCache(tmp_path / "cache")
    before = engine(cache=cache).compute([request])[request]
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace('"mean"', '"cls"'))
    after = engine(cache=cache)
    assert not np.array_equal(after.compute([request])[request], before)
    assert after.counts.cached == 0


def test_a_pass_from_the_cache_loads_no_model(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Request] = [
        HiddenState("x", role(folders["causal"], "causal-lm"), 1),
        Embedding("x", role(folders["gemma"], "sentence-encoder")),
        ClassProbabilities("x", role(folders["modernbert"], "classifier"), "y"),
    ]
    first = engine(cache=DiskCache(tmp_path))
    expected = first.compute(requests)

    def fail(*_: Any) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("rewards.engine.engine.load", fail)
    again = engine(cache=DiskCache(tmp_path))
    for request, one in again.compute(requests).items():
        np.testing.assert_array_equal(one, expected[request])
    assert (again.counts.cached, again.counts.computed) == (3, 0)
    assert again.describe() == first.describe()
    assert first.describe()["roles"] == {name: str(folders[name]) for name in ("causal", "gemma", "modernbert")}


def test_texts_are_counted_as_cut_once_for_each_model_cached_or_not(folders: dict[str, Path], tmp_path: Path) -> None:
    model, encoder = role(folders["causal"], "causal-lm"), role(folders["gemma"], "sentence-encoder")
    long, longer = "a" * 1025, "b" * 1026
    requests: list[Request] = [HiddenState(text, model, layer) for text in (long, longer, "short") for layer in (1, 2)]
    requests += [TokenLogProbs(long, model), Embedding(long, encoder), TokenEmbeddings(long, encoder)]
    for cache in (DiskCache(tmp_path), DiskCache(tmp_path), MemoryCache(1)):
        one = engine(cache=cache)
        for _ in range(2):
            one.compute(requests)
            assert one.truncated == 3  # two for the language model, one for the encoder
        assert {m["truncated_texts"] for m in one.describe()["models"].values()} == {1, 2}
    part = engine(cache=DiskCache(tmp_path))
    part.compute([HiddenState(longer, model, 2), HiddenState("short", model, 2)])
    assert (part.truncated, part.counts.cached) == (1, 2)


# Whose model a role is.


def test_models_of_one_role_are_equal_only_with_equal_profiles() -> None:
    one, same = (role(Path("a"), "classifier", "r", labels=("x",)) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != role(Path("b"), "classifier", "r", labels=("x",))
    assert one != role(Path("a"), "classifier", "s", labels=("x",))
    judge = head(one, halves)
    assert judge == head(one, lambda states: states)  # the digest identifies a head, not its functions
    assert judge != Model("judge", {"embedded": replace(judge.profiles["embedded"], digest="1" * 64)})
    profiles: dict[Any, Any] = dict(one.profiles)
    copied = Model("r", profiles)
    profiles.clear()
    assert copied == one


def test_two_models_of_one_role_are_an_error_that_names_both(folders: dict[str, Path]) -> None:
    mine = role(folders["modernbert"], "classifier", "politeness", labels=("disfluent", "fluent"))
    theirs = role(folders["modernbert"], "classifier", "politeness", labels=("fluent", "disfluent"))
    with pytest.raises(ModelError, match=r"role 'politeness'.*\('disfluent', 'fluent'\).*\('fluent', 'disfluent'\)"):
        engine().compute([ClassProbabilities("x", mine), ClassProbabilities("x", theirs)])
    used = engine()
    used.compute([ClassProbabilities("x", mine)])
    with pytest.raises(ModelError, match="two different models claim the role 'politeness'"):
        used.compute([ClassProbabilities("x", theirs)])
    causal = role(folders["causal"], "causal-lm")
    with pytest.raises(ModelError, match=r"the tiny head \(0+, labels no, yes, of tests.test_engine\) for one reward"):
        engine().compute(
            [ClassProbabilities("x", head(causal, halves, name="politeness")), ClassProbabilities("x", mine)]
        )


def test_a_mistyped_role_is_named_with_the_nearest() -> None:
    Engine(models={"encoder": "x"}).check_roles(["encoder", "fluency"])
    with pytest.raises(ConfigError, match=r"role 'encodr', .*did you mean 'encoder'\?.*roles are encoder, fluency"):
        Engine(models={"encodr": "x"}).check_roles(["fluency", "encoder"])
    with pytest.raises(ConfigError, match="role 'encodr', which nothing here reads; the roles are none"):
        Engine(models={"encodr": "x"}).check_roles([])


def test_an_engine_has_one_of_the_profiles() -> None:
    name: Any = "tiny"
    with pytest.raises(ConfigError, match="no profile is called 'tiny'; there are embedded, full"):
        Engine(profile=name)


def test_a_head_is_not_used_on_another_model_than_it_was_fitted_on(folders: dict[str, Path]) -> None:
    causal = role(folders["causal"], "causal-lm", "causal_lm")
    request = ClassProbabilities("x", head(causal, halves, name="fluency"))
    assert not isinstance(engine().compute([request])[request], Failure)
    other = engine(models={"causal_lm": str(folders["gemma"])})
    with pytest.raises(
        ModelError, match=r"the tiny head was fitted on model .*causal'.*Name no model for role 'causal_lm'"
    ):
        other.compute([request])
    # Also where it is the second of those that it reads.
    foreign = role(folders["gemma"], "sentence-encoder", "foreign")
    both = head(causal, halves, lambda one: (HiddenState(one.text, causal, 1), Embedding(one.text, foreign)))
    with pytest.raises(ModelError, match=r"the features of model .*gemma' mean something else.*for role 'foreign'"):
        engine().compute([ClassProbabilities("x", both)])
    # Where a checkpoint can take the head's place, that is said.
    profiles = {**request.model.profiles, "full": Checkpoint(Hub("somebody/classifier"), "classifier")}
    replaceable = ClassProbabilities("x", Model("fluency", profiles))
    other = engine(models={"causal_lm": str(folders["gemma"])})
    with pytest.raises(ModelError, match="Name another model for role 'fluency' instead of 'causal_lm'"):
        other.compute([replaceable])


def test_a_model_named_for_a_role_with_an_adapter_is_a_classifier_of_its_own(folders: dict[str, Path]) -> None:
    """The adapter fits the embedded model only; another one takes its place as the full profile's classifier does."""
    from rewards_appropriateness import DIMENSIONS, PARAMS, classifier

    request = ClassProbabilities("x", classifier(PARAMS, DIMENSIONS), "y")
    one = engine(models={"appropriateness": str(folders["deberta"])})
    assert np.asarray(one.compute([request])[request]).shape == (14,)
    assert list(one.describe()["models"]) == [str(folders["deberta"].resolve())]


# What fails with whom.


def test_a_head_that_raises_fails_its_own_requests_only(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    causal = role(folders["causal"], "causal-lm")

    def reads(request: ClassProbabilities) -> Any:
        if request.text == "unreadable":
            raise KeyError("no such thing")
        return (HiddenState(request.text, causal, 1),)

    bad = engine().compute([HiddenState("bad", causal, 1)])[HiddenState("bad", causal, 1)]

    def compute(states: Any) -> Any:
        if any(np.allclose(state, bad, atol=1e-5) for state in states):
            raise ZeroDivisionError("of a bad state")
        return halves(states)

    model = head(causal, compute, reads)
    requests = {text: ClassProbabilities(text, model) for text in ("good", "bad", "fine", "unreadable", "well")}
    one = engine()
    with caplog.at_level(logging.ERROR, "rewards.engine"):
        found = one.compute(requests.values())
    failed = {text: f.reason for text, request in requests.items() if isinstance(f := found[request], Failure)}
    assert set(failed) == {"bad", "unreadable"}
    assert failed["bad"] == "the tiny head failed: ZeroDivisionError: of a bad state"
    assert "`reads` of the tiny head failed: KeyError: 'no such thing'" in failed["unreadable"]
    assert len(caplog.records) == 2  # once each, with a traceback
    assert all(record.exc_info for record in caplog.records)
    assert one.counts.failed == 2


def test_a_head_gets_what_there_is_per_token_as_a_list_and_may_read_one_feature(folders: dict[str, Path]) -> None:
    causal, seen = role(folders["causal"], "causal-lm"), []

    def compute(logprobs: Any) -> Any:
        seen.append((type(logprobs), len(logprobs)))
        return halves(logprobs)

    model = head(causal, compute, lambda request: TokenLogProbs(request.text, causal))
    for texts in (("one",), ("one", "another text of more tokens")):
        requests = [ClassProbabilities(text, model) for text in texts]
        found = engine().compute(requests)
        assert not [found[request] for request in requests if isinstance(found[request], Failure)]
    assert seen == [(list, 1), (list, 2)]


def test_a_head_of_the_wrong_shape_is_a_failure(folders: dict[str, Path]) -> None:
    model = head(role(folders["causal"], "causal-lm"), lambda states: states[:, :3])
    request = ClassProbabilities("x", model)
    found = engine().compute([request])[request]
    assert isinstance(found, Failure)
    assert "expected (1, 2)" in found.reason


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(np.nan, "NaN or infinite"), (np.inf, "NaN or"), (7.0, "gave 0.5 to 7;"), (-0.1, "gave -0.1 to 0.5;")],
)
def test_a_head_that_gives_no_probabilities_fails_the_texts_at_fault(
    folders: dict[str, Path], wrong: float, reason: str
) -> None:
    causal = role(folders["causal"], "causal-lm")
    bad = engine().compute([HiddenState("bad", causal, 1)])[HiddenState("bad", causal, 1)]

    def compute(states: Any) -> Any:
        found = halves(states)
        found[[np.allclose(state, bad, atol=1e-5) for state in states], 1] = wrong
        return found

    model = head(causal, compute)
    requests = [ClassProbabilities(text, model) for text in ("good", "bad", "fine")]
    one = engine()
    found = one.compute(requests)
    failed = [f.reason for request in requests if isinstance(f := found[request], Failure)]
    assert len(failed) == one.counts.failed == 1
    assert isinstance(found[requests[1]], Failure)
    assert reason in failed[0]


def test_a_head_may_round(folders: dict[str, Path]) -> None:
    model = head(role(folders["causal"], "causal-lm"), lambda states: np.array([[-0.00005, 1.00005]] * len(states)))
    request = ClassProbabilities("x", model)
    assert not isinstance(engine().compute([request])[request], Failure)


@pytest.mark.parametrize("texts", [("bad",), ("bad", "good")])
def test_a_head_fails_for_what_it_reads_as_that_does(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, texts: tuple[str, ...]
) -> None:
    from rewards.models.causal_lm import CausalLM

    forward = CausalLM._forward

    def raising(self: CausalLM, depth: int, rows: list[Any]) -> Any:
        if any("bad" in self.tokenizer.decode(row.tokens).replace(" ", "") for row in rows):
            raise RuntimeError("shapes do not match")
        return forward(self, depth, rows)

    monkeypatch.setattr(CausalLM, "_forward", raising)
    causal = role(folders["causal"], "causal-lm")
    one = engine()
    found = one.compute([ClassProbabilities(text, head(causal, halves)) for text in texts])
    (failure,) = [feature for feature in found.values() if isinstance(feature, Failure)]
    assert failure.reason.endswith("causal' failed: RuntimeError: shapes do not match")
    assert one.counts.failed == 1


def test_a_forward_that_raises_fails_the_texts_at_fault_only(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rewards.models.causal_lm import CausalLM

    causal = role(folders["causal"], "causal-lm")
    forward = CausalLM._forward

    def raising(self: CausalLM, depth: int, rows: list[Any]) -> Any:
        if any("b" * 20 in self.tokenizer.decode(row.tokens).replace(" ", "") for row in rows):
            raise RuntimeError("shapes do not match")
        return forward(self, depth, rows)

    monkeypatch.setattr(CausalLM, "_forward", raising)
    texts = ["aaaaaaaaaaaa", "aaaaaa" + "b" * 20, "aaaaaac", "zz", *(f"{n} and more" for n in range(20))]
    one = engine()
    with caplog.at_level(logging.ERROR, "rewards.engine"):
        found = one.compute([HiddenState(text, causal, 1) for text in texts])
    failed = [request.text for request, feature in found.items() if isinstance(feature, Failure)]
    assert failed == [texts[1]]  # alone, though it shares a row with two others
    (reason,) = (feature.reason for feature in found.values() if isinstance(feature, Failure))
    assert reason.endswith("failed: RuntimeError: shapes do not match")
    assert len(caplog.records) == 1
    assert one.counts.failed == 1


def test_a_text_that_the_tokenizer_refuses_fails_alone(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.models.encoder import Encoder

    tokenize = Encoder._tokenize

    def raising(self: Encoder, texts: list[str]) -> Any:
        if "\ud800" in texts:
            raise TypeError("not a text")
        return tokenize(self, texts)

    monkeypatch.setattr(Encoder, "_tokenize", raising)
    encoder = role(folders["gemma"], "sentence-encoder")
    found = engine().compute([Embedding(text, encoder) for text in ("a", "\ud800", "b", "c")])
    assert [request.text for request, one in found.items() if isinstance(one, Failure)] == ["\ud800"]


def test_a_model_error_still_ends_the_pass(folders: dict[str, Path]) -> None:
    causal = role(folders["causal"], "causal-lm")
    with pytest.raises(ModelError, match="layer 9 was asked for"):
        engine().compute([HiddenState("x", causal, 1), HiddenState("x", causal, 9)])
    with pytest.raises(ModelError, match="is a causal language model: it gives no Embedding"):
        engine().compute([Embedding("x", causal)])
    with pytest.raises(ModelError, match="tiny head is a classifier: it gives no Embedding"):
        engine().compute([Embedding("x", head(causal, halves))])


def test_what_is_no_request_is_named(folders: dict[str, Path]) -> None:
    causal = role(folders["causal"], "causal-lm")
    wrong: list[tuple[Any, str]] = [
        ("a text", "expected requests of rewards.features, got str 'a text'"),
        (None, "got NoneType None"),
        (Embedding(None, causal), "Embedding of a NoneType"),
        (ClassProbabilities("x", causal, 3), "ClassProbabilities of a int"),
        (Embedding("x", "encoder"), "Embedding names 'encoder' as its model"),
        (Embedding("x", causal, "qeury"), "Embedding has the role 'qeury'; expected 'query' or 'document'"),
        (HiddenState("x", causal, "12"), "HiddenState of layer '12': layers are numbers from 1"),
        (HiddenState("x", causal, None), "HiddenState of layer None"),
        (HiddenState("x", causal, 0), "HiddenState of layer 0"),
        (HiddenState("x", causal, 1, skip=-1), "HiddenState skips -1; expected a number of tokens, 0 or more"),
        (HiddenState("x", causal, 1, skip="a"), "HiddenState skips 'a'"),
    ]
    for one, message in wrong:
        with pytest.raises(PluginError, match=message):
            engine().compute([HiddenState("x", causal, 1), one])


def test_a_head_that_asks_for_what_is_no_request_fails_for_that_text_alone(folders: dict[str, Path]) -> None:
    causal = role(folders["causal"], "causal-lm")
    model = head(causal, halves, lambda one: (3 if one.text == "bad" else HiddenState(one.text, causal, 1),))
    bad, good = (ClassProbabilities(text, model) for text in ("bad", "good"))
    found = engine().compute([bad, good])
    assert isinstance(failure := found[bad], Failure)
    assert failure.reason.startswith("`reads` of the tiny head: expected requests of rewards.features, got int 3")
    assert not isinstance(found[good], Failure)


@pytest.mark.parametrize("disk", [False, True])
def test_nobody_changes_a_fresh_feature_that_another_reads(
    folders: dict[str, Path], tmp_path: Path, disk: bool
) -> None:
    causal = role(folders["causal"], "causal-lm")
    chosen = Engine(cache=DiskCache(tmp_path) if disk else MemoryCache())
    found = chosen.compute([TokenLogProbs("one two", causal), HiddenState("one two", causal, 1)])
    for one in found.values():
        with pytest.raises(ValueError, match="read-only"):
            one *= 2  # type: ignore[operator,assignment]  # a Failure is none here


def test_threads_take_turns(folders: dict[str, Path]) -> None:
    causal = role(folders["causal"], "causal-lm")
    one = engine(cache=MemoryCache(2000))
    busy, most = [0], [0]
    lock = threading.Lock()

    def progress(_: int) -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        threading.Event().wait(0.01)
        with lock:
            busy[0] -= 1

    one.progress = progress
    sets = [[HiddenState(f"text {i} {j}", causal, 1) for j in range(5)] for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one.compute, sets))
    for requests, features in zip(sets, found, strict=True):
        alone = engine().compute(requests)
        for request in requests:
            np.testing.assert_allclose(features[request], alone[request], atol=2e-6)
    assert most[0] == 1
    assert one.counts.computed == 30


def test_a_budget_that_is_changed_counts_from_then_on(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.models.encoder import Encoder

    sizes: list[int] = []
    forward = Encoder._forward

    def watching(self: Encoder, encoded: list[list[int]], with_tokens: bool) -> Any:
        sizes.append(len(encoded))
        return forward(self, encoded, with_tokens)

    monkeypatch.setattr(Encoder, "_forward", watching)
    one, encoder = engine(), role(folders["gemma"], "sentence-encoder")
    for budget in (0, 1):
        one.token_budget = budget
        replace(one, profile="embedded").compute([Embedding(f"{budget} {n}", encoder) for n in range(3)])
    assert sizes == [3, 1, 1, 1]
    assert len(one._loaded) == 1  # a view shares what is loaded
    assert (one.counts.computed, one.truncated) == (0, 0)  # and counts for itself


def test_views_of_one_engine_may_mean_other_models_by_one_role(folders: dict[str, Path]) -> None:
    shared = engine()
    first, second = (role(folders[name], "classifier", "critic") for name in ("modernbert", "deberta"))
    for model in (first, second):
        replace(shared).compute([ClassProbabilities("x", model)])
    one = replace(shared)
    one.compute([ClassProbabilities("x", first)])
    with pytest.raises(ModelError, match="two different models claim the role 'critic'"):
        one.compute([ClassProbabilities("x", second)])
    assert [Path(name).name for name in one.describe()["models"]] == ["modernbert"]


def test_a_precision_that_is_set_later_is_the_one_that_computes(folders: dict[str, Path]) -> None:
    one, model = engine(), role(folders["causal"], "causal-lm")
    request = HiddenState("x", model, 1)
    before = one.compute([request])[request]
    one.dtype = "bfloat16"
    assert not np.array_equal(one.compute([request])[request], before)
    assert {used["dtype"] for used in one.identify([model]).values()} == {"bfloat16"}
    with pytest.raises(ConfigError, match=r"no dtype is called 'bfloat' \(did you mean 'bfloat16'\?\)"):
        replace(one, dtype="bfloat")  # type: ignore[arg-type]  # the mistake


# Devices.


def test_the_precision_chosen_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (True, False):
        monkeypatch.setattr(device, "_gpu_has_bfloat16", lambda _, has=has: has)
        monkeypatch.setattr(device, "_cpu_gains_from_bfloat16", lambda has=has: has)
        fast = "bfloat16" if has else "float32"
        for where in ("cpu", "cuda:0"):
            assert device.pick_dtype("auto", where, "sentence-encoder") == "float32"
            assert device.pick_dtype("auto", where, "causal-lm") == fast
            assert device.pick_dtype("auto", where, "classifier") == fast
            assert device.pick_dtype("float16", where, "causal-lm", embedded=True) == "float16"
        assert device.pick_dtype("auto", "cuda:0", "causal-lm", embedded=True) == "float32"
        assert device.pick_dtype("auto", "cpu", "causal-lm", embedded=True) == fast


@pytest.mark.parametrize(
    ("instructions", "gains"),
    [
        (("avx512_f", "avx512_bf16", "amx_bf16"), True),
        (("avx512_f", "avx512_bf16", "sse4a"), True),
        (("avx512_f", "avx512_bf16"), False),  # Intel's without AMX: half as fast as float32
        (("avx512_f", "sse4a"), False),
    ],
)
def test_a_processor_computes_in_bfloat16_only_where_that_is_faster(
    instructions: tuple[str, ...], gains: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True), raising=False)
    assert device.pick_dtype("auto", "cpu", "causal-lm") == ("bfloat16" if gains else "float32")


def test_a_script_that_allows_tf32_does_not_change_scores(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.models.encoder import Encoder

    everything: Any = torch.backends
    backends: list[Any] = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]

    def precisions() -> list[str]:
        return [one.fp32_precision for one in backends]

    seen: list[list[str]] = []
    forward = Encoder._forward

    def watching(self: Encoder, *arguments: Any) -> Any:
        seen.append(precisions())
        return forward(self, *arguments)

    monkeypatch.setattr(Encoder, "_forward", watching)
    before = precisions()
    engine().compute([Embedding("y", role(folders["gemma"], "sentence-encoder"))])
    assert precisions() == before  # so that what is set for all later still counts
    everything.fp32_precision = "tf32"  # as transformers sets it for `tf32=True`
    try:
        engine().compute([Embedding("x", role(folders["gemma"], "sentence-encoder"))])
        assert precisions() == ["tf32", "tf32"]
    finally:
        for one in (everything, *backends):
            one.fp32_precision = "none"
    assert seen == [["ieee", "ieee"]] * 2


def test_threads_that_compute_at_once_leave_the_precision_of_the_process_alone() -> None:
    from rewards.engine.device import own_precision

    matmul: Any = torch.backends.mkldnn.matmul
    matmul.fp32_precision = "tf32"
    try:
        first, second = own_precision("cpu"), own_precision("cpu")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert matmul.fp32_precision == "ieee"  # the other one still computes
        second.__exit__(None, None, None)
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = "none"


def test_numbers_that_are_none_are_a_failure_and_not_remembered(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folders["gemma"], tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    save_file(
        {name: value * float("nan") for name, value in weights.items()}, broken / "model.safetensors", {"format": "pt"}
    )
    request = TokenEmbeddings("Cats are fine.", role(broken, "sentence-encoder"))
    one = engine()
    for _ in range(2):
        found = one.compute([request])[request]
        assert isinstance(found, Failure)
        assert "gave NaN or infinite numbers" in found.reason
    assert one.counts.cached == 0


def test_a_device_that_fails_ends_the_run_instead_of_failing_every_text() -> None:
    def work(part: list[int]) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    with pytest.raises(ModelError, match=r"m: the device failed.*device-side assert.*--resume"):
        isolate([[1, 2, 3]], work, lambda *_: None, "m")


def test_a_script_under_autocast_does_not_change_scores(folders: dict[str, Path]) -> None:
    request = Embedding("Cats are fine, and so are dogs.", role(folders["gemma"], "sentence-encoder"))
    alone = engine().compute([request])[request]
    with torch.autocast("cpu", torch.bfloat16):
        under = engine().compute([request])[request]
        assert torch.is_autocast_enabled("cpu")
    assert np.array_equal(alone, under)  # type: ignore[arg-type]  # no Failure


def test_the_hub_is_asked_for_a_model_once_whatever_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def fetched(name: str, **_: Any) -> str:
        asked.append(name)
        return str(tmp_path)

    (tmp_path / "model.safetensors").touch()
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    one = engine(models={"encoder": "owner/name", "bertscore": "owner/name"})
    found = one.identify([ENCODER, ENCODER, BERTSCORE])
    assert asked == ["owner/name"]
    assert found["encoder"] == found["bertscore"]
