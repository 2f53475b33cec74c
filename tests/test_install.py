"""The distribution as users get it: wheel from sdist, clean environment, a third-party plugin beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, record, write_lines

pytestmark = pytest.mark.install


def pip(python: Path | str, *arguments: str) -> None:
    subprocess.run([str(python), "-m", "pip", "--quiet", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel; its dependencies are those of this environment, not fetched again."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip(python, "install", "--no-deps", "--no-index", str(wheel))
    # Appended, so that what is installed in the clean environment comes first; editable installs are not followed.
    site = next((folder / "lib").glob("python*")) / "site-packages"
    loader = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})"
    (site / "dependencies.pth").write_text(loader + "\n")
    return python


def run(python: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python.parent / "rewards"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=cwd, env={**environment, "COLUMNS": "200"}, check=False)


def test_the_wheel_holds_exactly_our_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    expected = {"rewards"} | {
        p.parent.name for room in ("plugins", "train", "eval") for p in (ROOT / room).glob("*/__init__.py")
    }
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == expected
    for package in expected:
        assert f"{package}/py.typed" in names
    assert "rewards_suites/default.yaml" in names
    assert "rewards_appropriateness/params/adapter.safetensors" in names


def test_the_command_line_runs_from_the_wheel(clean: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [str(clean), "-c", "import rewards; print(rewards.__file__)"], capture_output=True, check=True, cwd=tmp_path
    )
    assert str(clean.parent.parent) in where.stdout.decode()
    assert run(clean, "plugins", cwd=tmp_path).returncode == 0
    source = write_lines(tmp_path / "in.jsonl", record())
    done = run(clean, "score", source, "--reward", "format", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b'"id":"one"' in done.stdout


@pytest.mark.models
def test_a_third_party_plugin_scores_beside_the_built_in_rewards(
    clean: Path, tmp_path: Path, embedded_models: None
) -> None:
    pip(clean, "install", "--no-deps", "--no-build-isolation", "--no-index", str(ROOT / "tests" / "plugin_package"))
    listed = run(clean, "plugins", cwd=tmp_path)
    assert b"rewards-brevity" in listed.stdout
    assert b"1.2.3" in listed.stdout
    human = [
        {"before": f"Number {n} is a lot of lunch.", "after": f"Number {n} is {'' if n % 5 else 'quite '}lunch."}
        for n in range(40)
    ]
    data = write_lines(tmp_path / "human.jsonl", *human)
    done = run(clean, "fit", "part_similarity", "--data", data, "-o", "mine", "--percentile", "20", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    source = write_lines(tmp_path / "in.jsonl", record())
    out = tmp_path / "out.jsonl"
    done = run(
        clean, "score", source, "-o", out, "--reward", "brevity", "--reward", "part_similarity.params=mine",
        "--reward", "semantic_similarity", "--set", "brevity.factor=1.1", "--set", "brevity.gate=true", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    import json

    found = json.loads(out.read_text())
    scores = [edit["scores"] for edit in found["edits"][:2]]
    assert [one["brevity"]["value"] for one in scores] == [1.0, 1.0]
    assert all(-1 <= one["part_similarity"]["value"] < one["semantic_similarity"]["value"] <= 1 for one in scores)
    header = json.loads(Path(f"{out}.meta.json").read_text())
    assert header["rewards"]["brevity"]["arguments"] == {"factor": 1.1}
    assert header["rewards"]["brevity"]["version"] == "1.2.3"
    assert header["models"]["all-minilm-l6-v2"]["digest"]
    stated = json.loads((tmp_path / "mine" / "card.json").read_text())["threshold"]
    assert stated["percentile"] == 20
    assert json.loads(out.read_text())["edits"][0]["scores"]["part_similarity"]["threshold"] == stated["value"]
