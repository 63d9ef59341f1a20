"""What a function rests on: the top-level statements that it reaches by name, through imports, without comments.

The key of a compiled kernel is made of them (`core.kernel_keys`): Numba does not notice a change in a function or
constant of another file, and a hash of whole files throws kernels away for a comment.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

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
        """What imports at the top, also within blocks, bring in."""
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
    """Modules of some packages, read when they are first asked for.

    Parameters
    ----------
    roots : mapping of str to Path
        Each package's folder, or the file of a single module. What lies elsewhere is not followed.

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

    def reached(self, module: str, name: str) -> set[Place]:
        """Every place that `name` rests on, itself among them."""
        todo: list[Place] = [(module, name)]
        seen = set(todo)
        while todo:
            new = [place for place in self._leads_to(todo.pop()) if place not in seen]
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
        if is_package and stub.is_file():  # names that are imported when asked for (`core.lazy`)
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
        """What the names in a statement mean in its module; of a module, the member that is asked for."""
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
    """Takes texts that stand by themselves out: docstrings, and those below a name."""

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
