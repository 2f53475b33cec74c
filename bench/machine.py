"""The machine that numbers were measured on, and how commands are timed."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REWARDS = [sys.executable, "-m", "rewards"]


def machine() -> dict[str, Any]:
    """Processor, threads, library versions, and how busy the machine was."""
    import torch
    import transformers

    from rewards.engine.device import pick_device, pick_dtype

    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "dtype": pick_dtype("auto", pick_device("auto"), "causal-lm", embedded=True),
    }


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Seconds, and peak resident memory in MB, of a command run as a process."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, _peak(child.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        if child.returncode not in (0, 1):
            errors.seek(0)
            raise SystemExit(errors.read().decode())
    return seconds, peak


def _peak(process: int) -> float:
    """The peak memory of a process in MB, not by `wait4`: on Linux that includes the peak of the process that forked it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:  # it has just ended, or this is no Linux
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and extremes."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}
