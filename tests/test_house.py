"""The rules of the house: who may import whom, what is light, what is registered."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import rewards
from tests.conftest import ROOT, tracked

ROOMS = ("plugins", "train", "eval")


def packages() -> list[Path]:
    """Every package of every room."""
    return sorted(path.parent for room in ROOMS for path in (ROOT / room).glob("*/__init__.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_core_imports_nobody() -> None:
    for path in (ROOT / "rewards").rglob("*.py"):
        for name in imports(path):
            assert not name.startswith("rewards_"), f"{path} imports {name}"


def test_models_know_nothing_of_the_engine_that_runs_them() -> None:
    for path in (ROOT / "rewards" / "models").rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith("rewards.engine")], path


def test_families_import_the_core_and_not_each_other() -> None:
    for package in packages():
        for path in package.rglob("*.py"):
            for name in imports(path):
                top = name.split(".")[0]
                assert not top.startswith("rewards_") or top == package.name, f"{path} imports {name}"


def test_rooms_are_not_packages() -> None:
    for room in ROOMS:
        assert not (ROOT / room / "__init__.py").exists()


def test_every_package_is_prefixed_typed_and_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    registered = set(project["entry-points"]["rewards"].values())
    found = {package.name for package in packages()}
    assert registered == found
    for package in packages():
        assert package.name.startswith("rewards_")
        assert (package / "py.typed").exists()


def test_the_public_names_are_pinned() -> None:
    assert rewards.__all__ == [
        "Argument", "Edit", "Engine", "Judgement", "Result", "Revision", "Reward", "RewardsError", "Score", "Sentence",
        "Suite", "Threshold", "hookimpl", "load_suite", "read_revision", "reward", "suite_of",
    ]  # fmt: skip
    for name in dir(rewards):
        assert getattr(rewards, name) is not None


def test_no_module_has_every_name_for_a_type_checker() -> None:
    for path in [*(ROOT / "rewards").rglob("*.py"), *(p for package in packages() for p in package.rglob("*.py"))]:
        names = [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")]
        assert "__getattr__" not in names, f"{path}: put `if not TYPE_CHECKING:` before its `__getattr__`"


def test_help_list_and_import_load_no_model_library() -> None:
    heavy = "{'torch', 'transformers', 'trl', 'datasets', 'sentence_transformers', 'evaluate'}"
    for program in (
        "import rewards",
        "from rewards.cli import build; build()",
        "from rewards.plugins import registry; registry()",
        "from rewards.suite import load_suite; load_suite('default')",
    ):
        check = f"import sys; {program}; print({heavy} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
        assert done.stdout == b"set()\n", program
    for program, other in (
        ("from rewards.cli import build; build()", "{'numpy', 'pyarrow'}"),
        ("from rewards.suite import load_suite; load_suite('default')", "{'typer', 'rewards.cli'}"),
    ):
        check = f"import sys; {program}; print({other} & set(sys.modules))"
        assert subprocess.run([sys.executable, "-c", check], capture_output=True, check=True).stdout == b"set()\n"


def test_no_plugin_of_our_own_fails_to_load() -> None:
    from rewards.plugins import registry

    own = [p for p in registry().plugins if p.origin.distribution == "appropriateness-rewards"]
    assert own
    assert not [f"{p.origin}: {p.failed} {p.problems}" for p in own if p.failed or p.problems]


def test_the_sdist_holds_every_folder() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    folders = {f"/{top}" for top, slash, _ in (name.partition("/") for name in tracked()) if slash and top[0] != "."}
    assert folders <= set(settings["targets"]["sdist"]["include"])


def test_sizes_of_files_and_functions() -> None:
    for path in [*(ROOT / "rewards").rglob("*.py"), *(p for package in packages() for p in package.rglob("*.py"))]:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 320, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
                assert body <= 50, f"{path}: {node.name} has {body} lines"


def test_shipped_parameters_are_safetensors_and_small() -> None:
    files = [path for package in packages() for path in (package / "params").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json"}
    assert sum(path.stat().st_size for path in files) < 5_000_000


def test_nothing_unsafe_is_called() -> None:
    for path in [*(ROOT / "rewards").rglob("*.py"), *(p for package in packages() for p in package.rglob("*.py"))]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert "pickle" not in set(imports(path)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is False, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                assert called not in {"torch.load", "yaml.load", "os.system"}, f"{path}: {called}"


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.metadata.version("appropriateness-rewards") == project["version"]
