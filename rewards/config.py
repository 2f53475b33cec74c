"""The only reader of configuration files: YAML without tags; an error for an unknown key names the nearest known one."""

from __future__ import annotations

import enum
import re
import reprlib
import shlex
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from rewards.errors import ConfigError, RewardsError, nearest
from rewards.paths import read_utf8

M = TypeVar("M", bound=BaseModel)
NO_YAML = (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError)
"""The exceptions that PyYAML raises for bad input, such as an impossible date (2024-02-30), `0x_`, `!!bool x`, `[[[[…`."""

MOST_VALUES = 100_000
"""The most values in a YAML text, with aliases expanded: thirty lines of them could expand to more than fits in memory."""

_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 200  # a message quotes what is wrong, not megabytes of it


_NO_NUMBER = "Input should be a number; on, yes and true are truth values in YAML"


def _no_truth_value(given: Any) -> Any:
    if isinstance(given, bool):
        raise PydanticCustomError("truth_value", _NO_NUMBER)
    return given


Number = Annotated[float, BeforeValidator(_no_truth_value)]
"""A number in a configuration file. Rejects booleans such as `on` and `no`, which pydantic would convert to 1 and 0."""
Whole = Annotated[int, BeforeValidator(_no_truth_value)]
"""An integer in a configuration file. Rejects booleans, as `Number`."""


def check_number(where: str, given: Any, taken: Any) -> None:
    """Raise ConfigError where `given` is a boolean and pydantic converted it to the number `taken`."""
    if isinstance(given, bool) and isinstance(taken, int | float) and not isinstance(taken, bool):
        raise ConfigError(f"{where}: {_NO_NUMBER} (given: {given!r})")


def read_text(path: Path) -> str:
    """The text of a configuration file. Raises ConfigError where it cannot be read."""
    try:
        return read_utf8(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_yaml(path: Path, example: str = "") -> dict[str, Any]:
    """The mapping in a YAML file. Raises ConfigError, which names the file and the problem.

    `example` is a command that prints such a file; the error names it where the file holds no mapping.
    """
    text = read_text(path)
    try:
        nodes = _composed(text)
        loaded = yaml.safe_load(text)  # composes its own nodes: construction would merge `<<` into `nodes`
        _refuse_doubles(nodes, path, set())
    except NO_YAML as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(loaded, dict):
        found = "nothing" if loaded is None else "a list" if isinstance(loaded, list) else type(loaded).__name__
        more = f"; `{example}` prints one" if example else ""
        raise ConfigError(f"{path}: expected settings, a line `key: value` for each, found {found}{more}")
    return loaded


def load_yaml(text: str) -> Any:
    """The value of an untrusted YAML text. Raises one of `NO_YAML`, also where its aliases expand to too many values."""
    _composed(text)
    return yaml.safe_load(text)


def _composed(text: str) -> Any:
    """The node graph of a YAML text, before construction. Raises YAMLError where it expands to too many values."""
    nodes = yaml.compose(text, Loader=yaml.SafeLoader)
    if _values(nodes, {}) > MOST_VALUES:
        raise yaml.YAMLError(f"with what its aliases repeat it holds more than {MOST_VALUES:,} values")
    return nodes


def _values(node: Any, known: dict[int, int]) -> int:
    """How many values a node expands to; inside itself, a recursive node counts as one value."""
    if id(node) not in known:
        known[id(node)] = 1
        inner = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else ()
        inner = node.value if isinstance(node, yaml.SequenceNode) else inner
        known[id(node)] += sum(_values(one, known) for one in inner)
    return known[id(node)]


def _refuse_doubles(node: Any, path: Path, visited: set[int]) -> None:
    """Raise ConfigError for a duplicate key in a mapping: YAML would silently keep the last one."""
    if id(node) in visited:  # an alias gives the same node again, maybe inside of itself
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigError(f"{path}, line {key.start_mark.line + 1}: the key {key.value!r} stands there twice")
            seen.add(key.value)
            _refuse_doubles(value, path, visited)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_doubles(value, path, visited)


def parse(model: type[M], data: Any, where: str) -> M:
    """`data` as a `model`. Raises ConfigError with the place, the problem and, for an unknown key, the nearest."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = error.errors()
        problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = list(_model_at(model, problem["loc"][:-1]).model_fields)
            name = str(problem["loc"][-1])
            hint = nearest(name, known)
            if not hint and "arguments" in known:
                hint = " (what the reward itself takes stands under `arguments:`)"
            raise ConfigError(f"{where}: unknown key {place!r}{hint}; known: {', '.join(known)}") from error
        if problem["type"] == "missing":
            raise ConfigError(f"{where}: the key {place!r} is missing") from error
        given = problem.get("input")
        one = problem["type"] == "list_type" and isinstance(given, str) and len(given) <= _SHOWN.maxstring
        listed = f"; one is a list too: [{given}]" if one else _example(model, problem["loc"])
        raise ConfigError(f"{where}: {place}: {problem['msg']} (given: {_SHOWN.repr(given)}){listed}") from error


def _example(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """A hint with the example of the field at a validation location; empty where its model has none."""
    field = _model_at(model, location[:-1]).model_fields.get(str(location[-1])) if location else None
    return f"; write `{location[-1]}: {field.examples[0]}`" if field and field.examples else ""


def parse_value(text: str) -> Any:
    """A `key=value` value from the command line: a YAML scalar or list, so `3`, `0.5`, `true`, `null`, `[a, b]` or text."""
    try:
        return yaml.safe_load(text)
    except NO_YAML:
        return text


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """The nested model that a validation location points into."""
    current = model
    for part in location:
        if part in current.model_fields:
            current = next(_models_in(current.model_fields[str(part)].annotation), current)
    return current


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def copy_yaml(text: str, to: Path, name: str, what: str, user: str) -> Path:
    """Write a suite's or recipe's YAML, with an adapted head, to the file `to` or as NAME.yaml into the folder `to`.

    Returns the path. Raises ConfigError where `user`, the option or command that reads the copy, would not take the name
    for a file, and where the file exists already.
    """
    if to.is_dir():
        to = to / f"{name}.yaml"
    if to.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{to}: a {what}'s file must end in .yaml, so that {user} takes it for a file")
    write_new(to, _headed(text, to.name if to.name.isprintable() else f"{name}.yaml", name, what))
    return to


def write_new(to: Path, text: str) -> None:
    """Write a new file. Raises ConfigError where the path exists already, RewardsError where it cannot be written."""
    try:
        file = to.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError(f"{to} exists already; delete it or choose another name") from error
    except OSError as error:
        raise RewardsError(f"{to} cannot be written: {error.strerror}") from error
    try:
        with file:
            file.write(text)
    except OSError as error:
        to.unlink(missing_ok=True)
        raise RewardsError(f"{to} cannot be written: {error.strerror}") from error


def _headed(text: str, file: str, name: str, what: str) -> str:
    """The text of a copy: the command in its first line names the new file, and a second line says what was copied."""
    command, _, rest = text.partition("\n")
    if not command.startswith("# rewards "):
        command, rest = "", text
    command = re.sub(rf"(?<= ){re.escape(name)}(?= |$)", lambda _: shlex.quote(file), command)
    pages = "; docs/ is a folder of the repository that it comes from" if "docs/" in text else ""
    return f"{command}\n# Copied from the {what} {name}{pages}.\n{rest}".lstrip("\n")


def as_json(value: Any) -> Any:
    """The value of an argument in JSON types; anything without such a type becomes its `str`."""
    if isinstance(value, enum.Enum):
        return as_json(value.value)
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
