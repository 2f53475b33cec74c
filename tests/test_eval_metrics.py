"""Every metric loads on its own with `evaluate.load(folder)`, offline, and does what its card shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rewards_eval
from tests.conftest import command

FOLDER = Path(rewards_eval.__file__).parent / "metrics"
ON_MODELS = ("app", "gm", "ppl", "sim")
NAMES = sorted(path.name for path in FOLDER.iterdir() if (path / f"{path.name}.py").exists())

# No connection leaves the process: a metric that needed the network would fail here.
NO_NETWORK = """
import socket, evaluate.config, huggingface_hub.constants
def refuse(*_, **__): raise OSError("no network in this test")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
huggingface_hub.constants.HF_HUB_OFFLINE = evaluate.config.HF_EVALUATE_OFFLINE = True
evaluate.config.HF_UPDATE_DOWNLOAD_COUNTS = False
"""


def blocks(name: str) -> tuple[str, str]:
    """The example of a metric's card, and what it prints."""
    card = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"```(?:python|text)\n(.*?)```", card, re.DOTALL)
    assert len(found) == 2, name
    return found[0], found[1]


def rounded(text: str) -> str:
    """The text with numbers as the cards have them."""
    return re.sub(r"\d+\.\d{5,}(e-\d+)?", lambda match: f"{float(match[0]):.4f}", text)


def run(folder: Path, names: list[str]) -> list[str]:
    """What the cards' examples print, run one after the other in a process without network."""
    program = folder / "examples.py"
    program.write_text(NO_NETWORK + "\n".join(blocks(name)[0] for name in names), encoding="utf-8")
    done = command(program=program)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def test_every_metric_of_the_issue_is_there() -> None:
    assert NAMES == [
        "app", "edit_acceptance", "flips", "gm", "nes", "nes_2024", "ppl", "reason_accuracy", "sari", "sim",
    ]  # fmt: skip
    for name in NAMES:
        assert (FOLDER / name / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")


def test_formulas_do_what_their_cards_show(tmp_path: Path) -> None:
    names = [name for name in NAMES if name not in ON_MODELS]
    assert [rounded(line) for line in run(tmp_path, names)] == [blocks(name)[1].strip() for name in names]


@pytest.mark.models
def test_metrics_on_models_do_what_their_cards_show(tmp_path: Path, embedded_models: None) -> None:
    names = [name for name in NAMES if name in ON_MODELS]
    for name, line in zip(names, run(tmp_path, names), strict=True):
        found, shown = (re.findall(r"[a-z]+|\d+\.?\d*", text) for text in (line, blocks(name)[1]))
        assert len(found) == len(shown), name
        for one, other in zip(found, shown, strict=True):
            if one[0].isdigit():  # machines differ in the precision they compute in
                assert float(one) == pytest.approx(float(other), abs=0.02, rel=0.05), name
            else:
                assert one == other
