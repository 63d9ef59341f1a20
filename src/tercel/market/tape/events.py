"""The tape in memory: nine NumPy columns of equal length, one row per canonical event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Ints
from tercel.core.errors import TapeError
from tercel.market.tape import schema

if TYPE_CHECKING:
    import polars as pl


class Columns(NamedTuple):
    """The nine columns as a kernel takes them: in the order and of the dtypes of ``schema.COLUMNS``."""

    exch_ns: NDArray[Any]
    recv_ns: NDArray[Any]
    seq: NDArray[Any]
    kind: NDArray[Any]
    order_id: NDArray[Any]
    side: NDArray[Any]
    price_ticks: NDArray[Any]
    qty_lots: NDArray[Any]
    flags: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Events:
    """Columns of a tape (see :mod:`tercel.market.tape.schema` for what each means).

    Each column is a contiguous, writable 1-D array of the dtype in ``schema.COLUMNS``; all are equally long.

    Raises
    ------
    TapeError
        When a column has another dtype, more than one dimension, or another length than the first.

    Examples
    --------
    >>> tape = Events.empty(3)
    >>> tape.price_ticks[:] = [100, 101, 102]
    >>> tape.slice(1, 3).price_ticks.tolist()
    [101, 102]
    """

    exch_ns: Ints
    recv_ns: Ints
    seq: Ints
    kind: NDArray[np.uint8]
    order_id: Ints
    side: NDArray[np.int8]
    price_ticks: NDArray[np.int32]
    qty_lots: NDArray[np.int32]
    flags: NDArray[np.uint8]

    def __post_init__(self) -> None:
        length = len(self.exch_ns)
        for name, dtype in schema.COLUMNS:
            column = getattr(self, name)
            if (
                not isinstance(column, np.ndarray)
                or column.dtype != np.dtype(dtype)
                or column.ndim != 1
            ):
                raise TapeError(
                    f"column {name} as a 1-D array of {dtype}",
                    f"{getattr(column, 'dtype', type(column).__name__)} with shape {np.shape(column)}",
                    "convert the column",
                )
            if len(column) != length:
                raise TapeError(
                    f"{length} rows in every column",
                    f"{len(column)} rows in {name}",
                    "cut the columns to equal length",
                )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.exch_ns)

    def __len__(self) -> int:
        return self.n

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        return all(
            np.array_equal(a, b) for a, b in zip(self.columns(), other.columns(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def columns(self) -> Columns:
        """The nine arrays, as kernels take them."""
        return Columns(*(getattr(self, name) for name, _ in schema.COLUMNS))

    def slice(self, start: int, stop: int | None = None) -> Events:
        """Rows `start` to `stop` (excluded) as views."""
        return Events(*(column[start:stop] for column in self.columns()))

    @classmethod
    def empty(cls, n: int) -> Events:
        """`n` rows of zeros."""
        return cls(*(np.zeros(n, dtype) for _, dtype in schema.COLUMNS))

    @classmethod
    def from_table(cls, table: Ints) -> Events:
        """Rows of int64 (n, 9), the columns in the order of ``schema.COLUMNS``, copied."""
        return cls(*(table[:, i].astype(dtype) for i, (_, dtype) in enumerate(schema.COLUMNS)))

    @classmethod
    def of_messages(
        cls, ns: Ints, kind: Ints, order_id: Ints, side: Ints, price: Ints, lots: Ints
    ) -> Events:
        """Rows that are a message each and were received when they happened.

        >>> Events.of_messages(*np.array([[5, 9], [1, 3], [7, 7], [1, 1], [99, 99], [2, 2]])).seq.tolist()
        [1, 2]
        """
        n = len(ns)
        flags = np.full(n, schema.MESSAGE_END)
        columns = ns, ns, np.arange(1, n + 1), kind, order_id, side, price, lots, flags
        return cls.from_columns(dict(zip(schema.COLUMN_NAMES, columns, strict=True)))

    @classmethod
    def joined(cls, parts: Sequence[Events]) -> Events:
        """Tapes one after the other; the tape itself where there is one."""
        if len(parts) < 2:
            return parts[0] if parts else cls.empty(0)
        return cls(
            *(np.concatenate(group) for group in zip(*(p.columns() for p in parts), strict=True))
        )

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Events:
        """Build from a mapping of column names to sequences, converted to the schema's dtypes.

        Raises
        ------
        TapeError
            When a column is missing, or a value does not fit its dtype.
        """
        arrays: list[NDArray[Any]] = []
        for name, dtype in schema.COLUMNS:
            if name not in columns:
                raise TapeError(
                    f"columns {', '.join(schema.COLUMN_NAMES)}", f"no {name}", "add the column"
                )
            given = np.asarray(columns[name])
            array = np.ascontiguousarray(given).astype(dtype)
            if not np.array_equal(array, given):
                row = int(np.flatnonzero(array != given)[0])
                raise TapeError(
                    f"{name} within {dtype}", f"{given[row]} in row {row}", "scale the column"
                )
            arrays.append(array)
        return cls(*arrays)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame) -> Events:
        """Take the columns out of a Polars frame (copied only where Polars' memory cannot be written to).

        Raises
        ------
        TapeError
            When a column is missing or has another dtype.
        """
        missing = [name for name in schema.COLUMN_NAMES if name not in frame.columns]
        if missing:
            raise TapeError(
                f"columns {', '.join(schema.COLUMN_NAMES)}",
                f"no {', '.join(missing)}",
                "import the day again",
            )
        return cls(*(frame[name].rechunk().to_numpy(writable=True) for name in schema.COLUMN_NAMES))

    def to_frame(self) -> pl.DataFrame:
        """The same rows as a Polars frame (no copy where Polars allows)."""
        import polars as pl

        return pl.DataFrame({f.name: getattr(self, f.name) for f in fields(self)})
