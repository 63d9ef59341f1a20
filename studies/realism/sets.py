"""The data sets that models are compared on: days to calibrate on, and days or hours that no model has seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tercel.core import ConfigError, TapeError
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.market import Day, calibrate_preset, day_of, limit_levels
from tercel.market.flow import Preset, registry as presets
from tercel.market.tape import Lake


@dataclass(frozen=True)
class DataSet:
    """One symbol.

    Parameters
    ----------
    name, about : str
    venue, symbol : str
        As in the lake.
    train, test : tuple of str
        Dates. With `split_s` both are of the one day, parted that many seconds after its opening.
    split_s : float, optional
    lot : int, optional
        Units of a simulated lot; by default the calibration chooses.
    levels : int, optional
        Read the tape as a feed of so many levels: what stands dollars away from a crypto touch is no part of its flow.
    files : str, optional
        LOBSTER files of the days, in the folder of data sets.
    tick : float, optional
        Their tick, where the importer is to be told.
    """

    name: str
    about: str
    venue: str
    symbol: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    split_s: float | None = None
    lot: int | None = None
    levels: int | None = None
    files: str = ""
    tick: float | None = None

    def days(self, lake: Path) -> tuple[list[Day], list[Day]]:
        """Days to calibrate on and days held out.

        Raises
        ------
        TapeError
            The lake lacks one of them.
        """
        store = Lake(lake)
        known = store.days(self.symbol, self.venue)
        missing = [date for date in (*self.train, *self.test) if date not in known]
        if missing:
            raise TapeError(
                f"{self.symbol} on {', '.join(missing)} in {lake}", "none", "import the data set"
            )

        def read(dates: Sequence[str], start: float | None, end: float | None) -> list[Day]:
            read = [store.read(self.symbol, date, self.venue) for date in dates]
            return [
                Day(limit_levels(instrument, self.levels), events, start, end)
                for instrument, events in read
            ]

        return read(self.train, None, self.split_s), read(self.test, self.split_s, None)


CRYPTO_DAY = ("2024-08-08",)

SETS = (
    DataSet(
        "csco-2003",
        "large-tick stock",
        "NASDAQ",
        "CSCO",
        ("2003-01-14", "2003-01-15", "2003-01-16", "2003-01-17"),
        ("2003-01-21", "2003-01-23", "2003-01-27", "2003-01-28", "2003-02-05"),
        files="nasdaq-2003-L1-messages/CSCO_2003_message_1.tar.zst",
        tick=0.01,
    ),
    DataSet(
        "ibm-2003",
        "stock of medium tick",
        "NASDAQ",
        "IBM",
        ("2003-02-11", "2003-02-12", "2003-02-13", "2003-02-14"),
        ("2003-02-18", "2003-02-19", "2003-02-20", "2003-02-21", "2003-02-25"),
        files="nasdaq-2003-L1-messages/IBM_2003-01_02_message_1.tar.zst",
        tick=0.01,
    ),
    DataSet(
        "amzn-2012",
        "small-tick stock",
        "NASDAQ",
        "AMZN",
        ("2012-06-21",),
        ("2012-06-21",),
        12_150.0,
        files="lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
    ),
    DataSet(
        "goog-2012",
        "small-tick stock",
        "NASDAQ",
        "GOOG",
        ("2012-06-21",),
        ("2012-06-21",),
        12_150.0,
        files="lobster-zips-20120621/LOBSTER_SampleFile_GOOG_2012-06-21_5.zip",
    ),
    DataSet(
        "es-2023",
        "futures contract, a holiday",
        "GLBX",
        "ESH4",
        ("2023-12-25",),
        ("2023-12-25",),
        1800.0,
    ),
    DataSet(
        "btc-spot-2024",
        "crypto, spot",
        "BINANCE",
        "BTCUSDT",
        CRYPTO_DAY,
        CRYPTO_DAY,
        170.0,
        1000,
        20,
    ),
    DataSet(
        "btc-usdm-2024",
        "crypto, perpetual",
        "BINANCE-USDM",
        "BTCUSDT",
        CRYPTO_DAY,
        CRYPTO_DAY,
        170.0,
        1,
        20,
    ),
    DataSet(
        "btc-coinm-2024",
        "crypto, COIN-M perpetual",
        "BINANCE-COINM",
        "BTCUSD_PERP",
        CRYPTO_DAY,
        CRYPTO_DAY,
        170.0,
        1,
        20,
    ),
)


def data_days(
    key: tuple[str, str],
    data: Path | None,
    dates: Sequence[str] = (),
    start: str = "",
    end: str = "",
) -> list[Day]:
    """Days of a venue and symbol from the folder of data sets, without a lake: those held out, or the dates named.

    Raises
    ------
    ConfigError
        A symbol without such files, no folder, files that it lacks, or a date that they lack.
    """
    known = {(one.venue, one.symbol): one for one in SETS if one.files}
    remedy = "import days (tercel data import ...) and name them: `lake=L` and `date=D`"
    if key not in known:
        expected = f"`lake=` (lob-bench without it: a market of {', '.join(' '.join(one) for one in known)})"
        raise ConfigError(expected, f"{' '.join(key)} and no `lake=`", remedy)
    found = known[key]
    if data is None or not (data / found.files).exists():
        received = (
            "no `lake=`, and TERCEL_DATA is not set"
            if data is None
            else f"no `lake=`, and none in {data}"
        )
        raise ConfigError(f"`lake=`, or TERCEL_DATA with {found.files}", received, remedy)
    with LobsterFeed().days([data / found.files], FeedOptions(tick=found.tick)) as held:
        by_date = {day.date: day for day in held}
        if missing := sorted(set(dates) - set(by_date)):
            raise ConfigError(
                f"days of {found.files}: {', '.join(by_date)}", missing[0], "name some of those"
            )
        read = [by_date[date].read() for date in dates or found.test]
    if start or end:
        return [day_of(one.instrument, one.events, start, end) for one in read]
    return [Day(one.instrument, one.events, found.split_s, None) for one in read]


def shipped_for(data: DataSet, model: str, train: Sequence[Day]) -> Preset | None:
    """The shipped preset of a model that was calibrated on these very days."""
    wanted = {day.instrument.date for day in train}
    for name in presets.names():
        preset = presets.load(name)
        if (preset.venue, preset.symbol, preset.model) != (data.venue, data.symbol, model):
            continue
        until_s = preset.stretch_s[1]
        inside = data.split_s is None or (until_s is not None and until_s <= data.split_s + 1.0)
        if set(preset.card.get("days", [])) == wanted and inside:
            return preset
    return None


def made_for(
    data: DataSet, model: str, train: Sequence[Day], tell: Callable[[str], None] = lambda line: None
) -> Preset:
    """One calibrated now; `tell` is given lines on the way."""
    windowed = data.split_s is not None
    return calibrate_preset(
        model,
        train,
        name=f"{data.name}-{model}",
        stamp="for the table",
        windowed=windowed,
        lot=data.lot,
        tell=tell,
    )
