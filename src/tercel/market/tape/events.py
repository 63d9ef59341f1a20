"""The tape of a day in memory: its instrument, and nine NumPy columns of equal length, one row per canonical event."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date as calendar_date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Ints
from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import TapeError
from tercel.core.vocabulary import LEAST_TICK, MOST_LOTS, MOST_TICK, NS_PER_SECOND
from tercel.market.tape import schema
from tercel.market.tape.local_times import DAY_S, clock_s, day_ns, local_ns, midnight_ns

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-+]{0,63}")
Extra = dict[str, Any]
"""Further data of a feed on a day beside the fields of an instrument, JSON values."""


@dataclass(frozen=True)
class Instrument:
    """One instrument on one day, stored as ``instrument.json`` beside the events.

    Parameters
    ----------
    venue, symbol : str
        Names of letters, digits, dots, dashes, pluses and underscores, at most 64 (they become folder names).
    date : str
        Trading day in `timezone`, ISO format: that on which the session ends, where it goes across midnight.
    tick : float
        One tick in price units (dollars).
    lot : int
        One lot in shares or contracts.
    levels : int
        Price levels per side that the feed shows; 0 means the full depth.
    timezone : str
        IANA name of the exchange's time zone.
    source : tuple of str
        Names of the files that the rows came from.
    session_open_ns, session_close_ns : int
        Continuous trading, ns since 1970-01-01 UTC; 0 when not known.
    rows : int
        Rows of the tape.
    tick_rule : str
        ``"stated"`` by the user or the venue, or ``"inferred"`` from the prices.
    off_tick_rows : int
        Rows whose source price was not on a tick.
    content_hash : str
        SHA-256 of the events and of what gives their integers meaning; filled in by the lake.
    extra : dict
        Further data of the feed, JSON values only.
    price_origin : int
        A price is (ticks of the tape + `price_origin`) x `tick`. Below 0 where the instrument may trade at or below
        zero: ticks of the tape are positive, whatever the price.

    Raises
    ------
    TapeError
        When a field makes no sense.
    """

    venue: str
    symbol: str
    date: str
    tick: float
    lot: int = 1
    levels: int = 0
    timezone: str = "America/New_York"
    source: tuple[str, ...] = ()
    session_open_ns: int = 0
    session_close_ns: int = 0
    rows: int = 0
    tick_rule: str = "stated"
    off_tick_rows: int = 0
    content_hash: str = ""
    extra: Extra = field(default_factory=dict)
    price_origin: int = 0

    def __post_init__(self) -> None:
        for name in ("venue", "symbol"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise TapeError(
                    f"a {name} of at most 64 letters, digits and . - + _",
                    repr(getattr(self, name)),
                    f"give another {name}",
                )
        try:
            canonical = calendar_date.fromisoformat(self.date).isoformat()
        except ValueError:
            canonical = ""
        if canonical != self.date:
            raise TapeError("a date YYYY-MM-DD", repr(self.date), "write the date as in 2012-06-21")
        if (
            not LEAST_TICK <= self.tick <= MOST_TICK
            or not 1 <= self.lot < MOST_LOTS
            or self.levels < 0
            or not -MOST_LOTS < self.price_origin <= 0
        ):
            raise TapeError(
                f"a tick of {LEAST_TICK:g} to {MOST_TICK:g}, a lot of 1 to {MOST_LOTS - 1}, levels of 0 or more, a "
                f"price_origin of {1 - MOST_LOTS} to 0",
                f"tick {self.tick}, lot {self.lot}, levels {self.levels}, price_origin {self.price_origin}",
                "correct the instrument",
            )
        midnight_ns(self.date, self.timezone)

    @property
    def key(self) -> tuple[str, str, str]:
        """(venue, symbol, date): the unique key in a lake."""
        return self.venue, self.symbol, self.date

    @property
    def lot_units(self) -> Fraction:
        """A lot in shares, contracts or coins: `lot`, or the part of a coin that a feed names in `extra["lot_size"]`.

        >>> Instrument("BINANCE", "BTCUSDT", "2024-08-08", 0.01, extra={"lot_size": "0.00001"}).lot_units
        Fraction(1, 100000)
        """
        return Fraction(str(self.extra.get("lot_size", self.lot)))

    @property
    def begins_s(self) -> int:
        """When the trading day begins, seconds after midnight of its date; below 0 if on a day before.

        -21,600 is 18:00 of the day before; the Monday of a market with night sessions begins on Friday.
        """
        if not 0 < self.session_open_ns < midnight_ns(self.date, self.timezone):
            return 0
        opens = datetime.fromtimestamp(
            self.session_open_ns // NS_PER_SECOND, ZoneInfo(self.timezone)
        )
        days = (calendar_date.fromisoformat(self.date) - opens.date()).days
        return 3600 * opens.hour + 60 * opens.minute + opens.second - days * DAY_S

    @property
    def span(self) -> tuple[int, int]:
        """Start and end of the trading day, ns since 1970-01-01 UTC; see :func:`day_ns`."""
        return day_ns(self.date, self.timezone, self.begins_s)

    def ticks_of(self, price: Fraction) -> Fraction:
        """A price in ticks of the tape, exactly; :meth:`price_of` is the way back.

        >>> oil = Instrument("NYMEX", "CLK0", "2020-04-20", 0.01, price_origin=-10_001)
        >>> oil.ticks_of(Fraction("-37.63")), float(oil.price_of(Fraction(6238)))
        (Fraction(6238, 1), -37.63)
        """
        return price / Fraction(str(self.tick)) - self.price_origin

    def price_of(self, ticks: Fraction) -> Fraction:
        """The price of some ticks of the tape, exactly."""
        return (ticks + self.price_origin) * Fraction(str(self.tick))

    def clock_ns(self, text: str) -> int:
        """A time of day of the exchange on this trading day, ns since 1970-01-01 UTC; see :func:`clock_s`.

        Where the session goes across midnight, times from its opening on are of the evening before.

        >>> Instrument("NASDAQ", "AMZN", "2012-06-21", 0.01).clock_ns("10:30") // 10**9
        1340289000
        """
        seconds = clock_s(text)
        begins = self.begins_s
        evening = seconds + begins // DAY_S * DAY_S
        return local_ns(
            self.date, self.timezone, evening if begins and evening >= begins else seconds
        )

    def session(self, ns: Ints) -> tuple[int, int]:
        """Opening and close of the session, ns; where they are not known, the first row and just after the last."""
        if self.session_close_ns or not len(ns):
            return self.session_open_ns, self.session_close_ns
        return int(ns[0]), int(ns[-1]) + 1

    def with_content(self, events: Events) -> Instrument:
        """The same instrument with `rows` and `content_hash` of these events."""
        return replace(self, rows=events.n, content_hash=content_hash(self, events))

    def to_json(self) -> str:
        """Indented JSON, keys in the order of the fields."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, file_name: str = "instrument.json") -> Instrument:
        """Instrument from its JSON text (see :meth:`to_json`).

        Raises
        ------
        TapeError
            When the text is not JSON, or its keys are not those of this version: a day is imported again, not migrated.
        """
        try:
            raw = parse_json(text)
            return cls(**{**raw, "source": tuple(raw["source"])})
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise TapeError(
                f"an instrument as JSON in {file_name}",
                str(error),
                "import the day again with `replace=True`",
            ) from error


def content_hash(instrument: Instrument, events: Events) -> str:
    """SHA-256 over key, tick, lot, levels, time zone and a `price_origin`, and the little-endian bytes of columns."""
    head = [
        *instrument.key,
        instrument.tick,
        instrument.lot,
        instrument.levels,
        instrument.timezone,
        events.n,
        *([instrument.price_origin] if instrument.price_origin else []),
    ]
    digest = hashlib.sha256(json.dumps(head).encode())
    for column in events.columns():
        little = column.astype(column.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


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
        cls,
        ns: Ints,
        kind: Ints,
        order_id: Ints,
        side: Ints,
        price: Ints,
        lots: Ints,
        flags: Ints | int = 0,
    ) -> Events:
        """Rows of one message each, received when they happened.

        >>> Events.of_messages(*np.array([[5, 9], [1, 3], [7, 7], [1, 1], [99, 99], [2, 2]])).seq.tolist()
        [1, 2]
        """
        n = len(ns)
        marks = np.full(n, schema.MESSAGE_END) | flags
        columns = ns, ns, np.arange(1, n + 1), kind, order_id, side, price, lots, marks
        return cls.from_columns(dict(zip(schema.COLUMN_NAMES, columns, strict=True)))

    @classmethod
    def concatenate(cls, parts: Sequence[Events]) -> Events:
        """Concatenate tapes; a single tape is returned as it is."""
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
            column = np.asarray(columns[name])
            array = np.ascontiguousarray(column).astype(dtype)
            if not np.array_equal(array, column):
                row = int(np.flatnonzero(array != column)[0])
                raise TapeError(
                    f"{name} within {dtype}", f"{column[row]} in row {row}", "scale the column"
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
