"""What a classifier is fitted on: the lower and the upper blocks give what the whole model gives, in batches as alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from rewards.errors import ConfigError, ModelError
from rewards.fitting.adapters import AdapterRecipe, Example, fit_teacher
from rewards.fitting.trunks import CausalTrunk, EncoderTrunk, Trunk
from rewards.models.adapted import padded
from tests import tiny

TEXTS = ("I like it.", "I HATE it, and you!", "So?")
PAIRS = ("Lunch?", "", "Dogs in town?")
ENCODERS = ("mpnet", "bert", "deberta")


def whole(folder: Path, kind: type[Trunk], rows: list[tuple[list[int], int]]) -> list[torch.Tensor]:
    """The states that the model gives for each row alone, as it is loaded by its name."""
    model: Any = AutoModel.from_pretrained(folder)
    if kind is CausalTrunk:
        model.norm = torch.nn.Identity()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([tokens])).last_hidden_state[0] for tokens, _ in rows]


@pytest.mark.parametrize("architecture", ["causal", *ENCODERS])
def test_lower_and_upper_blocks_give_what_the_model_gives(tmp_path: Path, architecture: str) -> None:
    kind: type[Trunk] = CausalTrunk if architecture == "causal" else EncoderTrunk
    folder = tiny.causal(tmp_path) if kind is CausalTrunk else tiny.encoder(tmp_path, architecture)
    trunk = kind(folder, 1)
    rows, cut = trunk.rows(PAIRS, TEXTS, 40)
    tokens, attended, _ = padded(rows)
    with torch.inference_mode():
        trunk.lower()
        states = trunk.run(attended, input_ids=tokens)
        trunk.upper()
        found = trunk.run(attended, inputs_embeds=states)
    assert not cut
    for row, expected, (own, _) in zip(found, whole(folder, kind, rows), rows, strict=True):
        assert row[: len(own)].numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_an_encoder_reads_a_pair_as_its_tokenizer_marks_it(tmp_path: Path) -> None:
    trunk = EncoderTrunk(tiny.encoder(tmp_path, "mpnet"))
    rows, cut = trunk.rows(PAIRS, TEXTS, 40)
    for pair, text, (tokens, start) in zip(PAIRS, TEXTS, rows, strict=True):
        assert tokens == trunk.tokenizer(pair, text)["input_ids"]
        assert tokens[start:] == [*trunk.tokenizer(text, add_special_tokens=False)["input_ids"], 2]  # [SEP]
    assert (cut, trunk.first) == (0, 1)


def test_what_an_encoder_has_no_room_for_is_cut_and_counted(tmp_path: Path) -> None:
    trunk = EncoderTrunk(tiny.encoder(tmp_path, "mpnet"))  # of 64 positions
    rows, cut = trunk.rows(["a" * 100, "", "a"], ["b" * 100, "b" * 100, "b" * 20], 320)
    assert [len(tokens) for tokens, _ in rows] == [62, 62, 24]
    assert cut == 3
    assert rows[0][1] == 1 + 29 + 1  # the pair has half of the room
    assert trunk.rows(["", ""], ["b" * 21, "b" * 20], 20)[1] == 1


def test_a_teacher_says_what_it_was_taught(tmp_path: Path) -> None:
    folder = tiny.encoder(tmp_path, "mpnet")
    labelled = [Example(f"{'I HATE it' if n % 2 else 'I like it'} {n}.", "Lunch?", (n % 2, -1)) for n in range(60)]
    others = [Example(f"{'I HATE it' if n % 2 else 'I like it'} {n}.", "", (-1, -1)) for n in range(60, 80)]
    recipe = AdapterRecipe(rank=2, learning_rate=1e-2, epochs=8, tokens=256, multi_label=True)
    said: list[str] = []
    found = fit_teacher(folder, labelled, others, 2, recipe, 1, said.append)
    assert found.shape == (80, 2)
    assert ((found[:, 0] > 0) == np.arange(80) % 2).mean() > 0.9
    assert not found[:, 1].any()  # nobody has said anything of it
    assert (fit_teacher(folder, labelled, others, 2, recipe, 1, said.append) == found).all()


def test_no_other_architecture_is_a_teacher(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds a LlamaModel: a teacher is an encoder such as BERT, MPNet or DeBERTa"):
        EncoderTrunk(tiny.causal(tmp_path))
    with pytest.raises(ModelError, match="holds a ElectraModel: a teacher is an encoder"):  # it projects its embeddings
        EncoderTrunk(tiny.encoder(tmp_path / "electra", "electra"))


def test_an_encoder_whose_weights_are_anothers_is_no_teacher(tmp_path: Path) -> None:
    folder = tiny.encoder(tmp_path, "bert")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {f"other.{name}": value for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=r"lacks weights of a BertModel: embeddings\.LayerNorm"):
        EncoderTrunk(folder)


def test_a_fit_that_diverges_says_at_which_step(tmp_path: Path) -> None:
    some = [Example(f"I {'HATE' if n % 2 else 'like'} it {n}.", "Lunch?", (n % 2,)) for n in range(60)]
    recipe = AdapterRecipe(rank=2, learning_rate=1e20, epochs=8, tokens=256, multi_label=True)
    with pytest.raises(ConfigError, match=r"the fit diverged: the loss of step \d+ is (nan|inf); lower learning_rate"):
        fit_teacher(tiny.encoder(tmp_path, "mpnet"), some, [], 1, recipe, 1, lambda _: None)


def test_what_is_no_model_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=f"{tmp_path} cannot be fitted: "):
        EncoderTrunk(tmp_path)
