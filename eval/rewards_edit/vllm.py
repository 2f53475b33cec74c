"""Generation with vLLM, where it is installed. It batches by itself, and what it draws may depend on what runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rewards.errors import ConfigError, ModelError
from rewards_edit.policy import Answer, Ask, Files, Sampling


class VLLM:
    """A model in vLLM that answers prompts, with or without an adapter."""

    device = "cuda"

    def __init__(self, files: Files, dtype: str, seed: int) -> None:
        try:
            import vllm  # type: ignore[import-not-found]  # optional, and for GPUs only
        except ImportError as error:
            raise ConfigError(
                "--backend vllm: vLLM is not installed; `pip install vllm` on a machine with a GPU, or leave --backend out"
            ) from error
        from rewards_edit.generation import load_tokenizer

        self._vllm = vllm
        self.tokenizer: Any = load_tokenizer(files)
        try:
            self._engine = vllm.LLM(
                model=str(files.folder),
                load_format="safetensors",
                trust_remote_code=False,
                dtype=dtype,
                seed=seed,
                enable_lora=files.adapter is not None,
                enable_prefix_caching=True,
            )
        except Exception as error:  # vLLM's own errors depend on its version; to the user they are one
            raise ModelError(f"model {files.full_name!r} cannot be loaded by vLLM: {error}") from error
        self.dtype = dtype
        self.window: int | None = self._engine.llm_engine.model_config.max_model_len
        self._adapter = None
        if files.adapter is not None:
            from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]  # as above

            self._adapter = LoRARequest("adapter", 1, str(files.adapter))

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

    def _answer(self, output: Any) -> Answer:
        return Answer(output.text, len(output.token_ids), "length" if output.finish_reason == "length" else "stop")
