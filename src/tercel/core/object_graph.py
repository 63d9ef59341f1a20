"""Write a whole graph of objects as JSON rows and read it back, with shared references kept."""

from array import array
from base64 import b64decode, b64encode
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from tercel.core.errors import JournalError

# Instead of a class: an array of 64-bit integers has a row of its own, as it may be long.
_ARRAY: Final = "array"
_PLAIN: Final = (type(None), bool, int, float, str)
_LISTS: Final[Mapping[type, str]] = {tuple: "t", list: "l"}


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


class Graph:
    """Writes graphs of objects of given classes as JSON rows, and reads them back.

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
        self._classes = {kind.__name__: kind for kind in classes}
        self._left_out = dict(left_out or {})

    @property
    def shape(self) -> str:
        """Hash of the classes and their fields, by which data of other classes is recognised."""
        shapes = [
            f"{name}({', '.join(sorted(_declared_fields(kind)))})"
            for name, kind in sorted(self._classes.items())
        ]
        return sha256("\n".join(shapes).encode()).hexdigest()[:16]

    def write(self, root: object) -> Iterator[Any]:
        """Rows of an object and of everything that it refers to, itself first.

        Raises
        ------
        JournalError
            For something of another class.
        """
        writer = _GraphWriter(self)
        writer.number_of(root)
        while writer.waiting:
            node = writer.waiting.popleft()
            if isinstance(node, array):
                yield [_ARRAY, b64encode(node.tobytes()).decode()]
                continue
            names = self._names(node)
            yield [
                type(node).__name__,
                {name: writer.encode(getattr(node, name)) for name in names},
            ]

    def _names(self, node: object) -> list[str]:
        """Names of the fields of an object that are written."""
        left_out = self._left_out.get(type(node), frozenset())
        return [name for name in _present_fields(node) if name not in left_out]

    def read(self, rows: Iterable[Any], into: object | None = None) -> Any:
        """The object whose rows `write` gave; with `into`, the fields of that object are set.

        Raises
        ------
        JournalError
            For rows that are none.
        """
        nodes = dict[int, Any]() if into is None else {0: into}
        count = 0
        try:
            for count, (name, content) in enumerate(rows, 1):
                node = self._object_at(count - 1, name, nodes)
                if name == _ARRAY:
                    node.frombytes(b64decode(content))
                    continue
                for field, value in content.items():
                    object.__setattr__(node, field, self._decode(value, nodes))
            if len(nodes) != count:
                raise IndexError(f"{len(nodes)} objects in {count} rows")
            return nodes[0]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise JournalError(
                "rows of objects", f"{type(error).__name__}: {error}", "fold the journal"
            ) from error

    def _object_at(self, number: int, name: str, nodes: dict[int, Any]) -> Any:
        """The object of a row, created empty on first use."""
        if number not in nodes:
            nodes[number] = array("q") if name == _ARRAY else object.__new__(self._classes[name])
        return nodes[number]

    def _decode(self, value: Any, nodes: dict[int, Any]) -> Any:
        """The value that `_GraphWriter.encode` encoded."""
        if not isinstance(value, list):
            return value
        kind, *rest = value
        if kind == "o":
            return self._object_at(rest[0], rest[1], nodes)
        if kind == "e":
            return self._classes[rest[0]](rest[1])
        items = rest[-1]
        if kind == "b":
            return b64decode(items)
        if kind in _MAPS:
            pairs = [(self._decode(key, nodes), self._decode(item, nodes)) for key, item in items]
            return _MAPS[kind](pairs)
        decoded = [self._decode(item, nodes) for item in items]
        return deque(decoded, maxlen=rest[0]) if kind == "d" else _SEVERAL[kind](decoded)


class _GraphWriter:
    """State of one writing: number of each object, and objects whose fields are not written so far."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._numbers = dict[int, int]()
        self.waiting: deque[object] = deque()
        self._alive: list[object] = []

    def number_of(self, node: object) -> int:
        """Row number of an object; a new object is queued for writing."""
        if id(node) not in self._numbers:
            self._numbers[id(node)] = len(self._numbers)
            self._alive.append(node)
            self.waiting.append(node)
        return self._numbers[id(node)]

    def encode(self, value: Any) -> Any:
        """A value as JSON; objects as references to their rows, new ones queued for writing."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind in _LISTS:
            return [_LISTS[kind], [self.encode(item) for item in value]]
        if kind in (set, frozenset):
            return ["s" if kind is set else "f", sorted(value)]
        if kind is deque:
            return ["d", value.maxlen, [self.encode(item) for item in value]]
        if kind is bytes:
            return ["b", b64encode(value).decode()]
        if kind in (dict, OrderedDict, defaultdict):
            mark = "m" if kind is dict else "r" if kind is OrderedDict else "v"
            return [mark, [[self.encode(key), self.encode(item)] for key, item in value.items()]]
        if kind is array and value.typecode == "q":
            return ["o", self.number_of(value), _ARRAY]
        if self._graph._classes.get(kind.__name__) is not kind:
            raise JournalError(
                "an object of a class that is known here", f"{kind.__name__}", "fold the journal"
            )
        return (
            ["e", kind.__name__, value.value]
            if isinstance(value, Enum)
            else ["o", self.number_of(value), kind.__name__]
        )


def _declared_fields(kind: type) -> list[str]:
    """Names of the fields or slots that a class declares; of an enumeration its values."""
    if issubclass(kind, Enum):
        return [str(each.value) for each in kind]
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]


def _present_fields(node: object) -> list[str]:
    """Names of the fields that an object has set."""
    if hasattr(node, "__dict__"):
        return list(vars(node))
    return [name for name in dict.fromkeys(_declared_fields(type(node))) if hasattr(node, name)]
