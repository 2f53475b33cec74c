"""Which device and which precision: what the machine is fast at, unless told otherwise."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rewards.errors import ConfigError


def check_device(wanted: Any, setting: str = "device") -> None:
    """Raise ConfigError, with the setting's name, for what names no device, there or not."""
    name, colon, number = wanted.partition(":") if isinstance(wanted, str) else ("", "", "")
    if wanted not in ("auto", "cpu") and not (name == "cuda" and (number.isdecimal() or not colon)):
        raise ConfigError(f"{setting} {wanted!r}: expected auto, cpu or cuda:N")


def pick_device(wanted: str) -> str:
    """`cpu` or `cuda:N`. Raises ConfigError for a device that is not there."""
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
    """The GPU of this process: what a launcher has given it, else what it has made the current one."""
    import torch  # only models need torch

    given = os.environ.get("LOCAL_RANK", "")
    if given.isdigit() and int(given) < count:
        return int(given)
    return int(torch.cuda.current_device()) if count else 0


def pick_dtype(wanted: str, device: str, architecture: str, *, embedded: bool = False) -> str:
    """The precision by name. `auto`: float32 for small models, and for others bfloat16 where the device is faster in it.

    Small are all sentence encoders, and on a GPU the embedded models too. Cosines are compared with thresholds and the
    shipped heads were fitted in float32: in float32 a GPU gives the scores of a CPU, and there it costs next to nothing.
    On a CPU the language model takes most of the time, and bfloat16 shortens it on some processors and doubles it on others.
    """
    if wanted != "auto":
        return wanted
    if architecture == "sentence-encoder" or (embedded and device != "cpu"):
        return "float32"
    return "bfloat16" if (_cpu_gains_from_bfloat16() if device == "cpu" else _gpu_has_bfloat16(device)) else "float32"


def parse_devices(wanted: str, dtype: str) -> list[str]:
    """The devices of a list with commas. Raises ConfigError where `dtype` auto would mean different ones on them."""
    devices = [one.strip() for one in wanted.split(",")]
    if len(set(devices)) < 2 or dtype != "auto":
        return devices
    for embedded in (True, False):
        picked = [pick_dtype(dtype, pick_device(one), "causal-lm", embedded=embedded) for one in devices]
        if len(set(picked)) > 1:
            told = ", ".join(f"{dtype} on {device}" for device, dtype in zip(devices, picked, strict=True))
            raise ConfigError(f"dtype auto would be {told}: give one for all of them, e.g. float32")
    return devices


@contextmanager
def own_precision(device: str) -> Iterator[None]:
    """Products of matrices in the precision of their model for as long as this lasts, whatever the caller has set.

    Training scripts allow TF32 and compute under autocast; scores would differ in the third digit, and stay so in the cache.
    Their settings come back afterwards, with the last of the threads that compute at the time: they are the process's.
    """
    import torch  # only models need torch

    # By backend: torch's one getter for all refuses where `torch.backends.fp32_precision` is set, as transformers does.
    backends: Any = torch.backends  # mkldnn's attributes are made at run time
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
    """How many threads compute in their models' own precision, and what was set before the first of them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: int = 0
    before: list[str] = field(default_factory=list)


_PRECISION = _Precision()


def _gpu_has_bfloat16(device: str) -> bool:
    """Whether it has instructions for it; emulated it is slower than float32.

    By its properties: to ask as the current device would take some hundred megabytes of it, in every process that asks.
    """
    import torch  # only models need torch

    return bool(torch.version.hip) or torch.cuda.get_device_properties(device).major >= 8


def _cpu_gains_from_bfloat16() -> bool:
    """Whether products of matrices take less time than in float32: by rule, so that a machine never changes its mind.

    AMX and AMD's AVX512_BF16 do; Intel's AVX512_BF16 without AMX, which is what virtual machines often show, runs at half
    the pace of float32 (measured: docs/log.md).
    """
    import torch  # only models need torch

    has = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    amd = has.get("sse4a")  # the one set of instructions that AMD's have and Intel's never had
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and amd))
