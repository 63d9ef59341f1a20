"""`tercel data import ...`: feed files into a lake, one command per feed (that of ITCH is in `data_import_itch`)."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.commands import add
from tercel.cli.data_import_itch import MaybeLake, itch
from tercel.cli.imported_days import feed_options, import_days, no_lake_as_source, print_days
from tercel.cli.likely_feed import likely_feed
from tercel.cli.options import AsJson, Lake, Replace
from tercel.cli.output import hand_over, result_console
from tercel.core.errors import ConfigError, FeedError, TercelError
from tercel.market.feed import Feed, FeedOptions, feed_named, feeds_of_others

import_app = typer.Typer(
    help="Import feed files into a lake, one command per feed.", no_args_is_help=True
)
Captures = Annotated[
    list[Path],
    typer.Argument(
        help="Captures: lines of local ns and JSON, or lists, plain, compressed, in archives or folders.",
        metavar="PATHS",
    ),
]
UtcDate = Annotated[
    str | None, typer.Option(help="One day of UTC (default: all).", metavar="YYYY-MM-DD")
]
ExactTick = Annotated[
    float | None, typer.Option(help="Tick size (default: inferred, exactly).", metavar="T")
]


OTHERS = feeds_of_others()
CHINA = {
    "shanghai": "Import days of Shanghai, order by order: orders and trades in one sequence, in the columns of two vendors.",
    "shenzhen": "Import days of Shenzhen, order by order, by the exchange's documented fields; tried on no recording.",
}
"""Feeds of orders and trades, and the help of their commands."""
MAPS = {
    "tardis": "Import Tardis.dev's datasets: incremental_book_L2, book_snapshot_25, quotes, trades.",
    "binance-spot": "Import files of Binance's public archive of spot: aggTrades, trades.",
    "binance-futures": "Import files of Binance's public archive of futures: aggTrades, trades, bookTicker.",
    "shfe": "Import snapshots of Chinese futures, 5 levels each 500 ms, a file a trading day (Parquet or CSV).",
}
"""Shipped maps that have a command of their own, and its help."""


def binance(
    paths: Captures,
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="One symbol (default: all).", metavar="SYM")
    ] = None,
    date: UtcDate = None,
    tick: ExactTick = None,
    replace: Replace = False,
    lot: Annotated[
        str | None, typer.Option(help="Lot size (default: inferred, exactly).", metavar="L")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import Binance captures of depth diffs, trades and snapshots: spot, USD-M and COIN-M futures."""
    from tercel.feeds.binance import BinanceFeed

    _import_paths(
        "binance",
        lambda: BinanceFeed(lot),
        paths,
        lake,
        feed_options(symbol, date, tick),
        replace,
        as_json,
    )


def bitstamp(
    paths: Captures,
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="One pair, as BTCUSD (default: all).", metavar="SYM")
    ] = None,
    date: UtcDate = None,
    tick: ExactTick = None,
    replace: Replace = False,
    lot: Annotated[
        str | None,
        typer.Option(help="Lot size (default: the smallest power of ten that fits).", metavar="L"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import Bitstamp captures of order events, trades and snapshots (order_book?group=2)."""
    from tercel.feeds.bitstamp import BitstampFeed

    _import_paths(
        "bitstamp",
        lambda: BitstampFeed(lot),
        paths,
        lake,
        feed_options(symbol, date, tick),
        replace,
        as_json,
    )


def csv(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="CSV files, zip, zst, gz or tar files of them, or folders.", metavar="PATHS"
        ),
    ] = None,
    map: Annotated[
        str,
        typer.Option(
            help="Map of the columns: the name of a built-in map, or a file.", metavar="MAP.toml"
        ),
    ] = "",
    lake: MaybeLake = None,
    show_map: Annotated[
        bool,
        typer.Option(
            "--show-map", help="Print the map, to start one's own from, and import nothing."
        ),
    ] = False,
    symbol: Annotated[
        str | None, typer.Option(help="Default: as the map says.", metavar="SYM")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Default: as the map says.", metavar="YYYY-MM-DD")
    ] = None,
    tick: Annotated[
        float | None, typer.Option(help="Tick size (default: the map's).", metavar="T")
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import quotes, trades, levels or order events from columns that a map names, cleaned by the field's rules."""
    from tercel.feeds.csv_map import load_map, map_path, shipped_maps

    if not map:
        raise ConfigError(
            "a map", "none", f"add --map NAME ({', '.join(shipped_maps())}) or --map FILE.toml"
        )
    if show_map:
        load_map(map)
        text = map_path(map).read_text(encoding="utf-8")

        def show() -> None:
            """Print the text of the map."""
            result_console().print(text, markup=False, highlight=False, soft_wrap=True)

        hand_over({"map": map, "toml": text}, as_json, show)
        return
    if lake is None or not paths:
        missing = "--lake DIR" if lake is None else "PATHS"
        raise ConfigError(
            "files to import and a lake to put them in", f"no {missing}", f"add {missing}"
        )
    options = feed_options(symbol, date, tick)
    _import_paths("csv", partial(_mapped_feed, map), paths, lake, options, replace, as_json)


def _command(
    name: str,
    about: str,
    paths_help: str = "Files, archives or folders.",
    symbol_help: str = "Default: as the files say.",
    date_help: str = "Default: as the files say.",
    tick_help: str = "Default: as the feed knows.",
) -> Callable[..., None]:
    """Command that imports with the feed or the shipped map `name`: its help, and that of its options.

    A foreign feed's package is imported when the command runs; other errors than Tercel's name its packages.
    """

    def body(
        paths: Annotated[list[Path], typer.Argument(help=paths_help, metavar="PATHS")],
        lake: Lake,
        symbol: Annotated[str | None, typer.Option(help=symbol_help, metavar="SYM")] = None,
        date: Annotated[str | None, typer.Option(help=date_help, metavar="YYYY-MM-DD")] = None,
        tick: Annotated[float | None, typer.Option(help=tick_help, metavar="T")] = None,
        replace: Replace = False,
        as_json: AsJson = False,
    ) -> None:
        """Import files by the feed."""
        feed = (
            _exported_feed
            if name == "exported"
            else partial(_mapped_feed if name in MAPS else feed_named, name)
        )
        try:
            _import_paths(
                name, feed, paths, lake, feed_options(symbol, date, tick), replace, as_json
            )
        except Exception as error:
            if name not in OTHERS or isinstance(error, TercelError | OSError):
                raise
            # only its authors know the cause: the error names them and the files
            files = ", ".join(getattr(error, "__notes__", map(str, paths)))
            raise FeedError(
                "days, or an error with file, row and field",
                f"{type(error).__name__}: {error}, in {files}, from the feed of {' and '.join(OTHERS[name])}",
                "tell its people",
            ) from error

    body.__name__ = name
    body.__doc__ = about
    return body


def _mapped_feed(name: str) -> "Feed":
    """Feed of CSV files by a map."""
    from tercel.feeds.csv_feed import CsvFeed

    return CsvFeed(name)


def _exported_feed() -> "Feed":
    """Feed of days that Tercel exported."""
    from tercel.feeds.export import ExportedFeed

    return ExportedFeed()


def _import_paths(
    name: str,
    feed: "Callable[[], Feed]",
    paths: Sequence[Path],
    root: Path,
    options: FeedOptions,
    replace: bool,
    as_json: bool,
) -> None:
    """Import the days that the feed `name` finds in some paths into a lake, and print them; an error names the feed that fits."""
    from tercel.market.tape import Lake as Store

    lake = Store(root)
    no_lake_as_source(paths, lake)
    try:
        with feed().days(paths, options) as days:
            rows = import_days(days, lake, replace)
    except FeedError as error:
        if (likely := likely_feed(paths)) in ("", name) or name == "csv":
            raise
        remedy = f"these look like files of `tercel data import {likely}`"
        raise FeedError(error.expected, error.received, remedy) from error
    hand_over({"lake": lake.root, "days": rows}, as_json, lambda: print_days(rows))


add(
    import_app,
    _command(
        "lobster",
        "Import LOBSTER days: messages with an orderbook file of any number of levels, or messages alone.",
        "Message and orderbook CSVs, zip, zst or tar files of them, or folders.",
        "Default: read from the file names.",
        "Default: read from the file names.",
        "Tick size in dollars (default: inferred from the prices).",
    ),
    itch,
    csv,
    _command(
        "dbn",
        "Import Databento days of orders (mbo), levels or trades (mbp-10, mbp-1, tbbo, trades), every instrument in the files.",
        "Databento files: .dbn, .dbn.zst, .csv, archives of them, or folders.",
        "One symbol or instrument id (default: all).",
        "One day of UTC (default: all).",
        "Tick size (default: from a definition file, else inferred).",
    ),
)
for name, about in CHINA.items():
    add(
        import_app,
        _command(
            name,
            about,
            "CSV files of orders and of trades, zip, zst, gz or tar files of them, or folders.",
            "One symbol of six digits (default: all).",
            "Default: read from the file names.",
            "Tick size in yuan (default: inferred from the prices).",
        ),
    )
add(
    import_app,
    binance,
    bitstamp,
    _command(
        "exported",
        "Import days that `tercel data export` wrote: the same days, whatever the format.",
        "Folders of exported days, or the files SYMBOL_DATE.npz, .json or .parquet.",
    ),
)
for name, about in MAPS.items():
    add(
        import_app,
        _command(
            name,
            about,
            "Files, compressed or not, archives or folders.",
            tick_help="Tick size (default: inferred, exactly).",
        ),
    )
for name, packages in OTHERS.items():
    about = f"Import with a feed of another package: {' and '.join(packages)}."
    add(import_app, _command(name, about))
