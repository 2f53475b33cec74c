"""Reading and writing: what a disk, a pipe and a cut-off file do to a run."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rewards
from rewards.errors import RewardsError
from rewards.files import lock
from rewards.files.pipeline import installed, merge_headers, summed
from rewards.files.reading import MAX_LINE, identity, read_header, read_lines
from rewards.files.replacing import replacing
from rewards.files.sink import Stream, dump
from rewards.files.writing import File, finished
from rewards.formats import Format
from rewards.plugins import Registry
from rewards.records import read_revision
from rewards.types import Parsed
from rewards.versions import versions
from tests.conftest import record, write_lines


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", {"a": 1}, b"\n", b"oops\n", {"a": 2})
    found = list(read_lines(str(source)))
    assert [(line.number, line.record, line.error is None) for line in found] == [
        (1, {"a": 1}, True), (3, None, False), (4, {"a": 2}, True),
    ]  # fmt: skip


def test_a_byte_order_mark_and_a_missing_last_newline_do_not_matter(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", b'\xef\xbb\xbf{"a": 1}\n{"a": 2}')
    assert [line.record for line in read_lines(str(source))] == [{"a": 1}, {"a": 2}]


def test_a_line_of_exactly_the_limit_is_read_and_one_more_is_not(tmp_path: Path) -> None:
    fits = b'"' + b"x" * (MAX_LINE - 2) + b'"'
    source = write_lines(tmp_path / "in.jsonl", fits + b"\n", fits[:-1] + b'x"\n', b"3\n")
    found = list(read_lines(str(source)))
    assert [(line.number, line.error is None) for line in found] == [(1, True), (2, False), (3, True)]
    for last, read in ((b"5" * MAX_LINE, False), (fits, True), (fits[:-1] + b'x"', False)):  # without a line break
        source.write_bytes(b"3\n" + last)
        assert [line.error is None for line in read_lines(str(source))] == [True, read]


def test_what_is_reported_of_a_file_ends_with_all_of_it(tmp_path: Path) -> None:
    told: list[int] = []
    source = write_lines(tmp_path / "in.jsonl", *range(20))
    assert len(list(read_lines(str(source), told.append))) == 20
    assert told == sorted(told)
    assert told[-1] == source.stat().st_size


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: data[:40] + b"\xff" * 9 + data[49:]])
def test_a_gzip_that_is_cut_off_or_damaged_is_named(tmp_path: Path, spoil: Any) -> None:
    source = tmp_path / "in.jsonl.gz"
    source.write_bytes(spoil(gzip.compress(b"".join(b"%d\n" % (n * 7919) for n in range(2000)))))
    with pytest.raises(RewardsError, match=r"in\.jsonl\.gz cannot be read as gzip: .*; it may be cut off"):
        list(read_lines(str(source)))


def test_a_file_that_changed_is_another_input(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", 1, 2)
    before = identity(str(source))
    os.utime(source, ns=(0, 0))
    older = identity(str(source))
    write_lines(source, 1, 2, 3)
    os.utime(source, ns=(0, 0))
    longer = identity(str(source))
    assert before != older != longer != before
    assert identity(str(tmp_path / "." / "in.jsonl")) == longer


def test_a_cut_off_gzip_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.gz"
    source.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    with pytest.raises(RewardsError, match=r"in\.jsonl\.gz cannot be read as gzip"):
        list(read_lines(str(source)))


def test_a_json_array_is_told_how_to_become_lines(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps([record()]))
    with pytest.raises(RewardsError, match="jq"):
        list(read_lines(str(source)))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (
            "in.json",
            b'{\n  "argument": "A fool."\n}\n',
            r"in\.json has JSON over several lines; .*: jq -c \. .*in\.json > ",
        ),
        (
            "in.jsonl",
            b'\xef\xbb\xbf[\r\n{"id": 1}]',
            r"in\.jsonl is one JSON array; .*: jq -c '\.\[\]' .*in\.jsonl > .*in-2",
        ),
        ("in.json", b"\xef\xbb\xbf[{}]", "in.json is one JSON array"),
        ("in.CSV", b"id,argument\n", r"in\.CSV is no JSONL; make one: .*'.*in\.jsonl'"),
        ("in.csv.gz", gzip.compress(b"id,argument\n"), r"in\.csv\.gz is no JSONL; make one"),
        (
            "in.jsonl",
            "{}".encode("utf-16"),
            "in.jsonl is text in UTF-16; write it in UTF-8, as `iconv -f UTF-16 -t UTF-8` does",
        ),
        (
            "in.zst",
            b"\x28\xb5\x2f\xfd\0",
            r"in\.zst is packed \(zstd\); give what is in it, as JSONL, JSONL\.gz or Parquet",
        ),
        ("in.xlsx", b"PK\x03\x04\0", "is packed \\(zip, as tables of Excel are\\)"),
    ],
)
def test_a_file_of_another_kind_is_told_as_what_it_is(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RewardsError, match=told):
        list(read_lines(str(tmp_path / name)))


def test_a_first_line_that_is_torn_costs_no_other(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", b"{\n", {"a": 1}, b"[1]\n")
    assert [line.error is None for line in read_lines(str(source))] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "a"),
        (b'{"a": [{"b" : 2, "c": ":", "b" : ": \\":"}]}', "b"),
        (b'{"a": ": \\u003a", "b" : {"a": "\\"a\\":"}}', None),
        (b'{"a": 1, "\\u0061": 2}', "a"),
        (b'{"a": 1, "a": "\\u003A"}', "a"),
        (b"[" * 900 + b"]" * 900, None),
    ],
)
def test_a_key_that_stands_twice_is_told_and_not_the_last_taken(tmp_path: Path, text: bytes, key: str | None) -> None:
    source = write_lines(tmp_path / "in.jsonl", b"{}\n", text + b"\n", b"{}\n")
    lines = list(read_lines(str(source)))
    assert [line.error and line.error.field for line in lines] == [None, key, None]
    if key is not None:
        assert str(lines[1].error) == f"{key}: stands twice in one object; leave one of the two out"
        assert lines[1].raw == text + b"\n"


def test_what_is_wrong_with_a_record_is_told_by_its_column_and_not_as_line_1(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", b"{}\n", b'{"a": ')
    (_, torn) = read_lines(str(source))
    assert str(torn.error) == "not JSON: unexpected end of data: column 7"


@pytest.mark.parametrize(("name", "text"), [("own data.json", "[]"), ("own data.csv", "id,text\n")])
def test_a_command_that_is_suggested_replaces_no_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    for taken, free in (("else.jsonl", "own data.jsonl'"), ("own data.jsonl", "own data-2.jsonl'")):
        (tmp_path / taken).touch()
        with pytest.raises(RewardsError) as caught:
            list(read_lines(str(tmp_path / name)))
        assert str(tmp_path / free) in str(caught.value)


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RewardsError, match="cannot be read: it is a folder; give a file in it"):
        list(read_lines(str(tmp_path)))


def test_a_saved_dataset_is_told_how_to_become_a_file(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{"id": 1, "argument": "A fool."}])
    rows.save_to_disk(tmp_path / "rows")
    datasets.DatasetDict({"train": rows}).save_to_disk(tmp_path / "splits")
    for name in ("rows", "splits"):
        with pytest.raises(RewardsError, match="is a folder that `datasets` saved; make a file of it") as caught:
            list(read_lines(str(tmp_path / name)))
        exec(str(caught.value).partition('python -c "')[2].rstrip('"'), {})  # noqa: S102  (our own command)
        assert [line.record for line in read_lines(str(tmp_path / f"{name}.parquet"))] == [rows[0]]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    with source.open("wb") as file:
        for number in range(20_000):
            file.write(json.dumps({"id": number, "text": "x" * 500}).encode() + b"\n")
    lines = read_lines(str(source))
    assert sum(1 for _ in lines) == 20_000
    import tracemalloc

    tracemalloc.start()
    for _ in read_lines(str(source)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_rejects_of_an_earlier_run_do_not_outlive_it(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    stale = tmp_path / "out.jsonl.rejected.jsonl"
    stale.write_text("{}\n")
    sink = File(out, {}, 4, resume=False)
    sink.write([{"id": 1}])
    assert not out.exists()
    sink.finish({})
    assert out.read_text() == '{"id":1}\n'
    assert not stale.exists()


def test_a_full_disk_says_what_to_do_and_keeps_what_was_written(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this platform has no /dev/full")
    sink = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    sink.write([{"id": 1}])
    sink._out = Path("/dev/full").open("ab")  # noqa: SIM115  (the disk fills up behind the sink's back)
    with pytest.raises(RewardsError, match="No space left on device; free some space and add --resume"):
        sink.write([{"id": 2}])
    assert (tmp_path / "out.jsonl.partial").read_text() == '{"id":1}\n'


@pytest.mark.parametrize("cut", [1, 3])
def test_a_chunk_is_kept_where_it_is_known_how_it_was_made(tmp_path: Path, cut: int) -> None:
    sink = File(tmp_path / "out.jsonl", {}, 2, resume=False)
    for number in range(1, 4):
        sink.write([{"id": number}] * 2, {"seconds": number})
    log = tmp_path / "out.jsonl.partial.json"
    log.write_bytes(log.read_bytes()[:-cut])  # as after a power cut, which keeps the files in no order
    del sink  # its process is gone
    seen: list[object] = []
    resumed = File(tmp_path / "out.jsonl", {}, 2, True, lambda record: seen.append(record["id"]))
    assert (resumed.done, resumed.made, seen) == (4, {"seconds": 2}, [1, 1, 2, 2])
    resumed.write([{"id": 9}] * 2, {"seconds": 9})
    del resumed
    assert File(tmp_path / "out.jsonl", {}, 2, resume=True).made == {"seconds": 9}


def test_a_record_without_its_line_break_is_computed_again(tmp_path: Path) -> None:
    sink = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    for number in range(2):
        sink.write([{"id": number}])
    partial = tmp_path / "out.jsonl.partial"
    partial.write_bytes(partial.read_bytes()[:-1])
    del sink
    resumed = File(tmp_path / "out.jsonl", {}, 1, resume=True)
    assert resumed.done == 1
    resumed.write([{"id": 1}])
    resumed.finish({})
    assert (tmp_path / "out.jsonl").read_text() == '{"id":0}\n{"id":1}\n'


def test_a_run_that_fails_leaves_what_was_there_before_it_and_nothing_of_its_own(tmp_path: Path) -> None:
    File(tmp_path / "out.jsonl", {}, 1, resume=False).abandon()
    assert list(tmp_path.iterdir()) == []
    first = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    first.write([{"id": 1}])
    first.abandon()
    File(tmp_path / "out.jsonl", {}, 1, resume=True).abandon()  # before its first chunk
    assert File(tmp_path / "out.jsonl", {}, 1, resume=True).done == 1


def test_a_run_is_gone_on_with_under_the_same_settings_in_any_order_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = File(path, {"a": 1, "b": 2}, 2, resume=False)
    first.write([{"id": 1}, {"id": 2}])
    first.abandon()
    for settings, chunk, told in (({"a": 1, "b": 2}, 1, "batch_size was 2, is 1"), ({"a": 1}, 2, "b was 2, is null")):
        with pytest.raises(RewardsError, match=f"was made with other settings or another input .{told}"):
            File(path, settings, chunk, resume=True)
    second = File(path, {"b": 2, "a": 1}, 2, resume=True)
    assert second.done == 2
    assert finished(path, {"a": 1, "b": 2}, 2) is None  # it is being written
    second.finish({"counts": {"failed": 0, "rejected": 0}})
    assert finished(path, {"b": 2, "a": 1}, 2) is True
    for settings, chunk in (({"a": 1, "b": 2}, 1), ({"a": 1}, 2)):
        with pytest.raises(RewardsError, match=r"out\.jsonl was made with other settings or another input"):
            finished(path, settings, chunk)


@pytest.mark.parametrize("counts", [{"failed": 1, "rejected": 0}, {"failed": 0, "rejected": 1}])
def test_a_finished_file_says_whether_all_was_scored(tmp_path: Path, counts: dict[str, int]) -> None:
    path = tmp_path / "out.jsonl"
    assert finished(path, {}, 1) is None
    sink = File(path, {}, 1, resume=False)
    sink.write([{"id": 1}])
    sink.finish({"counts": counts})
    (tmp_path / "out.jsonl.partial.json").touch()  # as of a run that died at its very end
    assert finished(path, {}, 1) is False
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.meta.json"]
    (tmp_path / "out.jsonl.partial").touch()
    assert finished(path, {}, 1) is None


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    assert dump({"one": np.float32(0.5), "more": np.arange(2)}) == b'{"one":0.5,"more":[0,1]}\n'


@pytest.mark.parametrize(
    ("file", "line", "spoilt", "done"),
    [
        ("out.jsonl.partial", 3, b"\0" * 9, 2),  # of the second chunk
        ("out.jsonl.partial", 0, b'{"id', 0),
        ("out.jsonl.partial", 5, b"[1]", 4),  # JSON by chance, and no record
        ("out.jsonl.partial.json", 2, b"\0" * 9, 2),  # what was said of the second chunk
        ("out.jsonl.partial.json", 1, b"", 0),
    ],
)
def test_a_line_that_a_power_cut_spoilt_is_computed_again_with_all_after_it(
    tmp_path: Path, file: str, line: int, spoilt: bytes, done: int
) -> None:
    out = tmp_path / "out.jsonl"

    def write(sink: File) -> None:
        for number in range(sink.done // 2, 3):
            sink.write([{"id": number}] * 2, {"seconds": number})

    sink = File(out, {}, 2, resume=False)
    write(sink)
    del sink  # its process is gone
    lines = (tmp_path / file).read_bytes().split(b"\n")
    lines[line] = spoilt
    (tmp_path / file).write_bytes(b"\n".join(lines))
    seen: list[object] = []
    resumed = File(out, {}, 2, True, lambda record: seen.append(record["id"]))
    assert (resumed.done, seen) == (done, [0, 0, 1, 1][:done])
    assert resumed.made == ({"seconds": done // 2 - 1} if done else {})
    write(resumed)
    del resumed
    assert File(out, {}, 2, resume=True).made == {"seconds": 2}
    assert [json.loads(one)["id"] for one in (tmp_path / "out.jsonl.partial").open()] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("record", "made", "message"),
    [
        ({}, {"seconds": 1}, r"out\.jsonl\.partial, line 1 is not as this run wrote it \(KeyError: 'id'\); delete it"),
        ({"id": "x"}, {"seconds": 1}, r"out\.jsonl\.partial, line 1 is not as .* \(TypeError: "),
        (
            {"id": 1},
            {"seconds": "x"},
            r"out\.jsonl\.partial\.json, line 2: seconds is not as this run wrote it; delete .*partial",
        ),
        ({"id": 1}, {"x": 1}, r"out\.jsonl\.partial\.json, line 2: seconds is not as"),
        (
            {"id": 1},
            {"seconds": 1, "features": {"computed": "x"}},
            r"partial\.json, line 2: features\.computed is not as",
        ),
        (
            {"id": 1},
            {"seconds": 1, "models": {"m": {"device": 1}}},
            r"partial\.json, line 2: models\.m\.device is not as",
        ),
    ],
)
def test_what_somebody_changed_in_a_partial_is_named(
    tmp_path: Path, record: dict[str, Any], made: dict[str, Any], message: str
) -> None:
    sink = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    sink.write([record], made)
    del sink  # its process is gone
    with pytest.raises(RewardsError, match=message):
        File(tmp_path / "out.jsonl", {}, 1, True, lambda record: 1 + record["id"])


def test_what_is_said_of_part_of_a_run_may_lack_a_part() -> None:
    assert summed([{"seconds": 1.0}, {"models": {"m": {}}}]) == {
        "models": {"m": {"device": "", "truncated_texts": 0}}, "roles": {}, "threads": [], "features": {},
    }  # fmt: skip
    parts = [{"models": {"m": {"device": one, "truncated_texts": n}}} for one, n in (("cuda:1", 2), ("cpu", 3))]
    assert summed(parts)["models"] == {"m": {"device": "cpu, cuda:1", "truncated_texts": 5}}
    assert summed({"threads": [count]} for count in (4, 1, 4))["threads"] == [1, 4]


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "in.parquet"
    parquet.write_table(pyarrow.table({"arguments": ["a" * 50] * 9}), path)
    whole = path.read_bytes()
    for damaged in (whole[:4] + b"\xff" * 20 + whole[24:], whole.replace(b"arguments", b"argum\xffnts")):
        path.write_bytes(damaged)
        with pytest.raises(RewardsError, match=r"in\.parquet cannot be read"):
            list(read_lines(str(path)))


@pytest.mark.parametrize("settings", [None, b"", b"\0" * 20, b'{"batch_si'])
@pytest.mark.parametrize("resume", [True, False])
def test_a_partial_of_which_nothing_says_how_it_was_made_is_kept(
    tmp_path: Path, settings: bytes | None, resume: bool
) -> None:
    partial, beside = tmp_path / "out.jsonl.partial", tmp_path / "out.jsonl.partial.json"
    partial.write_text("my only copy\n")
    if settings is not None:
        beside.write_bytes(settings)
    said = r"nothing beside .*out\.jsonl\.partial says how it was made; delete it to start over"
    with pytest.raises(RewardsError, match=said if resume or not settings else "add --resume, or delete it"):
        File(tmp_path / "out.jsonl", {}, 2, resume)
    assert partial.read_text() == "my only copy\n"
    assert beside.exists() == bool(settings)
    partial.unlink()  # as the message says
    File(tmp_path / "out.jsonl", {}, 2, resume).finish({})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.meta.json"]


@pytest.mark.parametrize("left", [["partial.json"], ["partial.json", "partial"]])
def test_a_run_that_died_before_it_said_how_it_works_is_in_nobodys_way(tmp_path: Path, left: list[str]) -> None:
    for ending in left:
        (tmp_path / f"out.jsonl.{ending}").touch()
    sink = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    sink.write([{"id": 1}])
    sink.finish({})
    assert (tmp_path / "out.jsonl").read_text() == '{"id":1}\n'


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    sink = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    sink.write([{"id": 1}])
    for resume in (True, False):
        with pytest.raises(RewardsError, match=r"out\.jsonl is being written by another process"):
            File(tmp_path / "out.jsonl", {}, 1, resume=resume)
    sink.write([{"id": 2}])
    sink.finish({})
    assert (tmp_path / "out.jsonl").read_text() == '{"id":1}\n{"id":2}\n'


def test_a_value_that_cannot_be_read_costs_its_row_of_a_parquet_file(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    texts = pyarrow.array([b"a", b"\xff", b"c", None], pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"n": [1, 2, 3, 4], "text": texts}), tmp_path / "in.parquet")
    found = list(read_lines(str(tmp_path / "in.parquet")))
    assert [line.record for line in found] == [{"n": 1, "text": "a"}, None, {"n": 3, "text": "c"}, {"n": 4}]
    assert [line.number for line in found] == [1, 2, 3, 4]
    assert "a value cannot be read: 'utf-8' codec" in str(found[1].error)


def test_a_stream_is_like_no_other_and_a_file_like_itself(tmp_path: Path) -> None:
    source = str(write_lines(tmp_path / "in.jsonl", {"a": 1}))
    assert identity("-") != identity("-")
    assert identity(source) == identity(source)


def test_a_full_standard_output_advises_no_resuming(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=Full(), flush=lambda: None))
    with pytest.raises(RewardsError, match=r"^standard output cannot be written: No space left on device; give -o OUT"):
        Stream().write([{"id": 1}])


def test_a_finished_file_is_known_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to("real.jsonl")
    sink = File(link, {}, 1, resume=False)
    sink.write([{"id": 1}])
    sink.finish({"counts": {"failed": 0, "rejected": 0}})
    assert link.is_symlink()
    assert finished(link, {}, 1)
    assert finished(tmp_path / "real.jsonl", {}, 1)
    header = read_header(link)
    assert header is not None
    assert header == read_header(tmp_path / "real.jsonl")


def test_a_file_whose_writer_ends_meanwhile_is_locked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    first.write([{"id": 1}])
    taken = lock.take

    def ends_meanwhile(file: int) -> bool:
        if (tmp_path / "out.jsonl.partial").exists() and not hasattr(first, "ended"):
            first.ended = True  # type: ignore[attr-defined]  # of this test alone
            first.finish({})  # between the opening of the lock's file and the lock
        return taken(file)

    monkeypatch.setattr(lock, "take", ends_meanwhile)
    second = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    with pytest.raises(RewardsError, match="is being written by another process"):
        File(tmp_path / "out.jsonl", {}, 1, resume=False)
    second.write([{"id": 2}])
    second.finish({})
    assert (tmp_path / "out.jsonl").read_text() == '{"id":2}\n'


def test_what_failed_can_be_tried_again_in_the_same_process(tmp_path: Path) -> None:
    first = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    first.write([{"id": 1}])
    first.abandon()  # and yet it lives on, as in a notebook's traceback
    second = File(tmp_path / "out.jsonl", {}, 1, resume=True)
    assert second.done == 1
    second.finish({})


def test_a_header_is_put_in_place_once_the_results_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.jsonl.meta.json").write_text("old")
    sink = File(tmp_path / "out.jsonl", {}, 1, resume=False)
    sink.write([{"id": 1}])

    def killed(file: int) -> None:
        assert not (tmp_path / "out.jsonl.meta.json.partial").exists()  # the results come first
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        sink.finish({})
    assert (tmp_path / "out.jsonl.meta.json").read_text() == "old"


def test_a_parquet_file_may_mix_both_shapes_of_edits(tmp_path: Path) -> None:
    """There, each edit has the fields of both, null where it lacks one."""
    import pyarrow
    from pyarrow import parquet

    edit = {"sentence_id": 1, "reason": "r"}
    both = (
        {**edit, "inappropriate_part": "bad", "rewritten_part": "weak"},
        {**edit, "before": "bad", "after": "weak"},
    )
    records = [{"id": i, "argument": "A bad idea.", "edits": [one]} for i, one in enumerate(both)]
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "in.parquet")
    found = [read_revision(line.record) for line in read_lines(str(tmp_path / "in.parquet"))]
    assert [one.edits for one in found] == [read_revision(one).edits for one in records]
    assert all(one.edits[0].valid for one in found)


def test_what_cannot_be_written_whole_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError), replacing(tmp_path / "out") as file:
        file.write_text("half \ud800", encoding="utf-8")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "before")]


def test_a_header_tells_the_versions_of_plugins_that_read_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    @rewards.hookimpl
    def register_formats(register: Callable[[Format], None]) -> None:
        register(Format("theirs", "one", lambda text, sentences: Parsed(()), lambda text: True))

    there = Registry()
    there.add(SimpleNamespace(register_formats=register_formats), "theirs", "their-formats", "1.2")
    monkeypatch.setattr("rewards.files.pipeline.registry", lambda: there)
    assert installed() == {"their-formats": "1.2", **versions()}


def test_a_header_keeps_how_the_first_run_used_a_model() -> None:
    old, new = ({"models": {"m": {"device": one, "truncated_texts": n}}} for one, n in (("cuda:0", 5), ("cpu", 0)))
    merged = merge_headers(old, new)
    assert merged["models"] == old["models"]
    assert merged["appended"] == [new]
    second = {"suite": "second", "source_sha256": "of what was added to"}
    third = merge_headers({**merged, "suite": "first"}, {**second, "counts": {"records": 1}})
    assert third["suite"] == "first"
    assert "source_sha256" not in third  # an older release did not state that of its own input
    assert third["appended"] == [new, second]  # what is counted is counted of the whole file
