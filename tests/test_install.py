"""The distribution as users get it: wheel from sdist, clean environment, a third-party plugin beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, record, tracked, write_lines

pytestmark = pytest.mark.install


def pip(python: Path | str, *arguments: str) -> None:
    subprocess.run([str(python), "-m", "pip", "--quiet", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist and of the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


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
    command = [str(python.parent / "rewards"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=cwd, env={**elsewhere(), "COLUMNS": "200"}, check=False)


def elsewhere() -> dict[str, str]:
    """The variables of this process, without those that lead to the repository."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_the_wheel_holds_exactly_our_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    rooms = {name.split("/", 1)[1] for name in tracked("plugins", "train", "eval")}
    held = {name for name in names if ".dist-info/" not in name}
    assert held == tracked("rewards") | rooms
    for package in {name.split("/")[0] for name in held}:
        assert f"{package}/py.typed" in held
    assert "rewards_suites/default.yaml" in held
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sdist_holds_the_repository(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held - {"PKG-INFO", ".gitignore"} == {n for n in tracked() if n[0] != "."}


def test_a_plugin_as_its_page_ships_it_puts_its_files_into_its_own_folder(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    project = page.split("```toml\n")[1].split("```")[0]
    whole = next(found for found in re.findall(r"`(include = .*?)`", page) if "/my_rewards" in found)
    package = tmp_path / "my_rewards"
    (package / "params").mkdir(parents=True)
    (package / "params" / "card.json").write_text("{}")
    (package / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(project.replace('include = ["my_rewards.py"]', whole))
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(tmp_path))
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {"my_rewards/__init__.py", "my_rewards/params/card.json"}


def test_the_command_line_runs_from_the_wheel(clean: Path, tmp_path: Path) -> None:
    program = [str(clean), "-c", "import rewards; print(rewards.__file__)"]
    where = subprocess.run(program, capture_output=True, check=True, cwd=tmp_path, env=elsewhere())
    assert str(clean.parent.parent) in where.stdout.decode()
    assert run(clean, "plugins", cwd=tmp_path).returncode == 0
    assert run(clean, "examples", "arguments.jsonl", cwd=tmp_path).returncode == 0
    done = run(clean, "score", "arguments.jsonl", "--reward", "format", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b'"id":"dogs-compact"' in done.stdout


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
