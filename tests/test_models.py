"""Backends on tiny models of the full profile's architectures, beside what the libraries compute one text at a time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewards.engine.cache import DiskCache
from rewards.engine.engine import Engine
from rewards.errors import ConfigError, ModelError
from rewards.features import (
    ClassProbabilities,
    Embedding,
    Failure,
    HiddenState,
    Request,
    TokenEmbeddings,
    TokenLogProbs,
)
from rewards.models.specs import Checkpoint, Hub, Model
from tests import tiny

TEXTS = [
    "The cat sat on the mat.", "The cat sat on the mats!", "The cat sat on the mat, and it purred.", "", "x",
    "The cat sat", "Dogs bark; cats do not.", "Dogs bark; cats do not care.", "a" * 60,
]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("tiny")
    return {name: getattr(tiny, name)(base / name) for name in ("causal", "gemma", "modernbert", "deberta")}


def role(folder: Path, architecture: Any, **more: Any) -> Model:
    return Model("tested", {"embedded": Checkpoint(Hub(str(folder)), architecture, **more)})


def compute(requests: list[Request], **options: Any) -> list[np.ndarray]:
    features = Engine(dtype="float32", device="cpu", **options).compute(requests)
    found = [features[request] for request in requests]
    assert not any(isinstance(one, Failure) for one in found), found
    return found


def test_hidden_states_are_those_of_the_text_alone(folders: dict[str, Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = role(folders["causal"], "causal-lm")
    found = compute([HiddenState(text, model, layer) for layer in (1, 2) for text in TEXTS])
    plain = AutoModelForCausalLM.from_pretrained(folders["causal"])
    tokens = AutoTokenizer.from_pretrained(folders["causal"])
    for index, text in enumerate(TEXTS):
        for layer in (1, 2):
            expected = np.zeros(32, np.float32)
            if text:
                inputs = tokens(text, return_tensors="pt", add_special_tokens=False)
                with torch.inference_mode():
                    hidden = plain(input_ids=inputs["input_ids"], output_hidden_states=True).hidden_states[layer]
                expected = hidden[0].mean(0).numpy()
            np.testing.assert_allclose(found[(layer - 1) * len(TEXTS) + index], expected, atol=2e-6)


def test_log_probabilities_are_those_of_the_text_alone(folders: dict[str, Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = compute([TokenLogProbs(text, role(folders["causal"], "causal-lm")) for text in TEXTS])
    plain = AutoModelForCausalLM.from_pretrained(folders["causal"])
    tokens = AutoTokenizer.from_pretrained(folders["causal"])
    for text, one in zip(TEXTS, found, strict=True):
        ids = torch.tensor([[1, *tokens(text, add_special_tokens=False)["input_ids"]]])
        with torch.inference_mode():
            logs = torch.log_softmax(plain(input_ids=ids).logits[0], -1)
        expected = logs[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy()
        assert one.shape == (len(text),)
        np.testing.assert_allclose(one, expected, atol=1e-5)


def test_embeddings_are_those_of_sentence_transformers_with_the_prompts(folders: dict[str, Path]) -> None:
    from sentence_transformers import SentenceTransformer

    model = role(folders["gemma"], "sentence-encoder", query_prompt="query: ", document_prompt="text: ")
    requests: list[Request] = [Embedding(text, model, "query") for text in TEXTS]
    requests += [Embedding(text, model) for text in TEXTS]
    plain = SentenceTransformer(str(folders["gemma"]), device="cpu")
    expected = [plain.encode(f"query: {text}", normalize_embeddings=True) for text in TEXTS]
    expected += [plain.encode(f"text: {text}", normalize_embeddings=True) for text in TEXTS]
    for one, other in zip(compute(requests), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_token_embeddings_leave_special_tokens_out(folders: dict[str, Path]) -> None:
    model = role(folders["gemma"], "sentence-encoder")
    for text, one in zip(TEXTS, compute([TokenEmbeddings(text, model) for text in TEXTS]), strict=True):
        assert one.shape[0] == len(text)
        np.testing.assert_allclose(np.linalg.norm(one, axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", ["modernbert", "deberta"])
def test_class_probabilities_are_those_of_transformers(folders: dict[str, Path], name: str) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    several = name == "deberta"
    model = role(folders[name], "classifier", multi_label=several, reads_pair=not several)
    pairs = [(text, other) for text in TEXTS[:4] for other in TEXTS[:2]]
    found = compute([ClassProbabilities(text, model, other) for text, other in pairs])
    plain = AutoModelForSequenceClassification.from_pretrained(folders[name]).eval()
    tokens = AutoTokenizer.from_pretrained(folders[name])
    for (text, other), one in zip(pairs, found, strict=True):
        inputs = tokens(text, None if several else other, return_tensors="pt", truncation=True, max_length=64)
        with torch.inference_mode():
            logits = plain(**inputs).logits[0]
        expected = torch.sigmoid(logits) if several else torch.softmax(logits, -1)
        np.testing.assert_allclose(one, expected.numpy(), atol=2e-6)


def test_labels_are_put_in_the_order_asked_for(folders: dict[str, Path]) -> None:
    requests = [ClassProbabilities("x", role(folders["modernbert"], "classifier", labels=labels), "y")
                for labels in (("disfluent", "fluent"), ("fluent", "disfluent"))]  # fmt: skip
    first, second = (compute([request])[0] for request in requests)
    np.testing.assert_allclose(first, second[::-1], atol=1e-7)
    with pytest.raises(ModelError, match="has the labels"):
        compute([ClassProbabilities("x", role(folders["modernbert"], "classifier", labels=("good", "bad")))])


def test_scores_do_not_depend_on_batch_size_or_order(folders: dict[str, Path]) -> None:
    models = {
        HiddenState: role(folders["causal"], "causal-lm"),
        Embedding: role(folders["gemma"], "sentence-encoder"),
        ClassProbabilities: role(folders["modernbert"], "classifier"),
    }
    requests: list[Request] = [HiddenState(text, models[HiddenState], 2) for text in TEXTS]
    requests += [Embedding(text, models[Embedding]) for text in TEXTS]
    requests += [ClassProbabilities(text, models[ClassProbabilities], "The dog.") for text in TEXTS]
    whole = dict(zip(requests, compute(requests), strict=True))
    for budget in (1, 70):
        for order in (requests, requests[::-1]):
            for request, one in zip(order, compute(order, token_budget=budget), strict=True):
                np.testing.assert_allclose(one, whole[request], atol=2e-6)


def test_each_distinct_text_is_computed_once_and_found_again_on_disk(folders: dict[str, Path], tmp_path: Path) -> None:
    model = role(folders["gemma"], "sentence-encoder")
    requests: list[Request] = [Embedding(text, model, which) for text in TEXTS for which in ("query", "document")] * 3
    engine = Engine(dtype="float32", device="cpu", cache=DiskCache(tmp_path))
    first = engine.compute(requests)
    # Without prompts, query and document are one text.
    assert (engine.counts.requested, engine.counts.distinct, engine.counts.computed) == (54, 9, 9)
    again = Engine(dtype="float32", device="cpu", cache=DiskCache(tmp_path))
    for request, one in again.compute(requests).items():
        np.testing.assert_array_equal(one, first[request])
    assert (again.counts.cached, again.counts.computed) == (9, 0)
    other = Engine(dtype="bfloat16", device="cpu", cache=DiskCache(tmp_path))
    other.compute(requests[:1])
    assert other.counts.cached == 0  # another precision is another feature


def test_long_texts_are_cut_and_counted(folders: dict[str, Path]) -> None:
    engine = Engine(dtype="float32", device="cpu")
    encoder, model = role(folders["gemma"], "sentence-encoder"), role(folders["causal"], "causal-lm")
    classifier = role(folders["modernbert"], "classifier")
    engine.compute([Embedding("a" * 65, encoder), Embedding("a" * 62, encoder), HiddenState("a" * 1025, model, 1)])
    engine.compute([ClassProbabilities("a" * 100, classifier, "b" * 100), HiddenState("a" * 1024, model, 1)])
    assert engine.truncated == 3


def test_out_of_memory_halves_the_batch_and_the_scores_are_the_same(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.models.causal_lm import CausalLM

    model = role(folders["causal"], "causal-lm")
    requests: list[Request] = [HiddenState(text, model, 2) for text in TEXTS]
    expected = compute(requests)
    forward = CausalLM._forward

    def tight(self: CausalLM, depth: int, rows: list[Any], sequences: Any) -> Any:
        if len(rows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, depth, rows, sequences)

    monkeypatch.setattr(CausalLM, "_forward", tight)
    for one, other in zip(compute(requests), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_text_too_large_for_memory_fails_alone(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from rewards.models.encoder import Encoder

    model = role(folders["gemma"], "sentence-encoder")
    forward = Encoder._forward

    def tight(self: Encoder, encoded: list[list[int]]) -> Any:
        if any(len(ids) > 50 for ids in encoded):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, encoded)

    monkeypatch.setattr(Encoder, "_forward", tight)
    engine = Engine(dtype="float32", device="cpu")
    found = engine.compute([Embedding(text, model) for text in TEXTS])
    failed = [request.text for request, one in found.items() if isinstance(one, Failure)]
    assert failed == ["a" * 60]
    assert engine.counts.failed == 1


def test_a_base_model_is_no_classifier(folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="not a fine-tuned classifier"):
        compute([ClassProbabilities("x", role(folders["causal"], "classifier"))])


def test_pickled_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["causal"], tmp_path / "pickled"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        compute([HiddenState("x", role(folder, "causal-lm"), 1)])


def test_a_layer_that_is_not_there_is_named(folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="has 3 layers; layer 4 was asked for"):
        compute([HiddenState("x", role(folders["causal"], "causal-lm"), 4)])


def test_a_user_puts_another_model_in_the_place_of_a_role(folders: dict[str, Path]) -> None:
    model = Model("tested", {"full": Checkpoint(Hub("nobody/nothing"), "causal-lm")})
    request = HiddenState("x", model, 1)
    (expected,) = compute([HiddenState("x", role(folders["causal"], "causal-lm"), 1)])
    engine = Engine(profile="full", dtype="float32", device="cpu", models={"tested": str(folders["causal"])})
    np.testing.assert_array_equal(engine.compute([request])[request], expected)
    described = engine.describe()["models"]
    assert list(described) == [str(folders["causal"])]
    assert described[str(folders["causal"])]["dtype"] == "float32"


def test_a_role_without_a_model_in_the_profile_says_how_to_name_one(folders: dict[str, Path]) -> None:
    model = replace(role(folders["causal"], "causal-lm"), role="politeness")
    with pytest.raises(ModelError, match="--model politeness=FOLDER_OR_HUB_ID"):
        Engine(profile="full").compute([HiddenState("x", model, 1)])


def test_devices_that_are_not_there() -> None:
    for device, message in (("cuda:99", "CUDA device"), ("gpu", "expected auto, cpu or cuda:N")):
        with pytest.raises(ConfigError, match=message):
            Engine(device=device).compute(
                [HiddenState("x", Model("m", {"embedded": Checkpoint(Hub("."), "causal-lm")}), 1)]
            )


def test_the_full_profile_end_to_end(folders: dict[str, Path], tmp_path: Path) -> None:
    """The suite `default` on models of the full profile's architectures, named on the command line."""
    import json

    from tests.conftest import command, read_lines, record, write_lines

    source, out = write_lines(tmp_path / "in.jsonl", record("a"), record("b")), tmp_path / "out.jsonl"
    chosen = {"encoder": "gemma", "fluency": "modernbert", "appropriateness": "deberta"}
    models = [part for name, folder in chosen.items() for part in ("--model", f"{name}={folders[folder]}")]
    done = command("score", source, "-o", out, "--profile", "full", *models)
    assert done.returncode == 0, done.stderr
    for one in read_lines(out):
        assert one["status"] == "scored"
        assert set(one["edits"][0]["scores"]) == {"semantic_similarity", "fluency", "pattern_conformity"}
        assert len(one["details"]["appropriateness"]["after"]) == 14
    header = json.loads(Path(f"{out}.meta.json").read_text())
    assert header["profile"] == "full"
    assert len(header["models"]) == 3
    assert header["rewards"]["semantic_similarity"]["threshold"] == pytest.approx(0.61444704)


def test_the_full_profile_says_what_is_not_published(tmp_path: Path) -> None:
    from tests.conftest import command, record, write_lines

    source = write_lines(tmp_path / "in.jsonl", record())
    done = command("score", source, "--profile", "full", "--reward", "fluency")
    assert done.returncode == 2
    assert b"--model fluency=FOLDER" in done.stderr
