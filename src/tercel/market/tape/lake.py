"""The lake: a folder of Parquet files, one per venue, symbol and day, written whole or not at all.

::

    LAKE/venue=NASDAQ/symbol=AMZN/date=2012-06-21/events.parquet
                                                  instrument.json
    LAKE/.tercel/lock                 held while a day is written
    LAKE/.tercel/write-.../           a day being written; what a killed process left, the next write sweeps

A day is written aside, flushed to disk, and renamed into place: a reader sees the old day, the new day or none.
"""

from __future__ import annotations

import os
import shutil
import uuid
import warnings
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tercel.core.errors import LakeConflictError, TapeError, nearest_names, refuse_if
from tercel.core.locks import file_lock
from tercel.core.progress import say
from tercel.market.tape.common_units import common_units, in_units, units_of
from tercel.market.tape.events import Events, Instrument, content_hash
from tercel.market.tape.folder_swap import swap_folders
from tercel.market.tape.recorded_rules import recorded_rules
from tercel.market.tape.validation import validate

if TYPE_CHECKING:
    import polars as pl

    from tercel.market.feed import Feed

EVENTS = "events.parquet"
INSTRUMENT = "instrument.json"
Outcome = Literal["written", "unchanged", "replaced"]
Dates = list[str]
Days = list[Instrument]
TRAINING_SHARE: Final = 2 / 3
"""Default share of a lake's days for training, the earlier ones; the others are for evaluation."""


def count_training_days(days: int) -> int:
    """Number of training days out of `days`.

    >>> count_training_days(60), count_training_days(1)
    (40, 1)
    """
    return max(int(days * TRAINING_SHARE), 1)


class Lake:
    """Days of tape under one folder.

    Parameters
    ----------
    root : path
        The folder; it is made on the first write.
    below_zero : bool
        Whether days of instruments that may trade at or below a price of zero (`Instrument.price_origin`) are read;
        without it they are refused, as what reads their ticks as prices would be wrong.

    Raises
    ------
    TapeError
        From its methods: a symbol or a day that it does not hold (the nearest is named); prices at or below zero.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.market.simulator.days import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     _ = simulated_lake(Path(folder), 0.25, days=["2003-01-13"])
    ...     Lake(folder).days("SIM"), len(Lake(folder).frame("SIM", "2003-01-13")) > 100
    (['2003-01-13'], True)
    """

    def __init__(self, root: str | Path, below_zero: bool = False) -> None:
        self.root = Path(root)
        self.below_zero = below_zero
        self._internal = self.root / ".tercel"

    @classmethod
    def existing(cls, root: str | Path, below_zero: bool = False) -> Lake:
        """The lake in a folder that is there.

        Raises
        ------
        ConfigError
            There is no such folder.
        """
        refuse_if(
            not Path(root).is_dir(),
            "the folder of a lake",
            f"{root}, which is none",
            f"name another `lake=`, or make it: tercel data import lobster PATHS... `lake={root}`",
        )
        return cls(root, below_zero)

    def folder(self, venue: str, symbol: str, date: str) -> Path:
        """Path of a day's folder (it need not exist)."""
        return self.root / f"venue={venue}" / f"symbol={symbol}" / f"date={date}"

    def write(self, instrument: Instrument, events: Events, replace: bool = False) -> Outcome:
        """Validate a day and put it into the lake; other content of that day is overwritten if `replace`, else refused.

        Returns
        -------
        str
            ``"written"``; ``"unchanged"`` when the lake holds the same content already; ``"replaced"``.

        Raises
        ------
        LakeConflictError
            When the lake holds other content for this venue, symbol and date, and `replace` is false.
        TapeError
            When a row breaks a rule of the schema, or the folder cannot be written.
        """
        validate(events, instrument)
        instrument = instrument.with_content(events)
        target = self.folder(*instrument.key)
        try:
            self._internal.mkdir(parents=True, exist_ok=True)
            with file_lock(self._internal / "lock"):  # one writer at a time
                self._sweep()
                existing = self._existing(target, replace)
                if existing is not None and existing.content_hash == instrument.content_hash:
                    return "unchanged"
                if existing is not None and not replace:
                    raise _conflict(existing, instrument)
                target.parent.mkdir(parents=True, exist_ok=True)
                aside = self._write_aside(instrument, events)
                replaced = target.exists()
                if replaced:
                    place = target.relative_to(self.root).as_posix().replace("/", "@")
                    swap_folders(aside, target, self._internal / f"replaced-{place}")
                    shutil.rmtree(aside, ignore_errors=True)
                else:
                    aside.rename(target)
                _flush(target.parent)
        except OSError as error:
            raise TapeError(
                f"a folder to write in at {self.root}",
                f"{error.strerror}: {error.filename}",
                "check the path, its rights and the free space",
            ) from error
        return "replaced" if replaced else "written"

    def write_in_common_units(
        self, instrument: Instrument, events: Events, replace: bool = False
    ) -> Outcome:
        """Write a day by :meth:`write` in the lot and inferred tick of the symbol's other days, which are written again where
        it needs finer ones; TapeError for numbers too large."""
        venue, symbol, date = instrument.key
        folders = self.folder(venue, symbol, date).parent.glob(f"date=*/{INSTRUMENT}")
        dates = sorted({folder.parent.name[5:] for folder in folders} - {date})
        first = [self._require_instrument(self.folder(venue, symbol, day)) for day in dates[:1]]
        if all(units_of(day) == units_of(instrument) for day in first):  # so are the rest
            return self.write(instrument, events, replace)
        others = [self.instrument(symbol, day, venue) for day in dates]
        units = common_units([instrument, *others])
        outcome = self.write(*in_units(instrument, events, *units), replace)
        for other in others:
            if in_units(other, Events.empty(0), *units)[0] != other:
                self.write(*in_units(*self.read(symbol, other.date, venue), *units), replace=True)
                say(f"{symbol} {other.date}: written again in the tick and the lot of {date}")
        return outcome

    def real_dates(self, symbol: str, dates: Iterable[str], venue: str | None = None) -> list[str]:
        """Dates of the real days that resampled ones among these are made of, ascending."""
        instruments = (self.instrument(symbol, date, venue) for date in dates)
        return sorted(
            {day for instrument in instruments for day in instrument.extra.get("resampled_of", ())}
        )

    def read(self, symbol: str, date: str, venue: str | None = None) -> tuple[Instrument, Events]:
        """One day of tape: its instrument and events.

        Raises
        ------
        TapeError
            When there is no such day, several venues have it and none is named, or its files are damaged.
        """
        folder = self.find(symbol, date, venue)
        for _ in range(3):
            instrument = self._require_instrument(folder)
            frame = _events(folder)
            if (
                self._require_instrument(folder) == instrument
            ):  # else the day was replaced while it was read
                break
        self.check_prices(instrument)
        events = Events.from_frame(frame)
        if events.n != instrument.rows:
            raise TapeError(
                f"{instrument.rows} rows",
                f"{events.n} rows in {folder / EVENTS}",
                "import the day again with `replace=True`",
            )
        return instrument, events

    def frame(self, symbol: str, date: str, venue: str | None = None) -> pl.DataFrame:
        """The events of a day as a Polars frame: a row each, times in ns, prices in ticks, lots (`market.tape.schema`).

        Raises
        ------
        TapeError
            As :meth:`read`.
        """
        return self.read(symbol, date, venue)[1].to_frame()

    def add(
        self,
        paths: str | Path | Sequence[str | Path],
        feed: str | Feed = "lobster",
        *,
        symbol: str | None = None,
        date: str | None = None,
        tick: float | None = None,
        replace: bool = False,
    ) -> Days:
        """Import recorded files, day by day; days before one that fails stay.

        Parameters
        ----------
        paths : path or sequence of paths
            Files, folders or archives.
        feed : str or Feed
            lobster, dbn, binance, bitstamp, a feed of another package (entry point `tercel.feeds`), or a translator
            (`market.feed.Feed`).
        symbol, date, tick
            What the files do not say: name, YYYY-MM-DD, price units a tick.
        replace : bool
            Whether other content of a day is overwritten.

        Returns
        -------
        list of Instrument
            One a day. What a person should know of a day comes as a warning.

        Raises
        ------
        FeedError, LakeConflictError, UnknownNameError
        """
        from tercel.market.feed import FeedOptions, feed_named

        path_list = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        translator = feed_named(feed) if isinstance(feed, str) else feed
        added = []
        with translator.days(path_list, FeedOptions(symbol, date, tick)) as days:
            for day in days:
                imported = day.read()
                self.write_in_common_units(imported.instrument, imported.events, replace)
                venue, name, day_date = imported.instrument.key
                added.append(self.instrument(name, day_date, venue))
                for text in imported.warnings:
                    warnings.warn(f"{name} {day_date}: {text}", stacklevel=2)
        return added

    def check(self, symbol: str, date: str, venue: str | None = None) -> tuple[Instrument, Events]:
        """Read a day like :meth:`read`, and raise TapeError if the content does not match its hash.

        Raises
        ------
        TapeError
            As :meth:`read`, and when the content is not what was written.
        """
        instrument, events = self.read(symbol, date, venue)
        digest = content_hash(instrument, events)
        if digest != instrument.content_hash:
            folder = self.folder(*instrument.key)
            raise TapeError(
                f"content {instrument.content_hash[:12]}",
                f"{digest[:12]} in {folder}",
                "import the day again with `replace=True`",
            )
        return instrument, events

    def instrument(self, symbol: str, date: str, venue: str | None = None) -> Instrument:
        """Metadata of a day, without its events.

        Raises
        ------
        TapeError
            As :meth:`find`, and when ``instrument.json`` is damaged.
        """
        return self._require_instrument(self.find(symbol, date, venue))

    def list(self) -> list[Instrument]:
        """Every day in the lake, sorted by venue, symbol and date; folders without an instrument are not days."""
        folders = self.root.glob(f"venue=*/symbol=*/date=*/{INSTRUMENT}")
        instruments = (self._instrument_of(path.parent) for path in folders)
        return sorted((i for i in instruments if i is not None), key=lambda i: i.key)

    def days(self, symbol: str, venue: str | None = None) -> Dates:
        """Dates of a symbol, ascending; TapeError if the lake has none.

        Raises
        ------
        TapeError
            When the lake does not know the symbol, or not at that venue.
        """
        anywhere = [i for i in self.list() if i.symbol == symbol]
        if not anywhere:
            raise self._unknown_symbol(symbol)
        days = [i for i in anywhere if venue in (None, i.venue)]
        refuse_if(
            not days,
            f"a venue of {symbol} in the lake {self.root}",
            repr(venue),
            f"take one of {', '.join(sorted({i.venue for i in anywhere}))}",
            TapeError,
        )
        for instrument in days:
            self.check_prices(instrument)
        return sorted({i.date for i in days})

    def check_prices(self, instrument: Instrument) -> None:
        """Refuse (TapeError) a day whose prices may be at or below zero, unless the lake was opened with `below_zero`.

        Raises
        ------
        TapeError
            They may be at or below zero, and `below_zero` is not set.
        """
        if instrument.price_origin and not self.below_zero:
            raise TapeError(
                "a day whose prices are above zero: bps and returns need them",
                f"{instrument.symbol} on {instrument.date}, which may trade as low as "
                f"{float(instrument.price_of(Fraction(1))):g}",
                "`tercel tca` takes such days, with costs in ticks and currency units, and re-simulates its parents with "
                "rules; `tercel data list` and `tercel data verify` do too (in Python Lake(..., below_zero=True))",
            )

    def span_s(self, symbol: str, date: str, venue: str | None = None, rules: str = "") -> float:
        """Trading time of a day, s, from its opening or first event to its last event; only their times are read.

        `rules`: name of others than its venue's, as `recorded_rules` takes them.

        Raises
        ------
        TapeError
            As :meth:`find`.
        """
        folder = self.find(symbol, date, venue)
        ns = _events(folder, ["exch_ns"]).to_series().to_numpy()
        instrument = self._require_instrument(folder)
        begin_ns = max(int(ns[0]), instrument.session_open_ns)
        return recorded_rules(instrument, rules).trading_ns(begin_ns, int(ns[-1])) / 1e9

    def longest(self, symbol: str, venue: str | None = None) -> str:
        """Date of a symbol's longest day, by the minute; of several the last.

        Raises
        ------
        TapeError
            As :meth:`days`.
        """
        return max(
            self.days(symbol, venue),
            key=lambda date: (self.span_s(symbol, date, venue) // 60, date),
        )

    def refuse_absent(self, symbol: str, dates: Sequence[str], venue: str | None = None) -> None:
        """Raise TapeError unless the lake holds all the given days of a symbol.

        Raises
        ------
        TapeError
            The first that it does not hold.
        """
        known = self.days(symbol, venue)
        for date in sorted({*dates} - {*known})[:1]:
            place = f"{symbol} on {date} in {self.root}"
            raise TapeError(place, f"days {', '.join(known)}", "import it first")

    def match_case(self, symbol: str) -> str:
        """The symbol as the lake writes it, where it differs in upper and lower case alone; as it is if none, or several, match.

        >>> Lake("lake").match_case("ibm")
        'ibm'
        """
        symbols = {path.name.removeprefix("symbol=") for path in self.root.glob("venue=*/symbol=*")}
        matches = [name for name in symbols if name.casefold() == symbol.casefold()]
        return matches[0] if len(matches) == 1 else symbol

    def find(self, symbol: str, date: str, venue: str | None = None) -> Path:
        """Folder of a day that exists.

        Raises
        ------
        TapeError
            If no such day exists, or several venues have it and none is named.
        """
        all_files = self.root.glob(f"venue=*/symbol=*/date=*/{INSTRUMENT}")
        tail = (f"symbol={symbol}", f"date={date}", INSTRUMENT)
        matching = [f for f in all_files if f.parts[-3:] == tail]
        if venue is not None:
            matching = [f for f in matching if f.parents[2].name == f"venue={venue}"]
        if len(matching) == 1:
            return matching[0].parent
        if len(matching) > 1:
            venues = ", ".join(sorted(f.parents[2].name.removeprefix("venue=") for f in matching))
            raise TapeError(
                f"one venue with {symbol} on {date}", f"{len(matching)}: {venues}", "name the venue"
            )
        days = self.days(symbol, venue)
        near = nearest_names(date, days, 3) or days[:3]
        raise TapeError(
            f"a day of {symbol}",
            f"no {date} among its {len(days)} days in {self.root}",
            f"take one of {', '.join(near)}, or import the day",
        )

    def _unknown_symbol(self, symbol: str) -> TapeError:
        """Error for a symbol that the lake does not hold, with similar ones."""
        symbols = sorted({i.symbol for i in self.list()})
        if not symbols:
            return TapeError(
                f"a lake with {symbol}",
                f"no days in {self.root}",
                f"run tercel data import lobster PATHS... `lake={self.root}`",
            )
        near = nearest_names(symbol, symbols, 3) or symbols[:3]
        return TapeError(
            f"a symbol of the lake {self.root}", repr(symbol), f"take one of {', '.join(near)}"
        )

    def _instrument_of(self, folder: Path) -> Instrument | None:
        """Instrument in a day's folder; None without one."""
        try:
            text = (folder / INSTRUMENT).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return Instrument.from_json(text, str(folder / INSTRUMENT))

    def _existing(self, folder: Path, replace: bool) -> Instrument | None:
        """Instrument of a day in the lake; None if the day is absent, or damaged and to be replaced."""
        try:
            existing = self._instrument_of(folder)
            if existing is None or not replace:
                return existing
            if content_hash(existing, Events.from_frame(_events(folder))) == existing.content_hash:
                return existing
        except TapeError:
            if not replace:
                raise
        return None  # damaged, and about to be overwritten

    def _require_instrument(self, folder: Path) -> Instrument:
        """Instrument in a day's folder; an error if the folder has none."""
        instrument = self._instrument_of(folder)
        if instrument is None:
            raise TapeError(f"{INSTRUMENT} in {folder}", "none", "import the day again")
        return instrument

    def _write_aside(self, instrument: Instrument, events: Events) -> Path:
        """Write a day into a folder of its own under `.tercel`; that folder."""
        aside = self._internal / f"write-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        aside.mkdir()
        import polars as pl

        try:
            events.to_frame().write_parquet(
                aside / EVENTS,
                compression="zstd",
                compression_level=1,
                statistics=False,
                row_group_size=1 << 18,
            )
            (aside / INSTRUMENT).write_text(instrument.to_json(), encoding="utf-8")
            for path in (aside / EVENTS, aside / INSTRUMENT, aside):
                _flush(path)
        except BaseException as error:
            shutil.rmtree(aside, ignore_errors=True)
            if isinstance(error, pl.exceptions.ComputeError):  # a full disk, as Polars says it
                raise OSError(0, str(error), str(aside)) from error
            raise
        return aside

    def _sweep(self) -> None:
        """Remove what killed writers left; called under the lock, so no living writer's folder can be met."""
        for leftover in self._internal.glob("write-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for leftover in self._internal.glob("replaced-*"):
            home = self.root / leftover.name.removeprefix("replaced-").replace("@", "/")
            if home.exists():
                shutil.rmtree(leftover, ignore_errors=True)
            else:  # killed between the two renames of a swap: the old day comes back
                leftover.rename(home)


def _events(folder: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Columns of a day's events as a Polars frame; a damaged file is a TapeError."""
    import polars as pl

    try:
        return pl.read_parquet(folder / EVENTS, columns=columns, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TapeError(
            f"a readable {folder / EVENTS}", str(error), "import the day again with `replace=True`"
        ) from error


def _flush(path: Path) -> None:
    """Force a file's or a folder's content to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _conflict(existing: Instrument, new: Instrument) -> LakeConflictError:
    """Error for a day that the lake holds with other content."""

    def describe(i: Instrument) -> str:
        """An instrument's hash, rows, levels and source as text."""
        source = ", ".join(i.source) or "unknown files"
        return f"{i.content_hash[:12]}, {i.rows} rows, {i.levels} levels, from {source}"

    return LakeConflictError(
        f"the content that the lake holds for {'/'.join(new.key)} ({describe(existing)})",
        describe(new),
        "give `replace=True` to overwrite it, or import into another lake",
    )
