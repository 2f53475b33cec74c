"""The arguments of a reward: a pydantic model of what its function declares, and the check of a suite's values by it."""

from __future__ import annotations

import copy
import inspect
import typing
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rewards.declaring import SETTINGS, broken, innermost, shown
from rewards.errors import ConfigError, PluginError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from rewards.contract import Reward


def model_of(declared: Reward) -> type[BaseModel]:
    """A pydantic model of the function's keyword-only parameters; unknown names are errors. Raises PluginError."""
    from pydantic import ConfigDict, create_model  # takes 100 ms, which `rewards --help` need not wait for

    fields: dict[str, Any] = {}
    for name, parameter in declared.keyword_only():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (_hint(declared, name, parameter.annotation), default)
    config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        validate_default=True,
    )
    try:
        with warnings.catch_warnings():  # an argument may have the name of a method of the model, e.g. `copy`
            warnings.filterwarnings("ignore", "Field name .* shadows", UserWarning)
            made: type[BaseModel] = create_model(f"{declared.name}_arguments", __config__=config, **fields)
    except Exception as error:
        raise broken(declared.name, f"pydantic cannot check its arguments: {error}") from error
    for name in fields:
        if name not in made.model_fields:
            raise broken(declared.name, f"pydantic takes no field {name!r}; rename or retype that argument")
    return made


def _hint(declared: Reward, name: str, annotation: Any) -> Any:
    """The type of one argument. Annotations of units and features are not evaluated, so they may name anything."""
    holder = type("holder", (), {"__annotations__": {name: annotation}})
    try:
        return typing.get_type_hints(holder, globalns=_globals(declared.function), include_extras=True)[name]
    except Exception as error:
        raise PluginError(
            f"reward {declared.name!r}: the type {annotation!r} of its argument {name!r} cannot be evaluated"
            f" ({type(error).__name__}: {error}); import what it names at the top of the module,"
            " outside `if TYPE_CHECKING:`"
        ) from error


def _globals(function: Any) -> dict[str, Any]:
    """The names that the annotations of a function (or partial, or object with `__call__`) can use."""
    return dict(getattr(innermost(function), "__globals__", {}))


def parsed(declared: Reward, given: Mapping[str, Any]) -> dict[str, Any]:
    """The implementation of `Reward.parse_arguments`."""
    from pydantic import ValidationError  # as above

    from rewards.config import check_number

    known = [name for name, _ in declared.keyword_only()]
    for name in given:
        if name not in known:
            hint = "; that is a setting, and stands beside `arguments`" if name in SETTINGS else ""
            hint = hint or nearest(str(name), [*known, *SETTINGS])
            raise ConfigError(
                f"reward {declared.name!r} has no argument {name!r}{hint}; it takes {', '.join(known) or 'none'}"
            )
    try:
        found = declared.arguments(**given)
    except ValidationError as error:
        raise _unfit(declared, given, error.errors()) from error
    for name, value in given.items():
        check_number(f"reward {declared.name!r}, argument {name!r}", value, vars(found)[name])
    return {name: vars(found)[name] for name in known}  # `vars`: a property of the model may have the same name


def for_one_call(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with lists, sets and dicts copied, so that changes that one call makes do not reach the next."""
    return {
        name: copy.deepcopy(value) if isinstance(value, (list, set, dict)) else value
        for name, value in arguments.items()
    }


def _unfit(declared: Reward, given: Mapping[str, Any], errors: list[ErrorDetails]) -> ConfigError | PluginError:
    """The error for arguments that do not fit: PluginError where a default of the reward is wrong, else ConfigError."""
    parameters = dict(declared.keyword_only())
    for error in errors:
        name = str(error["loc"][0])
        if name not in given and error["type"] != "missing":
            default, kind = parameters[name].default, shown(parameters[name].annotation)
            return broken(
                declared.name,
                f"argument {name!r}: its default {default!r:.100} is not of its type {kind}: {error['msg']}",
            )
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"])
    return ConfigError(f"reward {declared.name!r}, argument {where!r}: {first['msg']} (given: {first.get('input')!r})")
