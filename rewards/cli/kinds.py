"""Types and the bounds of their values in words."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
RANGES: dict[tuple[str, ...], str] = {("ge", "le"): "{} from {} to {}", ("gt", "lt"): "{} between {} and {}"}


def kind_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type in words: `int ≥ 1`, `float between 0 and 100, or none`, `Literal['a', 'b']`."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *own = typing.get_args(annotation)
        return kind_of(inner, [*own, *metadata])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [kind_of(one) for one in typing.get_args(annotation) if one is not type(None)]
        optional = len(kinds) < len(typing.get_args(annotation))
        comma = "," if any(" " in kind for kind in kinds) else ""
        return _bounded(f"{comma} or ".join([*kinds, *(["none"] if optional else [])]), metadata)
    name = getattr(annotation, "__name__", str(annotation))
    return _bounded(str(annotation).replace("typing.", "") if typing.get_args(annotation) else name, metadata)


def _bounded(name: str, metadata: Sequence[Any]) -> str:
    """The name with the bounds that `annotated_types` in `metadata` state; other metadata follows as its `str`."""
    limits: dict[str, Any] = {}
    others = []
    for one in metadata:
        found = {key: getattr(one, key) for key in SIGNS if getattr(one, key, None) is not None}
        limits |= found
        others += [] if found else [str(one)]
    form, bounds = RANGES.get(tuple(sorted(limits))), [limits[key] for key in sorted(limits)]
    if form:
        name = form.format(name, *bounds)
    elif limits:
        name += " " + " and ".join(f"{SIGNS[key]} {limits[key]}" for key in sorted(limits))
    return ", ".join([name, *others])
