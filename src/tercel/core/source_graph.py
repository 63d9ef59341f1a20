"""Which top-level statements of a package a function reaches by name, and the hash of those statements."""

import ast
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

# The key of a compiled kernel is made of these statements (`core.kernel_keys`): Numba does not notice a change in a function or
# constant of another file, and a hash of whole files throws kernels away for a comment.
Place = tuple[str, str]
"""A module and a name in it; `_ALL` of it, or what binds no name."""
_ALL: Final = "*"
_NO_NAME: Final = ""
_BLOCKS: Final = (ast.If, ast.Try, ast.With, ast.For, ast.While)


class Module:
    """Top-level statements of one file by the names that they bind; statements that bind none belong to every name."""

    def __init__(self, name: str, source: bytes, package: bool) -> None:
        """Parse the source of module `name`, texts (docstrings) left out; `package`: it is an `__init__.py`."""
        self.name = name
        self._package = package
        self._body = [statement for statement in ast.parse(source).body if not _is_text(statement)]

    @cached_property
    def bound(self) -> Mapping[str, list[ast.stmt]]:
        """Statements by bound name, imports aside; statements that bind no name are under the name ""."""
        statements: dict[str, list[ast.stmt]] = {_NO_NAME: []}
        for statement in self._body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            for name in _names_bound(statement) or [_NO_NAME]:
                statements.setdefault(name, []).append(statement)
        return statements

    @cached_property
    def imported(self) -> Mapping[str, Place]:
        """Names of top-level imports, also within blocks, and the (module, name) that each comes from."""
        return {
            name: place
            for statement in _imports(self._body)
            for name, place in self.imported_places(statement)
        }

    def imported_places(
        self, statement: ast.Import | ast.ImportFrom
    ) -> Iterator[tuple[str, Place]]:
        """Names that an import binds, each with the (module, name) that it comes from."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, (alias.name if alias.asname else name, _ALL)
            return
        above = (
            self.name.split(".")[: -statement.level + self._package or None]
            if statement.level
            else []
        )
        origin = ".".join([*above, *([statement.module] if statement.module else [])])
        yield from ((alias.asname or alias.name, (origin, alias.name)) for alias in statement.names)

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
        """Hash, 24 hex digits, of all statements that `name` of `module` depends on."""
        digest = hashlib.sha256()
        for place in sorted(self.reachable_places(module, name)):
            for statement in self.statements(place):
                digest.update(f"{place}{self._text(statement)}\0".encode())
        return digest.hexdigest()[:24]

    def reachable_places(
        self, module: str, name: str, excluded: Collection[Place] = ()
    ) -> set[Place]:
        """Every (module, name) that `name` depends on, itself included, without following those in `excluded`."""
        todo: list[Place] = [(module, name)]
        seen = set(todo)
        while todo:
            leads = self._leads_to(todo.pop())
            new = [place for place in leads if place not in seen and place not in excluded]
            seen.update(new)
            todo += new
        return seen

    def module(self, name: str) -> Module | None:
        """A module of these packages; None for any other."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        """Parse the file of a module, and its stub; None if the module is in none of the packages."""
        package, *below = name.split(".")
        if (root := self._roots.get(package)) is None:
            return None
        path = root.joinpath(*below)
        files = (
            (root,) if root.is_file() else (path / "__init__.py", path.with_name(path.name + ".py"))
        )
        file = next((candidate for candidate in files if candidate.is_file()), None)
        if file is None:
            return None
        source = file.read_bytes()
        stub = file.with_name("__init__.pyi")
        is_package = file.name == "__init__.py"
        if is_package and stub.is_file():  # names that are imported on first use (`core.lazy`)
            source += b"\n" + stub.read_bytes()
        return Module(name, source, is_package)

    def statements(self, place: Place) -> list[ast.stmt]:
        """The statements, imports aside, that bind a place's name; [] if its module is unknown or does not bind it."""
        module = self.module(place[0])
        return [] if module is None else module.bound.get(place[1], [])

    def _text(self, statement: ast.stmt) -> str:
        """A statement as text without comments, docstrings and positions."""
        if statement not in self._texts:
            self._texts[statement] = ast.dump(_Bare().visit(statement), annotate_fields=False)
        return self._texts[statement]

    def _leads_to(self, place: Place) -> list[Place]:
        """Places that the statements of a place name directly; computed once."""
        if place not in self._next:
            self._next[place] = list(self._follow(place))
        return self._next[place]

    def _follow(self, place: Place) -> Iterator[Place]:
        """Places that the statements of a place name; a name that its module does not bind leads to the whole module."""
        name = place[1]
        if (module := self.module(place[0])) is None:
            return
        if name in module.imported:
            yield self._normalize_place(module.imported[name])
        elif name == _ALL or name not in module.bound:
            yield from ((module.name, bound_name) for bound_name in module.names)
        yield module.name, _NO_NAME
        for statement in self.statements(place):
            yield from self._used_places(module, statement)

    def _used_places(self, module: Module, statement: ast.stmt) -> Iterator[Place]:
        """Places of the names in a statement; for an attribute of a module, that attribute's place."""
        module_nodes: set[int] = set()
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (
                    self._normalize_place(place) for _, place in module.imported_places(node)
                )
            elif (
                isinstance(node, ast.Attribute)
                and (place := self._named_module(module, node.value)) is not None
            ):
                module_nodes.add(id(node.value))
                yield self._normalize_place((place, node.attr))
            elif isinstance(node, ast.Name) and id(node) not in module_nodes:
                if node.id in module.imported:
                    yield self._normalize_place(module.imported[node.id])
                elif node.id in module.bound:
                    yield module.name, node.id

    def _named_module(self, module: Module, node: ast.expr) -> str | None:
        """Dotted name of the module that an expression names, such as `layout` or `tercel.market.book.layout`; None if
        none."""
        if isinstance(node, ast.Attribute):
            outer = self._named_module(module, node.value)
            return (
                f"{outer}.{node.attr}"
                if outer and self.module(f"{outer}.{node.attr}") is not None
                else None
            )
        if not isinstance(node, ast.Name) or node.id not in module.imported:
            return None
        origin, name = self._normalize_place(module.imported[node.id])
        return origin if name == _ALL and self.module(origin) is not None else None

    def _normalize_place(self, place: Place) -> Place:
        """The place (a, b), or all of module a.b if b is a module."""
        origin, name = place
        if name != _ALL and self.module(f"{origin}.{name}") is not None:
            return f"{origin}.{name}", _ALL
        return place


class _Bare(ast.NodeTransformer):
    """Removes docstrings, and texts below a name, from a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop an expression statement that is a text."""
        return None if _is_text(node) else self.generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a text alone (a docstring)."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _imports(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements of a body, also those within `if`, `try`, `with`, `for` and `while` blocks."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, _BLOCKS):
            yield from (
                node
                for node in ast.walk(statement)
                if isinstance(node, ast.Import | ast.ImportFrom)
            )


def _names_bound(statement: ast.stmt) -> list[str]:
    """Names that a top-level statement binds or changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    names: list[str] = []
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.append(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(
            node.ctx, ast.Store | ast.Del
        ):
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute | ast.Subscript):
                inner = inner.value
            names += [inner.id] if isinstance(inner, ast.Name) else []
    return names
