"""Chooses device and dtype: by what this machine is fast at, unless the user names them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rewards.errors import ConfigError


def check_device(wanted: Any, setting: str = "device") -> None:
    """Raise ConfigError, with the setting's name, unless `wanted` names a device; whether that exists is not checked."""
    name, colon, number = wanted.partition(":") if isinstance(wanted, str) else ("", "", "")
    if wanted not in ("auto", "cpu") and not (name == "cuda" and (number.isdecimal() or not colon)):
        raise ConfigError(f"{setting} {wanted!r}: expected auto, cpu or cuda:N")


def pick_device(wanted: str) -> str:
    """`cpu` or `cuda:N`. Raises ConfigError for a device that this machine lacks."""
    check_device(wanted)
    if wanted == "cpu":
        return wanted
    import torch  # only models need torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return f"cuda:{_own_gpu(count)}" if count else "cpu"
    number = wanted.partition(":")[2]
    chosen = int(number) if number else _own_gpu(count)
    if chosen < count:
        return f"cuda:{chosen}"
    raise ConfigError(f"device {wanted!r}: this machine shows {count} CUDA device(s); use auto or cpu")


def _own_gpu(count: int) -> int:
    """The index of this process's GPU: LOCAL_RANK where a launcher has set it to one, else torch's current device."""
    import torch  # only models need torch

    given = os.environ.get("LOCAL_RANK", "")
    if given.isdigit() and int(given) < count:
        return int(given)
    return int(torch.cuda.current_device()) if count else 0


def pick_dtype(wanted: str, device: str, architecture: str, *, embedded: bool = False) -> str:
    """The dtype by name. `auto`: float32 for small models, and for others bfloat16 where the device is faster in it.

    Small are all sentence encoders, and on a GPU the embedded models too. Cosines are compared with thresholds and the
    shipped heads were fitted in float32: with float32 a GPU gives the same scores as a CPU, at next to no cost.
    On a CPU the language model takes most of the time; bfloat16 is faster on some processors and half as fast on others.
    """
    if wanted != "auto":
        return wanted
    if architecture == "sentence-encoder" or (embedded and device != "cpu"):
        return "float32"
    return "bfloat16" if (_cpu_gains_from_bfloat16() if device == "cpu" else _gpu_has_bfloat16(device)) else "float32"


def parse_devices(wanted: str, dtype: str) -> list[str]:
    """The devices of a comma-separated list. Raises ConfigError where `dtype` auto would not be the same on all of them."""
    devices = [one.strip() for one in wanted.split(",")]
    if len(set(devices)) < 2 or dtype != "auto":
        return devices
    for embedded in (True, False):
        picked = [pick_dtype(dtype, pick_device(one), "causal-lm", embedded=embedded) for one in devices]
        if len(set(picked)) > 1:
            choices = ", ".join(f"{dtype} on {device}" for device, dtype in zip(devices, picked, strict=True))
            raise ConfigError(f"dtype auto would be {choices}: give one for all of them, e.g. float32")
    return devices


@contextmanager
def own_precision(device: str) -> Iterator[None]:
    """Inside this context matrix products have the precision of their model: TF32 and autocast are off.

    Training scripts enable both; scores would differ in the third digit and be cached like that. The setting of TF32 belongs
    to the whole process: it is restored when the last thread leaves the context.
    """
    import torch  # only models need torch

    # Per backend: torch.get_float32_matmul_precision() raises once something, such as transformers, has set
    # `torch.backends.fp32_precision` to TF32.
    backends: Any = torch.backends  # mkldnn's attributes are created at run time: type checkers do not see them
    products = (backends.cuda.matmul, backends.mkldnn.matmul)
    with _PRECISION.lock:
        if not _PRECISION.inside:
            _PRECISION.before = [each.fp32_precision for each in products]
            for each in products:
                each.fp32_precision = "ieee"
        _PRECISION.inside += 1
    try:
        with torch.autocast(device.partition(":")[0], enabled=False):
            yield
    finally:
        with _PRECISION.lock:
            _PRECISION.inside -= 1
            if not _PRECISION.inside:
                for each, precision in zip(products, _PRECISION.before, strict=True):
                    each.fp32_precision = precision


@dataclass(slots=True)
class _Precision:
    """How many threads are inside `own_precision`, and the settings from before the first one entered."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: int = 0
    before: list[str] = field(default_factory=list)


_PRECISION = _Precision()


def _gpu_has_bfloat16(device: str) -> bool:
    """Whether the GPU has instructions for bfloat16; emulated it is slower than float32.

    Read from the device's properties: torch's own check looks at the current device, and to make a GPU the current one
    takes some hundred megabytes of its memory in every process.
    """
    import torch  # only models need torch

    return bool(torch.version.hip) or torch.cuda.get_device_properties(device).major >= 8


def _cpu_gains_from_bfloat16() -> bool:
    """Whether matrix products are faster in bfloat16 than in float32: by rule, so that a machine always gives one answer.

    They are with AMX and with AMD's AVX512_BF16. With Intel's AVX512_BF16 without AMX, which virtual machines often show,
    they run at half the speed of float32 (measured: docs/log.md).
    """
    import torch  # only models need torch

    has = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    amd = has.get("sse4a")  # instructions that AMD's processors have and no Intel processor ever had
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and amd))
