"""Whatever bytes come in, every line is scored or rejected, and no traceback reaches the user."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewards.errors import RewardsError
from rewards.files import pipeline
from rewards.files.writing import File
from rewards.suite import suite_of
from rewards.summary import Summary
from tests.conftest import command, read_lines, record

KEYS = ["id", "post_id", "issue", "sentences", "argument", "text", "before", "after", "completion", "edits", "prompt"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)
records = st.dictionaries(st.sampled_from(KEYS), json_values, max_size=6).map(lambda r: {"argument": "A b. C d.", **r})
lines = st.one_of(
    st.binary(max_size=40),
    records.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.just(json.dumps(record()).encode()),
    records.map(lambda value: json.dumps(value).encode()[:-3]),
)


def run(data: bytes) -> tuple[Summary, list[dict[str, Any]], list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        source.write_bytes(data)
        summary = Summary()
        job = pipeline.FileJob(str(source), suite_of(["format", "edit_quality"]), chunk=2)
        pipeline.run(job, File(out, {}, 2, resume=False), summary)
        bad = Path(f"{out}.rejected.jsonl")
        return summary, read_lines(out), read_lines(bad) if bad.exists() else []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines, max_size=6))
def test_every_line_is_scored_or_rejected(parts: list[bytes]) -> None:
    data = b"\n".join(parts)
    if data[:2] == b"\x1f\x8b" or data[:4] == b"PAR1":
        return
    summary, scored, rejected = run(data)
    expected = [
        number for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if line.strip()
    ]
    assert len(scored) + len(rejected) == len(expected)
    assert [one["line"] for one in rejected] == sorted(one["line"] for one in rejected)
    assert {one["line"] for one in rejected} <= set(expected)
    assert (summary.records, summary.rejected) == (len(scored), len(rejected))
    for one in scored:
        assert one["argument"].strip()
        assert len(one["edits"]) == sum(edit["valid"] or bool(edit["invalid_reason"]) for edit in one["edits"])
        json.dumps(one, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"PAR1", b"\xef\xbb\xbf", b"\x00"])
)
def test_raw_bytes_of_any_kind_of_file(data: bytes, magic: bytes) -> None:
    try:
        run(magic + data)
    except RewardsError as error:
        assert str(error)  # the file as a whole cannot be read, and it is said why


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\x1f\x8b\x08broken", b"PAR1broken", b"\x00" * 50, b'{"a":', b"\xff\xfe{\x00}\x00"]
)
def test_the_command_says_a_sentence_and_exits_with_a_code(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(data)
    done = command("score", source, "--reward", "format", "-o", tmp_path / "out.jsonl")
    assert done.returncode in (0, 1, 2)
    assert b"Traceback" not in done.stderr
    assert b"this is a bug" not in done.stderr
