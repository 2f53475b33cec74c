"""Backends on tiny models of the full profile's architectures, beside what the libraries compute one text at a time."""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rewards.engine import device, roles
from rewards.engine.cache import DiskCache
from rewards.engine.device import pick_device
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
from rewards.models.backend import Placement, load
from rewards.models.catalog import CAUSAL_LM, EMBEDDED_CAUSAL_LM, ENCODER, MPNET
from rewards.models.specs import Checkpoint, Hub, Model, describe
from tests import tiny

TEXTS = [
    "The cat sat on the mat.", "The cat sat on the mats!", "The cat sat on the mat, and it purred.", "", "x",
    "The cat sat", "Dogs bark; cats do not.", "Dogs bark; cats do not care.", "a" * 60,
]  # fmt: skip
ASKED: dict[str, Any] = {
    "causal-lm": TokenLogProbs,
    "sentence-encoder": Embedding,
    "classifier": ClassProbabilities,
}
"""One feature of each architecture."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("tiny")
    return {name: getattr(tiny, name)(base / name) for name in ("causal", "gemma", "modernbert", "deberta")}


def role(folder: Path, architecture: Any, **more: Any) -> Model:
    return Model(f"tested {folder.name}", {"embedded": Checkpoint(Hub(str(folder)), architecture, **more)})


def compute(requests: list[Request], **options: Any) -> list[np.ndarray]:
    told: list[logging.LogRecord] = []
    log = logging.getLogger("rewards.engine")
    log.addFilter(listen := lambda record: told.append(record) is None)
    try:
        features = Engine(dtype="float32", device="cpu", **options).compute(requests)
    finally:
        log.removeFilter(listen)
    found = [features[request] for request in requests]
    assert not any(isinstance(one, Failure) for one in found), found
    # A batch that fails is taken apart, which hides what is wrong.
    assert not told, [record.getMessage() for record in told]
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


def test_skipped_tokens_are_left_out_of_the_mean(folders: dict[str, Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = compute([HiddenState(text, role(folders["causal"], "causal-lm"), 2, skip=1) for text in TEXTS])
    plain = AutoModelForCausalLM.from_pretrained(folders["causal"])
    tokens = AutoTokenizer.from_pretrained(folders["causal"])
    for text, one in zip(TEXTS, found, strict=True):
        expected = np.zeros(32, np.float32)
        if len(text) > 1:
            inputs = tokens(text, return_tensors="pt", add_special_tokens=False)
            with torch.inference_mode():
                hidden = plain(input_ids=inputs["input_ids"], output_hidden_states=True).hidden_states[2]
            expected = hidden[0, 1:].mean(0).numpy()
        np.testing.assert_allclose(one, expected, atol=2e-6)


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


def test_a_classifier_tokenises_all_of_a_kind_at_once_as_it_would_each_alone(folders: dict[str, Path]) -> None:
    from transformers import AutoTokenizer

    from rewards.models.backend import Placement
    from rewards.models.classifier import Classifier

    checkpoint = Checkpoint(Hub(str(folders["modernbert"])), "classifier")
    classifier = Classifier(checkpoint, folders["modernbert"], Placement("cpu", "float32", 512))
    batched, calls = classifier._tokenizer, []
    classifier._tokenizer = lambda *texts, **options: calls.append(texts) or batched(*texts, **options)
    pairs = [(text, pair) for text in [*TEXTS, "b" * 90] for pair in (None, "", "The dog.", "c" * 50, "d" * 90)]
    model = Model("tested", {"embedded": checkpoint})
    found = classifier._tokenize([ClassProbabilities(text, model, pair) for text, pair in pairs])
    alone = AutoTokenizer.from_pretrained(folders["modernbert"])
    for (text, pair), one in zip(pairs, found, strict=True):
        assert one == dict(alone(text, pair, truncation=True, max_length=64)), (text, pair)
    too_long = {one for one in pairs if len(alone(*one)["input_ids"]) > 64}
    assert len(classifier.cut) == len(too_long) > 1
    assert len(calls) == 4  # texts and pairs, and those of each that are too long


def test_labels_are_put_in_the_order_asked_for(folders: dict[str, Path]) -> None:
    requests = [ClassProbabilities("x", role(folders["modernbert"], "classifier", labels=labels), "y")
                for labels in (("disfluent", "fluent"), ("fluent", "disfluent"))]  # fmt: skip
    first, second = (compute([request])[0] for request in requests)
    np.testing.assert_allclose(first, second[::-1], atol=1e-7)
    alone = compute([ClassProbabilities("x", role(folders["modernbert"], "classifier", labels=("fluent",)), "y")])[0]
    np.testing.assert_allclose(alone, second[:1], atol=1e-7)  # a share of all labels, not of those that are named
    with pytest.raises(ModelError, match="has the labels"):
        compute([ClassProbabilities("x", role(folders["modernbert"], "classifier", labels=("good", "bad")))])


@pytest.mark.parametrize("padding", [None, 2])
def test_a_decoder_is_read_at_its_text_whatever_its_configuration_pads_with(
    tmp_path: Path, padding: int | None
) -> None:
    encoder = role(tiny.decoder_classifier(tmp_path / "reward", padding), "classifier")
    texts = ["Short.", "A text that is rather longer than the first one."]
    together = compute([ClassProbabilities(text, encoder) for text in texts])
    alone = [compute([ClassProbabilities(text, encoder)])[0] for text in texts]
    np.testing.assert_allclose(together, alone, atol=1e-6)


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

    def tight(self: CausalLM, depth: int, rows: list[Any]) -> Any:
        if len(rows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, depth, rows)

    monkeypatch.setattr(CausalLM, "_forward", tight)
    for one, other in zip(compute(requests), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_text_too_large_for_memory_fails_alone(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from rewards.models.encoder import Encoder

    model = role(folders["gemma"], "sentence-encoder")
    forward = Encoder._forward

    def tight(self: Encoder, encoded: list[list[int]], with_tokens: bool) -> Any:
        if any(len(ids) > 50 for ids in encoded):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, encoded, with_tokens)

    monkeypatch.setattr(Encoder, "_forward", tight)
    engine = Engine(dtype="float32", device="cpu")
    found = engine.compute([Embedding(text, model) for text in TEXTS])
    failed = {request.text: one.reason for request, one in found.items() if isinstance(one, Failure)}
    assert failed == {"a" * 60: "out of memory: CUDA out of memory"}
    assert engine.counts.failed == 1


def test_a_packed_row_too_large_for_memory_is_taken_apart(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.models.causal_lm import CausalLM

    model = role(folders["causal"], "causal-lm")
    texts = ["The cat sat on the mat.", "The cat sat on the mats!", "The cat sat on it, and it purred."]
    requests: list[Request] = [HiddenState(text, model, 2) for text in texts]
    requests += [TokenLogProbs(text, model) for text in texts]
    expected = compute(requests)
    forward = CausalLM._forward

    def tight(self: CausalLM, depth: int, rows: list[Any]) -> Any:
        if sum(len(row) for row in rows) > 34:  # room for each text alone, not for two that share their beginning
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, depth, rows)

    monkeypatch.setattr(CausalLM, "_forward", tight)
    for one, other in zip(compute(requests), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_packed_rows_are_right_under_eager_attention(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, dtype: Any
) -> None:
    from rewards.models import causal_lm
    from rewards.models.backend import weights_only

    model = role(folders["causal"], "causal-lm")
    requests = [HiddenState(text, model, 3) for text in TEXTS]
    plain = compute(list(requests))
    monkeypatch.setattr(causal_lm, "weights_only", lambda **more: weights_only(attn_implementation="eager", **more))
    eager = Engine(dtype=dtype, device="cpu")
    found = eager.compute(requests)
    (backend,) = eager._loaded.values()
    assert backend._model.config._attn_implementation == "eager"
    for request, one in zip(requests, plain, strict=True):
        np.testing.assert_allclose(found[request], one, atol=2e-6 if dtype == "float32" else 0.05)


@pytest.mark.parametrize("attention", [None, "eager"])
@pytest.mark.parametrize("architecture", ["gemma2", "granite", "cohere", "mixtral"])
def test_a_head_that_is_more_than_a_matrix_gives_its_own_log_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, attention: str | None
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rewards.models import causal_lm
    from rewards.models.backend import weights_only

    folder = tiny.more_than_a_matrix(tmp_path / architecture, architecture)
    monkeypatch.setattr(causal_lm, "weights_only", lambda **more: weights_only(attn_implementation=attention, **more))
    monkeypatch.setattr(causal_lm, "LOGIT_ROWS", 5)  # several rounds
    model = role(folder, "causal-lm")
    found = compute([TokenLogProbs(text, model) for text in TEXTS])
    states = compute([HiddenState(text, model, 1) for text in TEXTS])
    plain = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention)
    tokens = AutoTokenizer.from_pretrained(folder)
    for text, one, state in zip(TEXTS, found, states, strict=True):
        ids = torch.tensor([[1, *tokens(text, add_special_tokens=False)["input_ids"]]])
        with torch.inference_mode():
            logs = torch.log_softmax(plain(input_ids=ids).logits[0], -1)
            hidden = plain(input_ids=ids[:, 1:], output_hidden_states=True).hidden_states[1][0] if text else None
        np.testing.assert_allclose(one, logs[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy(), atol=2e-5)
        np.testing.assert_allclose(state, np.zeros(32) if hidden is None else hidden.mean(0).numpy(), atol=2e-5)


@pytest.mark.parametrize("architecture", ["gptneo", "gemma3"])
def test_a_causal_model_of_another_build_gives_its_own_log_probabilities(tmp_path: Path, architecture: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny.differently_built(tmp_path / architecture, architecture)
    model = role(folder, "causal-lm")
    found = compute([TokenLogProbs(text, model) for text in TEXTS])  # some begin alike, and could share a row
    plain = AutoModelForCausalLM.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)
    for text, one in zip(TEXTS, found, strict=True):
        ids = torch.tensor([[1, *tokens(text, add_special_tokens=False)["input_ids"]]])
        with torch.inference_mode():
            logs = torch.log_softmax(plain(input_ids=ids).logits[0], -1)
        np.testing.assert_allclose(one, logs[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy(), atol=2e-5)
    with pytest.raises(ModelError, match=r"hidden states are read from models with `layers` and `norm`.*, not from G"):
        compute([HiddenState("x", model, 1)])


def test_a_head_that_does_not_ask_its_trunk_ends_the_run(tmp_path: Path) -> None:
    folder = tiny.differently_built(tmp_path / "opt", "opt")
    with pytest.raises(ModelError, match="from models with a head on a trunk, not from OPTForCausalLM"):
        compute([TokenLogProbs(text, role(folder, "causal-lm")) for text in TEXTS])


def test_a_head_that_asks_for_more_than_states_ends_the_run(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    def forward(self: Any, **inputs: Any) -> Any:
        return self.lm_head(self.model(**inputs).streams[0])

    monkeypatch.setattr(LlamaForCausalLM, "forward", forward)
    with pytest.raises(ModelError, match="not from LlamaForCausalLM: TypeError: 'NoneType' object"):
        compute([TokenLogProbs(text, role(folders["causal"], "causal-lm")) for text in TEXTS])


def test_pooling_on_the_device_is_the_mean_of_each_path(monkeypatch: pytest.MonkeyPatch) -> None:
    from rewards.models import causal_lm
    from rewards.models.tries import pack

    monkeypatch.setattr(causal_lm, "POOLED_TOKENS", 7)  # several rounds
    rows = pack([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6, 7], [8], [9] * 11], 50)
    states = torch.randn(len(rows) * 11, 16)
    paths = [(index, [11 * n + node for node in path]) for n, row in enumerate(rows) for index, path in row.paths]
    for (index, path), (same, mean) in zip(paths, causal_lm._means(0, paths, states), strict=True):
        assert same == index
        np.testing.assert_allclose(mean, states[path].numpy().mean(0), atol=1e-6)


def test_a_model_that_runs_along_the_row_is_never_packed(tmp_path: Path) -> None:
    folder = tiny.convolutional(tmp_path / "lfm2")
    alike = ["The cat sat on the mat.", "The cat sat on the mats!", "The cat sat on the mat, and it purred."]
    requests: list[Request] = [TokenLogProbs(text, role(folder, "causal-lm")) for text in alike]
    alone = [compute([request])[0] for request in requests]
    for one, other in zip(compute(requests), alone, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_an_unknown_word_is_a_token_of_its_text(folders: dict[str, Path]) -> None:
    encoder = role(folders["gemma"], "sentence-encoder")
    plain, unknown = compute([TokenEmbeddings("Cats", encoder), TokenEmbeddings("Cats\N{CLOWN FACE}", encoder)])
    assert (len(plain), len(unknown)) == (4, 5)


def test_static_embeddings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not with tokenizers\.Tokenizer: static embeddings are not supported"):
        compute([Embedding("x", role(tiny.static(tmp_path / "static"), "sentence-encoder"))])


def test_a_roberta_reads_as_many_tokens_as_it_has_positions_for(tmp_path: Path) -> None:
    encoder = role(tiny.roberta(tmp_path / "roberta"), "classifier", labels=("calm", "angry"))
    engine = Engine(dtype="float32", device="cpu")
    request = ClassProbabilities("a" * 60, encoder)
    found = engine.compute([request])[request]
    assert not isinstance(found, Failure), found
    assert engine.truncated == 1


def test_a_damaged_file_is_a_model_error(folders: dict[str, Path], tmp_path: Path) -> None:
    for name, kind, size in (
        ("causal", "causal-lm", 3000),
        ("gemma", "sentence-encoder", 9),
        ("modernbert", "classifier", 0),
    ):
        folder = Path(shutil.copytree(folders[name], tmp_path / name))
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[:size])
        requests = {"causal-lm": HiddenState, "sentence-encoder": Embedding, "classifier": ClassProbabilities}
        more = (1,) if kind == "causal-lm" else ()
        with pytest.raises(ModelError, match=f"cannot be loaded as a {kind}"):
            compute([requests[kind]("x", role(folder, kind), *more)])
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded as a classifier"):
        compute([ClassProbabilities("x", role(folder, "classifier"))])


def test_a_pickled_module_of_a_sentence_encoder_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["gemma"], tmp_path / "pickled"))
    request: list[Request] = [Embedding("x", role(folder, "sentence-encoder"))]
    (folder / "training_args.bin").touch()  # what no loader reads does no harm
    (folder / "2_Dense" / "pytorch_model.bin").touch()  # nor what is read only where there is no model.safetensors
    compute(request)
    weights = folder / "2_Dense" / "model.safetensors"
    weights.rename(folder / "2_Dense" / "other.safetensors")
    with pytest.raises(
        ModelError, match=r"no 2_Dense/model\.safetensors but pytorch_model\.bin\..*SentenceTransformer"
    ):
        compute(request)
    (folder / "2_Dense" / "pytorch_model.bin").unlink()  # as after a download, which leaves pickles out
    with pytest.raises(ModelError, match=r"no 2_Dense/model\.safetensors\. Pickled .*SentenceTransformer"):
        compute(request)


def test_a_base_model_is_no_classifier(folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="not a fine-tuned classifier"):
        compute([ClassProbabilities("x", role(folders["causal"], "classifier"))])


def test_an_adapter_is_no_model(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["modernbert"], tmp_path / "adapter")
    (tmp_path / "adapter/adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="is an adapter, and its model lies elsewhere: merge them"):
        compute([ClassProbabilities("x", role(tmp_path / "adapter", "classifier"))])


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


def test_another_encoder_gets_no_prompts_of_the_one_it_stands_for(folders: dict[str, Path], tmp_path: Path) -> None:
    def prompts(name: object) -> tuple[str, str]:
        spec = roles.fill(ENCODER, "full", {"encoder": str(name)})
        assert isinstance(spec, Checkpoint)
        return spec.query_prompt, spec.document_prompt

    full = ENCODER.profiles["full"]
    assert isinstance(full, Checkpoint)
    own = (full.query_prompt, full.document_prompt)
    assert all(own)
    assert prompts(folders["gemma"]) == prompts("other/EmbeddingGemma-300m-copy") == own
    other = Path(shutil.copytree(folders["gemma"], tmp_path / "other"))
    stated = other / "config_sentence_transformers.json"
    stated.write_text(json.dumps({**json.loads(stated.read_text()), "prompts": {"document": own[1], "query": "q: "}}))
    assert prompts(other) == ("", own[1])
    for content in ("{}", "[1]", "no JSON"):
        stated.write_text(content)
        assert prompts(other) == ("", "")
    stated.unlink()
    assert prompts(other) == prompts("intfloat/e5-base-v2") == ("", "")
    assert prompts("all-mpnet-base-v2") == ("", "")


def test_embedded_models_fill_other_roles_by_name() -> None:
    def source(name: str) -> object:
        spec = roles.fill(ENCODER, "full", {"encoder": name})
        return spec.source if isinstance(spec, Checkpoint) else None

    assert source("all-mpnet-base-v2") == MPNET
    assert roles.fill(ENCODER, "full", {"encoder": "all-minilm-l6-v2"}) == ENCODER.profiles["embedded"]
    assert roles.fill(CAUSAL_LM, "full", {"causal_lm": "smollm2-135m-instruct"}) == EMBEDDED_CAUSAL_LM


def test_a_role_without_a_model_in_the_profile_says_how_to_name_one(folders: dict[str, Path]) -> None:
    model = replace(role(folders["causal"], "causal-lm"), role="politeness")
    with pytest.raises(ModelError, match="--model politeness=FOLDER_OR_HUB_ID"):
        Engine(profile="full").compute([HiddenState("x", model, 1)])


def test_a_process_of_several_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert [pick_device(one) for one in ("auto", "cuda", "cuda:2", "cpu")] == ["cuda:1", "cuda:1", "cuda:2", "cpu"]
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert [pick_device(one) for one in ("auto", "cuda", "cuda:0")] == ["cuda:3", "cuda:3", "cuda:0"]
    with pytest.raises(ConfigError, match=r"device 'cuda:4': this machine shows 4 CUDA device\(s\)"):
        pick_device("cuda:4")
    monkeypatch.setenv("LOCAL_RANK", "4")  # where a launcher shows each process one GPU, numbered from 0
    assert pick_device("auto") == "cuda:1"


def test_several_devices_compute_in_one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "pick_device", lambda wanted: wanted)
    monkeypatch.setattr(device, "_gpu_has_bfloat16", lambda one: one != "cuda:1")
    monkeypatch.setattr(device, "_cpu_gains_from_bfloat16", lambda: True)
    assert device.parse_devices("cuda:0, cuda:2", "auto") == ["cuda:0", "cuda:2"]
    assert device.parse_devices("cuda:0,cpu", "float32") == ["cuda:0", "cpu"]
    for pair in ("cuda:0,cuda:1", "cuda:0,cpu"):
        with pytest.raises(ConfigError, match=r"auto would be (bf|f)loat\d\d on cuda:0, .*: give one for all of them"):
            device.parse_devices(pair, "auto")


def test_a_gpu_whose_precision_is_asked_for_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(one: object) -> None:
        raise AssertionError(f"{one} was made the current device, which takes memory on it")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", taken)
    monkeypatch.setattr(torch.cuda, "set_device", taken)
    found = {"cuda:0": SimpleNamespace(major=7), "cuda:1": SimpleNamespace(major=9)}
    monkeypatch.setattr(torch.cuda, "get_device_properties", found.__getitem__)
    assert [device.pick_dtype("auto", one, "causal-lm") for one in found] == ["float32", "bfloat16"]


def test_devices_that_are_not_there() -> None:
    for wanted, message in (("cuda:99", "CUDA device"), ("gpu", "expected auto, cpu or cuda:N")):
        with pytest.raises(ConfigError, match=message):
            Engine(device=wanted).compute(
                [HiddenState("x", Model("m", {"embedded": Checkpoint(Hub("."), "causal-lm")}), 1)]
            )


def test_an_engine_with_what_can_never_work_is_refused_when_it_is_made(tmp_path: Path) -> None:
    for wanted in ("gpu", "cuda:", "cuda:x", "cpu:0"):
        with pytest.raises(ConfigError, match=f"device '{wanted}': expected auto, cpu or cuda:N"):
            Engine(device=wanted)
    with pytest.raises(ConfigError, match=r"expected MemoryCache\(\) or DiskCache\(FOLDER\)"):
        Engine(cache=str(tmp_path))  # type: ignore[arg-type]  # what is refused


def test_the_full_profile_end_to_end(folders: dict[str, Path], tmp_path: Path) -> None:
    """The suite `default` on models of the full profile's architectures, named on the command line."""
    from tests.conftest import command, read_lines, record, write_lines

    source, out = write_lines(tmp_path / "in.jsonl", record("a"), record("b")), tmp_path / "out.jsonl"
    chosen = {"encoder": "gemma", "fluency": "modernbert", "appropriateness": "deberta"}
    models = [part for name, folder in chosen.items() for part in ("--model", f"{name}={folders[folder]}")]
    done = command("score", source, "-o", out, "--profile", "full", *models)
    assert done.returncode == 0, done.stderr
    for one in read_lines(out):
        assert one["status"] == "scored"
        scores = one["edits"][0]["scores"]
        assert set(scores) == {
            "token_similarity", "fluency", "plain_text", "no_new_numbers", "no_bare_negation", "no_praise_for_blame",
            "no_repetition", "pattern_conformity",
        }  # fmt: skip
        assert len(one["details"]["appropriateness"]["after"]) == 14
    header = json.loads(Path(f"{out}.meta.json").read_text())
    assert header["profile"] == "full"
    assert len(header["models"]) == 3
    assert "found with the embedded model" in header["rewards"]["token_similarity"]["threshold_source"]


def test_the_full_profile_says_what_is_not_published(tmp_path: Path) -> None:
    from tests.conftest import command, record, write_lines

    source = write_lines(tmp_path / "in.jsonl", record())
    done = command("score", source, "--profile", "full", "--reward", "fluency")
    assert done.returncode == 2
    assert b"--model fluency=FOLDER" in done.stderr


def test_an_encoder_reads_as_many_tokens_as_it_has_positions_for(tmp_path: Path) -> None:
    folder = tiny.sentence_encoder(tmp_path / "mpnet", "mpnet")  # of 64 positions, of which texts have 62
    engine = Engine(dtype="float32", device="cpu")
    long, short = (TokenEmbeddings("a" * count, role(folder, "sentence-encoder")) for count in (90, 5))
    found = engine.compute([long, short])
    assert not isinstance(found[long], Failure), found[long]
    assert engine.truncated == 1


def test_a_classifier_with_one_output_is_refused_as_one_of_a_softmax(tmp_path: Path) -> None:
    folder = tiny.roberta(tmp_path / "one", labels=1)
    with pytest.raises(ModelError, match="has one output, of which a softmax is 1 whatever the text"):
        compute([ClassProbabilities("a", role(folder, "classifier", labels=("calm",)))])
    (found,) = compute([ClassProbabilities("a", role(folder, "classifier", labels=("calm",), multi_label=True))])
    assert 0 < found[0] < 1


def test_a_folder_that_is_written_anew_is_another_model(tmp_path: Path) -> None:
    from rewards.models import folders as model_folders

    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    before = model_folders.digest(tmp_path)
    stamp = weights.stat().st_mtime_ns
    weights.write_bytes(b"two")  # as long as the first
    os.utime(weights, ns=(stamp + 1, stamp + 1))
    assert model_folders.digest(tmp_path) != before


def test_what_log_probabilities_start_from_may_be_named(folders: dict[str, Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (found,) = compute([TokenLogProbs("cat", role(folders["causal"], "causal-lm", start_token="[MASK]"))])  # noqa: S106  (no secret)
    plain, tokens = (kind.from_pretrained(folders["causal"]) for kind in (AutoModelForCausalLM, AutoTokenizer))
    ids = torch.tensor(
        [[tokens.convert_tokens_to_ids("[MASK]"), *tokens("cat", add_special_tokens=False)["input_ids"]]]
    )
    with torch.inference_mode():
        logs = torch.log_softmax(plain(input_ids=ids).logits[0], -1)
    np.testing.assert_allclose(found, logs[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy(), atol=1e-5)


def test_where_texts_have_no_beginning_log_probabilities_start_from_the_end_of_one(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    found = []
    for name, frame in (("none", {"bos_token": None, "eos_token": "[SEP]"}), ("both", {"eos_token": "[SEP]"})):
        folder = Path(shutil.copytree(folders["causal"], tmp_path / name))
        stated = folder / "tokenizer_config.json"
        stated.write_text(json.dumps({**json.loads(stated.read_text()), **frame}))
        found += compute([TokenLogProbs("cat", role(folder, "causal-lm"))])
        start = "[SEP]" if name == "none" else "[CLS]"
        found += compute([TokenLogProbs("cat", role(folders["causal"], "causal-lm", start_token=start))])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])


def test_rows_are_as_long_as_attention_reaches_and_none_are_packed_for_what_has_a_state(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    from rewards.models.causal_lm import LONG_ROW_TOKENS, row_tokens

    model: Any = AutoModelForCausalLM.from_pretrained(folders["causal"])
    for setting, value, tokens in (
        ("sliding_window", None, LONG_ROW_TOKENS), ("use_sliding_window", True, LONG_ROW_TOKENS),
        ("local_window", 0, LONG_ROW_TOKENS), ("attention_chunk_size", 24, 24), ("max_window_len", 23, 23),
        ("window_size", 22, 22), ("sliding_window", 21, 21), ("layer_types", ["chunked_attention"], 21),
        ("layer_types", ["full_attention", "conv"], 0),
    ):  # fmt: skip
        setattr(model.config, setting, value)
        assert row_tokens(model) == tokens, setting
    model.config.layer_types = None
    monkeypatch.setattr(type(model), "_is_stateful", True)
    assert row_tokens(model) == 0


def test_tokens_that_a_tokenizer_adds_are_none_of_the_text(tmp_path: Path) -> None:
    """As Llama's does: its start would count in every mean."""
    model = role(tiny.causal(tmp_path / "bare"), "causal-lm")
    framed = tiny.causal(tmp_path / "framed")
    tiny.tokenizer(framed, pair=True, limit=2048)
    requests = [[HiddenState("The cat sat.", one, 2), TokenLogProbs("The cat sat.", one)]
                for one in (model, role(framed, "causal-lm"))]  # fmt: skip
    for one, other in zip(*map(compute, requests), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_causal_model_reads_as_many_tokens_as_it_has_positions_for(tmp_path: Path) -> None:
    folder = tiny.differently_built(tmp_path / "gptneo", "gptneo", positions=32)  # of which one is the start token's
    model = role(folder, "causal-lm")
    engine = Engine(dtype="float32", device="cpu")
    long, cut = TokenLogProbs("ab" * 30, model), TokenLogProbs(("ab" * 30)[:31], model)
    found = engine.compute([long, cut])
    np.testing.assert_allclose(found[long], found[cut], atol=1e-6)
    assert engine.truncated == 1


def test_token_vectors_do_not_depend_on_the_side_that_is_padded(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["gemma"], tmp_path / "left"))
    stated = folder / "tokenizer_config.json"
    stated.write_text(json.dumps({**json.loads(stated.read_text()), "padding_side": "left"}))
    texts = ("The cat sat on the mat.", "So.")
    right, left = (compute([TokenEmbeddings(text, role(one, "sentence-encoder")) for text in texts])
                   for one in (folders["gemma"], folder))  # fmt: skip
    for one, other in zip(right, left, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_an_encoder_with_fewer_blocks_than_asked_for_is_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    short = tiny.encoder(tmp_path / "bert", "bert")
    for folder, layers, told in (
        (short, 3, "has 2 blocks; the first 3 were asked for"),
        (folders["gemma"], 1, "has no list of blocks; the first 1 were asked for"),
    ):
        with pytest.raises(ModelError, match=told):
            compute([TokenEmbeddings("x", role(folder, "sentence-encoder", layers=layers))])
    whole, all_of_them = (role(short, "sentence-encoder", layers=layers) for layers in (0, 2))
    one, other = (compute([TokenEmbeddings("x", model)])[0] for model in (whole, all_of_them))
    np.testing.assert_array_equal(one, other)


def test_labels_of_an_unnamed_head_are_in_the_order_that_is_documented(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    labels = tuple(f"Label {n}" for n in range(14))
    unnamed = role(folders["deberta"], "classifier")
    named = role(folders["deberta"], "classifier", labels=labels)
    (one,), (other,) = (compute([ClassProbabilities("x", model)]) for model in (unnamed, named))
    np.testing.assert_array_equal(one, other)
    for wrong in (labels[:2], ("label_0", "fluent")):  # which two of fourteen, nobody knows
        with pytest.raises(ModelError, match="has the labels"):
            compute([ClassProbabilities("x", role(folders["deberta"], "classifier", labels=wrong))])
    (cased,) = compute(
        [ClassProbabilities("x", role(folders["modernbert"], "classifier", labels=("Fluent", "DISFLUENT")))]
    )
    (plain,) = compute([ClassProbabilities("x", role(folders["modernbert"], "classifier"))])
    np.testing.assert_array_equal(cased, plain[::-1])


@pytest.mark.parametrize(("name", "architecture"), [("causal", "causal-lm"), ("gemma", "sentence-encoder"),
                                                    ("modernbert", "classifier")])  # fmt: skip
def test_a_model_computes_in_the_precision_that_is_stated(
    folders: dict[str, Path], name: str, architecture: str
) -> None:
    model = role(folders[name], architecture)
    engine = Engine(dtype="bfloat16", device="cpu")
    request = ASKED[architecture]("The cat sat.", model)
    assert not isinstance(engine.compute([request])[request], Failure)
    backend: Any
    (backend,) = engine._loaded.values()
    assert {one.dtype for one in backend._model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("causal", "causal-lm"), ("gemma2", "causal-lm"), ("gemma", "sentence-encoder"), ("modernbert", "classifier")],
)
def test_each_text_counts_once_when_it_is_done_and_says_why_it_is_not(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, architecture: Any
) -> None:
    folder = folders[name] if name in folders else tiny.more_than_a_matrix(tmp_path / name, name)
    model = role(folder, architecture)
    backend: Any = load(model.profiles["embedded"], folder, Placement("cpu", "float32", 100))  # type: ignore[arg-type]  # a checkpoint
    requests, done = [ASKED[architecture](text, model) for text in TEXTS], []
    assert len(backend.compute(requests, done.append)) == len(TEXTS)
    assert sum(done) == len(TEXTS) > len(done) > 1  # batches of several, and several of them
    monkeypatch.setattr(backend, "_forward", lambda *_: 1 / 0)
    done.clear()
    found = backend.compute(requests, done.append)
    reason = f"{describe(model.profiles['embedded'])} failed: ZeroDivisionError: division by zero"
    assert [one.reason for one in found if isinstance(one, Failure)] == [reason] * len(TEXTS)
    assert not done


def test_a_token_that_ends_texts_and_stands_for_unknown_words_is_none_of_a_text(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from rewards.models.encoder import _special

    tiny.tokenizer(tmp_path, pair=True)
    tokens: Any = AutoTokenizer.from_pretrained(tmp_path)
    unknown, end = tokens.unk_token_id, tokens.sep_token_id
    assert unknown not in _special(tokens)
    tokens.unk_token = tokens.sep_token
    assert end in _special(tokens)
