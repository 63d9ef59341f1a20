"""Files in TOML: what they hold, read whole by pydantic's models, or why they cannot be read."""

import ast
import inspect
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, get_args, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from tercel.core.errors import ConfigError, nearest
from tercel.core.removed import refuse_removed
from tercel.core.serialization import JsonSchema, Tables, parse_tables

# -- validated ------------------------------------------------------------------------------------
# Configurations as pydantic models, and its errors with what was expected, received and what to do.

TABLES: Final = ("model_type", "model_attributes_type", "dict_type", "dataclass_type")
"""Refusals of pydantic's where a section was expected."""
Model = TypeVar("Model", bound=BaseModel)


class TomlTable(BaseModel):
    """A table of a file that people write: no other keys, finite numbers, and each value of the type that it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: Any, info: ValidationInfo) -> Any:
        """A number is written as one: neither true nor "3"."""
        wanted = cls.model_fields[str(info.field_name)].annotation
        kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
        number = (
            isinstance(value, bool | str) and {int, float} & set(kinds) and type(value) not in kinds
        )
        if number or (wanted is bool and type(value) is not bool):
            raise ValueError(f"a value of type {getattr(wanted, '__name__', wanted)}")
        return value


def validated(kind: type[Model], raw: Mapping[str, Any], name: str, reader: str) -> Model:
    """A configuration from plain values.

    Parameters
    ----------
    kind : type of BaseModel
    raw : mapping
        Values of the file.
    name : str
        Name in errors: the path.
    reader : str
        Owner of the keys, such as "a desk".

    Raises
    ------
    ConfigError
        The first unknown key, with the nearest known one; else the first invalid value.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        found = error.errors()
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        where = ".".join(str(part) for part in first["loc"])
        row = _row(name, first["loc"])
        if first["type"] == "extra_forbidden":
            refuse_removed("keys", where.rpartition(".")[2], f"{name}: {where}{row}")
            raise ConfigError(
                f"keys that {reader} knows",
                f"{name}: {where}{row}",
                _instead(first["loc"], keys_of(kind)),
            ) from None
        raise ConfigError(
            f"{where}: {words_of(first)}" if where else words_of(first),
            f"{name}: {first['input']!r}"[:200] + row,
            "mend the file",
        ) from None


def fitting(made: Any, options: Mapping[str, Any], name: str, **types: Any) -> dict[str, Any]:
    """Options of a dataclass as its annotations have them; `name` is how errors call them.

    Parameters
    ----------
    made : type, or a function
    options : mapping of str to Any
        An option without an annotation may be anything.
    name : str
    **types : Any
        Of options that are read as another type than their annotation.

    Raises
    ------
    ConfigError
        The first value that will not do.

    >>> from dataclasses import make_dataclass
    >>> fitting(make_dataclass("Lag", [("days", float)]), {"days": 3}, "lag")
    {'days': 3.0}
    """
    known = get_type_hints(made, include_extras=True) | types
    fields: dict[str, Any] = {one: (known.get(one, Any), ...) for one in options}
    return dict(
        validated(create_model("Options", __base__=TomlTable, **fields), options, name, name)
    )


def _row(name: str, keys: Sequence[str | int]) -> str:
    """Row of a key in its file, in brackets; "" without such a file."""
    file = Path(name)
    row = row_of(file.read_text(encoding="utf-8"), keys) if file.is_file() else None
    return "" if row is None else f" (row {row})"


def words_of(refusal: Mapping[str, Any]) -> str:
    """Expected value by pydantic's error, without class names.

    >>> words_of({"type": "model_type", "msg": "Input should be a valid dictionary or instance of Inner"})
    'a table'
    """
    return (
        "a table"
        if refusal["type"] in TABLES
        else str(refusal["msg"]).removeprefix("Value error, ")
    )


def keys_of(kind: type[BaseModel], table: str = "") -> list[tuple[str, str]]:
    """Table and name of every key of a model and of the models in it; the table of its own keys is `table`."""
    inside = [
        (name, inner)
        for name, field in kind.model_fields.items()
        for inner in dict.fromkeys(_models(field.annotation))
    ]
    below = [key for name, inner in inside for key in keys_of(inner, f"{table}.{name}".lstrip("."))]
    return [*((table, name) for name in kind.model_fields), *below]


_ALSO_CALLED: Final = {
    "horizon": ("label_days", "label_horizon", "label_bars", "forward_days", "holding_days")
}
"""What the field calls a key, where the name itself is nothing like it."""


def _instead(place: Sequence[str | int], known: Sequence[tuple[str, str]]) -> str:
    """Remedy for an unknown key: move it to a table that has it, or take the nearest name, first of those in its own
    table.

    >>> _instead(("lots",), [("desk", "lots")]), _instead(("lot",), [("desk", "lots")])
    ('move it to the table desk', "try 'lots' in the table desk")
    >>> _instead(("panel", "label_days"), [("panel", "horizon"), ("source", "max_age_days")])
    "try 'horizon'"
    """
    key, here = str(place[-1]), ".".join(one for one in place[:-1] if isinstance(one, str))
    own = [name for table, name in known if f"{here}.".startswith(f"{table}.")]
    if homes := [table for table, name in known if name == key and key not in own]:
        return f"move it {' or '.join(f'to the table {one}' if one else 'above the first table' for one in homes)}"
    near = (
        [name for name in own if key in _ALSO_CALLED.get(name, ())]
        or nearest(key, own)
        or nearest(key, [name for _, name in known])
    )
    where = (f" in the table {table}" for table, name in known if name in near and name not in own)
    return f"try {near[0]!r}{next(where, '')}" if near else "take it out"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


# -- schema ---------------------------------------------------------------------------------------
# JSON schemas of files that people write, from the models that read them.

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: Any, title: str) -> JsonSchema:
    """The JSON schema of a pydantic model, a dataclass or a type made of them.

    A docstring under a field becomes its description.

    >>> from pydantic import BaseModel
    >>> class Desk(BaseModel):
    ...     lots: int = 5
    >>> schema_of(Desk, "A desk")["properties"]["lots"]
    {'default': 5, 'title': 'Lots', 'type': 'integer'}
    """
    from pydantic import TypeAdapter

    found = TypeAdapter(kind).json_schema()
    about = _described(kind) if inspect.isclass(kind) else {}
    for name, part in [(getattr(kind, "__name__", ""), found), *found.get("$defs", {}).items()]:
        for field, text in about.get(name, {}).items():
            part.get("properties", {}).get(field, {}).setdefault("description", text)
    return {"$schema": DRAFT, **found, "title": title}


def _described(kind: type) -> dict[str, dict[str, str]]:
    """Docstrings under the fields of the classes in the files of a class and its bases, by class and field."""
    found: dict[str, dict[str, str]] = {}
    for module in dict.fromkeys(one.__module__ for one in reversed(kind.__mro__)):
        file = Path(getattr(sys.modules[module], "__file__", None) or "")
        for one in ast.walk(ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")):
            if isinstance(one, ast.ClassDef):
                inherited = [found.get(ast.unparse(base), {}) for base in one.bases]
                found[one.name] = dict(ChainMap(_under_fields(one), *inherited))
    return found


def _under_fields(one: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, after in zip(one.body, one.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = getattr(after.value, "value", None)
            if isinstance(text, str):
                texts[ast.unparse(field.target)] = inspect.cleandoc(text)
    return texts


def read_toml(path: Path, way: str, what: str = "a configuration file") -> Tables:
    """The tables of a file.

    Parameters
    ----------
    path : Path
    way : str
        How to go on when it cannot be read, such as "see docs/examples/signals.toml".
    what : str
        What it should be, in an error's words.

    Raises
    ------
    ConfigError
        The file cannot be read, is not in UTF-8 or not in TOML.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(
                f"{what}, a regular file", f"{path}, which is none", way
            )  # a device may never end
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(what, f"{path}: {error.strerror}", way) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{what} in UTF-8", f"{path}: {error.reason} at byte {error.start}", "save it so"
        ) from None
    return parse_toml(text, str(path), way, what)


def parse_toml(text: str, where: str, way: str, what: str = "a configuration file") -> Tables:
    """The tables of a text; `where` is how an error calls it. Numbers that no reader takes are refused too.

    >>> parse_toml("[desk]\\nlots = 5", "desk.toml", "see the example")
    {'desk': {'lots': 5}}
    """
    try:
        return parse_tables(text)
    except ValueError as error:
        raise ConfigError(f"{what} in TOML", f"{where}: {error}", way) from None


def changed(raw: Mapping[str, Any], changes: Mapping[str, Any]) -> Tables:
    """Tables with other values for dotted keys; a key without a dot is a whole table.

    >>> changed({"desk": {"lots": 5, "name": "a"}}, {"desk.lots": 7, "more": {}})
    {'desk': {'lots': 7, 'name': 'a'}, 'more': {}}
    """
    found = dict(raw)
    for key, value in changes.items():
        section, _, inner = key.partition(".")
        below = found.get(section, {})
        if inner and not isinstance(below, Mapping):
            raise ConfigError(
                f"a table {section}, for the key {key}", f"{below!r:.80}", f"give all of {section}"
            )
        found[section] = {**below, inner: value} if inner else value
    return found


def row_of(text: str, keys: Sequence[str | int]) -> int | None:
    """The row of a TOML text that says something, counted from 1: its own, or that of the table it is missing from.

    Parameters
    ----------
    text : str
    keys : sequence of str and int
        Its path: names of keys, numbers in lists of tables.

    >>> row_of("[desk]\\nlots = 5\\n[[agent]]\\n[[agent]]\\nname = 3", ["agent", 1, "name"])
    5
    >>> row_of("[desk]\\nlots = 5", ["desk", "name"]), row_of("[desk]", ["agent"])
    (1, None)
    """
    fits = [
        (len(place), -row) for row, place in _places(text) if place == tuple(keys[: len(place)])
    ]
    return -max(fits)[1] if fits else None


def _places(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Rows that begin a table or a key, and their paths."""
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    for row, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        left, is_key, _ = line.partition("=")
        many = line.lstrip().startswith("[[")
        heading = line.lstrip().startswith("[")
        try:
            names = _names(parse_tables(line if heading else f"{left} = 0" if is_key else "?"))
        except ValueError:
            continue
        if not heading:
            yield row, table + names
            continue
        table = ()
        for number, name in enumerate(names):
            table += (name,)
            if many and number == len(names) - 1:
                counts[table] = counts.get(table, -1) + 1
            if table in counts:
                table += (counts[table],)
        yield row, table


def _names(nested: Any) -> tuple[str, ...]:
    """Keys on the way into nested tables of one key each."""
    nested = nested[0] if isinstance(nested, list) else nested
    if not isinstance(nested, dict) or not nested:
        return ()
    (name, inner), *_ = nested.items()
    return (name, *_names(inner))
