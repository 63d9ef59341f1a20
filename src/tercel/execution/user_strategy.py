"""Strategies and functions of the user: found, hashed, checked and run through the port of the shipped strategies.

A strategy is found in three ways: as an object in Python, as ``module:Name`` or ``path/file.py:Name``, and by its name
in the entry point group ``tercel.strategies`` of an installed package. Code that is named here is trusted and runs.
"""

import ast
import copy
import hashlib
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, overload

import numpy as np

from tercel.core.arrays import Bools
from tercel.core.errors import ConfigError, TercelError, UnknownNameError, offer, refuse_if
from tercel.execution.intent import WIDTH, Intent, Intents, View
from tercel.execution.observation import FROM_FILE, whole_order
from tercel.execution.strategy import Shares, Strategy, gap_of, settle, shares

# Folders of Python's library, of installed packages and of this one.
INSTALLED: Final = (
    *(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
)
SOURCES: Final = (".py", "/__init__.py")
# Letters of a text that may name a file.
LONGEST_NAME: Final = 200
# Bytes of a file of which size and time are hashed in place of what it holds.
LARGE: Final = 2**24


def mark_of(code: Any) -> str:
    """Hash of the source files of a user's function, class or object; empty where it has none.

    Its file, the modules of a user's own that it imports, theirs in turn, and the files beside them that a text in them
    names. What else it reads is not known.
    """
    code = code if inspect.isclass(code) or inspect.isfunction(code) else type(code)
    try:
        file = inspect.getsourcefile(code)
    except TypeError:
        file = None
    if not file or not Path(file).is_file():
        return ""
    digest = hashlib.sha256()
    for one in sorted(_written_in(Path(file).resolve())):
        digest.update(_read(one, *_written(one))[0])
    return digest.hexdigest()[:16]


def _written_in(file: Path) -> set[Path]:
    """A source file, those of a user's own that it imports, and files that texts in them name."""
    found, todo = set[Path](), [file]
    while todo:
        one = todo.pop()
        if one in found or (is_installed(str(one)) and one != file):
            continue
        found.add(one)
        names = _read(one, *_written(one))[1]
        places = [place / name for name in names for place in (one.parent, Path.cwd())]
        todo += [place.resolve() for place in places if place.is_file()]
    return found


def _written(file: Path) -> tuple[int, int]:
    """Size of a file, and when it was written, ns."""
    read = file.stat()
    return read.st_size, read.st_mtime_ns


@lru_cache(maxsize=1024)
def _read(file: Path, size: int, written_ns: int) -> tuple[bytes, tuple[str, ...]]:
    """The hash of a file as it was written then, and names in its code that may be modules or files."""
    what = f"{size} {written_ns}".encode() if size > LARGE else file.read_bytes()
    names: tuple[str, ...] = ()
    if file.suffix == ".py":
        with suppress(SyntaxError, ValueError):
            names = _named_in(ast.parse(what))
    return hashlib.sha256(what).digest(), names


def _named_in(code: ast.AST) -> tuple[str, ...]:
    """Modules and files that a piece of code names."""
    names: list[str] = []
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names += [f"{one.name.replace('.', '/')}{end}" for one in node.names for end in SOURCES]
        elif isinstance(node, ast.ImportFrom):
            within = (node.module or "").replace(".", "/")
            inside = [f"{within}/{one.name}".lstrip("/") for one in node.names]
            up = "../" * max(node.level - 1, 0)
            names += [f"{up}{one}{end}" for one in (within, *inside) if one for end in SOURCES]
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 0 < len(node.value) < LONGEST_NAME
        ):
            names.append(node.value)
    return tuple(name for name in dict.fromkeys(names) if "\0" not in name)


def place_of(error: BaseException) -> str:
    """Last line of the user's own code in an error's traceback, as `` at FILE:LINE``; "" if the traceback has none."""
    frames = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [(file, line) for file, line in frames if not is_installed(file)]
    return " at {}:{}".format(*own[-1]) if own else ""


def remedy_of(error: Exception) -> str:
    """Likely remedy for an error of a user's code on arrays of one row per market; "" where none is known."""
    if "truth value of an array" in str(error):
        return "there is one row per market: numpy.where(condition, this, that) in place of if"
    return ""


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python, to an installed package or to this one."""
    path = Path(file)
    return file.startswith("<") or any(path.is_relative_to(where) for where in INSTALLED)


@contextmanager
def searched(folder: Path) -> Iterator[None]:
    """Search modules in a folder first; afterwards the folder stays last on the path, for imports at run time."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


# Entry point group of strategies in other packages: name -> ``module:Name``.
GROUP: Final = "tercel.strategies"
# Decisions in which an instance without `reset` is watched for a memory.
WATCHED: Final = 64
# What copying an object says that cannot be copied.
UNCOPIED: Final = (TypeError, ValueError, AttributeError, RuntimeError, RecursionError)


class OwnStrategy:
    """A strategy of the user, as a class: for rules with parameters, or with a memory.

    `decide` gets a :class:`View` of n markets, read-only copies that may be stored, and answers with an :class:`Intent`.
    `reset` is called before it wherever an order begins, with bool (n,): True in the markets that begin. When all of
    them begin, n may have changed. Every evaluation works on copies of the object as it was given; one that changes
    its attributes and has no `reset` of its own is refused, since its figures would hang on what ran before. An answer
    that is no legal intent is an error that says which field (see :class:`Intent`).

    >>> import numpy as np
    >>> from tercel.execution.observation import view_of
    >>> class Halving(OwnStrategy):
    ...     def reset(self, mask):
    ...         if mask.all():
    ...             self.calls = np.zeros(len(mask), int)
    ...         self.calls[mask] = 0
    ...     def decide(self, view):
    ...         self.calls += 1
    ...         return Intent(take=view.left // 2**self.calls)
    >>> halving = checked(Halving())
    >>> [int(halving.decide(view_of(left=80, decision=k))[0, 0]) for k in (0, 1, 0)]
    [40, 20, 40]
    """

    name: str = ""
    """Name in tables; the name of the class if empty."""

    def reset(self, mask: Bools) -> None:
        """Clear the memory of the markets in `mask`, bool (n,), where an order begins."""

    def decide(self, view: View) -> Intent | Intents:
        """Intent of each market."""
        raise NotImplementedError


class FunctionStrategy(OwnStrategy):
    """A function of a view as a strategy; see :func:`strategy`."""

    def __init__(self, function: Callable[[View], Intent | Intents], name: str = "") -> None:
        self.function = function
        self.name = name or function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, view: View) -> Intent | Intents:
        """Call the function."""
        return self.function(view)

    def decide(self, view: View) -> Intent | Intents:
        """Intent that the function returns."""
        return self.function(view)


@overload
def strategy(function: Callable[[View], Intent | Intents], /) -> FunctionStrategy: ...
@overload
def strategy(*, name: str) -> Callable[[Callable[[View], Intent | Intents]], FunctionStrategy]: ...
def strategy(function: Any = None, *, name: str = "") -> Any:
    """Make a strategy of a function: a :class:`View` of n markets in, an :class:`Intent` out.

    Parameters
    ----------
    function : callable
        A pure function: the same view gives the same intent. All chance it may use is ``view.draw``.
    name : str
        Name in tables; the function's name if not given.

    >>> @strategy
    ... def half_now(view):
    ...     return Intent(take=(view.left + 1) // 2)
    >>> half_now.name
    'half_now'
    """
    if function is None:
        return lambda one: FunctionStrategy(one, name)
    return FunctionStrategy(function, name)


class CheckedStrategy(Strategy):
    """A user's strategy behind the port: its views are read-only copies, its answers are checked and made rows.

    Parameters
    ----------
    own : OwnStrategy
        Or any object with `decide`.
    mark : str
        Changes with its code; unique where the code has no file of its own.
    name : str
        In place of its own.
    """

    def __init__(self, own: Any, mark: str = "", name: str = "") -> None:
        self._own = own
        self.mark = mark or uuid.uuid4().hex
        self._name = name or getattr(own, "name", "") or type(own).__name__
        resets = getattr(type(own), "reset", OwnStrategy.reset) is not OwnStrategy.reset
        self._watched = 0 if resets else WATCHED

    @property
    def name(self) -> str:
        """Name in every table."""
        return self._name

    @property
    def gap_ns(self) -> int:
        """Its clock of events."""
        return gap_of(self._own)

    def __repr__(self) -> str:
        return f"{self._name} ({self.mark})"

    def decide(self, view: View) -> Intents:
        """Its answer as int32 (n, 10), held where the market is not tradable, never more than is left.

        Raises
        ------
        ConfigError
            An answer that is no intent.
        """
        begins = view.decision == 0
        if self.gap_ns:
            begins &= view.time_left_ns >= view.horizon_ns
        if begins.any() and hasattr(self._own, "reset"):
            self._own.reset(begins)
        return self._rows(view)

    def expected(self, view: View) -> Shares:
        """Expected shares without memory: every row by itself, float64 (n, 6)."""
        if hasattr(self._own, "reset"):
            self._own.reset(np.ones(view.n, np.bool_))
        return shares(self._rows(view), view)

    def fresh(self) -> "CheckedStrategy":
        """The same strategy as it is now, with attributes of its own as far as they can be copied."""
        made = copy.copy(self)
        try:
            made._own = copy.deepcopy(self._own)
        except UNCOPIED:
            made._own = copy.copy(self._own)
        return made

    def _state(self) -> dict[str, object]:
        """Attributes of what decides, and variables that it encloses, as they are now (:func:`_snapshot`)."""
        own = self._own.function if isinstance(self._own, FunctionStrategy) else self._own
        return {name: _snapshot(value) for name, value in _parts(own, every=True).items()}

    def _refuse_memory(self, before: dict[str, object]) -> None:
        now = self._state()
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if changed:
            raise ConfigError(
                f"a reset(self, mask) in {self.name}, which keeps something from one decision to the next",
                f"{', '.join(changed)} changed in decide",
                "set them in reset where an order begins, or write an empty one if no answer hangs on them",
            )

    def _rows(self, view: View) -> Intents:
        before = self._state() if self._watched else None
        try:
            answer = self._own.decide(view.read_only())
        except TercelError:
            raise
        except Exception as error:
            raise ConfigError(
                f"an answer of {self.name} to a View",
                f"{_said(error)}{place_of(error)}",
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
        return settle(rows, view)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _remedy(error: Exception) -> str:
    """Likely remedy for an error of a user's code in `decide`."""
    if remedy := remedy_of(error):
        return remedy
    name = getattr(error, "name", None)
    if isinstance(error, AttributeError) and isinstance(error.obj, View) and isinstance(name, str):
        return offer(
            name, [one for one in dir(View) if not one.startswith("_")], "a field of tercel.View"
        )
    if isinstance(error, TypeError | AttributeError) and "View" in str(error):
        return "a model of an observation is wrapped: tercel.model_strategy(model, name, actions=, observation=)"
    return "correct it there; tercel.View has its fields"


def _snapshot(value: Any, around: tuple[int, ...] = ()) -> object:
    """Snapshot of a value's content, equal to a later snapshot if nothing in it changed.

    Arrays by their bytes; containers, functions and objects of a user's own classes by their parts; the rest by `repr`.
    """
    if id(value) in around:
        return "around"
    around = (*around, id(value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return [(repr(key), _snapshot(one, around)) for key, one in value.items()]
    if isinstance(value, list | tuple | deque):
        return [_snapshot(one, around) for one in value]
    parts = _parts(value)
    return {name: _snapshot(one, around) for name, one in parts.items()} if parts else repr(value)


def _parts(value: Any, every: bool = False) -> dict[str, Any]:
    """Attributes, slots and enclosed variables of a function or of an object of a user's class, or with `every` of any.

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
    elif not every and not _is_users(type(value)):
        return {}
    slots = [
        name for kind in type(value).__mro__ for name in _listed(getattr(kind, "__slots__", ()))
    ]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return {**enclosed, **held, **getattr(value, "__dict__", {})}


def _listed(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _is_users(kind: type) -> bool:
    """Whether a class is neither of Python's own library nor of an installed package."""
    root = kind.__module__.partition(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return (
        root not in sys.stdlib_module_names
        and root != "tercel"
        and not (file and is_installed(file))
    )


def checked(own: Any, mark: str = "", name: str = "") -> Strategy:
    """Strategy from a user's object: a class of :class:`OwnStrategy`, an object with `decide`, a function of a view.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if not inspect.isclass(own) and hasattr(own, "decide") and hasattr(own, "expected"):
        whole: Strategy = own
        return whole
    if inspect.isclass(own):
        try:
            own = own()
        except TypeError as error:
            raise ConfigError(
                "a strategy class that needs no arguments",
                f"{own.__name__}: {error}",
                "give an object, or make every argument optional",
            ) from error
    if not hasattr(own, "decide") and callable(own):
        own = FunctionStrategy(own, getattr(own, "__name__", type(own).__name__))
    if not hasattr(own, "decide"):
        raise ConfigError(
            "a strategy: an object with decide(view)", repr(own), "see tercel.strategy"
        )
    return CheckedStrategy(own, mark, name)


def tried(one: Strategy) -> Strategy:
    """`one`, after a copy of it, where it is a user's, has worked an order in two markets at once (`execution.observation`).

    Somebody's code that takes one row per market for a number runs as long as there is one market; the trial tells at once.

    Raises
    ------
    ConfigError
        As in a run: code that fails, an answer that is no legal intent.
    """
    if isinstance(one, CheckedStrategy):
        trial = one.fresh()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for view in whole_order():
                trial.decide(view)
    return one


def installed() -> dict[str, EntryPoint]:
    """Strategies of installed packages by name, from the entry point group `GROUP`."""
    return {one.name: one for one in entry_points(group=GROUP)}


def findable(name: str) -> str:
    """A name with the whole path of its file, so that it means the same in any folder.

    >>> findable("my_module:HalfNow")
    'my_module:HalfNow'
    """
    where, _, what = name.rpartition(":")
    return f"{Path(where).resolve()}:{what}" if where.endswith(".py") else name


def is_own(name: str) -> bool:
    """Whether a name is ``module:Name``, ``path/file.py:Name``, or a strategy of an installed package."""
    return ":" in name or name in installed()


def named(name: str) -> Strategy:
    """The user's strategy that is named.

    Parameters
    ----------
    name : str
        ``module:Name``, also of the working folder; ``path/file.py:Name``; or an entry point's name.

    Raises
    ------
    UnknownNameError, ConfigError
        No such package's strategy, module, file or name in it, or nothing that is a strategy.
    """
    point = installed().get(name)
    if point is not None:
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the strategy {name!r} of an installed package",
                f"{point.value}: {error}",
                "install it again",
            ) from error
        return checked(found, mark_of(_code(found)), name)
    if ":" not in name:
        known = list(installed())
        listed = f"an installed package's ({', '.join(known) or 'none is there'})"
        raise UnknownNameError(
            f"module:Name, path/file.py:Name, or {listed}",
            repr(name),
            offer(name, known, "such as my_module:HalfNow"),
        )
    found = located(name, "strategy")
    return checked(found, mark_of(_code(found)))


def located(name: str, what: str) -> Any:
    """Import the object named ``module:Name`` or ``path/file.py:Name``; `what` names its kind in errors. Its module
    runs.

    Raises
    ------
    ConfigError
        No such module, file, or name in it.
    """
    where, _, inside = name.rpartition(":")
    refuse_if(
        not where or not inside,
        f"the {what} as module:Name or path/file.py:Name",
        repr(name),
        "such as my_module:Mine",
    )
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    found = getattr(module, inside, None)
    if found is None:
        public = [
            one
            for one, value in vars(module).items()
            if getattr(_code(value), "__module__", "") == module.__name__
        ]
        listed = f" ({', '.join(public)})" if public else ""
        raise ConfigError(
            f"a {what} of {where}{listed}",
            f"no {inside} in it",
            offer(inside, public, "name one in it"),
        )
    return found


def _code(found: Any) -> Any:
    return found.function if isinstance(found, FunctionStrategy) else found


def _module(name: str) -> Any:
    """A module that can be imported, or one of the working folder."""
    try:
        with searched(Path.cwd()):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a module {name!r}",
            str(error),
            "run where it lies, install its package, or give path/file.py:Name",
        ) from error
    except Exception as error:
        raise _cannot_run(f"a module {name!r}", error) from error


def _file(path: Path) -> Any:
    """The module in a file, read again; it may import what lies beside it."""
    refuse_if(
        not path.is_file(), "a Python file", f"{path}: no such file", "name it as path/file.py:Name"
    )
    spec = importlib.util.spec_from_file_location(FROM_FILE + path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError("a Python file", str(path), "name it as path/file.py:Name")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        with searched(path.resolve().parent):
            spec.loader.exec_module(module)
    except Exception as error:
        raise _cannot_run(str(path), error) from error
    return module


def _cannot_run(what: str, error: Exception) -> TercelError:
    if isinstance(error, TercelError):
        return error
    return ConfigError(
        f"{what} that Python can run", f"{_said(error)}{place_of(error)}", "correct it there"
    )
