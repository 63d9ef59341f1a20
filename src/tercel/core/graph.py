"""Serialisation of objects of known classes as JSON rows; reading runs no code and creates no other class.

Every object is one row, and stands elsewhere as its number and class, so that shared objects stay shared and circles
close. Rows are made and taken one at a time: all of them together would need ten times the memory of their text. The
order of dictionaries is kept; sets are sorted. The same state gives the same text.
"""

from array import array
from base64 import b64decode, b64encode
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from tercel.core.errors import JournalError

# In the place of a class: an array of whole numbers of 64 bits has a row of its own, as it may be long.
_ARRAY: Final = "array"
_PLAIN: Final = (type(None), bool, int, float, str)
_LISTS: Final[Mapping[type, str]] = {tuple: "t", list: "l"}


class Graph:
    """Writes and reads object graphs of given classes.

    Parameters
    ----------
    classes : sequence of type
        Their instances may be written and made; enumerations by value.
    left_out : mapping of type to names
        Fields that are not written, and stay as they are when it is read into an object that is there.
    """

    def __init__(
        self, classes: tuple[type, ...], left_out: Mapping[type, frozenset[str]] | None = None
    ) -> None:
        self._classes = {one.__name__: one for one in classes}
        self._left_out = dict(left_out or {})

    @property
    def shape(self) -> str:
        """Hash of the classes and their fields; data of another shape is refused."""
        shapes = [
            f"{name}({', '.join(sorted(_declared(one)))})"
            for name, one in sorted(self._classes.items())
        ]
        return sha256("\n".join(shapes).encode()).hexdigest()[:16]

    # -- writing -----------------------------------------------------------------------------------------------------

    def write(self, root: object) -> Iterator[Any]:
        """Rows of an object and everything it refers to, itself first.

        Raises
        ------
        JournalError
            For something of another class.
        """
        writing = _Writing(self)
        writing.number(root)
        while writing.waiting:
            one = writing.waiting.popleft()
            if isinstance(one, array):
                yield [_ARRAY, b64encode(one.tobytes()).decode()]
                continue
            names = self._names(one)
            yield [type(one).__name__, {name: writing.value(getattr(one, name)) for name in names}]

    def _names(self, one: object) -> list[str]:
        left_out = self._left_out.get(type(one), frozenset())
        return [name for name in _present(one) if name not in left_out]

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, rows: Iterable[Any], into: object | None = None) -> Any:
        """The object that `write` was given; with `into`, its fields are set there.

        Raises
        ------
        JournalError
            For rows that are none.
        """
        made = dict[int, Any]() if into is None else {0: into}
        count = 0
        try:
            for count, (name, words) in enumerate(rows, 1):
                one = self._made(count - 1, name, made)
                if name == _ARRAY:
                    one.frombytes(b64decode(words))
                    continue
                for field, value in words.items():
                    object.__setattr__(one, field, self._value(value, made))
            if len(made) != count:
                raise IndexError(f"{len(made)} objects in {count} rows")
            return made[0]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise JournalError(
                "rows of objects", f"{type(error).__name__}: {error}", "fold the journal"
            ) from error

    def _made(self, number: int, name: str, made: dict[int, Any]) -> Any:
        if number not in made:
            made[number] = array("q") if name == _ARRAY else object.__new__(self._classes[name])
        return made[number]

    def _value(self, value: Any, made: dict[int, Any]) -> Any:
        if not isinstance(value, list):
            return value
        kind, *rest = value
        if kind == "o":
            return self._made(rest[0], rest[1], made)
        if kind == "e":
            return self._classes[rest[0]](rest[1])
        items = rest[-1]
        if kind == "b":
            return b64decode(items)
        if kind in _MAPS:
            pairs = [(self._value(key, made), self._value(each, made)) for key, each in items]
            return _MAPS[kind](pairs)
        several = [self._value(each, made) for each in items]
        return deque(several, maxlen=rest[0]) if kind == "d" else _SEVERAL[kind](several)


_SEVERAL: Final[Mapping[str, Callable[[Any], Any]]] = {
    "t": tuple,
    "l": list,
    "s": set,
    "f": frozenset,
}
_MAPS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "m": dict,
    "r": OrderedDict,
    "v": lambda pairs: defaultdict(list, pairs),
}


class _Writing:
    """One writing: the numbers of objects, and those whose fields are still to be written."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._numbers = dict[int, int]()
        self.waiting: deque[object] = deque()
        self._kept: list[object] = []

    def number(self, one: object) -> int:
        if id(one) not in self._numbers:
            self._numbers[id(one)] = len(self._numbers)
            self._kept.append(one)
            self.waiting.append(one)
        return self._numbers[id(one)]

    def value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind in _LISTS:
            return [_LISTS[kind], [self.value(each) for each in value]]
        if kind in (set, frozenset):
            return ["s" if kind is set else "f", sorted(value)]
        if kind is deque:
            return ["d", value.maxlen, [self.value(each) for each in value]]
        if kind is bytes:
            return ["b", b64encode(value).decode()]
        if kind in (dict, OrderedDict, defaultdict):
            mark = "m" if kind is dict else "r" if kind is OrderedDict else "v"
            return [mark, [[self.value(key), self.value(each)] for key, each in value.items()]]
        if kind is array and value.typecode == "q":
            return ["o", self.number(value), _ARRAY]
        if self._graph._classes.get(kind.__name__) is not kind:
            raise JournalError(
                "an object of a class that is known here", f"{kind.__name__}", "fold the journal"
            )
        return (
            ["e", kind.__name__, value.value]
            if isinstance(value, Enum)
            else ["o", self.number(value), kind.__name__]
        )


def _declared(kind: type) -> list[str]:
    """The fields that a class names."""
    if issubclass(kind, Enum):
        return [str(each.value) for each in kind]
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]


def _present(one: object) -> list[str]:
    """The fields that an object has."""
    if hasattr(one, "__dict__"):
        return list(vars(one))
    return [name for name in dict.fromkeys(_declared(type(one))) if hasattr(one, name)]
