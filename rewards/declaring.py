"""Checks that the declaration of a reward is consistent: the signatures of its function and of its `reads`."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rewards.errors import PluginError, nearest

if TYPE_CHECKING:
    from rewards.contract import Reward

P = ParamSpec("P")
T = TypeVar("T")

SETTINGS = ("gate", "together", "weight", "threshold", "empty", "params")
"""Settings that every reward has in a suite. `--set NAME.KEY=…` looks here first: no argument can have such a name."""

UNITS = {"edit": "Edit", "sentence": "Sentence", "global": "Argument"}
"""The type of the units at each level. All have `before` and `after`, so a mix-up would raise no error later."""

PLAIN = ("bool", "int", "float", "str", "list", "tuple", "dict", "set")
"""Argument types that never accept None, not even by conversion."""


def broken(name: str, problem: str) -> PluginError:
    """The error for an inconsistent declaration."""
    return PluginError(f"reward {name!r}: {problem}")


def by_keywords(declare: Callable[P, T]) -> Callable[P, T]:
    """The same decorator, but a bare `@rewards.reward` without keywords raises PluginError."""

    @functools.wraps(declare)
    def called(*bare: P.args, **keywords: P.kwargs) -> T:
        if bare:
            name = str(getattr(bare[0], "__name__", bare[0]))
            raise broken(name, "it is declared without keywords; write @rewards.reward(level=…, range=…)")
        return declare(*bare, **keywords)

    return called


def check_signature(declared: Reward) -> None:
    """Raise PluginError where the function cannot be called with units, features and arguments that suites can set."""
    name = declared.name
    try:
        parameters = inspect.signature(declared.function).parameters.values()
    except (TypeError, ValueError) as error:
        raise broken(name, f"{declared.function!r} is not a function with a signature") from error
    kinds = {p.kind for p in parameters}
    if kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}:
        raise broken(name, "its function must take the units as first positional argument")
    if inspect.Parameter.VAR_KEYWORD in kinds:
        raise broken(name, "**keywords would hide misspelt arguments; name each one")
    units, *others = parameters
    stated, unit = shown(units.annotation), UNITS[declared.level]
    named = re.findall(r"\b(?:Edit|Sentence|Argument)\b", stated)
    if named and unit not in named:
        raise broken(name, f"at level {declared.level!r} its function gets a list of {unit}s, not {stated}")
    for p in others:
        if declared.reads is None and p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty:
            raise broken(name, f"its argument {p.name!r} could not be set: put `*` before it in the signature")
        if p.kind is p.KEYWORD_ONLY and (problem := _unusable(p)) is not None:
            raise broken(name, f"its argument {p.name!r} {problem}")
    if declared.reads is None and declared.takes[0]:
        raise broken(name, "its function takes features beside the units, but no `reads` says which")


def _unusable(argument: inspect.Parameter) -> str | None:
    """Why no suite could use this argument, or None. Checks only what needs no import of pydantic."""
    name, annotation, default = argument.name, argument.annotation, argument.default
    if name in (*SETTINGS, "arguments"):
        return "could not be set: all rewards have such a setting; rename it"
    if name.startswith("_") or name == "model_config":
        return "could not be set: pydantic takes no field of that name; rename it"
    if annotation is argument.empty:
        return "has no type annotation; add one"
    kind = shown(annotation)
    if default is argument.empty or kind.partition("[")[0] not in PLAIN or "|" in kind:
        return None
    fits = default is not None
    if fits and kind in ("int", "float"):
        try:
            float(default)
        except (TypeError, ValueError, OverflowError):
            fits = False
    optional = f", or say `{kind} | None`" if default is None else ""
    return (
        None
        if fits
        else f"could not be used: its default {default!r:.100} is not of its type {kind}; change it{optional}"
    )


def shown(annotation: Any) -> str:
    """A type as its author wrote it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def innermost(function: Any) -> Any:
    """The original function (or an object's `__call__`) inside partials and wrappers."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if hasattr(function, "__globals__") else type(function).__call__


def defined_at(function: Any) -> str:
    """Where a function is defined, as ` (FILE:LINE)`; empty where it is not written in Python."""
    code = getattr(innermost(function), "__code__", None)
    return f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""


def check_plain(declared: Reward) -> None:
    """Raise PluginError where the function or `reads` is async or a generator, so that calling it would not run its body."""
    if found := unplain(declared.function):
        raise broken(declared.name, f"it is {found}; rewards are plain functions that return a list")
    if found := unplain(declared.reads):
        raise broken(declared.name, f"its `reads` is {found}; it must be a plain function that returns features")


def unplain(function: Any) -> str | None:
    """`async` or a generator, where calling it would not run its body; None for plain functions and callable objects."""
    for one in (function, getattr(type(function), "__call__", None)):  # noqa: B004  (the method itself is wanted)
        if inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one):
            return "async"
        if inspect.isgeneratorfunction(one):
            return "a generator (it yields)"
    return None


def check_reads(declared: Reward) -> None:
    """Raise PluginError where `reads` requires a parameter that is no argument of the reward."""
    if declared.reads is None:
        return
    try:
        _, *others = inspect.signature(declared.reads).parameters.values()
    except (TypeError, ValueError) as error:
        raise broken(declared.name, f"reads is {declared.reads!r:.100}; it must be a function of a unit") from error
    known = [name for name, _ in declared.keyword_only()]
    for one in others:
        if one.name not in known and one.default is one.empty and one.kind is not one.VAR_POSITIONAL:
            which = f"{one.name!r}{nearest(one.name, known)}, which is none of its arguments"
            raise broken(declared.name, f"`reads` takes {which}: {', '.join(known) or 'it has none'}")
