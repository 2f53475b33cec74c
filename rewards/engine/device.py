"""Which device and which precision: what the machine is fast at, unless told otherwise."""

from __future__ import annotations

from rewards.errors import ConfigError


def pick_device(wanted: str) -> str:
    """`cpu` or `cuda:N`. Raises ConfigError for a device that is not there."""
    import torch  # only models need torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda:0" if count else "cpu"
    if wanted == "cpu":
        return wanted
    name, _, number = wanted.partition(":")
    if name == "cuda" and (not number or number.isdigit()):
        if int(number or 0) < count:
            return f"cuda:{number or 0}"
        raise ConfigError(f"device {wanted!r}: this machine shows {count} CUDA device(s); use auto or cpu")
    raise ConfigError(f"device {wanted!r}: expected auto, cpu or cuda:N")


def pick_dtype(wanted: str, device: str, architecture: str) -> str:
    """The precision by name. `auto`: bfloat16 on GPUs and on CPUs with instructions for it, else float32.

    Sentence encoders stay in float32 on CPUs: they are small, and cosines are compared with thresholds.
    """
    if wanted != "auto":
        return wanted
    if device != "cpu":
        return "bfloat16"
    return "bfloat16" if architecture != "sentence-encoder" and _cpu_has_bfloat16() else "float32"


def _cpu_has_bfloat16() -> bool:
    import torch  # only models need torch

    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
