"""Run a user's strategy behind the strategy port: find it by name, import it, check its answers, keep its memory honest.

A strategy is found in three ways: as an object in Python, as ``module:Name`` or ``path/file.py:Name``, and by its name
in the entry point group ``tercel.strategies`` of an installed package. Code that is named here is trusted and runs.
"""

import copy
import importlib.util
import inspect
import sys
import traceback
import uuid
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError, TercelError, UnknownNameError, refuse_if, suggest_name
from tercel.execution.intent import WIDTH, Intent, Intents
from tercel.execution.observation import FROM_FILE
from tercel.execution.own_strategy import FunctionStrategy, OwnStrategy
from tercel.execution.probe_views import probe_order
from tercel.execution.source_mark import is_installed, source_mark
from tercel.execution.strategy import Shares, Strategy, finish_intents, gap_of, shares
from tercel.execution.view import View

# Entry point group of strategies in other packages: name -> ``module:Name``.
GROUP: Final = "tercel.strategies"
# Decisions in which an instance without `reset` is watched for a memory.
WATCHED: Final = 64
# What copying an object says that cannot be copied.
UNCOPIED: Final = (TypeError, ValueError, AttributeError, RuntimeError, RecursionError)


def error_location(error: BaseException) -> str:
    """Last line of the user's code in an error's traceback, as `` at FILE:LINE``; "" if none is the user's."""
    frames = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    user_frames = [(file, line) for file, line in frames if not is_installed(file)]
    return " at {}:{}".format(*user_frames[-1]) if user_frames else ""


def remedy_of(error: Exception) -> str:
    """Likely remedy for an error of user code that takes an array for one value; "" for other errors."""
    if "truth value of an array" in str(error):
        return "there is one row per market: numpy.where(condition, this, that) in place of if"
    return ""


@contextmanager
def search_first(folder: Path) -> Iterator[None]:
    """Context in which modules are searched in a folder first; afterwards the folder stays last on the path."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


class CheckedStrategy(Strategy):
    """A user's strategy behind the port: views are read-only, answers are checked and turned into rows.

    Parameters
    ----------
    own : OwnStrategy
        Or any object with `decide`.
    mark : str
        Changes with its code; unique where the code has no file of its own.
    name : str
        In place of its own.
    """

    def __init__(self, user_object: Any, mark: str = "", name: str = "") -> None:
        self._user_object = user_object
        self.mark = mark or uuid.uuid4().hex
        self._name = name or getattr(user_object, "name", "") or type(user_object).__name__
        resets = getattr(type(user_object), "reset", OwnStrategy.reset) is not OwnStrategy.reset
        self._watched = 0 if resets else WATCHED

    @property
    def name(self) -> str:
        """Name in every table."""
        return self._name

    @property
    def gap_ns(self) -> int:
        """Event clock of the user's strategy, ns; 0 for the schedule."""
        return gap_of(self._user_object)

    def __repr__(self) -> str:
        return f"{self._name} ({self.mark})"

    def decide(self, view: View) -> Intents:
        """Checked answer of the user's strategy, int32 (n, 10), held if the market is not tradable, within the lots
        left; ConfigError for a bad one. Where an order begins the strategy's memory is reset first.

        Raises
        ------
        ConfigError
            An answer that is no intent.
        """
        begins = view.decision == 0
        if self.gap_ns:
            begins &= view.time_left_ns >= view.horizon_ns
        if begins.any() and hasattr(self._user_object, "reset"):
            self._user_object.reset(begins)
        return self._rows(view)

    def expected(self, view: View) -> Shares:
        """Shares of the lots left, float64 (n, 6); every row's memory is reset first."""
        if hasattr(self._user_object, "reset"):
            self._user_object.reset(np.ones(view.n, np.bool_))
        return shares(self._rows(view), view)

    def copy(self) -> "CheckedStrategy":
        """A copy with its own deep copy of the user's object, shallow where that cannot be copied."""
        copied = copy.copy(self)
        try:
            copied._user_object = copy.deepcopy(self._user_object)
        except UNCOPIED:
            copied._user_object = copy.copy(self._user_object)
        return copied

    def _state(self) -> dict[str, object]:
        """Snapshot of the attributes and enclosed variables of the user's object or function, by name."""
        decider = (
            self._user_object.function
            if isinstance(self._user_object, FunctionStrategy)
            else self._user_object
        )
        return {name: _snapshot(value) for name, value in _parts(decider, look_into=True).items()}

    def _refuse_memory(self, before: dict[str, object]) -> None:
        """ConfigError if the state of a strategy without `reset` is no longer `before`, its state before `decide`."""
        now = self._state()
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if changed:
            raise ConfigError(
                f"a reset(self, mask) in {self.name}, which keeps something from one decision to the next",
                f"{', '.join(changed)} changed in decide",
                "set them in reset where an order begins, or write an empty one if no answer hangs on them",
            )

    def _rows(self, view: View) -> Intents:
        """The user's answer to a view as int32 (n, 10) rows, finished; ConfigError for an error in it, or another shape."""
        before = self._state() if self._watched else None
        try:
            answer = self._user_object.decide(view.read_only())
        except TercelError:
            raise
        except Exception as error:
            raise ConfigError(
                f"an answer of {self.name} to a View",
                f"{_error_text(error)}{error_location(error)}",
                _remedy(error),
            ) from error
        if before is not None:
            self._watched -= 1
            self._refuse_memory(before)
        if isinstance(answer, Intent):
            try:
                rows = answer.rows(view)
            except ConfigError as error:
                raise ConfigError(
                    f"{error.expected} from {self.name}", error.received, error.remedy
                ) from error
        else:
            rows = np.array(answer)
            if rows.dtype != np.int32 or rows.shape != (view.n, WIDTH):
                raise ConfigError(
                    f"an Intent from {self.name}, or int32 of shape ({view.n}, {WIDTH})",
                    f"{type(answer).__name__}"
                    + (f" {rows.dtype} {rows.shape}" if rows.ndim else ""),
                    "such as return tercel.Intent(take=view.left // 2)",
                )
        return finish_intents(rows, view)


def _error_text(error: Exception) -> str:
    """Type and message of an error, at most 300 characters."""
    return f"{type(error).__name__}: {error}"[:300]


def _remedy(error: Exception) -> str:
    """Likely remedy for an error in the user's `decide`, as text; never ""."""
    if remedy := remedy_of(error):
        return remedy
    name = getattr(error, "name", None)
    if isinstance(error, AttributeError) and isinstance(error.obj, View) and isinstance(name, str):
        return suggest_name(
            name,
            [attribute for attribute in dir(View) if not attribute.startswith("_")],
            "a field of tercel.View",
        )
    if isinstance(error, TypeError | AttributeError) and "View" in str(error):
        return "a model of an observation is wrapped: tercel.model_strategy(model, name, actions=, observation=)"
    return "correct it there; tercel.View has its fields"


def _snapshot(value: Any, ancestors: tuple[int, ...] = ()) -> object:
    """Snapshot of a value's content, nested, equal to a later snapshot if nothing in it changed.

    Arrays by their bytes; containers, functions and objects of a user's own classes by their parts; the rest by `repr`.
    """
    if id(value) in ancestors:
        return "around"
    ancestors = (*ancestors, id(value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return [(repr(key), _snapshot(part, ancestors)) for key, part in value.items()]
    if isinstance(value, list | tuple | deque):
        return [_snapshot(part, ancestors) for part in value]
    parts = _parts(value)
    return (
        {name: _snapshot(part, ancestors) for name, part in parts.items()} if parts else repr(value)
    )


def _parts(value: Any, look_into: bool = False) -> dict[str, Any]:
    """Attributes, slots and enclosed variables of a function or of an object of a user's class, with `look_into` of any object;
    empty for classes, modules and other objects.

    Objects of libraries keep caches of their own, and are not looked into.
    """
    if inspect.isclass(value) or inspect.ismodule(value):
        return {}
    if inspect.ismethod(value):
        return {"__self__": value.__self__}
    if isinstance(value, partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    enclosed: dict[str, Any] = {}
    if inspect.isfunction(value):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            with suppress(ValueError):  # a variable that is not bound yet
                enclosed[name] = cell.cell_contents
    elif not look_into and not _is_users(type(value)):
        return {}
    slots = [
        name for kind in type(value).__mro__ for name in _as_list(getattr(kind, "__slots__", ()))
    ]
    slot_values = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return {**enclosed, **slot_values, **getattr(value, "__dict__", {})}


def _as_list(names: str | Iterable[str]) -> list[str]:
    """Names as a list, also a single one."""
    return [names] if isinstance(names, str) else list(names)


def _is_users(kind: type) -> bool:
    """Whether a class is the user's own, not of Python, Tercel or an installed package."""
    root = kind.__module__.partition(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return (
        root not in sys.stdlib_module_names
        and root != "tercel"
        and not (file and is_installed(file))
    )


def wrap_strategy(user_object: Any, mark: str = "", name: str = "") -> Strategy:
    """Strategy from a user's object: a class of :class:`OwnStrategy`, an object with `decide`, a function of a view; one that
    has `decide` and `expected` is returned as it is.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if (
        not inspect.isclass(user_object)
        and hasattr(user_object, "decide")
        and hasattr(user_object, "expected")
    ):
        complete: Strategy = user_object
        return complete
    if inspect.isclass(user_object):
        try:
            user_object = user_object()
        except TypeError as error:
            raise ConfigError(
                "a strategy class that needs no arguments",
                f"{user_object.__name__}: {error}",
                "give an object, or make every argument optional",
            ) from error
    if not hasattr(user_object, "decide") and callable(user_object):
        user_object = FunctionStrategy(
            user_object, getattr(user_object, "__name__", type(user_object).__name__)
        )
    if not hasattr(user_object, "decide"):
        raise ConfigError(
            "a strategy: an object with decide(view)", repr(user_object), "see tercel.strategy"
        )
    return CheckedStrategy(user_object, mark, name)


def try_strategy(candidate: Strategy) -> Strategy:
    """Run a copy of a user's strategy through one probe order in two markets, whose errors are raised; the strategy itself.

    Somebody's code that takes one row per market for a number runs as long as there is one market; the trial tells at once.

    Raises
    ------
    ConfigError
        As in a run: code that fails, an answer that is no legal intent.
    """
    if isinstance(candidate, CheckedStrategy):
        trial = candidate.copy()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for view in probe_order():
                trial.decide(view)
    return candidate


def installed_strategies() -> dict[str, EntryPoint]:
    """Strategies of installed packages by name, from the entry point group `GROUP`."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def absolute_name(name: str) -> str:
    """``path/file.py:Name`` with the file's absolute path, valid in any working folder; other names unchanged.

    >>> absolute_name("my_module:HalfNow")
    'my_module:HalfNow'
    """
    module, _, attribute = name.rpartition(":")
    return f"{Path(module).resolve()}:{attribute}" if module.endswith(".py") else name


def is_user_strategy(name: str) -> bool:
    """Whether a name is ``module:Name``, ``path/file.py:Name``, or a strategy of an installed package."""
    return ":" in name or name in installed_strategies()


def load_named(name: str) -> Strategy:
    """Load a user's strategy by name, of an installed package or ``module:Name``, which is imported; UnknownNameError for others.

    Parameters
    ----------
    name : str
        ``module:Name``, also of the working folder; ``path/file.py:Name``; or an entry point's name.

    Raises
    ------
    UnknownNameError, ConfigError
        No such package's strategy, module, file or name in it, or nothing that is a strategy.
    """
    point = installed_strategies().get(name)
    if point is not None:
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the strategy {name!r} of an installed package",
                f"{point.value}: {error}",
                "install it again",
            ) from error
        return wrap_strategy(loaded, source_mark(_decider(loaded)), name)
    if ":" not in name:
        known = list(installed_strategies())
        packaged = f"an installed package's ({', '.join(known) or 'none is there'})"
        raise UnknownNameError(
            f"module:Name, path/file.py:Name, or {packaged}",
            repr(name),
            suggest_name(name, known, "such as my_module:HalfNow"),
        )
    loaded = import_object(name, "strategy")
    return wrap_strategy(loaded, source_mark(_decider(loaded)))


def import_object(name: str, kind: str) -> Any:
    """Import the object named ``module:Name`` or ``path/file.py:Name``; `kind` names its kind in errors. Its module
    runs; ConfigError if that fails, or it has no such object.

    Raises
    ------
    ConfigError
        No such module, file, or name in it.
    """
    module_name, _, attribute = name.rpartition(":")
    refuse_if(
        not module_name or not attribute,
        f"the {kind} as module:Name or path/file.py:Name",
        repr(name),
        "such as my_module:Mine",
    )
    module = (
        _import_file(Path(module_name))
        if module_name.endswith(".py")
        else _import_module(module_name)
    )
    imported = getattr(module, attribute, None)
    if imported is None:
        public = [
            public_name
            for public_name, value in vars(module).items()
            if getattr(_decider(value), "__module__", "") == module.__name__
        ]
        offered = f" ({', '.join(public)})" if public else ""
        raise ConfigError(
            f"a {kind} of {module_name}{offered}",
            f"no {attribute} in it",
            suggest_name(attribute, public, "name one in it"),
        )
    return imported


def _decider(user_object: Any) -> Any:
    """The function of a FunctionStrategy, else the object itself."""
    return user_object.function if isinstance(user_object, FunctionStrategy) else user_object


def _import_module(name: str) -> Any:
    """Import a module, also from the working folder; ConfigError if there is none or it fails."""
    try:
        with search_first(Path.cwd()):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a module {name!r}",
            str(error),
            "run where it lies, install its package, or give path/file.py:Name",
        ) from error
    except Exception as error:
        raise _cannot_run(f"a module {name!r}", error) from error


def _import_file(path: Path) -> Any:
    """Import a Python file anew, with its folder on the search path; ConfigError if there is none or it fails."""
    refuse_if(
        not path.is_file(), "a Python file", f"{path}: no such file", "name it as path/file.py:Name"
    )
    spec = importlib.util.spec_from_file_location(FROM_FILE + path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError("a Python file", str(path), "name it as path/file.py:Name")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        with search_first(path.resolve().parent):
            spec.loader.exec_module(module)
    except Exception as error:
        raise _cannot_run(str(path), error) from error
    return module


def _cannot_run(subject: str, error: Exception) -> TercelError:
    """The error for user code that fails when imported, returned; a Tercel error is returned as it is."""
    if isinstance(error, TercelError):
        return error
    return ConfigError(
        f"{subject} that Python can run",
        f"{_error_text(error)}{error_location(error)}",
        "correct it there",
    )
