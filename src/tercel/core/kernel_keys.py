"""Keys of compiled kernels: their dependencies, the folder of machine code, and fingerprints of functions."""

import ast
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, cached_property, partial
from importlib.metadata import version
from multiprocessing import parent_process
from pathlib import Path
from threading import Timer
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from tercel.core.files import write_atomic
from tercel.core.progress import say

_PLAIN: Final = (int, float, complex, str, bytes, bool, type(None))

# Attributes of a class that say where it is defined, not what it does.
_WHERE: Final = frozenset({"__doc__", "__module__", "__qualname__", "__firstlineno__"})

# -- dependencies ---------------------------------------------------------------------------------
# Dependencies of a function: the top-level statements that it reaches by name, through imports, without comments.
#
# The key of a compiled kernel is made of them (`core.kernel_keys`): Numba does not notice a change in a function or
# constant of another file, and a hash of whole files throws kernels away for a comment.

Place = tuple[str, str]
"""A module and a name in it; `_ALL` of it, or what binds no name."""
_ALL: Final = "*"
_NO_NAME: Final = ""
_BLOCKS: Final = (ast.If, ast.Try, ast.With, ast.For, ast.While)


class Module:
    """The statements of one file, by the names that they bind; those that bind none belong to every name."""

    def __init__(self, name: str, source: bytes, package: bool) -> None:
        self.name = name
        self._package = package
        self._body = [each for each in ast.parse(source).body if not _is_text(each)]

    @cached_property
    def bound(self) -> Mapping[str, list[ast.stmt]]:
        """Statements by name, those that bind none among them."""
        found: dict[str, list[ast.stmt]] = {_NO_NAME: []}
        for statement in self._body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            for name in _names_bound(statement) or [_NO_NAME]:
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imported(self) -> Mapping[str, Place]:
        """Names of top-level imports, also within blocks, to their places."""
        return {name: place for one in _imports(self._body) for name, place in self.meant(one)}

    def meant(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Place]]:
        """Names that an import binds, each with its place."""
        if isinstance(statement, ast.Import):
            for one in statement.names:
                name = one.asname or one.name.partition(".")[0]
                yield name, (one.name if one.asname else name, _ALL)
            return
        above = (
            self.name.split(".")[: -statement.level + self._package or None]
            if statement.level
            else []
        )
        origin = ".".join([*above, *([statement.module] if statement.module else [])])
        yield from ((one.asname or one.name, (origin, one.name)) for one in statement.names)

    @property
    def names(self) -> Iterable[str]:
        """Every name that the module binds."""
        return [*self.bound, *self.imported]


class Sources:
    """Modules of some packages, read on first use.

    Parameters
    ----------
    roots : mapping of str to Path
        Each package's folder, or the file of a single module. Other modules are not followed.

    >>> found = Sources({"tercel": Path(__file__).parents[1]}).key("tercel.core.seeds", "SeedTree")
    >>> len(found)
    24
    """

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self._roots = roots
        self._modules: dict[str, Module | None] = {}
        self._texts: dict[ast.stmt, str] = {}
        self._next: dict[Place, list[Place]] = {}

    def key(self, module: str, name: str) -> str:
        """24 hex digits that change when something that `name` rests on does."""
        digest = hashlib.sha256()
        for place in sorted(self.reached(module, name)):
            for statement in self.statements(place):
                digest.update(f"{place}{self._text(statement)}\0".encode())
        return digest.hexdigest()[:24]

    def reached(self, module: str, name: str, but: Collection[Place] = ()) -> set[Place]:
        """Every place that `name` rests on, itself among them; what only `but` leads to is left out, as they are."""
        todo: list[Place] = [(module, name)]
        seen = set(todo)
        while todo:
            leads = self._leads_to(todo.pop())
            new = [place for place in leads if place not in seen and place not in but]
            seen.update(new)
            todo += new
        return seen

    def module(self, name: str) -> Module | None:
        """A module of these packages; None for any other."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        package, *below = name.split(".")
        if (root := self._roots.get(package)) is None:
            return None
        path = root.joinpath(*below)
        files = (
            (root,) if root.is_file() else (path / "__init__.py", path.with_name(path.name + ".py"))
        )
        file = next((each for each in files if each.is_file()), None)
        if file is None:
            return None
        source = file.read_bytes()
        stub = file.with_name("__init__.pyi")
        is_package = file.name == "__init__.py"
        if is_package and stub.is_file():  # names that are imported on first use (`core.lazy`)
            source += b"\n" + stub.read_bytes()
        return Module(name, source, is_package)

    def statements(self, place: Place) -> list[ast.stmt]:
        """The statements that bind a place's name."""
        module = self.module(place[0])
        return [] if module is None else module.bound.get(place[1], [])

    def _text(self, statement: ast.stmt) -> str:
        if statement not in self._texts:
            self._texts[statement] = ast.dump(_Bare().visit(statement), annotate_fields=False)
        return self._texts[statement]

    def _leads_to(self, place: Place) -> list[Place]:
        if place not in self._next:
            self._next[place] = list(self._follow(place))
        return self._next[place]

    def _follow(self, place: Place) -> Iterator[Place]:
        """Places that a place leads to; what a module does not bind (a `__getattr__`, a star) leads to all of it."""
        name = place[1]
        if (module := self.module(place[0])) is None:
            return
        if name in module.imported:
            yield self._exact(module.imported[name])
        elif name == _ALL or name not in module.bound:
            yield from ((module.name, each) for each in module.names)
        yield module.name, _NO_NAME
        for statement in self.statements(place):
            yield from self._used(module, statement)

    def _used(self, module: Module, statement: ast.stmt) -> Iterator[Place]:
        """Places of the names in a statement of a module; for an attribute of a module, that member's place."""
        whole: set[int] = set()
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (self._exact(place) for _, place in module.meant(node))
            elif (
                isinstance(node, ast.Attribute)
                and (place := self._of_module(module, node.value)) is not None
            ):
                whole.add(id(node.value))
                yield self._exact((place, node.attr))
            elif isinstance(node, ast.Name) and id(node) not in whole:
                if node.id in module.imported:
                    yield self._exact(module.imported[node.id])
                elif node.id in module.bound:
                    yield module.name, node.id

    def _of_module(self, module: Module, node: ast.expr) -> str | None:
        """The module that an expression names, as `layout` or `tercel.market.book.layout` do."""
        if isinstance(node, ast.Attribute):
            outer = self._of_module(module, node.value)
            return (
                f"{outer}.{node.attr}"
                if outer and self.module(f"{outer}.{node.attr}") is not None
                else None
            )
        if not isinstance(node, ast.Name) or node.id not in module.imported:
            return None
        origin, name = self._exact(module.imported[node.id])
        return origin if name == _ALL and self.module(origin) is not None else None

    def _exact(self, place: Place) -> Place:
        """`from a import b` where b is a module means all of a.b."""
        origin, name = place
        if name != _ALL and self.module(f"{origin}.{name}") is not None:
            return f"{origin}.{name}", _ALL
        return place


class _Bare(ast.NodeTransformer):
    """Removes texts that are statements: docstrings, and those below a name."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop a text."""
        return None if _is_text(node) else self.generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _imports(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, _BLOCKS):
            yield from (
                one for one in ast.walk(statement) if isinstance(one, ast.Import | ast.ImportFrom)
            )


def _names_bound(statement: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module binds or changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    found: list[str] = []
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.append(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(
            node.ctx, ast.Store | ast.Del
        ):
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute | ast.Subscript):
                inner = inner.value
            found += [inner.id] if isinstance(inner, ast.Name) else []
    return found


# -- kernel keys ----------------------------------------------------------------------------------
# The cache of compiled kernels, its keys, and the callback on a compilation.
#
# It does not import Numba: `--help`, and a run whose kernels are all cached, need not wait for it.

LINKED = ("0.66", "0.67", "0.68")
"""Versions of Numba that :mod:`tercel.core.linking` is known to work with."""
LINK = (
    os.environ.get("TERCEL_LINK", "1") != "0"
    and ".".join(version("numba").split(".")[:2]) in LINKED
)
"""Whether kernels are linked in our way."""

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def source_hash(root: Path = PACKAGE) -> str:
    """Hex digest of all Python sources of a package, by default ours, or of one file."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# A whole set of kernels takes some 30 MB.
_MOST_BYTES = 1 << 30
_KERNELS = re.compile(r"^@(?:\w+_)?kernel\b[^\n]*\ndef (\w+)", re.MULTILINE)
_LATE = re.compile(r"^@(?:late|numbered)_kernel\b[^\n]*\ndef (\w+)", re.MULTILINE)


def cache_root() -> Path:
    """Folder of all compiled-kernel caches.

    ``$TERCEL_CACHE``, else ``$NUMBA_CACHE_DIR``, else ``$XDG_CACHE_HOME/tercel``, else ``~/.cache/tercel``.
    """
    if "TERCEL_CACHE" in os.environ:
        return Path(os.environ["TERCEL_CACHE"])
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tercel"


def writable_folder(root: Path, name: str) -> Path | None:
    """`root / name`, made if need be; where it cannot be written, a folder of this user's own under the temporary one.

    None when neither can be had: every process then compiles its kernels. A folder that others could write is
    not used, since files loaded from it are run.
    """
    own = Path(tempfile.gettempdir()) / f"tercel-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    for folder in (root / name, own / name):
        try:
            if folder.parent == own:
                own.mkdir(mode=0o700, exist_ok=True)
                about = own.lstat()
                if hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o022):
                    continue
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


@cache
def prune(root: Path, keep_bytes: int = _MOST_BYTES) -> None:
    """Remove what was used longest ago, until no more than so many bytes are left; once a process."""
    found = []
    for path in [*root.glob("kernels-*/**/*"), *root.glob("keys-*.json")]:
        with suppress(OSError):  # another process prunes too
            if path.is_file():
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
    for _, size, path in sorted(found, reverse=True):
        keep_bytes -= size
        if keep_bytes < 0:
            with suppress(OSError):
                path.unlink()


# Numba asks the terminal about colours for every candidate that it tries, whether an error is shown or not
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")


@cache
def kernels_folder() -> Path | None:
    """Cache folder of the kernels for this Python, Numba and way to link; None if none is writable."""
    build = hashlib.sha256(f"{sys.version} {version('numba')} {LINK}".encode()).hexdigest()[:16]
    return writable_folder(cache_root(), f"kernels-{build}")


def _home(function: Any) -> tuple[str, Path, str, str]:
    """A function's package, that package's folder or one file, its module there and its name."""
    package, _, inside = function.__module__.partition(".")
    file = Path(function.__code__.co_filename)
    root = (
        next((folder for folder in file.parents if folder.name == package), file)
        if inside
        else file
    )
    module = package if root == file else function.__module__
    return package, root, module, function.__qualname__.partition(".")[0]


def reached_key(function: Any) -> str:
    """Hash of all that a kernel depends on, in the sources of its package and of Tercel (`core.kernel_keys`)."""
    package, root, module, name = _home(function)
    if (known := _keys(package, root).get(f"{module}.{name}")) is None:
        known = _sources(package, root).key(module, name)
    return known


@cache
def _sources(package: str, root: Path) -> Any:

    return Sources({"tercel": PACKAGE, package: root})


@cache
def _keys(package: str, root: Path) -> dict[str, str]:
    """Keys of a package's kernels by name: read where some process made them of the same sources, else made."""
    file = cache_root() / f"keys-{package}-{source_hash(root)}-{source_hash(PACKAGE)}.json"
    with suppress(OSError, ValueError):
        found: dict[str, str] = json.loads(file.read_text())
        return found
    found, sources = {}, _sources(package, root)
    for module, name in _places(package, root, _KERNELS):
        found[f"{module}.{name}"] = sources.key(module, name)
    with suppress(OSError):
        write_atomic(file, json.dumps(found))
    return found


def _places(package: str, root: Path, pattern: re.Pattern[str]) -> Iterator[Place]:
    """Functions of a package that a pattern finds in its files."""
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        inside = path.with_suffix("").relative_to(root.with_suffix(""))
        module = ".".join([package, *inside.parts])
        yield from ((module, name) for name in pattern.findall(path.read_text(encoding="utf-8")))


def functions_in(kernels: Iterable[Any]) -> int:
    """Number of functions that one process compiles for some kernels: the kernels and all functions that they call,
    without those that are compiled on their first call (`core.jit.late_kernel`)."""
    found: set[Place] = set()
    for one in kernels:
        package, root, module, name = _home(one.py_func)
        late, every = (set(_places(package, root, pattern)) for pattern in (_LATE, _KERNELS))
        found |= every & _sources(package, root).reached(module, name, late)
    return len(found)


listeners: Final[list[Callable[[], object]]] = []
"""Callbacks before each function of Tercel is compiled: long compilations count them."""


# -- the first compilation --------------------------------------------------------------------------------------------


LONG_S = 3.0
"""Seconds of compiling from which it is said: most commands compile a few kernels of their own, which takes less."""
_spent = [0.0]
"""CPU seconds in which this process has compiled."""


@cache
def _once(text: str) -> None:
    say(text)


@contextmanager
def compiling(module: str) -> Iterator[None]:
    """Compile a kernel of a module; said once this process has compiled for `LONG_S`, by a worker's parent if any."""
    if (folder := kernels_folder()) is not None:
        prune(folder.parent)
    package, began = module.rpartition(".")[0] or module, time.thread_time()
    text = f"compiling kernels of {package}: its first use takes up to half a minute; they are stored in {cache_root()}"
    waits = Timer(LONG_S - _spent[0], _once, [text])
    if _spent[0] < LONG_S and parent_process() is None:
        waits.start()
    try:
        yield
    finally:
        waits.cancel()
        _spent[0] += time.thread_time() - began


def fingerprint(function: Any) -> str:
    """16 hex digits that change when a function does something else, and not with comments or a docstring.

    It goes by the compiled code, the defaults, what the function closes over and the names of its module that it uses:
    functions and classes of that module in turn, numbers, text and arrays by value, anything else by its type. A
    callable object is its class and its attributes. Another version of Python compiles otherwise.

    >>> def one(x): return x + 1
    >>> def two(x):  # the same
    ...     return x + 1
    >>> fingerprint(one) == fingerprint(two), fingerprint(one) == fingerprint(lambda x: x + 2)
    (True, False)
    """
    home = (
        getattr(getattr(function, "func", function), "__module__", None)
        or type(function).__module__
    )
    digest = hashlib.sha256()
    for part in _parts(function, home, set()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _parts(found: Any, home: str, seen: set[int]) -> Iterator[str]:
    """Parts of a value's fingerprint; what another module than `home` defines counts by its name."""
    if isinstance(found, _PLAIN):
        yield repr(found)
        return
    if id(found) in seen:
        return
    seen.add(id(found))
    if isinstance(found, MethodType):
        yield from _each((found.__func__, found.__self__), home, seen)
    elif isinstance(found, partial):
        yield from _each((found.func, found.args, found.keywords), home, seen)
    elif isinstance(found, list | tuple):
        yield from _each(found, home, seen)
    elif isinstance(found, dict):
        yield from _each([part for pair in found.items() for part in pair], home, seen)
    elif hasattr(found, "tobytes") and hasattr(found, "dtype"):
        yield from (str(found.dtype), str(found.shape), hashlib.sha256(found.tobytes()).hexdigest())
    elif getattr(found, "__module__", None) != home:
        yield (
            getattr(found, "__qualname__", None)
            or getattr(found, "__name__", None)
            or type(found).__qualname__
        )
    elif isinstance(found, FunctionType):
        yield from _function(found, home, seen)
    elif isinstance(found, type):
        members = {name: value for name, value in vars(found).items() if name not in _WHERE}
        counted = {
            name: value
            for name, value in members.items()
            if isinstance(value, (FunctionType, *_PLAIN))
        }
        yield from _parts(counted, home, seen)
    else:
        yield from _each((type(found), getattr(found, "__dict__", None)), home, seen)


def _each(found: Iterable[Any], home: str, seen: set[int]) -> Iterator[str]:
    for one in found:
        yield from _parts(one, home, seen)


def _function(found: FunctionType, home: str, seen: set[int]) -> Iterator[str]:
    yield from _code(found.__code__, found.__doc__)
    yield from _each((found.__defaults__, found.__kwdefaults__), home, seen)
    for cell in found.__closure__ or ():
        try:
            yield from _parts(cell.cell_contents, home, seen)
        except ValueError:  # a name that is bound later
            yield "unbound"
    for name in _names(found.__code__):
        yield name
        yield from _parts(found.__globals__.get(name), home, seen)


def _code(code: CodeType, doc: str | None = None) -> Iterator[str]:
    """Instructions and constants, of functions within too. A docstring takes the place of None among the constants."""
    yield code.co_code.hex()
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _code(one)
        elif one is not None and one != doc:
            yield repr(one)


def _names(code: CodeType) -> list[str]:
    """Global names of a function and of those within."""
    inner = [name for one in code.co_consts if isinstance(one, CodeType) for name in _names(one)]
    return list(dict.fromkeys([*code.co_names, *inner]))
