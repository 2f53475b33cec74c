"""Find plugins by entry point, isolate those that fail, and collect what they register."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from rewards import hookspecs
from rewards.contract import Reward
from rewards.errors import PluginError, nearest
from rewards.formats import Format

if TYPE_CHECKING:
    import typer

GROUP = "rewards"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a registered thing comes from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """`distribution version (plugin name)`."""
        return f"{self.distribution} {self.version} (plugin {self.plugin!r})"


@dataclass(slots=True)
class Plugin:
    """One entry point of the group: loaded, or failed with the reason and the traceback."""

    origin: Origin
    target: str
    failed: str | None = None
    traceback: str = ""
    problems: list[str] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)


class Shelf(Generic[T]):
    """Registered things of one kind by name; two of one name clash, and neither can be had until one goes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, list[tuple[T, Origin]]] = {}

    def add(self, name: str, item: T, origin: Origin) -> None:
        """Put `item` on the shelf; a second one of the same name is kept as a clash."""
        self._items.setdefault(name, []).append((item, origin))

    def __iter__(self) -> Iterator[tuple[str, T, Origin]]:
        """Name, item and origin of everything that does not clash, sorted by name."""
        return ((name, *entries[0]) for name, entries in sorted(self._items.items()) if len(entries) == 1)

    def clashes(self) -> list[str]:
        """A sentence for every name that more than one plugin registers."""
        return [
            f"{self.kind} {name!r} is registered by {' and by '.join(str(origin) for _, origin in entries)};"
            " uninstall one of them"
            for name, entries in sorted(self._items.items())
            if len(entries) > 1
        ]

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
        return self.suites.get(name, self.failed)

    def format(self, name: str) -> Format:
        """The format of this name. Raises PluginError."""
        return self.formats.get(name, self.failed)[0]

    def load_entry_points(self) -> None:
        """Load every installed plugin; one that fails is listed and takes nothing else down."""
        points = metadata.entry_points(group=GROUP)
        for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
            dist = point.dist
            origin = Origin(point.name, dist.name if dist else "?", dist.version if dist else "?")
            plugin = Plugin(origin, point.value)
            self.plugins.append(plugin)
            try:
                self._add(point.load(), plugin)
            except Exception as error:  # noqa: BLE001  (a plugin may fail in any way; it must not take the others down)
                plugin.failed = f"{type(error).__name__}: {error}"
                plugin.traceback = traceback.format_exc()

    def add(
        self, module: ModuleType | object, name: str, distribution: str = "(in process)", version: str = ""
    ) -> None:
        """Register a plugin object that is not installed, as tests and notebooks do. Errors in its hooks propagate."""
        plugin = Plugin(Origin(name, distribution, version), name)
        self.plugins.append(plugin)
        self._add(module, plugin)

    def add_commands(self, app: typer.Typer) -> None:
        """Let every plugin add its commands to the command line."""
        for plugin, call in self._calls("register_commands"):
            try:
                call(app=app)
            except Exception as error:  # noqa: BLE001  (as above)
                plugin.problems.append(f"register_commands failed: {type(error).__name__}: {error}")

    def _add(self, module: Any, plugin: Plugin) -> None:
        key = f"{plugin.origin.distribution}:{plugin.origin.plugin}"
        if self._manager.register(module, name=key) is None:
            raise PluginError(f"plugin {plugin.origin} is blocked")
        self._check_hooks(key, plugin)
        shelves: dict[str, Shelf[Any]] = {"rewards": self.rewards, "suites": self.suites, "formats": self.formats}
        for hook, shelf in shelves.items():
            for owner, call in self._calls(f"register_{hook}"):
                if owner is plugin:
                    call(register=functools.partial(self._register, shelf, plugin))

    def _register(self, shelf: Shelf[Any], plugin: Plugin, item: Any) -> None:
        expected: type[Any] = {"reward": Reward, "suite": Path, "format": Format}[shelf.kind]
        if not isinstance(item, expected):
            hint = "; decorate it with @rewards.reward" if expected is Reward and callable(item) else ""
            raise PluginError(
                f"plugin {plugin.origin} registered {item!r} as a {shelf.kind}; expected a {expected.__name__}{hint}"
            )
        name: str = item.stem if isinstance(item, Path) else item.name
        plugin.registered.append(f"{shelf.kind} {name}")
        shelf.add(name, item, plugin.origin)

    def _calls(self, hook: str) -> Iterator[tuple[Plugin, Callable[..., Any]]]:
        owners = {f"{p.origin.distribution}:{p.origin.plugin}": p for p in self.plugins}
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            yield owners[implementation.plugin_name], functools.partial(_call, implementation)

    def _check_hooks(self, key: str, plugin: Plugin) -> None:
        known = [name for name in vars(hookspecs) if name.startswith("register_")]
        callers = self._manager.get_hookcallers(self._manager.get_plugin(key)) or []
        for caller in callers:
            if not caller.has_spec():
                plugin.problems.append(f"there is no hook {caller.name!r}{nearest(caller.name, known)}")
        if not callers:
            plugin.problems.append(
                "it implements no hook; decorate a function called register_rewards with @rewards.hookimpl"
            )


@functools.cache
def registry() -> Registry:
    """The registry of everything installed, loaded once per process."""
    loaded = Registry()
    from rewards import formats  # formats are a plugin of the core like any other

    loaded.add(formats, "formats", "appropriateness-rewards", _own_version())
    loaded.load_entry_points()
    return loaded


def _call(implementation: pluggy.HookImpl, **arguments: Any) -> None:
    # pluggy lets an implementation leave out arguments that it does not use.
    implementation.function(**{name: arguments[name] for name in implementation.argnames})


def _own_version() -> str:
    try:
        return metadata.version("appropriateness-rewards")
    except metadata.PackageNotFoundError:
        return "(not installed)"
