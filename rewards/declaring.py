"""Whether the declaration of a reward holds together: what its function and its `reads` take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from rewards.errors import PluginError, nearest

if TYPE_CHECKING:
    from rewards.contract import Reward

P = ParamSpec("P")
T = TypeVar("T")

SETTINGS = ("gate", "together", "weight", "threshold", "empty", "params")
"""What a suite says about any reward; `--set NAME.KEY=…` takes these keys first, so no argument can be called so."""


def broken(name: str, problem: str) -> PluginError:
    """The error for a declaration that does not hold together."""
    return PluginError(f"reward {name!r}: {problem}")


def by_keywords(declare: Callable[P, T]) -> Callable[P, T]:
    """The same decorator, which raises PluginError where it is used without its keywords: a bare `@rewards.reward`."""

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
    _, *others = parameters  # beside the units
    for p in others:
        if declared.reads is None and p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty:
            raise broken(name, f"its argument {p.name!r} could not be set: put `*` before it in the signature")
        if p.kind is p.KEYWORD_ONLY and p.name in (*SETTINGS, "arguments"):
            raise broken(name, f"its argument {p.name!r} could not be set: all rewards have such a setting; rename it")
    if declared.reads is None and declared.takes[0]:
        raise broken(name, "its function takes features beside the units, but no `reads` says which")


def check_reads(declared: Reward) -> None:
    """Raise PluginError where `reads` asks for what the reward does not take."""
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
