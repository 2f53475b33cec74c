"""Generation with vLLM, if installed. It makes batches by itself, and completions may depend on the others in a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError, ModelError
from rewards.models.folders import ADAPTER
from rewards_edit.policy import Answer, Ask, Files, Sampling

RANKS = (16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes as the highest rank of an adapter; its default is 16."""


class VLLM:
    """A model in vLLM that answers prompts, with or without an adapter."""

    def __init__(self, files: Files, dtype: str, seed: int) -> None:
        try:
            import vllm  # type: ignore[import-not-found]  # optional
        except ImportError as error:
            raise ConfigError(
                "--backend vllm: vLLM is not installed; `pip install vllm` on a machine with a GPU, or leave --backend out"
            ) from error
        from rewards_edit.generation import load_tokenizer

        self._vllm = vllm
        self.backend = f"vllm {vllm.__version__}"
        self.tokenizer: Any = load_tokenizer(files)
        try:
            self._engine = vllm.LLM(
                model=str(files.folder),
                load_format="safetensors",
                trust_remote_code=False,
                dtype=dtype,
                seed=seed,
                enable_prefix_caching=True,
                **_lora(files.adapter),
            )
            self._adapter = self._add(files.adapter)
        except Exception as error:  # vLLM's own errors depend on its version; to the user they are one
            raise ModelError(f"model {files.full_name!r} cannot be loaded by vLLM: {error}") from error
        config = self._engine.llm_engine.model_config
        self.window: int | None = config.max_model_len
        self.dtype = str(config.dtype).removeprefix("torch.")
        self.device = str(vllm.platforms.current_platform.device_type)

    def generate(self, asks: Sequence[Ask], sampling: Sampling, progress: Callable[[int], None]) -> list[Answer]:
        """One answer for each ask, in order."""
        prompts = [{"prompt_token_ids": list(ask.tokens)} for ask in asks]
        settings = [
            self._vllm.SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_new_tokens,
                seed=ask.seed % 2**31,
            )
            for ask in asks
        ]
        found = self._engine.generate(prompts, settings, lora_request=self._adapter, use_tqdm=False)
        answers = [self._answer(one.outputs[0]) for one in found]
        progress(sum(answer.tokens for answer in answers))
        return answers

    def _add(self, adapter: Path | None) -> Any:
        """Load the adapter, and return the object that names it in requests; None without an adapter."""
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]  # optional

        request = LoRARequest("adapter", 1, str(adapter))
        self._engine.llm_engine.add_lora(request)
        return request

    def _answer(self, output: Any) -> Answer:
        return Answer(output.text, len(output.token_ids), "length" if output.finish_reason == "length" else "stop")


def _lora(adapter: Path | None) -> dict[str, Any]:
    """The settings of vLLM for an adapter: its highest rank, rounded up to one that vLLM takes."""
    if adapter is None:
        return {}
    stated = json.loads((adapter / ADAPTER).read_text(encoding="utf-8"))
    rank = max([int(stated.get("r", 0)), *map(int, (stated.get("rank_pattern") or {}).values())])
    return {"enable_lora": True, "max_lora_rank": next((most for most in RANKS if most >= rank), rank)}
