"""What is told where packages are not installed that this distribution needs, as after `pip install --no-deps`."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from rewards.errors import ConfigError, RecordError
from rewards.records import reading
from rewards.versions import lacking
from tests.conftest import write_lines

WITHOUT = """
import importlib.abc
import sys
from importlib import metadata

module, distribution = sys.argv[1:3]
version = metadata.version


class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def without(name):
    if name == distribution:
        raise metadata.PackageNotFoundError(name)
    return version(name)


metadata.version = without
sys.meta_path.insert(0, Gone())
sys.argv[1:] = sys.argv[3:]
from rewards.__main__ import main

main()
"""
"""A command in an environment that lacks a package."""


def without(module: str, distribution: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-c", WITHOUT, module, distribution, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("pluggy", "pluggy"),  # without it the command line cannot even be imported
        ("yaml", "pyyaml"),
        ("trl", "trl"),
        ("accelerate", "accelerate"),  # TRL says so in an error of its own
    ],
)
def test_a_package_that_is_missing_is_named_with_what_installs_it(module: str, distribution: str) -> None:
    words = ("train", "smoke", "--dry-run") if module in ("trl", "accelerate") else ("list",)
    done = without(module, distribution, *words)
    told = f"not installed here, though needed: {distribution}; `pip install appropriateness-rewards` installs what is missing"
    assert done.stderr.decode() == f"error: {told}\n"
    assert done.returncode == 2


def test_records_are_not_rejected_for_a_package_that_is_missing(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", {"argument": "Tea is bad. You are fools.", "rewrite": "Tea is bad."})
    done = without("sentencex", "sentencex", "score", source, "-o", tmp_path / "out.jsonl", "--reward", "format")
    assert done.returncode == 2, done.stderr.decode()
    assert b"error: not installed here, though needed: sentencex; `pip install" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_what_only_extras_need_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking() == ""
    installed = metadata.version

    def version(name: str) -> str:
        if name in ("uvicorn", "onnx", "numpy"):
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)
    assert lacking().startswith("not installed here, though needed: numpy; ")
    with pytest.raises(ConfigError, match="needed: numpy"), reading("a record"):
        raise ModuleNotFoundError("No module named 'numpy'")


def test_what_a_plugin_misses_is_a_failure_of_its_own() -> None:
    with (
        pytest.raises(RecordError, match="could not be read: ModuleNotFoundError: No module named 'mine'"),
        reading("a"),
    ):
        raise ModuleNotFoundError("No module named 'mine'")
