"""Checkpoints of a fold, so that its state at any past time is near: copies that share what never changes.

Frozen dataclasses, texts and numbers are shared by all copies; containers and other objects are copied, each once, so
that what was one object stays one. Long arrays that only grow are stored once, in pieces.
"""

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from numbers import Number
from typing import Any, Final, Generic, TypeVar

from numpy import ndarray

State = TypeVar("State")
PIECE: Final = 3072
"""Numbers of a piece of a long array."""
WORK: Final = 4
"""Objects of a checkpoint, for so many of which another entry passes before the next: large ones take longer."""
ROOM: Final = 250_000
"""Objects that all checkpoints together may have: some 200 MB."""
_CONTAINERS: Final = (dict, list, set, deque, Counter, defaultdict, OrderedDict)


class Checkpoints(Generic[State]):
    """Copies of a state, at most `most` of them and `ROOM` objects: then every second one goes, and they come half as
    often.

    Parameters
    ----------
    every_ns, every : int
        Time, and entries, between two.
    most : int
    rows : collection of str
        Attributes whose elements are never changed, but replaced: they are shared.
    shared : callable
        The objects of a state that are not copied; those of the last stored state go into every copy.

    >>> class Sum:
    ...     def __init__(self):
    ...         self.terms = []
    >>> past, state = Checkpoints(10, 1, 4), Sum()
    >>> for ns in range(100):
    ...     state.terms.append(ns)
    ...     if past.due(ns, ns):
    ...         past.keep(ns, ns, state)
    >>> seq, copied = past.before(50)
    >>> seq, copied.terms == list(range(seq + 1)), len(past) <= 4, past.before(-1)
    (41, True, True, None)
    """

    def __init__(
        self,
        every_ns: int,
        every: int,
        most: int,
        rows: Collection[str] = (),
        shared: Callable[[State], Sequence[object]] = lambda state: (),
    ) -> None:
        self._every_ns = every_ns
        self._every = every
        self._most = most
        self._rows = rows
        self._shared = shared
        self._stored_states: tuple[tuple[int, int, int, State], ...] = ()
        self._pieces: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._stored_states)

    @property
    def pieces(self) -> int:
        """Bytes of long arrays."""
        return sum(map(len, self._pieces))

    def due(self, ns: int, seq: int) -> bool:
        """Whether a state at that time, after that entry, is to be stored."""
        if not self._stored_states:
            return seq >= self._every
        before, number, work, _ = self._stored_states[-1]
        return ns - before >= self._every_ns and seq - number >= self._every + work // WORK

    def keep(self, ns: int, seq: int, state: State) -> None:
        """Keep a copy of the state."""
        memo: dict[int, Any] = {id(one): one for one in self._shared(state)}
        copied = self._copy(state, memo)
        stored = (*self._stored_states, (ns, seq, len(memo), copied))
        if len(stored) > self._most or (sum(one[2] for one in stored) > ROOM and len(stored) > 2):
            stored = stored[::2]
            self._every_ns = 2 * self._every_ns
            self._every = 2 * self._every
        self._stored_states = stored

    def before(self, ns: int) -> tuple[int, State] | None:
        """The last entry of the latest checkpoint up to a time, and a copy of its state; None before the first."""
        found = next((one for one in reversed(self._stored_states) if one[0] <= ns), None)
        if found is None:
            return None
        return found[1], self._copy(found[3], {id(one): one for one in self._shared(found[3])})

    def _copy(self, one: Any, memo: dict[int, Any], shallow: bool = False) -> Any:
        kind: Any = type(one)
        if not _changes(kind):
            return one
        if (known := memo.get(id(one))) is not None:
            return known
        if kind is array:
            made: Any = self._stored(one)
        elif kind is _Pieces:
            made = array(one.typecode, b"".join([*one.pieces, one.rest]))
        elif kind is tuple:
            made = tuple(self._copy(each, memo) for each in one)
        elif isinstance(one, _CONTAINERS):
            made = memo[id(one)] = copy(one)
            if not shallow:
                self._fill(made, memo)
        else:
            made = memo[id(one)] = object.__new__(kind)
            for name in (*getattr(one, "__dict__", ()), *_slots(kind)):
                object.__setattr__(
                    made, name, self._copy(getattr(one, name), memo, name in self._rows)
                )
        memo[id(one)] = made
        return made

    def _fill(self, made: Any, memo: dict[int, Any]) -> None:
        """Replace a container's elements by copies; keys and elements of sets never change."""
        if isinstance(made, dict):
            for key, value in made.items():
                made[key] = self._copy(value, memo)
        elif not isinstance(made, set):
            for at, value in enumerate(made):
                made[at] = self._copy(value, memo)

    def _stored(self, one: "array[Any]") -> "_Pieces":
        whole = len(one) // PIECE * PIECE
        pieces = [one[at : at + PIECE].tobytes() for at in range(0, whole, PIECE)]
        return _Pieces(
            one.typecode,
            [self._pieces.setdefault(piece, piece) for piece in pieces],
            one[whole:].tobytes(),
        )


class _Pieces:
    """An array in pieces."""

    def __init__(self, typecode: str, pieces: list[bytes], rest: bytes) -> None:
        self.typecode = typecode
        self.pieces = pieces
        self.rest = rest


@cache
def _changes(kind: Any) -> bool:
    """Whether objects of a class may change, or hold what may."""
    if kind in (array, tuple, _Pieces) or issubclass(kind, _CONTAINERS):
        return True
    terms: Any = getattr(kind, "__dataclass_params__", None)
    frozen = is_dataclass(kind) and terms.frozen
    return not (
        frozen
        or issubclass(kind, Enum | Number | ndarray)
        or kind.__module__ in ("builtins", "functools")
    )


@cache
def _slots(kind: Any) -> tuple[str, ...]:
    return tuple(name for one in kind.__mro__ for name in getattr(one, "__slots__", ()))
