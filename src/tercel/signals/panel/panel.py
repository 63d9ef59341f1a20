"""The point-in-time panel: facts of every instrument as they were known at any moment.

    panel = Panel([prices, fundamentals, tweets])
    panel.as_of(times, instruments)      instrument, time, then source.column ...
    panel.join(rows)                     the same, for given (instrument, time)

Joins look at `known_time` alone. Of the facts known by then the one about the latest event counts, the last to arrive
among those of one event: an amendment of an old report does not hide a newer report, a revision replaces what it
revises. A source whose files are missing leaves empty columns and a line in `panel.absent`.

:func:`dataset_of` makes a :class:`Dataset` of a panel and prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.signals.sources.port import EVERY, SignalSource, SourceAbsentError, time_type


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled rows of a panel, by time.

    Parameters
    ----------
    x : float64 (n, p)
        Features as known at `time_ns`; NaN where a source had nothing to say.
    y : float64 (n,)
        Labels for the models (a rank, a class, a return).
    outcome : float64 (n,)
        The forward return itself, a fraction.
    names : tuple of str, length p
        `source.column`.
    time_ns : int64 (n,)
        When the decision falls due, not decreasing; equal times are one cross-section.
    start_ns, end_ns : int64 (n,)
        The label is made of what happens in `(start_ns, end_ns]`; `start_ns >= time_ns`.
    instrument : str (n,)
    note : str
        Caveats of every number (bias, lags).
    warnings : tuple of str
        Dropped rows and missing sources.
    """

    x: Floats
    y: Floats
    outcome: Floats
    names: tuple[str, ...]
    time_ns: Ints
    start_ns: Ints
    end_ns: Ints
    instrument: NDArray[np.str_]
    note: str = ""
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse rows that do not fit together or look ahead."""
        n = len(self.y)
        lengths = {
            len(a)
            for a in (
                self.x,
                self.outcome,
                self.time_ns,
                self.start_ns,
                self.end_ns,
                self.instrument,
            )
        }
        refuse_if(
            lengths != {n} or self.x.ndim != 2 or self.x.shape[1] != len(self.names),
            "a label, times and a value of every feature for each row",
            f"lengths {sorted(lengths | {n})}",
            "build the set from one panel",
            DataError,
        )
        back = np.any(self.start_ns < self.time_ns) or np.any(self.end_ns <= self.start_ns)
        refuse_if(
            back or np.any(np.diff(self.time_ns) < 0),
            "rows by time, each with a label that begins at or after it",
            "rows out of order or a label that looks back",
            "sort by time; begin labels after the decision",
            DataError,
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def dates(self) -> Ints:
        """Index of each row's cross-section, from 0, int64 (n,)."""
        return np.unique(self.time_ns, return_inverse=True)[1].astype(np.int64)

    @property
    def sources(self) -> Mapping[str, tuple[int, ...]]:
        """Names of the columns of each source."""
        found: dict[str, list[int]] = {}
        for at, name in enumerate(self.names):
            found.setdefault(name.split(".", 1)[0], []).append(at)
        return {name: tuple(columns) for name, columns in found.items()}

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """Sources but those that say the same of all instruments of every date: they rank none."""
        starts = np.flatnonzero(np.diff(self.time_ns, prepend=self.time_ns[:1] - 1))
        if not len(starts):
            return ()
        high, low = (
            np.fmax.reduceat(self.x, starts, axis=0),
            np.fmin.reduceat(self.x, starts, axis=0),
        )
        with np.errstate(invalid="ignore"):
            shared = set(
                np.flatnonzero((high == low).any(axis=0) & ~(high > low).any(axis=0)).tolist()
            )
        return tuple(
            name for name, columns in self.sources.items() if not shared.issuperset(columns)
        )

    def rows(self, index: Indices | Bools) -> "Dataset":
        """Some rows, in order."""
        return replace(
            self,
            x=self.x[index],
            y=self.y[index],
            outcome=self.outcome[index],
            time_ns=self.time_ns[index],
            start_ns=self.start_ns[index],
            end_ns=self.end_ns[index],
            instrument=self.instrument[index],
        )


# -- labels ---------------------------------------------------------------------------------------
# Labels: what happens after a decision, with the interval in which it happens.


def forward_returns(
    prices: pl.DataFrame,
    *,
    horizon: int,
    lag: int = 0,
    void: str | None = None,
    settle: bool = False,
) -> pl.DataFrame:
    """Forward return of every (instrument, time) with the interval that it is made of.

    A decision at the close of bar t is held from the close of bar t + lag to that of bar t + lag + horizon.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time` (Datetime ns UTC), `close`; one row per bar.
    horizon, lag : int
        In bars of the instrument.
    void : str, optional
        Boolean column: `void` of the result says whether a label's interval holds a bar that is true (a split, a
        spin-off).
    settle : bool
        Whether a name whose bars end before the label, while those of others do not, is settled at its last close.

    Returns
    -------
    DataFrame
        `instrument`, `time`, `start`, `end`, `forward` (a fraction), `void`, `settled`; rows without a label are left
        out.

    Raises
    ------
    DataError
        When no instrument has more than `lag + horizon` bars.
    """
    refuse_if(
        horizon < 1 or lag < 0,
        "a horizon of at least 1 bar and a lag of at least 0",
        f"{horizon} and {lag}",
        "mend the settings",
        DataError,
    )
    ordered = prices.sort("instrument", "time").with_columns(
        _seen=pl.col(void).cum_sum() if void else 0
    )
    ends = {name: pl.col(name).shift(-(lag + horizon)) for name in ("time", "close", "_seen")}
    if settle:
        ends = {name: end.fill_null(pl.col(name).last()) for name, end in ends.items()}
    out = ordered.with_columns(
        start=pl.col("time").shift(-lag).over("instrument"),
        end=ends["time"].over("instrument"),
        forward=(ends["close"] / pl.col("close").shift(-lag) - 1.0).over("instrument"),
        void=(ends["_seen"] > pl.col("_seen").shift(-lag)).over("instrument"),
        settled=pl.col("time").shift(-(lag + horizon)).is_null().over("instrument"),
    )
    # it ends when those of the date's other names do: where none has ended, it is still open
    others = pl.col("end").filter(~pl.col("settled")).min().over("time")
    latest = pl.when(others.is_not_null()).then(pl.max_horizontal("end", others))
    out = out.with_columns(end=pl.when("settled").then(latest).otherwise("end"))
    out = out.filter(pl.col("forward").is_finite(), pl.col("end").is_not_null())
    if out.is_empty():
        longest = ordered.group_by("instrument").len()["len"].max()
        raise DataError(
            f"over {lag + horizon} bars of an instrument",
            f"{longest!r}",
            "use a longer panel or a shorter horizon",
        )
    columns = ("instrument", "time", "start", "end", "forward", "void", "settled")
    return out.select(columns).sort("time", "instrument")


def ranked(column: str, by: str | Sequence[str] = "time") -> pl.Expr:
    """Rank within each cross-section, from -0.5 to 0.5; null stays null.

    >>> import polars as pl
    >>> pl.DataFrame({"time": [1, 1, 1], "a": [5.0, 1.0, 3.0]}).select(ranked("a"))["a"].to_list()
    [0.5, -0.5, 0.0]
    """
    value = pl.col(column)
    count = value.count().over(by)
    return (
        pl.when(count > 1)
        .then((value.rank().over(by) - 1) / (count - 1) - 0.5)
        .otherwise(None)
        .alias(column)
    )


# -- panel ----------------------------------------------------------------------------------------


class Panel:
    """Facts of several sources, ready for joins as of a moment.

    Parameters
    ----------
    sources : sequence of SignalSource
        Read once, here.
    max_age : mapping of source name to timedelta, optional
        Facts whose event is older than this are stale: null.

    Raises
    ------
    DataError
        When a source's records are refused, two sources share a name, or all are absent.
    """

    def __init__(
        self, sources: Sequence[SignalSource], max_age: Mapping[str, timedelta] | None = None
    ) -> None:
        names = [source.name for source in sources]
        if not names or len(set(names)) < len(names):
            raise DataError(
                "sources of different names", ", ".join(names) or "none", "give each source once"
            )
        self.max_age = dict(max_age or {})
        self.absent: dict[str, str] = {}
        self._facts: dict[str, pl.DataFrame] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        for source in sources:
            try:
                self._facts[source.name] = fresh(source.facts())
            except SourceAbsentError as error:
                if len(sources) == 1:
                    raise
                self.absent[source.name] = str(error)
            # which columns a file has may be known once it was read
            self._columns[source.name] = source.columns
        if not self._facts:
            raise DataError(
                "at least one source that is there",
                "; ".join(self.absent.values()),
                "check the paths",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Value columns as `source.column`, absent sources included."""
        return tuple(
            f"{name}.{column}" for name, columns in self._columns.items() for column in columns
        )

    def facts(self, source: str) -> pl.DataFrame:
        """Facts of a source that can be the freshest known at some moment, by `known_time`."""
        if source not in self._facts:
            raise DataError(f"a source among {', '.join(self._facts)}", source, "name one of them")
        return self._facts[source]

    def instruments(self) -> list[str]:
        """Every instrument that any source names, sorted."""
        found: set[str] = {
            one for facts in self._facts.values() for one in facts["instrument"].unique()
        }
        return sorted(found - {EVERY})

    def as_of(
        self, times: Sequence[object] | pl.Series, instruments: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Facts known at each time of each instrument.

        Parameters
        ----------
        times : datetimes with a zone, or int ns since 1970 UTC
        instruments : sequence of str, optional
            All of :meth:`instruments` when not given.

        Returns
        -------
        DataFrame
            `instrument`, `time` and :attr:`columns`; by time, then instrument.
        """
        who = self.instruments() if instruments is None else list(instruments)
        when = pl.DataFrame({"time": pl.Series(times).cast(time_type())}).unique().sort("time")
        return self.join(
            when.join(
                pl.DataFrame({"instrument": who}, schema={"instrument": pl.String}), how="cross"
            )
        )

    def join(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `instrument` and `time`, joined to the facts known then; other columns stay, sorted by time."""
        out = rows.with_columns(
            pl.col("time").cast(time_type()), pl.col("instrument").cast(pl.String)
        )
        out = out.sort("time", "instrument", maintain_order=True)
        for name, columns in self._columns.items():
            wanted = {column: f"{name}.{column}" for column in columns}
            if name not in self._facts:
                out = out.with_columns(pl.lit(None, pl.Float64).alias(to) for to in wanted.values())
            else:
                out = joined(out, self._facts[name], wanted, self.max_age.get(name))
        return out


def fresh(facts: pl.DataFrame) -> pl.DataFrame:
    """Facts in the order in which they became known, without those that came after news of a later event."""
    ordered = facts.sort("known_time", "event_time", maintain_order=True)
    return ordered.filter(pl.col("event_time") >= pl.col("event_time").cum_max().over("instrument"))


def joined(
    rows: pl.DataFrame, facts: pl.DataFrame, wanted: Mapping[str, str], max_age: timedelta | None
) -> pl.DataFrame:
    """Rows (by time) with the latest fact whose `known_time <= time`; facts of :data:`EVERY` fill every instrument."""

    def side(of: pl.DataFrame) -> pl.DataFrame:
        picked = of.select(
            "instrument",
            "known_time",
            "event_time",
            *(pl.col(a).alias(b) for a, b in wanted.items()),
        )
        return picked.rename({"event_time": "_event"})

    single = facts.filter(pl.col("instrument") != EVERY)
    shared = facts.filter(pl.col("instrument") == EVERY)
    keys = {"left_on": "time", "right_on": "known_time", "strategy": "backward"}
    if shared.is_empty():
        out = rows.join_asof(side(single), by="instrument", check_sortedness=False, **keys)  # type: ignore[arg-type]
    else:
        out = rows.join_asof(side(shared).drop("instrument"), check_sortedness=False, **keys)  # type: ignore[arg-type]
    refuse_if(
        not shared.is_empty() and not single.is_empty(),
        "facts of single instruments or of all, not both, in one source",
        "both",
        "split the source",
        DataError,
    )
    if max_age is not None:
        stale = (pl.col("time") - pl.col("_event")) > max_age
        out = out.with_columns(
            pl.when(stale).then(None).otherwise(pl.col(to)).alias(to) for to in wanted.values()
        )
    return out.drop("_event", "known_time", strict=False)


def dataset_of(
    prices: pl.DataFrame,
    panel: Panel,
    label: pl.Expr,
    keep: pl.Expr,
    *,
    horizon: int = 1,
    lag: int = 0,
    note: str = "",
) -> Dataset:
    """A :class:`Dataset` of a panel joined to forward returns of `prices` (`instrument`, `time`, `close`).

    `label` and `keep` are expressions over `forward`: the label and the outcome.
    """
    labelled = forward_returns(prices, horizon=horizon, lag=lag)
    rows = panel.join(labelled.with_columns(label.alias("y"), keep.alias("outcome"))).drop_nulls(
        ["y", "outcome"]
    )
    return from_frame(
        rows, panel.columns, note, tuple(f"{k} is missing: {v}" for k, v in panel.absent.items())
    )


def from_frame(
    rows: pl.DataFrame, columns: tuple[str, ...], note: str = "", warnings: tuple[str, ...] = ()
) -> Dataset:
    """A :class:`Dataset` from a frame with `instrument`, `time`, `start`, `end`, `y`, `outcome` and the columns."""
    rows = rows.sort("time", "instrument")
    ns = {
        name: rows[name].dt.epoch("ns").to_numpy().astype(np.int64)
        for name in ("time", "start", "end")
    }
    x = rows.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in columns).to_numpy()
    return Dataset(
        np.ascontiguousarray(x, np.float64),
        rows["y"].cast(pl.Float64).to_numpy().copy(),
        rows["outcome"].cast(pl.Float64).to_numpy().copy(),
        columns,
        ns["time"],
        ns["start"],
        ns["end"],
        rows["instrument"].cast(pl.String).to_numpy().astype(np.str_),
        note,
        warnings,
    )
