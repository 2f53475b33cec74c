"""The careful user's models as compiled graphs: what sentence-transformers' ONNX and OpenVINO backends run.

Those backends need optimum, whose releases exclude the version of transformers that this project pins; so the graphs are
exported here, by torch.onnx and openvino, from the same blocks in float32.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from bench.models import Classifier, Models

Blocks = Callable[[Any, Any], Any]
INPUTS = ("input_ids", "attention_mask")


def available() -> list[str]:
    """The backends that are installed."""
    needed = {"ONNX": ("onnx", "onnxruntime"), "OpenVINO": ("openvino",)}
    return [name for name, modules in needed.items() if all(map(importlib.util.find_spec, modules))]


def exported(models: Models, backend: str) -> Models:
    """The same models with their blocks run by a backend."""
    make = {"ONNX": onnx, "OpenVINO": openvino}[backend]
    twin = copy.copy(models)
    twin.judge, twin.critic = (_classifier(one, make) for one in (models.judge, models.critic))
    twin.encoder = copy.deepcopy(models.encoder)
    blocks = make(_States(models.encoder[0].auto_model))
    inner: Any = twin.encoder[0].auto_model
    inner.forward = lambda input_ids, attention_mask, **_: BaseModelOutput(
        last_hidden_state=blocks(input_ids, attention_mask)
    )
    return twin


def _classifier(one: Classifier, make: Callable[[Any], Blocks]) -> Classifier:
    twin = copy.copy(one)
    twin.blocks = make(_States(one.model, use_cache=False))
    return twin


class _States(torch.nn.Module):
    """A model as a function from token ids and attention mask to hidden states."""

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__()
        self.model, self.options = model, options

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        states = self.model(input_ids=input_ids, attention_mask=attention_mask, **self.options)
        return states.last_hidden_state


def openvino(model: Any) -> Blocks:
    ov: Any = importlib.import_module("openvino")
    with warnings.catch_warnings(action="ignore"):
        graph = ov.convert_model(model, example_input=dict(zip(INPUTS, _example(), strict=True)))
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = ov.Core().compile_model(graph, "CPU", hints)
    return lambda ids, mask: torch.from_numpy(compiled({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0])


def onnx(model: Any) -> Blocks:
    onnxruntime: Any = importlib.import_module("onnxruntime")
    axes = {name: {0: "texts", 1: "tokens"} for name in (*INPUTS, "states")}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        file = str(Path(folder) / "model.onnx")
        torch.onnx.export(
            model, _example(), file, input_names=INPUTS, output_names=("states",), dynamic_axes=axes, dynamo=False
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda ids, mask: torch.from_numpy(
        session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    )


def _example() -> tuple[Any, Any]:
    """Inputs with padding: a graph that is traced without it would ignore the mask."""
    ids, mask = torch.randint(10, 1000, (2, 16)), torch.ones(2, 16, dtype=torch.long)
    mask[1, 9:] = 0
    return ids, mask
