"""Copies of a fold's state at past times, so that the state at any past time is computed from a near copy.

Frozen dataclasses, bodies of entries, texts and numbers are shared by all copies; containers and other objects are
copied, each once, so that what was one object stays one. Long arrays that only grow are stored once, in pieces.
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

from msgspec import Struct
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
    """Copies of a state at past times: at most `most` copies and `ROOM` objects; beyond that every second one is
    dropped.

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
    ...     if past.is_due(ns, ns):
    ...         past.store(ns, ns, state)
    >>> seq, copied = past.restore(50)
    >>> seq, copied.terms == list(range(seq + 1)), len(past) <= 4, past.restore(-1)
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
        """Number of stored copies."""
        return len(self._stored_states)

    def is_due(self, ns: int, seq: int) -> bool:
        """Whether to store the state after entry `seq` at time `ns`: enough entries have passed since the last copy,
        more of them for a large state, and, but for the first copy, enough time.
        """
        if not self._stored_states:
            return seq >= self._every
        last_ns, last_seq, work, _ = self._stored_states[-1]
        return ns - last_ns >= self._every_ns and seq - last_seq >= self._every + work // WORK

    def store(self, ns: int, seq: int, state: State) -> None:
        """Store a copy of the state after entry `seq` at `ns`; beyond the bounds drop every second copy, double intervals."""
        memo: dict[int, Any] = {id(shared): shared for shared in self._shared(state)}
        copied = self._copy(state, memo)
        stored = (*self._stored_states, (ns, seq, len(memo), copied))
        if len(stored) > self._most or (
            sum(checkpoint[2] for checkpoint in stored) > ROOM and len(stored) > 2
        ):
            stored = stored[::2]
            self._every_ns = 2 * self._every_ns
            self._every = 2 * self._every
        self._stored_states = stored

    def restore(self, ns: int) -> tuple[int, State] | None:
        """Sequence number and a copy of the state of the latest checkpoint up to `ns`; None before the first."""
        latest = next(
            (checkpoint for checkpoint in reversed(self._stored_states) if checkpoint[0] <= ns),
            None,
        )
        if latest is None:
            return None
        return latest[1], self._copy(
            latest[3], {id(shared): shared for shared in self._shared(latest[3])}
        )

    def _copy(self, original: Any, memo: dict[int, Any], shallow: bool = False) -> Any:
        """A deep copy; immutable values and those in `memo` (id -> copy, filled) are shared, long arrays become pieces
        and pieces arrays. `shallow`: the elements of a container are shared, too."""
        kind: Any = type(original)
        if not _may_change(kind):
            return original
        if (earlier_copy := memo.get(id(original))) is not None:
            return earlier_copy
        if kind is array:
            copied: Any = self._split_array(original)
        elif kind is _Pieces:
            copied = array(original.typecode, b"".join([*original.pieces, original.rest]))
        elif isinstance(original, tuple):
            # a named tuple's class takes its elements by `_make`
            copied = getattr(kind, "_make", tuple)(
                self._copy(element, memo) for element in original
            )
        elif isinstance(original, _CONTAINERS):
            copied = memo[id(original)] = copy(original)
            if not shallow:
                self._fill(copied, memo)
        else:
            copied = memo[id(original)] = object.__new__(kind)
            for name in (*getattr(original, "__dict__", ()), *_slots(kind)):
                object.__setattr__(
                    copied, name, self._copy(getattr(original, name), memo, name in self._rows)
                )
        memo[id(original)] = copied
        return copied

    def _fill(self, container: Any, memo: dict[int, Any]) -> None:
        """Replace a container's elements by copies, in place; keys of dicts and elements of sets stay: they never change."""
        if isinstance(container, dict):
            for key, value in container.items():
                container[key] = self._copy(value, memo)
        elif not isinstance(container, set):
            for index, value in enumerate(container):
                container[index] = self._copy(value, memo)

    def _split_array(self, numbers: "array[Any]") -> "_Pieces":
        """An array as pieces of `PIECE` numbers, each stored once for all checkpoints."""
        split_end = len(numbers) // PIECE * PIECE
        pieces = [numbers[start : start + PIECE].tobytes() for start in range(0, split_end, PIECE)]
        return _Pieces(
            numbers.typecode,
            [self._pieces.setdefault(piece, piece) for piece in pieces],
            numbers[split_end:].tobytes(),
        )


class _Pieces:
    """An array in pieces."""

    def __init__(self, typecode: str, pieces: list[bytes], rest: bytes) -> None:
        self.typecode = typecode
        self.pieces = pieces
        self.rest = rest


@cache
def _may_change(kind: Any) -> bool:
    """Whether objects of a class may change, or hold what may: containers and most classes, not frozen dataclasses
    and bodies of entries (`Struct`), enumerations, numbers, NumPy arrays and other builtins.
    """
    if kind in (array, _Pieces) or issubclass(kind, (tuple, *_CONTAINERS)):
        return True
    terms: Any = getattr(kind, "__dataclass_params__", None)
    frozen = is_dataclass(kind) and terms.frozen
    return not (
        frozen
        or issubclass(kind, Enum | Number | ndarray | Struct)
        or kind.__module__ in ("builtins", "functools")
    )


@cache
def _slots(kind: Any) -> tuple[str, ...]:
    """Names of the slots of a class and its bases."""
    return tuple(name for base in kind.__mro__ for name in getattr(base, "__slots__", ()))
