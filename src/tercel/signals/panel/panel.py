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
from datetime import timedelta

import polars as pl

from tercel.core.errors import DataError, refuse_if
from tercel.signals.panel.dataset import Dataset, from_frame
from tercel.signals.panel.labels import forward_returns
from tercel.signals.sources.port import EVERY, SignalSource, SourceAbsentError, time_type


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
        """Read the facts of every source; an absent one of several is noted in `absent`; raises DataError for shared
        names or if all are.
        """
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
                self._facts[source.name] = drop_superseded(source.facts())
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
        names: set[str] = {
            name for facts in self._facts.values() for name in facts["instrument"].unique()
        }
        return sorted(names - {EVERY})

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
        names = self.instruments() if instruments is None else list(instruments)
        moments = pl.DataFrame({"time": pl.Series(times).cast(time_type())}).unique().sort("time")
        return self.join(
            moments.join(
                pl.DataFrame({"instrument": names}, schema={"instrument": pl.String}), how="cross"
            )
        )

    def join(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `instrument` and `time`, joined to the facts known then; other columns stay, sorted by time."""
        table = rows.with_columns(
            pl.col("time").cast(time_type()), pl.col("instrument").cast(pl.String)
        )
        table = table.sort("time", "instrument", maintain_order=True)
        for name, columns in self._columns.items():
            wanted = {column: f"{name}.{column}" for column in columns}
            if name not in self._facts:
                table = table.with_columns(
                    pl.lit(None, pl.Float64).alias(target) for target in wanted.values()
                )
            else:
                table = join_as_of(table, self._facts[name], wanted, self.max_age.get(name))
        return table


def drop_superseded(facts: pl.DataFrame) -> pl.DataFrame:
    """Facts by known time, without those known only after a fact about a later event of their instrument."""
    ordered = facts.sort("known_time", "event_time", maintain_order=True)
    return ordered.filter(pl.col("event_time") >= pl.col("event_time").cum_max().over("instrument"))


def join_as_of(
    rows: pl.DataFrame, facts: pl.DataFrame, wanted: Mapping[str, str], max_age: timedelta | None
) -> pl.DataFrame:
    """Rows (by time) with the latest fact whose `known_time <= time`; facts of :data:`EVERY` fill every instrument."""

    def side(frame: pl.DataFrame) -> pl.DataFrame:
        """Facts of one side of the join, with the wanted columns under their new names."""
        selected = frame.select(
            "instrument",
            "known_time",
            "event_time",
            *(pl.col(column).alias(name) for column, name in wanted.items()),
        )
        return selected.rename({"event_time": "_event"})

    single = facts.filter(pl.col("instrument") != EVERY)
    shared = facts.filter(pl.col("instrument") == EVERY)
    keys = {"left_on": "time", "right_on": "known_time", "strategy": "backward"}
    if shared.is_empty():
        table = rows.join_asof(side(single), by="instrument", check_sortedness=False, **keys)  # type: ignore[arg-type]
    else:
        table = rows.join_asof(side(shared).drop("instrument"), check_sortedness=False, **keys)  # type: ignore[arg-type]
    refuse_if(
        not shared.is_empty() and not single.is_empty(),
        "facts of single instruments or of all, not both, in one source",
        "both",
        "split the source",
        DataError,
    )
    if max_age is not None:
        stale = (pl.col("time") - pl.col("_event")) > max_age
        table = table.with_columns(
            pl.when(stale).then(None).otherwise(pl.col(target)).alias(target)
            for target in wanted.values()
        )
    return table.drop("_event", "known_time", strict=False)


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
