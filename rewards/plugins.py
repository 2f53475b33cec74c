"""Find plugins by entry point, isolate those that fail, and collect what they register."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from rewards import formats, hookspecs
from rewards.contract import Reward
from rewards.declaring import unplain
from rewards.errors import PluginError, nearest, tell
from rewards.formats import Format
from rewards.paths import user_path
from rewards.versions import OWN, version

if TYPE_CHECKING:
    from typer.core import TyperGroup

GROUP = "rewards"
SUITES = (".yaml", ".yml")
NO_SUITE = "a suite is a YAML file, whose name ends in .yaml or .yml"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """The plugin that registered an item, and its distribution."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """`distribution version (plugin name)`."""
        return f"{self.of} (plugin {self.plugin!r})"

    @property
    def of(self) -> str:
        """`distribution version`."""
        return f"{self.distribution} {self.version}".rstrip()


@dataclass(slots=True)
class Plugin:
    """One entry point of the group: loaded, or failed with the reason and the traceback."""

    origin: Origin
    failed: str | None = None
    traceback: str = ""
    problems: list[str] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Record a problem, only once, that does not stop the plugin from working."""
        if problem not in self.problems:
            self.problems.append(problem)


class Shelf(Generic[T]):
    """Registered items of one kind by name; two of the same name clash, and neither can be used until one is removed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, list[tuple[T, Origin]]] = {}

    def add(self, name: str, item: T, origin: Origin) -> None:
        """Add an item; a second one of the same name is kept as a clash."""
        self._items.setdefault(name, []).append((item, origin))

    def __contains__(self, name: str) -> bool:
        """Whether anything of this name is registered."""
        return name in self._items

    def __iter__(self) -> Iterator[tuple[str, T, Origin]]:
        """Name, item and origin of everything that does not clash, sorted by name."""
        return ((name, *entries[0]) for name, entries in sorted(self._items.items()) if len(entries) == 1)

    def clashes(self) -> list[str]:
        """A sentence for every name that is registered more than once."""
        found = []
        for name, entries in sorted(self._items.items()):
            origins = list(dict.fromkeys(str(origin) for _, origin in entries))
            others = list(dict.fromkeys(o.distribution for _, o in entries if o.distribution != OWN))
            if len(origins) > 1:
                remedy = "uninstall one of them" if len(others) != 1 else f"rename that of {others[0]}, or uninstall it"
                found.append(f"{self.kind} {name!r} is registered by {' and by '.join(origins)}; {remedy}")
            elif len(entries) > 1:
                found.append(
                    f"{self.kind} {name!r} is registered {len(entries)} times by {origins[0]}; register it once"
                )
        return found

    def get(self, name: str, failed: list[Plugin]) -> tuple[T, Origin]:
        """The item of this name and its origin. Raises PluginError that names the clash, the nearest name or what failed."""
        entries = self._items.get(name, [])
        if len(entries) == 1:
            return entries[0]
        if entries:
            raise PluginError(next(text for text in self.clashes() if text.startswith(f"{self.kind} {name!r} ")))
        message = f"no {self.kind} is called {name!r}{nearest(name, self._items)}"
        if failed:
            broken = "; ".join(f"{p.origin}: {p.failed}" for p in failed)
            message += f". Some plugins failed to load, and may hold it: {broken}"
        raise PluginError(f"{message}. `rewards list` shows what there is")


class Registry:
    """The rewards, suites, formats and commands of all plugins."""

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.rewards: Shelf[Reward] = Shelf("reward")
        self.suites: Shelf[Path] = Shelf("suite")
        self.formats: Shelf[Format] = Shelf("format")
        self._manager = pluggy.PluginManager("rewards")
        self._manager.add_hookspecs(hookspecs)

    @property
    def failed(self) -> list[Plugin]:
        """The plugins that could not be loaded."""
        return [plugin for plugin in self.plugins if plugin.failed]

    def reward(self, name: str) -> tuple[Reward, Origin]:
        """The reward of this name. Raises PluginError."""
        return self.rewards.get(name, self.failed)

    def suite(self, name: str) -> tuple[Path, Origin]:
        """The file of the suite of this name. Raises PluginError."""
        if name not in self.suites and (path := user_path(name)).exists():
            raise PluginError(f"{name} is {'a folder' if path.is_dir() else 'no suite by its name'}; {NO_SUITE}")
        return self.suites.get(name, self.failed)

    def format(self, name: str) -> Format:
        """The format of this name. Raises PluginError."""
        return self.formats.get(name, self.failed)[0]

    def load_entry_points(self) -> None:
        """Load every installed plugin; one that fails is recorded as such and does not affect the others."""
        named = functools.cache(_named)  # a distribution parses its whole metadata at each access
        for point in sorted(metadata.entry_points(group=GROUP), key=lambda p: (named(p.dist)[0], p.name)):
            plugin = Plugin(Origin(point.name, *named(point.dist)))
            self.plugins.append(plugin)
            try:
                with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
                    self._add(point.load(), plugin)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  (a plugin may fail in any way, by sys.exit too: the others go on)
                plugin.failed = tell(error)
                plugin.traceback = traceback.format_exc()

    def add(self, module: object, name: str, distribution: str = "(in process)", version: str = "") -> None:
        """Register a plugin object that is not installed, as tests and notebooks do. Errors in its hooks propagate."""
        plugin = Plugin(Origin(name, distribution, version))
        self._add(module, plugin)
        self.plugins.append(plugin)

    def add_commands(self, group: TyperGroup) -> None:
        """Let every plugin add its commands to the command line; of several with the same name, the first is kept."""
        owners = {_key(plugin): plugin for plugin in self.plugins if not plugin.failed}
        taken = dict.fromkeys(group.commands, "rewards itself")
        for implementation in self._implementations("register_commands"):
            plugin = owners[implementation.plugin_name]
            try:
                self._add_commands_of(plugin, implementation, group, taken)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  (as above)
                plugin.note(f"register_commands failed: {tell(error)}")

    def _add_commands_of(
        self, plugin: Plugin, implementation: pluggy.HookImpl, group: TyperGroup, taken: dict[str, str]
    ) -> None:
        import typer

        own = typer.Typer()
        _call(implementation, app=own)
        if own.registered_callback:
            plugin.note("register_commands sets a callback, which is left out: it can add commands only")
        entries = [
            *(_commands_of(command=entry) for entry in own.registered_commands),
            *(_commands_of(group=entry) for entry in own.registered_groups),
        ]  # all are built before any is added: a plugin that fails here adds none
        for commands in entries:
            clashes = [name for name in commands if name in taken]
            for name in clashes:
                plugin.note(f"its command {name!r} is left out: {taken[name]} has one of that name")
            if not clashes:
                group.commands.update(commands)
                taken |= dict.fromkeys(commands, str(plugin.origin))
                plugin.registered += [text for n in commands if (text := f"command {n}") not in plugin.registered]

    def _add(self, module: Any, plugin: Plugin) -> None:
        """Register everything that the plugin provides, or nothing where any of it fails."""
        key = _key(plugin)
        if self._manager.has_plugin(key):
            raise PluginError(f"another entry point of {plugin.origin} has that name")
        try:
            if self._manager.register(module, name=key) is None:
                raise PluginError(f"plugin {plugin.origin} is blocked")
            self._check_hooks(key, plugin)
            items = list(self._items_of(key, plugin))
        except BaseException:
            if self._manager.has_plugin(key):
                self._manager.unregister(name=key)
            raise
        for shelf, name, item in items:
            shelf.add(name, item, plugin.origin)
            plugin.registered.append(f"{shelf.kind} {name}")

    def _items_of(self, key: str, plugin: Plugin) -> Iterator[tuple[Shelf[Any], str, Any]]:
        """Shelf, name and item of everything that the plugin's hooks register."""
        shelves: dict[str, Shelf[Any]] = {"rewards": self.rewards, "suites": self.suites, "formats": self.formats}
        for hook, shelf in shelves.items():
            for implementation in self._implementations(f"register_{hook}"):
                if implementation.plugin_name == key:
                    items: list[tuple[Shelf[Any], str, Any]] = []
                    returned = _call(implementation, register=functools.partial(self._check, shelf, plugin, items))
                    if returned is not None:
                        problem = f"register_{hook} returned {type(returned).__name__}"
                        plugin.note(f"{problem}, which nobody reads; call register({shelf.kind})")
                    yield from items

    def _check(self, shelf: Shelf[Any], plugin: Plugin, items: list[tuple[Shelf[Any], str, Any]], item: Any) -> None:
        expected: type[Any] = {"reward": Reward, "suite": Path, "format": Format}[shelf.kind]
        if not isinstance(item, expected):
            hint = "; decorate it with @rewards.reward" if expected is Reward and callable(item) else ""
            hint = "; call register once for each" if isinstance(item, (list, tuple, set)) else hint
            raise PluginError(
                f"plugin {plugin.origin} registered {item!r:.100} as a {shelf.kind}; expected a {expected.__name__}{hint}"
            )
        file = item if isinstance(item, Path) else getattr(item, "card_path", None)
        if isinstance(item, Path) and (item.is_dir() or item.suffix not in SUITES):
            plugin.note(f"{item} is {'a folder' if item.is_dir() else 'no suite by its name'}; {NO_SUITE}")
        elif file is not None and not file.is_file():
            plugin.note(f"{file} is not there; is it in the wheel?")
        items.append((shelf, str(item.stem if isinstance(item, Path) else item.name), item))

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        return list(getattr(self._manager.hook, hook).get_hookimpls())

    def _check_hooks(self, key: str, plugin: Plugin) -> None:
        known = [name for name in vars(hookspecs) if name.startswith("register_")]
        callers = self._manager.get_hookcallers(self._manager.get_plugin(key)) or []
        for caller in callers:
            if not caller.has_spec():
                plugin.problems.append(f"there is no hook {caller.name!r}{nearest(caller.name, known)}")
                continue
            for implementation in caller.get_hookimpls():
                if implementation.plugin_name == key:
                    _check_hook(caller.name, implementation, plugin)
        if not callers:
            plugin.problems.append(
                "it implements no hook; decorate a function called register_rewards with @rewards.hookimpl"
            )


@functools.cache
def registry() -> Registry:
    """The registry of everything installed, loaded once per process."""
    loaded = Registry()
    loaded.add(formats, "formats", OWN, version())  # the core's formats are a plugin like any other
    loaded.load_entry_points()
    return loaded


def _key(plugin: Plugin) -> str:
    return f"{plugin.origin.distribution}:{plugin.origin.plugin}"


def _commands_of(command: Any = None, group: Any = None) -> dict[str, Any]:
    """The click commands of a command or group, by name; of a nameless group, those in it. May raise anything."""
    import typer
    from typer.main import get_group

    app = typer.Typer(rich_markup_mode=None)
    app.registered_commands += [command] if command else []
    app.registered_groups += [group] if group else []
    return dict(get_group(app).commands)


def _check_hook(name: str, implementation: pluggy.HookImpl, plugin: Plugin) -> None:
    """Raise PluginError for a hook that is async or a generator; note one to which pluggy would not pass its argument."""
    if found := unplain(implementation.function):
        raise PluginError(f"{name} is {found}; hooks are plain functions")
    (wanted,) = inspect.signature(getattr(hookspecs, name)).parameters
    parameter = inspect.signature(implementation.function).parameters.get(wanted)
    if parameter is not None and wanted not in implementation.argnames:
        how = "is keyword-only" if parameter.kind is parameter.KEYWORD_ONLY else "has a default"
        plugin.note(f"{name} gets no {wanted!r}, because that parameter {how}; write `def {name}({wanted})`")


def _call(implementation: pluggy.HookImpl, **arguments: Any) -> Any:
    # pluggy lets an implementation leave out arguments that it does not use.
    return implementation.function(**{name: arguments[name] for name in implementation.argnames})


def _named(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """The name and the version of a distribution."""
    return (distribution.name, distribution.version) if distribution else ("?", "?")
