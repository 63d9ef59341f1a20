"""Checkpoints of a fold, so that its state at any past time is near: pickled, compressed, thinned, few.

What a fold has of others (its journal, an index) is shared by all its checkpoints; long arrays that only grow are kept
once, in pieces.
"""

import pickle
import threading
from array import array
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final, Generic, TypeVar

import zstandard

State = TypeVar("State")
PIECE: Final = 3072
"""Numbers of a piece of a long array."""
BYTES: Final = 40
"""Of a checkpoint, for each of which another entry passes before the next: large ones take longer."""


class Checkpoints(Generic[State]):
    """Copies of a state, at most `keep` of them: then every second one goes, and they come half as often.

    Parameters
    ----------
    every_ns, every : int
        Time, and entries, between two.
    keep : int
    shared : callable
        The objects of a state that are not copied; those of the last state that was kept go into every copy.

    Notes
    -----
    The index of a fold that is shared may know more than it did at the time.

    >>> past = Checkpoints(10, 1, 4, lambda state: ())
    >>> for ns in range(100):
    ...     if past.due(ns, ns):
    ...         past.keep(ns, ns, {"sum": sum(range(ns + 1))})
    >>> past.before(45), len(past) <= 4, past.before(-1)
    ((41, {'sum': 861}), True, None)
    """

    def __init__(self, every_ns: int, every: int, keep: int, shared: Callable[[State], Sequence[object]]) -> None:
        self._every_ns, self._every, self._most, self._shared = every_ns, every, keep, shared
        self._kept: tuple[tuple[int, int, bytes], ...] = ()
        self._pieces: list[bytes] = []
        self._at: dict[bytes, int] = {}
        self._others: Sequence[object] = ()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes that they take."""
        return sum(len(body) for *_, body in self._kept) + sum(map(len, self._pieces))

    def due(self, ns: int, seq: int) -> bool:
        """Whether a state at that time, after that entry, is to be kept."""
        if not self._kept:
            return seq >= self._every
        before, number, body = self._kept[-1]
        return ns - before >= self._every_ns and seq - number >= self._every + len(body) // BYTES

    def keep(self, ns: int, seq: int, state: State) -> None:
        """Keep a copy of the state."""
        self._others, body = self._shared(state), BytesIO()
        pickler = pickle.Pickler(body, protocol=5)
        # By type alone: a persistent_id would be asked for every object, and take most of the time.
        pickler.dispatch_table = {type(one): self._name for one in self._others} | {array: self._name}
        pickler.dump(state)
        kept = (*self._kept, (ns, seq, zstandard.compress(body.getvalue(), 1)))
        if len(kept) > self._most:
            kept, self._every_ns, self._every = kept[::2], 2 * self._every_ns, 2 * self._every
        self._kept = kept

    def before(self, ns: int) -> tuple[int, State] | None:
        """The last entry of the latest checkpoint up to a time, and a copy of its state; None before the first."""
        found = next((one for one in reversed(self._kept) if one[0] <= ns), None)
        if found is None:
            return None
        _OF.others, _OF.pieces = self._others, self._pieces
        return found[1], pickle.loads(zstandard.decompress(found[2]))

    def _name(self, one: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        for number, other in enumerate(self._others):
            if one is other:
                return _other, (number,)
        if type(one) is not array:
            return one.__reduce_ex__(5)  # type: ignore[no-any-return]
        whole = len(one) // PIECE * PIECE
        pieces = [self._piece(one[at : at + PIECE].tobytes()) for at in range(0, whole, PIECE)]
        return _array, (one.typecode, pieces, one[whole:].tobytes())

    def _piece(self, piece: bytes) -> int:
        if piece not in self._at:
            self._at[piece] = len(self._pieces)
            self._pieces.append(piece)
        return self._at[piece]


class _Loading(threading.local):
    """What the checkpoint that this thread is reading shares with others."""

    others: Sequence[object] = ()
    pieces: Sequence[bytes] = ()


_OF: Final = _Loading()


def _other(number: int) -> object:
    return _OF.others[number]


def _array(typecode: str, pieces: Sequence[int], rest: bytes) -> "array[Any]":
    return array(typecode, b"".join([*(_OF.pieces[at] for at in pieces), rest]))
