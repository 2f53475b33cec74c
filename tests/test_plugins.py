"""Plugins as strangers install them: found, isolated, named when they clash or fail."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt

import rewards
from rewards.cli import kinds
from rewards.cli.logs import FloodFilter, PlainFormatter
from rewards.cli.plugins import show
from rewards.engine.engine import Engine
from rewards.errors import PluginError
from rewards.fitting.run import run
from rewards.plugins import Registry, registry
from rewards.suite import suite_of
from tests.conftest import ROOT, command, installed, plugin, read_lines, record, registry_of, write_lines


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
    with pytest.raises(PluginError, match=r"no reward is called 'bre' \(did you mean 'brevity'\?\)"):
        registry_of(brevity).reward("bre")


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


def test_a_clash_with_the_toolkit_itself_is_not_solved_by_uninstalling_it() -> None:
    found = registry_of(brevity)
    found.add(plugin(brevity), "own", "appropriateness-rewards", "1.0")
    with pytest.raises(PluginError, match="; rename that of toy-distribution, or uninstall it"):
        found.reward("brevity")


def test_files_that_the_wheel_lacks_are_told(tmp_path: Path) -> None:
    without = rewards.reward(level="edit", range=(0, 1), name="without", card=tmp_path / "card.json")(lambda edits: [])
    (told,) = registry_of(without).plugins
    assert told.problems == [f"{tmp_path / 'card.json'} is not there; is it in the wheel?"]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b'["a"]', "expected an object, found list"), ('{"data": "café"}'.encode("latin-1"), "line 1 is not UTF-8")],
)
def test_a_card_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    code = """
from pathlib import Path
import rewards

@rewards.reward(level="edit", range=(0, 1), card=Path(__file__).with_name("card.json"))
def carded(edits):
    "A reward."
    return [1.0 for _ in edits]

@rewards.hookimpl
def register_rewards(register):
    register(carded)
"""
    (tmp_path / "card.json").write_bytes(content)
    path = installed(tmp_path, "carded", code)
    for arguments, rc in ((("plugins",), 1), (("show", "carded"), 2)):
        done = command(*arguments, PYTHONPATH=str(path))
        assert done.returncode == rc, done.stderr.decode()
        assert f"reward 'carded': its card {tmp_path / 'card.json'} cannot be read: " in done.stderr.decode()
        assert told in done.stderr.decode()


def test_arguments_that_cannot_be_built_are_told(tmp_path: Path) -> None:
    code = """
from typing import Literal
import rewards

@rewards.reward(level="edit", range=(0, 1))
def unbuilt(edits, *, unit: Literal["words"] = "bytes"):
    return [1.0 for _ in edits]

@rewards.reward(level="edit", range=(0, 1))
def required(edits, *, unit: str):
    return [1.0 for _ in edits]

@rewards.hookimpl
def register_rewards(register):
    register(unbuilt)
    register(required)
"""
    done = command("plugins", PYTHONPATH=str(installed(tmp_path, "unbuilt", code)))
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(
        "warning: plugin unbuilt 1.0 (plugin 'unbuilt'): reward 'unbuilt': argument 'unit': its default"
    )


CHATTY = """
import ctypes, os, subprocess, sys
import rewards

print("imported")
subprocess.run(["echo", "imported by a process"], check=True)

@rewards.reward(level="edit", range=(0, 1))
def chatty(edits):
    print("scoring", len(edits))
    subprocess.run(["echo", "from a process"], check=True)
    os.write(1, b"from below\\n")
    ctypes.CDLL(None).puts(b"from C")
    print("past the redirection", file=sys.__stdout__)
    return [1.0 for _ in edits]

@rewards.hookimpl
def register_rewards(register):
    register(chatty)
"""


@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_what_a_plugin_prints_is_no_result(tmp_path: Path, device: str) -> None:
    path = installed(tmp_path, "chatty", CHATTY)
    source = write_lines(tmp_path / "in.jsonl", *(record(str(n)) for n in range(3)))
    done = command("score", source, "--reward", "chatty", "--device", device, "-q", PYTHONPATH=str(path))
    assert done.returncode == 0, done.stderr.decode()
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["0", "1", "2"]
    for said in (
        "imported",
        "scoring",
        "imported by a process",
        "from a process",
        "from below",
        "past the redirection",
    ):
        assert said.encode() in done.stderr
    if device == "cpu":
        assert b"from C" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&-"])
def test_what_a_plugin_prints_reaches_no_file(tmp_path: Path, closed: str) -> None:
    path = installed(tmp_path, "chatty", CHATTY)
    write_lines(tmp_path / "in.jsonl", record())
    run = f"{sys.executable} -m rewards score in.jsonl --reward chatty -q -o out.jsonl {closed}"
    search = os.pathsep.join(filter(None, (str(path), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        ["bash", "-c", run], cwd=tmp_path, env={**os.environ, "PYTHONPATH": search}, capture_output=True, check=False
    )
    assert (done.stdout, [one["id"] for one in read_lines(tmp_path / "out.jsonl")]) == (b"", ["one"])


def test_a_reader_that_goes_away_while_plugins_print_is_no_failure(tmp_path: Path) -> None:
    path = installed(tmp_path, "chatty", CHATTY)
    source = write_lines(tmp_path / "in.jsonl", *(record(n) for n in range(500)))
    search = os.pathsep.join(filter(None, (str(path), os.environ.get("PYTHONPATH"))))
    run = [sys.executable, "-m", "rewards", "score", str(source), "--reward", "chatty", "-q", "--batch-size", "100"]
    process = subprocess.Popen(
        run, env={**os.environ, "PYTHONPATH": search}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b'{"id":0')
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    assert (process.wait(60), b"Broken" in said) == (0, False), said


def test_results_reach_a_standard_output_that_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    from rewards.cli.terminal import results_alone
    from rewards.files.sink import Stream

    sink = Stream()
    with results_alone():
        print("no result")
        sink.write([{"id": 1}])
    print("afterwards")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ('{"id":1}\nafterwards\n', "no result\n")


def test_show_says_types_as_written_and_how_to_fit(tmp_path: Path) -> None:
    code = """
from typing import Annotated, Literal
from annotated_types import Gt
import rewards

@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def shown(edits, *, formula: Literal["flesch", "length"] = "length", n: Annotated[int, Gt(0)] = 3):
    "A reward."
    return [1.0 for _ in edits]

@rewards.hookimpl
def register_rewards(register):
    register(shown)
"""
    done = command("show", "shown", PYTHONPATH=str(installed(tmp_path, "shown", code)))
    assert done.returncode == 0, done.stderr.decode()
    told = done.stdout.decode()
    assert "argument   formula: Literal['flesch', 'length'], default 'length'\n" in told
    assert "argument   n: int > 0, default 3\n" in told
    assert (
        "fit        rewards fit shown --data FILE -o DIR\n"
        "option     percentile: float between 0 and 100, default 5.0\n" in told
    )


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (int, "int"),
        (Annotated[int, Ge(100)], "int ≥ 100"),
        (Annotated[int, Ge(9), Le(30)], "int from 9 to 30"),
        (Annotated[float, Gt(0), Le(1)], "float > 0 and ≤ 1"),
        (Annotated[float, Gt(0), Lt(100)] | None, "float between 0 and 100, or none"),
        (str | None, "str or none"),
        (Literal["a", "b"], "Literal['a', 'b']"),
        (list[int], "list[int]"),
    ],
)
def test_a_type_is_told_with_its_bounds_in_words(annotation: Any, told: str) -> None:
    assert kinds.kind_of(annotation) == told


def test_what_a_card_says_of_limits_stands_once_under_limits(capsys: pytest.CaptureFixture[str]) -> None:
    show("useless_edits")
    lines = capsys.readouterr().out.splitlines()
    assert "failures:" in lines
    assert [line for line in lines if line.strip() == "limits:"] == ["limits:"]


def test_a_plugin_that_registers_a_name_twice_is_told_so() -> None:
    with pytest.raises(PluginError, match=r"is registered 2 times by toy-distribution 0\.0\.1 .*; register it once"):
        registry_of(brevity, brevity).reward("brevity")


@pytest.mark.parametrize("wrong", ['models=("encoder",)', 'card="card.json"', 'threshold="high"'])
def test_a_reward_that_is_declared_wrongly_takes_nothing_else_down(tmp_path: Path, wrong: str) -> None:
    code = f"""
import rewards

@rewards.reward(level="edit", range=(0, 1), {wrong})
def crooked(edits):
    return [1.0] * len(edits)

@rewards.hookimpl
def register_rewards(register):
    register(crooked)
"""
    installed(tmp_path, "crooked_plugin", code)
    listed = command("list", PYTHONPATH=str(tmp_path))
    assert listed.returncode == 0
    assert b"changed_words" in listed.stdout
    assert b"crooked_plugin 1.0 (plugin 'crooked_plugin') failed to load: reward 'crooked': " in listed.stderr


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


def test_hooks_that_register_nothing_are_reported(tmp_path: Path) -> None:
    hooks = {"forgets": "register_rewards(register)", "lacks": "register_rewards()", "idle": "register_commands(app)"}
    for name, hook in hooks.items():
        installed(tmp_path, f"{name}_plugin", f"import rewards\n\n@rewards.hookimpl\ndef {hook}:\n    pass\n")
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert sorted(shown.stderr.decode().splitlines()) == [
        f"warning: plugin {name}_plugin 1.0 (plugin '{name}_plugin'): its hooks register nothing"
        for name in sorted(hooks)
    ]


def hooked(signature: str, body: str, hook: str = "register_rewards") -> SimpleNamespace:
    """A plugin object with this hook."""
    made: dict[str, Any] = {"brevity": brevity, "Path": Path}
    exec(f"{signature.format(hook)}:\n    {body}", made)  # noqa: S102  (hooks of every shape)
    return SimpleNamespace(**{hook: rewards.hookimpl(made[hook])})


@pytest.mark.parametrize(
    ("signature", "body", "told"),
    [
        (
            "def {}(register=None)",
            "pass",
            "register_rewards gets no 'register', because that parameter has a default;"
            " write `def register_rewards(register)`",
        ),
        (
            "def {}(*, register=None)",
            "pass",
            "register_rewards gets no 'register', because that parameter is keyword-only;"
            " write `def register_rewards(register)`",
        ),
        ("def {}()", "return [brevity]", "register_rewards returned list, which nobody reads; call register(reward)"),
    ],
)
def test_hooks_that_hand_over_nothing_are_told_why(signature: str, body: str, told: str) -> None:
    found = Registry()
    found.add(hooked(signature, body), "shy")
    assert found.plugins[0].problems == [told]


@pytest.mark.parametrize(
    ("signature", "body", "told"),
    [
        ("async def {}(register)", "register(brevity)", "^register_rewards is async; hooks are plain functions$"),
        ("def {}(register)", "yield brevity", r"^register_rewards is a generator \(it yields\); hooks are plain"),
        ("def {}(register)", "register([brevity] * 99)", r"\(plugin 'shy'\) registered \[.{99} as a reward; expected a Reward"
         "; call register once for each$"),
    ],
)  # fmt: skip
def test_hooks_that_cannot_work_are_refused(signature: str, body: str, told: str) -> None:
    with pytest.raises(PluginError, match=told):
        Registry().add(hooked(signature, body), "shy")


def test_a_suite_that_is_no_yaml_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("description: x")
    (tmp_path / "suites").mkdir()
    monkeypatch.chdir(tmp_path)
    rest = "; a suite is a YAML file, whose name ends in .yaml or .yml"
    for name, told in (("suites", "suites is a folder"), ("mine.txt", "mine.txt is no suite by its name")):
        found = Registry()
        found.add(hooked("def {}(register)", f"register(Path({name!r}))", "register_suites"), "misnamed")
        assert found.plugins[0].problems == [told + rest]
        with pytest.raises(PluginError, match=f"^{re.escape(told + rest)}$"):
            rewards.load_suite(name)
    (tmp_path / "default").mkdir()
    assert rewards.load_suite("default").name == "default"


def test_an_undecorated_function_is_refused_with_the_remedy() -> None:
    with pytest.raises(PluginError, match="decorate it with @rewards.reward"):
        registry_of(lambda edits: [])


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


COMMANDS = """
import rewards

@rewards.hookimpl
def register_commands(app):
    @app.command("{first}")
    def first():
        print("{said}")

    @app.command("{second}")
    def second():
        print("{said}")
"""


def test_a_command_never_replaces_another(tmp_path: Path) -> None:
    installed(tmp_path, "a_plugin", COMMANDS.format(first="list", second="greet", said="hello from a"))
    installed(tmp_path, "b_plugin", COMMANDS.format(first="greet", second="wave", said="hello from b"))
    assert b"hello" not in command("list", PYTHONPATH=str(tmp_path)).stdout
    assert command("greet", PYTHONPATH=str(tmp_path)).stdout == b"hello from a\n"
    assert command("wave", PYTHONPATH=str(tmp_path)).stdout == b"hello from b\n"
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"'a_plugin'): its command 'list' is left out: rewards itself has one of that name" in shown.stderr
    assert b"'b_plugin'): its command 'greet' is left out: a_plugin 1.0 (plugin 'a_plugin') has one" in shown.stderr


def test_groups_and_their_nameless_contents_clash_too(tmp_path: Path) -> None:
    code = """
import rewards, typer

@rewards.hookimpl
def register_commands(app):
    nameless = typer.Typer()

    @nameless.command("score")
    def score():
        print("not the score")

    app.add_typer(nameless)
    app.add_typer(typer.Typer(), name="models")
"""
    installed(tmp_path, "group_plugin", code)
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"its command 'score' is left out" in shown.stderr
    assert b"its command 'models' is left out" in shown.stderr
    assert b"not the score" not in command("score", PYTHONPATH=str(tmp_path)).stdout


def test_a_command_that_typer_cannot_build_leaves_the_command_line_usable(tmp_path: Path) -> None:
    code = """
import rewards, typer, typing

@rewards.hookimpl
def register_commands(app):
    @app.command()
    def greet(whom: typing.Annotated[int, typer.Argument(), typer.Option()]):
        print("hello")
"""
    installed(tmp_path, "command_plugin", code)
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"register_commands failed: " in shown.stderr


@pytest.mark.parametrize("code", ["import sys\nsys.exit(0)", "raise BaseException('no')"])
def test_a_plugin_that_exits_takes_nothing_else_down(tmp_path: Path, code: str) -> None:
    installed(tmp_path, "leaving_plugin", code)
    assert b"fluency" in command("list", PYTHONPATH=str(tmp_path)).stdout
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"plugin leaving_plugin 1.0 (plugin 'leaving_plugin') failed to load" in shown.stderr


def test_a_plugin_that_exits_in_its_command_hook_takes_nothing_else_down(tmp_path: Path) -> None:
    code = "import rewards, sys\n\n@rewards.hookimpl\ndef register_commands(app):\n    sys.exit(5)\n"
    installed(tmp_path, "leaving_plugin", code)
    shown = command("plugins", PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert b"register_commands failed: SystemExit: 5" in shown.stderr


def test_a_plugin_that_fails_half_way_registers_nothing(tmp_path: Path) -> None:
    code = (
        WORKS.format(reward="half")
        + "    raise ValueError('half-way')\n"
        + COMMANDS.format(first="x", second="y", said="")
    )
    installed(tmp_path, "half_plugin", code)
    asked = command("show", "half", PYTHONPATH=str(tmp_path))
    assert asked.returncode == 2
    assert b"may hold it: half_plugin 1.0 (plugin 'half_plugin'): ValueError: half-way" in asked.stderr
    assert command("x", PYTHONPATH=str(tmp_path)).returncode == 2

    found = Registry()
    with pytest.raises(PluginError):
        found.add(plugin(brevity, "no reward"), "half")
    assert not found.plugins
    assert not list(found.rewards)
    found.add(plugin(brevity), "half")
    with pytest.raises(PluginError, match="another entry point"):
        found.add(plugin(), "half")
    assert found.reward("brevity")[0] is brevity


def test_a_console_without_our_characters_gets_their_codes() -> None:
    for arguments in (("list",), ("show", "appropriateness")):
        for encoding in ("ascii", "cp1252"):
            shown = command(*arguments, PYTHONIOENCODING=encoding)
            assert (shown.returncode, shown.stderr) == (0, b"")
            assert b"\\u2265 0.5" in shown.stdout


def test_tables_of_a_pipe_are_plain_lines() -> None:
    for name in ("list", "plugins"):
        lines = command(name, COLUMNS="80").stdout.decode().splitlines()
        assert not re.search("[\u2500-\u257f\x1b]", "".join(lines))
        assert lines == [line.rstrip() for line in lines]
    line = next(
        line for line in command("list", COLUMNS="80").stdout.decode().splitlines() if line.startswith("fluency ")
    )
    assert re.fullmatch(r"fluency +edit +≥ 0\.5 +Probability .* before it\. +appropriateness-rewards", line)


def test_tables_fit_a_narrow_terminal_and_break_no_name() -> None:
    for name, whole in (("list", "sentence_pattern_conformity"), ("plugins", "semantic_similarity")):
        pid, terminal = pty.fork()
        if pid == 0:
            environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
            os.execve(sys.executable, [sys.executable, "-m", "rewards", name], environment)  # noqa: S606  (our own interpreter)
        output = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            output += part
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        lines = output.decode().splitlines()
        assert max(map(len, lines)) <= 80
        assert any(line.startswith(whole) for line in lines)


def test_logged_escape_sequences_are_written_out() -> None:
    try:
        raise ValueError("\x1b[2Jcleared")
    except ValueError:
        record = logging.LogRecord("rewards.x", logging.ERROR, "", 1, "it\x1b[0m failed", None, sys.exc_info())
    text = PlainFormatter("%(message)s").format(record)
    assert "\x1b" not in text
    assert "ValueError: \\x1b[2Jcleared" in text


def test_a_flood_of_one_message_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    flood = FloodFilter(tracked=2)

    def passed(name: str, message: str, *arguments: object) -> bool:
        return flood.filter(logging.LogRecord(name, logging.ERROR, "", 1, message, arguments, None))

    assert [passed("a", "no: %s\ntrace %s", "x", i) for i in range(1003)] == [True] * 3 + [False] * 1000
    assert passed("b", "no: x")
    assert passed("a", "%d", "not a number")
    assert all(passed("a", f"untracked {i}") for i in range(5))
    flood.report()
    flood.report()
    assert capsys.readouterr().err == "a: no: x (1,000 more times)\n"


def test_a_flood_of_one_exception_is_counted_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    flood = FloodFilter()

    def passed(kind: type[Exception], text: str) -> bool:
        try:
            raise kind(text)
        except kind as error:
            message = f"failed: {error}"
            return flood.filter(logging.LogRecord("a", logging.ERROR, "", 1, message, None, sys.exc_info()))

    assert [passed(ValueError, f"of record {i}") for i in range(9)] == [True] * 3 + [False] * 6
    assert passed(KeyError, "of another type")
    flood.report()
    assert capsys.readouterr().err == "a: failed: of record 0 (6 more times)\n"


def test_a_flood_from_a_run_is_cut(tmp_path: Path) -> None:
    code = """
import rewards

@rewards.reward(level="global", range=(0, 1))
def failing(arguments):
    raise ValueError("\\x1b[31mno")

@rewards.hookimpl
def register_rewards(register):
    register(failing)
"""
    installed(tmp_path, "failing_plugin", code)
    source = write_lines(tmp_path / "in.jsonl", *(record(number) for number in range(10)))
    together = command("score", source, "-q", "--reward", "failing", PYTHONPATH=str(tmp_path))
    assert together.returncode == 1
    assert together.stderr.count(b"ERROR rewards.scoring") == 1
    done = command("score", source, "-q", "--reward", "failing", "--batch-size", "1", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count(b"ERROR rewards.scoring") == 3
    assert b"\x1b" not in done.stderr
    assert re.search(rb"rewards\.scoring: .*'failing'.*\(\d+ more times\)", done.stderr)
    strict = command("score", source, "-q", "--reward", "failing", "--strict", PYTHONPATH=str(tmp_path))
    assert strict.returncode == 1
    assert strict.stderr.startswith(b"error: reward 'failing' of failing_plugin 1.0 failed: ValueError")
    assert b" (record 0)\nRun again with REWARDS_DEBUG=1 for the traceback." in strict.stderr
    debug = command(
        "score", source, "-q", "--reward", "failing", "--strict", PYTHONPATH=str(tmp_path), REWARDS_DEBUG="1"
    )
    assert debug.returncode == 1
    assert debug.stderr.startswith(b"Traceback (most recent call last)")
    assert b'failing_plugin.py", line 6, in failing' in debug.stderr
    assert b"\nerror: reward 'failing' of failing_plugin" in debug.stderr
    assert b"\x1b" not in debug.stderr


def test_a_suite_whose_file_is_missing_is_an_error_of_its_plugin(tmp_path: Path) -> None:
    code = """
import pathlib, rewards

@rewards.hookimpl
def register_suites(register):
    register(pathlib.Path("gone.yaml"))
"""
    installed(tmp_path, "suite_plugin", code)
    for arguments in (("show", "gone"), ("suite", "show", "gone"), ("suite", "copy", "gone", tmp_path / "mine.yaml")):
        shown = command(*arguments, PYTHONPATH=str(tmp_path))
        assert shown.returncode == 2
        assert b"suite 'gone' of suite_plugin 1.0 (plugin 'suite_plugin'): gone.yaml cannot be read" in shown.stderr


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
    shown = command("show", "appropriateness", fresh=True).stdout.decode()
    assert "a reward at global level, from appropriateness-rewards" in shown
    assert "range      [0, 1], higher is better" in shown
    assert "model      appropriateness (full): timonziegenbein/appropriateness-classifier-multilabel" in shown
    assert "licence" in shown


def test_every_shipped_card_names_its_data_and_their_licence() -> None:
    used = [(name, one) for name, reward, _ in registry().rewards for one in reward.card.get("data", [])]
    assert len({name for name, _ in used}) >= 6
    assert [(name, one["file"]) for name, one in used if not (one.get("source") and one.get("licence"))] == []


def test_importing_rewards_is_light() -> None:
    heavy = "{'torch', 'transformers', 'trl', 'datasets', 'numpy', 'pydantic'}"
    program = f"import sys, rewards; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_the_page_on_plugins_says_how_to_try_a_reward(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    program, trial = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]
    installed(tmp_path, "my_rewards", program)
    (tmp_path / "trial.py").write_text(trial)
    done = subprocess.run([sys.executable, "trial.py"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_page_on_plugins_says_how_to_fit(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    program = next(one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Fitter" in one)
    installed(tmp_path, "my_rewards", program)
    data = write_lines(tmp_path / "data.jsonl", *({"before": 10 * "x", "after": (6 + n % 4) * "x"} for n in range(40)))
    done = command("fit", "kept_length", "--data", data, "-o", tmp_path / "fit", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr.decode()
    source = write_lines(tmp_path / "in.jsonl", record())
    for option, threshold in (("kept_length", 0.5), (f"kept_length.params={tmp_path / 'fit'}", 0.6)):
        out = tmp_path / f"{threshold}.jsonl"
        done = command("score", source, "-o", out, "--reward", option, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(out.read_text())["edits"][0]["scores"]["kept_length"]["threshold"] == threshold


@pytest.mark.models
def test_the_page_on_plugins_has_a_head_that_is_fitted(
    tmp_path: Path, embedded_models: None, found_here: Callable[[Path], None]
) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8").split("### A head that is fitted")[1]
    path = str(installed(tmp_path, "my_politeness", re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]))
    source = write_lines(tmp_path / "in.jsonl", record(), record("two", rewrite="Thank you, friend.", edits=None))
    done = command("score", source, "-q", "--reward", "politeness", PYTHONPATH=path)
    assert done.returncode == 2
    assert "error: politeness is not fitted: rewards fit politeness --data FILE -o DIR" in done.stderr.decode()
    texts = {"thank you, friend": True, "shut up, idiot": False}
    rows = ({"text": f"{text} {n}", "polite": polite} for n in range(10) for text, polite in texts.items())
    data, mine = write_lines(tmp_path / "data.jsonl", *rows), tmp_path / "mine"
    found_here(tmp_path)
    run("politeness", [data], mine, {}, 0, Engine(), lambda _: None)
    suite = suite_of(["politeness"], settings={"politeness": {"params": str(mine)}})
    results = suite.score([rewards.read_revision(one) for one in read_lines(source)])
    rude, polite = (result.rewards["politeness"] for result in results)
    assert 0 < rude < polite < 1
    shown = command("show", f"politeness.params={mine}", PYTHONPATH=path)
    assert shown.returncode == 0, shown.stderr.decode()
    assert "measures: P(polite) of a text\nrows: 20\n" in shown.stdout.decode()
    shown = command("show", "politeness", PYTHONPATH=path)
    assert "measures:" not in shown.stdout.decode()


def test_a_reader_that_goes_away_is_no_failure() -> None:
    process = subprocess.Popen([sys.executable, "-m", "rewards", "list"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0


def test_a_checkpoint_of_no_known_architecture_is_refused() -> None:
    from rewards.models.specs import Checkpoint, Hub

    with pytest.raises(PluginError, match="architecture is 'sequence-classifier'; it must be one of sentence-encoder"):
        Checkpoint(Hub("x"), "sequence-classifier")  # type: ignore[arg-type]  # what a writer may well guess


def test_models_that_are_declared_wrongly_are_refused_where_they_stand() -> None:
    from rewards.models.specs import Checkpoint, Derived, Hub, Model

    good = Checkpoint(Hub("x"), "classifier")
    wrong: list[tuple[Callable[[], Any], str]] = [
        (
            lambda: Model("mine", {"embedded": "name/model"}),
            r"is 'name/model' in profile 'embedded'; it must be a Checkpoint",
        ),
        (lambda: Model("mine", {"fulll": good}), r"no profile is called 'fulll' \(did you mean 'full'\?\)"),
        (lambda: Checkpoint("name/model", "classifier"), r"source is 'name/model'; it must be a Hub"),
        (lambda: Checkpoint(Hub("x"), "classifier", labels="rude"), "labels are 'rude'; expected a tuple of names"),
        (
            lambda: Derived("a head", "0", ("a",), lambda r: (), lambda s: s, ()),
            r"a head: fitted_on is \(\); it must name",
        ),
        (lambda: Derived("a head", "0", ("a",), lambda r: (), lambda s: s, (Model("m", {}),)), "a head: fitted_on is"),
    ]
    for declare, message in wrong:
        with pytest.raises(PluginError, match=message):
            declare()
    assert Derived("a head", "0", ["a", "b"], lambda r: (), lambda s: s, [good]).labels == ("a", "b")


@pytest.mark.parametrize(
    ("words", "advised"),
    [
        (["score", "in.jsonl", "-o", "out.jsonl"], True),
        (["score", "in.jsonl", "--out=out.jsonl"], True),
        (["score", "in.jsonl"], False),  # what went to standard output cannot be gone on with
        (["score", "in.jsonl", "-o", "-"], False),
        (["score", "in.jsonl", "--out=-"], False),
        (["score", "-", "-o", "out.jsonl"], False),  # nor can what came from standard input
        (["train", "smoke"], True),
        (["train", "smoke", "--dry-run"], False),
        (["list"], False),
    ],
)
def test_going_on_is_advised_where_something_was_kept(
    words: list[str], advised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.cli import _resume_hint, build

    monkeypatch.setattr(sys, "argv", ["rewards", *words])
    assert bool(_resume_hint(build())) is advised


def test_tilde_after_an_option_means_the_home_folder(tmp_path: Path) -> None:
    from rewards.cli import _at_home

    done = command("score", "rewards/examples.jsonl", "--out=~/none/scored.jsonl", HOME=str(tmp_path))
    assert (done.returncode, str(tmp_path / "none") in done.stderr.decode()) == (2, True)
    assert list(tmp_path.iterdir()) == []  # nor was a model fetched for what has no place
    for word in ("--set=a=~/b", "ROLE=~/model", "-o=~/x", "--out=a~", "~"):
        assert _at_home(word) == word


def test_ctrl_c_while_plugins_load_is_one_word(tmp_path: Path) -> None:
    path = installed(tmp_path, "slow_plugin", "raise KeyboardInterrupt")
    done = command("score", "in.jsonl", "-o", "out.jsonl", PYTHONPATH=str(path))
    assert (done.returncode, done.stderr) == (130, b"interrupted\n")
