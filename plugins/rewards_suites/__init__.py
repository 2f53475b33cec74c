"""The suites that come with the project: one YAML file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import rewards


@rewards.hookimpl
def register_suites(register: Callable[[Path], None]) -> None:
    """Register every suite in this folder."""
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        register(path)
