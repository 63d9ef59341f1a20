"""Frozen dataclasses whose fields are arrays with one row for each of the same things: some rows of them, and several joined."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from tercel.core.arrays import Bools, Indices


@dataclass(frozen=True, eq=False)
class ArrayRecord:
    """Base class of dataclasses whose fields are all arrays of the same length.

    >>> from tercel.core.arrays import Ints
    >>> @dataclass(frozen=True, eq=False)
    ... class Fills(ArrayRecord):
    ...     lots: Ints
    >>> Fills.concat([Fills(np.array([1, 2])), Fills(np.array([3]))]).select(slice(1, None)).lots.tolist()
    [2, 3]
    """

    def select(self, rows: Bools | Indices | slice) -> Self:
        """The rows of a mask, of an array of row numbers (in its order) or of a slice."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """The rows of several records, one after another."""
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            }
        )
