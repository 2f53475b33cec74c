"""Plugins as strangers install them: found, isolated, named when they clash or fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import rewards
from rewards.errors import PluginError
from rewards.plugins import Registry
from tests.conftest import command, plugin, registry_of


@rewards.reward(level="edit", range=(0, 1))
def brevity(edits: list[rewards.Edit]) -> list[float]:
    """1 always."""
    return [1.0] * len(edits)


def test_a_reward_is_found_with_its_origin() -> None:
    found, origin = registry_of(brevity).reward("brevity")
    assert found is brevity
    assert str(origin) == "toy-distribution 0.0.1 (plugin 'toy')"


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"no reward is called 'brevty' \(did you mean 'brevity'\?\)"):
        registry_of(brevity).reward("brevty")


def test_a_clash_names_both_distributions_and_leaves_the_rest_alone() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def other(edits: list[rewards.Edit]) -> list[float]:
        return [0.0] * len(edits)

    found = registry_of(brevity)
    found.add(plugin(brevity, other), "second", "another-distribution", "2.0")
    with pytest.raises(PluginError, match=r"toy-distribution 0\.0\.1 .* and by another-distribution 2\.0"):
        found.reward("brevity")
    assert [name for name, _, _ in found.rewards] == ["other"]
    assert len(found.rewards.clashes()) == 1


def test_a_misspelt_hook_is_reported() -> None:
    @rewards.hookimpl
    def register_reward(register: Callable[[rewards.Reward], None]) -> None:
        register(brevity)

    found = Registry()
    found.add(SimpleNamespace(register_reward=register_reward), "misspelt")
    assert found.plugins[0].problems == ["there is no hook 'register_reward' (did you mean 'register_rewards'?)"]


def test_a_plugin_without_hooks_is_reported() -> None:
    found = Registry()
    found.add(SimpleNamespace(), "empty")
    assert "implements no hook" in found.plugins[0].problems[0]


def test_an_undecorated_function_is_refused_with_the_remedy() -> None:
    with pytest.raises(PluginError, match="decorate it with @rewards.reward"):
        registry_of(lambda edits: [])


def installed(folder: Path, name: str, code: str, version: str = "1.0") -> Path:
    """A distribution as pip leaves it in a folder of the search path."""
    (folder / f"{name}.py").write_text(code)
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[rewards]\n{name} = {name}\n")
    return folder


WORKS = """
import rewards

@rewards.reward(level="edit", range=(0, 1))
def {reward}(edits):
    "1 always."
    return [1.0] * len(edits)

@rewards.hookimpl
def register_rewards(register):
    register({reward})
"""


def test_a_plugin_that_fails_to_import_takes_nothing_else_down(tmp_path: Path) -> None:
    installed(tmp_path, "broken_plugin", "import no_such_module")
    installed(tmp_path, "good_plugin", WORKS.format(reward="good"))
    listed = command("list", PYTHONPATH=str(tmp_path))
    assert listed.returncode == 0
    assert b"good_plugin" in listed.stdout
    assert b"broken_plugin 1.0 (plugin 'broken_plugin') failed to load: ModuleNotFoundError" in listed.stderr
    shown = command("plugins", "--traceback", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"import no_such_module" in shown.stderr
    asked = command("show", "lost", PYTHONPATH=str(tmp_path))
    assert asked.returncode == 2
    assert b"Some plugins failed to load, and may hold it: broken_plugin 1.0" in asked.stderr


def test_a_clash_of_installed_distributions_is_an_error_where_the_name_is_used(tmp_path: Path) -> None:
    installed(tmp_path, "first_plugin", WORKS.format(reward="format"))
    used = command("score", "-", "--reward", "format", stdin=b"", PYTHONPATH=str(tmp_path))
    assert used.returncode == 2
    assert b"appropriateness-rewards" in used.stderr
    assert b"first_plugin 1.0" in used.stderr
    listed = command("plugins", PYTHONPATH=str(tmp_path))
    assert listed.returncode == 1
    assert b"reward 'format' is registered by" in listed.stderr


def test_a_plugin_adds_a_command(tmp_path: Path) -> None:
    code = """
import rewards

@rewards.hookimpl
def register_commands(app):
    @app.command()
    def greet():
        "Say hello."
        print("hello from a plugin")
"""
    installed(tmp_path, "command_plugin", code)
    assert command("greet", PYTHONPATH=str(tmp_path)).stdout == b"hello from a plugin\n"
    assert b"greet" in command("--help", PYTHONPATH=str(tmp_path)).stdout


def test_a_plugin_whose_command_hook_fails_leaves_the_command_line_usable(tmp_path: Path) -> None:
    code = "import rewards\n\n@rewards.hookimpl\ndef register_commands(app):\n    raise ValueError('no')\n"
    installed(tmp_path, "command_plugin", code)
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"register_commands failed: ValueError: no" in shown.stderr


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    installed(tmp_path, "hostile_plugin", "raise ValueError('[bold red]x[/] [/nonsense]')")
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"[bold red]x[/] [/nonsense]" in shown.stdout + shown.stderr


def test_show_prints_a_card() -> None:
    shown = command("show", "appropriateness").stdout.decode()
    assert "a reward at global level, from appropriateness-rewards" in shown
    assert "range      [0, 1], higher is better" in shown
    assert "model      appropriateness (full): timonziegenbein/appropriateness-classifier-multilabel" in shown
    assert "licence" in shown


def test_importing_rewards_is_light() -> None:
    heavy = "{'torch', 'transformers', 'trl', 'datasets', 'numpy', 'pydantic'}"
    program = f"import sys, rewards; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
