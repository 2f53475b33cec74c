"""Arguments as prompts: read from a file, a folder or a name of `datasets`; what is too long is reported and left out."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rewards import prompts
from rewards.errors import ConfigError, ModelError, RecordError
from rewards.files.reading import read_lines
from rewards.paths import user_path
from rewards.records import TEXT_KEYS, read_revision, unread
from rewards.text.plain import plain
from rewards.types import Revision
from rewards.values import kind
from rewards_train import policy
from rewards_train.recipe import EXAMPLES, Data, Recipe

SHIPPED = Path(__file__).parent / "data" / "arguments.jsonl"


@dataclass(frozen=True, slots=True)
class Item:
    """One argument with the messages of its prompt, and their length in tokens (0 where nobody counted)."""

    id: str
    issue: str
    argument: str
    sentences: tuple[str, ...]
    messages: prompts.Messages
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """The arguments that are used, what was left out and why, and how many were cut to their first sentences.

    `beyond` counts usable arguments over the recipe's limit.
    """

    items: tuple[Item, ...]
    dropped: tuple[tuple[str, str], ...] = ()
    cut: int = 0
    beyond: int = 0

    def first(self, most: int | None) -> Loaded:
        """The first `most` of the arguments; the rest is counted in `beyond`."""
        return replace(self, items=self.items[:most], beyond=len(self.items[most:]) if most is not None else 0)


@dataclass(frozen=True, slots=True)
class Splits:
    """Arguments to train on and arguments to evaluate with; no text is in both."""

    train: Loaded
    eval: Loaded = field(default_factory=lambda: Loaded(()))

    def digest(self) -> str:
        """A digest of the arguments and their prompts."""
        return digest([item.id, item.messages, item.argument] for item in (*self.train.items, *self.eval.items))


def load(recipe: Recipe, tokenizer: Any = None) -> Splits:
    """The arguments of a recipe. Without a tokenizer prompts are not counted, and none is left out as too long.

    Raises ConfigError where there is no data, or no usable prompt in it.
    """
    data = recipe.data
    if data.train is None:
        raise ConfigError(
            "there is no data: give data=FILE, a JSONL of {issue, argument}, a folder or a name of datasets"
        )
    train = read(data.train, recipe, tokenizer)
    if data.eval is not None:
        test = read(data.eval, recipe, tokenizer, data.eval_split)
        if not test.items:
            raise ConfigError(f"data.eval {data.eval}: no usable prompt{_first(test)}")
    else:
        train, test = _split(train, data.eval_fraction, int(recipe.grpo.get("seed", 42)))
        best = recipe.grpo.get("load_best_model_at_end")
        if best and data.eval_fraction and train.items and not test.items:
            raise ConfigError(
                f"grpo.load_best_model_at_end chooses by held-out arguments: {_none_held_out(data, train)}; raise it, or give"
                " data.eval"
            )
    held_out = {item.argument for item in test.items}
    kept = tuple(item for item in train.items if item.argument not in held_out)
    both = (item.id for item in train.items if item.argument in held_out)
    twice = tuple((identifier, "also among the arguments to evaluate with") for identifier in both)
    test = test.first(data.eval_limit)
    train = Loaded(kept, train.dropped + twice, train.cut).first(data.limit)
    if not train.items:
        raise ConfigError(f"data.train {data.train}: no usable prompt{_first(train)}")
    return Splits(train, test)


def read(source: str, recipe: Recipe, tokenizer: Any = None, split: str | None = None) -> Loaded:
    """The arguments of one source; `split` is `data.split` where none is given."""
    data = recipe.data
    room = longest_prompt(recipe) if tokenizer is not None else None
    items: list[Item] = []
    dropped: list[tuple[str, str]] = []
    cut = 0
    for number, record in numbered(source, split or data.split):
        try:
            revision = _revision(record, number)
        except RecordError as error:
            dropped.append((f"line {number}", str(error)))
            continue
        short = shortened(revision, data.max_sentences)
        cut += short is not revision
        item = _item(short, recipe, tokenizer)
        if room is not None and item.tokens > room[0]:
            dropped.append((item.id, f"its prompt has {item.tokens:,} tokens, more than {room[1]}"))
        else:
            items.append(item)
    return Loaded(tuple(items), tuple(dropped), cut)


def longest_prompt(recipe: Recipe) -> tuple[int, str] | None:
    """The most tokens of a prompt, and in words what limits them: the recipe, or the policy's context minus a completion.

    None where neither is known.
    """
    if (stated := recipe.data.max_prompt_tokens) is not None:
        return stated, f"data.max_prompt_tokens {stated:,}"
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(policy.folder_of(recipe.model), trust_remote_code=False)
    except (ModelError, OSError, ValueError):  # reported where the policy is loaded
        return None
    reads = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(reads, int) or reads < 1:
        return None
    answer = recipe.answer_tokens or 1
    most = max(0, reads - answer)
    return most, f"{most:,}: the policy reads {reads:,}, of which grpo.max_completion_length takes {answer:,}"


def _revision(record: Any, number: int) -> Revision:
    """The argument of a record, without its completion and edits. Raises RecordError where it has none."""
    check_text(record)
    return read_revision({**record, "completion": None, "edits": []}, number=number)


def check_text(record: Any) -> None:
    """Raise RecordError for a line that is no record, or that has no argument: a prompt is not searched for one."""
    if isinstance(record, RecordError):
        raise record
    if all(record.get(key) is None for key in ("sentences", *TEXT_KEYS)):
        more = "; it is not guessed from `prompt`" if record.get("prompt") is not None else ""
        more += unread(record, ("sentences", *TEXT_KEYS))
        raise RecordError(f"no text: give `argument` or `sentences`{more}", "argument")


def shortened(revision: Revision, most: int | None) -> Revision:
    """The revision with its first `most` sentences only; the same object where it has no more."""
    if most is None or len(revision.sentences) <= most:
        return revision
    return replace(revision, sentences=revision.sentences[:most], gaps=(*revision.gaps[:most], ""))


def records(source: str, split: str) -> Iterator[Any]:
    """The records of a file, a folder or a name of `datasets`, and a RecordError for a line that is none."""
    return (record for _, record in numbered(source, split))


def numbered(source: str, split: str) -> Iterator[tuple[int, Any]]:
    """The same as `records`, each with the number of its line, or of its row."""
    path = SHIPPED if source == EXAMPLES else user_path(source)
    if path.is_file():
        for line in read_lines(str(path)):
            yield line.number, line.error if line.error is not None else _object(line.record)
    elif path.suffix in (".jsonl", ".json", ".gz", ".parquet"):
        raise ConfigError(f"{source}: no such file")
    else:
        yield from enumerate(_dataset(path if path.is_dir() else None, source, split), 1)


def _object(record: Any) -> Any:
    """The record, or a RecordError where it is not an object."""
    return record if isinstance(record, Mapping) else RecordError(f"expected an object, found {kind(record)}")


def digest(parts: Iterable[Any]) -> str:
    """A digest of data, 16 hexadecimal digits, by which a resumed run notices other data."""
    found = hashlib.sha256()
    for part in parts:
        found.update(json.dumps(part, ensure_ascii=False, default=str).encode("utf-8", "replace"))
    return found.hexdigest()[:16]


def rows(items: Iterable[Item], split: str, tokenizer: Any) -> list[dict[str, Any]]:
    """Rows of the dataset that TRL trains on: the prompt, and what rewards are computed from.

    The prompt is messages for a tokenizer with a chat template, else plain text.
    """
    chat = bool(getattr(tokenizer, "chat_template", None))
    return [
        {
            "prompt": prompts.defused(tokenizer, item.messages) if chat else prompts.render(tokenizer, item.messages),
            "id": item.id,
            "issue": item.issue,
            "argument": item.argument,
            "sentences": list(item.sentences),
            "split": split,
        }
        for item in items
    ]


def _item(revision: Revision, recipe: Recipe, tokenizer: Any) -> Item:
    messages = prompts.messages(recipe.format, revision.issue, revision.sentences)
    tokens = len(prompts.encode(tokenizer, messages, recipe.template_settings)) if tokenizer is not None else 0
    return Item(str(revision.id), revision.issue, revision.argument, revision.sentences, messages, tokens)


def _split(loaded: Loaded, fraction: float, seed: int) -> tuple[Loaded, Loaded]:
    """The arguments without a random part, drawn by the seed, and that part; both keep the order of the file."""
    count = round(fraction * len(loaded.items))
    chosen = set(random.Random(seed).sample(range(len(loaded.items)), count))  # noqa: S311  (a split, no secret)
    test = tuple(item for index, item in enumerate(loaded.items) if index in chosen)
    train = tuple(item for index, item in enumerate(loaded.items) if index not in chosen)
    return replace(loaded, items=train), Loaded(test)


def _dataset(folder: Path | None, name: str, split: str) -> Iterator[Any]:
    import datasets  # heavy, and only needed for sources that are no plain file

    try:
        if folder is not None and ((folder / "state.json").exists() or (folder / "dataset_dict.json").exists()):
            found = datasets.load_from_disk(str(folder))
            found = found[split] if isinstance(found, datasets.DatasetDict) else found
        else:
            found = datasets.load_dataset(str(folder or name), split=split)
    except Exception as error:  # what is missing, and how that shows, depends on the version of datasets
        raise ConfigError(
            f"data {name!r}, split {split!r}: neither a file nor a dataset that can be loaded"
            f" ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
        ) from error
    if found.info.builder_name == "text" and found.column_names == ["text"]:
        raise ConfigError(
            f"data {name!r}: files of plain text hold no arguments; give a JSONL or Parquet of {{issue, argument}}"
        )
    yield from found


def summary(splits: Splits, data: Data) -> list[str]:
    """How many arguments there are, what was cut, and what was left out and why: lines for a terminal."""
    dropped = splits.train.dropped + splits.eval.dropped
    lines = [
        f"data       {len(splits.train.items):,} arguments to train on, {len(splits.eval.items):,} to evaluate with"
    ]
    if cut := splits.train.cut + splits.eval.cut:
        lines.append(f"           {cut:,} cut to their first {data.max_sentences} sentences")
    if data.eval_fraction and not splits.eval.items:
        lines.append(f"           {_none_held_out(data, splits.train)}")
    limits = ((splits.train, "limit", data.limit), (splits.eval, "eval_limit", data.eval_limit))
    lines += [f"left out   {part.beyond:,} beyond data.{key} {most:,}" for part, key, most in limits if part.beyond]
    lines += [plain(f"left out   {where}: {reason}") for where, reason in dropped[:5]]
    return lines + ([f"left out   {len(dropped) - 5:,} more"] if len(dropped) > 5 else [])


def _none_held_out(data: Data, train: Loaded) -> str:
    """The message that `eval_fraction` of so few arguments is less than one."""
    return f"data.eval_fraction {data.eval_fraction:g} of {len(train.items) + train.beyond:,} arguments is none"


def _first(loaded: Loaded) -> str:
    """The end of a message: how many records were left out, with the first reason."""
    if not loaded.dropped:
        return ": it is empty"
    where, reason = loaded.dropped[0]
    return f": {len(loaded.dropped):,} left out, {where}: {reason}"


def lengths(items: Sequence[Item]) -> dict[str, int]:
    """Shortest, median and longest prompt in tokens."""
    counts = sorted(item.tokens for item in items) or [0]
    return {"shortest": counts[0], "median": counts[len(counts) // 2], "longest": counts[-1]}
