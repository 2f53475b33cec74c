"""The file of decisions: nothing is lost, the last word holds, one writer at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rewards.errors import RewardsError
from rewards_eval.review.journal import Journal, Line, latest, read_decisions
from tests.conftest import read_lines, write_lines


def line(edit: int = 0, decision: str = "accept", **more: Any) -> dict[str, Any]:
    return {
        "version": 1, "kind": "edit", "reviewer": "ann", "id": 1, "system": "one", "edit": edit,
        "sentence_id": 1, "before": "a", "after": "b", "decision": decision, **more,
    }  # fmt: skip


def test_a_line_is_in_the_file_before_append_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "d.jsonl")
    journal.append(lambda: line(0))
    assert read_lines(tmp_path / "d.jsonl") == [line(0)]
    journal.append(lambda: line(1, "amend", amended="é\n\u2028"))
    assert read_lines(tmp_path / "d.jsonl") == journal.lines == [line(0), line(1, "amend", amended="é\n\u2028")]
    journal.close()


def test_the_last_word_of_each_reviewer_holds_and_may_be_taken_back() -> None:
    lines = [
        line(0), line(1), line(0, "reject"), line(1, "clear"), line(0, reviewer="ben"), line(2, "clear"), line(2),
        line(0, id="1"), line(0, after="other"),
    ]  # fmt: skip
    assert latest(lines) == [
        line(0, "reject"), line(0, reviewer="ben"), line(2), line(0, id="1"), line(0, after="other"),
    ]  # fmt: skip


def compared(left: str, right: str, decision: str = "left", **texts: str) -> dict[str, Any]:
    return {
        "version": 1, "kind": "comparison", "reviewer": "ann", "id": 1, "left_system": left, "right_system": right,
        "decision": decision, **texts,
    }  # fmt: skip


def test_a_comparison_is_of_two_texts_whatever_their_side() -> None:
    first = compared("one", "two", left_text="Too late.", right_text="Late.")
    turned = compared("two", "one", "tie", left_text="Late.", right_text="Too late.")
    other = compared("one", "two", left_text="Too late.", right_text="Rather late.")
    bare = compared("one", "two")
    assert latest([first, other, turned, bare, compared("two", "one", "clear")]) == [turned, other]


def test_a_torn_line_is_put_aside_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lines(tmp_path / "d.jsonl", line(0), b'{"kind": "edit", "reviewer": "an')
    assert list(read_decisions(path)) == [line(0)]
    journal = Journal(path)
    journal.append(lambda: line(1))
    journal.close()
    assert read_lines(path) == [line(0), line(1)]
    assert (tmp_path / "d.jsonl.torn").read_bytes() == b'{"kind": "edit", "reviewer": "an\n'
    assert "the last line was cut off by a crash; its 32 bytes are in" in capsys.readouterr().err


def test_a_line_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "d.jsonl", line(0), json.dumps(line(1)).encode())
    journal = Journal(path)
    journal.append(lambda: line(2))
    journal.close()
    assert read_lines(path) == [line(0), line(1), line(2)]
    assert [one.name for one in tmp_path.iterdir()] == ["d.jsonl"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"{torn\n", "line 2: not JSON"),
        (b'{"kind": "other"}\n', "line 2: kind: expected edit or comparison"),
        (json.dumps({**line(), "edit": "x"}).encode() + b"\n", "line 2: edit is missing or of the wrong type"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, bad: bytes, says: str) -> None:
    path = write_lines(tmp_path / "d.jsonl", line(0), bad, line(1))
    before = path.read_bytes()
    with pytest.raises(RewardsError, match=says):
        Journal(path)
    assert path.read_bytes() == before


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    first = Journal(tmp_path / "d.jsonl")
    with pytest.raises(RewardsError, match="in use by another `rewards review`"):
        Journal(tmp_path / "d.jsonl")
    first.close()
    Journal(tmp_path / "d.jsonl").close()


def test_a_file_that_is_closed_meanwhile_has_the_line_that_was_begun(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "d.jsonl")
    closing = threading.Thread(target=journal.close)

    def begun() -> Line:
        closing.start()
        closing.join(0.2)
        return line(0)

    journal.append(begun)
    closing.join()
    assert read_lines(tmp_path / "d.jsonl") == [line(0)]
    with pytest.raises(OSError, match="closed"):
        journal.append(lambda: line(1))


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from rewards_eval.review.journal import Journal
from tests.test_review_journal import line
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
journal = Journal(Path(sys.argv[1]))
for edit in range(9):
    try:
        journal.append(lambda: line(edit))
    except OSError as error:
        print(edit, type(error).__name__, len(journal.lines))
        break
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "d.jsonl"], capture_output=True, check=True, text=True
    )
    assert done.stdout == "3 OSError 3\n", done.stderr
    assert read_lines(tmp_path / "d.jsonl") == [line(0), line(1), line(2)]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RewardsError, match=r"absent/d\.jsonl cannot be written: No such file or directory"):
        Journal(tmp_path / "absent" / "d.jsonl")
