"""`tercel data ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.data_record import record_app
from tercel.app.cli.shared import AsJson, Lake, check_date, told

data_app = typer.Typer(name="data", help="Tapes: import feed files, list a lake, verify a day.", no_args_is_help=True)
import_app = typer.Typer(help="Import feed files into a lake, one command per feed.", no_args_is_help=True)
data_app.add_typer(import_app, name="import")
data_app.add_typer(record_app, name="record")

Replace = Annotated[bool, typer.Option("--replace", help="Replace a day that the lake holds with other content.")]


@import_app.command("lobster")
def import_lobster(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Message and orderbook CSVs, zip, zst or tar files of them, or folders.", metavar="PATHS"),
    ],
    lake: Lake,
    symbol: Annotated[str | None, typer.Option(help="Default: read from the file names.", metavar="SYM")] = None,
    date: Annotated[str | None, typer.Option(help="Default: read from the file names.", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[
        float | None,
        typer.Option(help="Tick size in dollars (default: inferred from the prices).", metavar="T"),
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import LOBSTER days: messages with an orderbook file of any number of levels, or messages alone."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data

        data.import_lobster(paths, lake=lake, symbol=symbol, date=date, tick=tick, replace=replace, as_json=as_json)


@import_app.command("itch")
def import_itch(
    paths: Annotated[
        list[Path],
        typer.Argument(help="ITCH 5.0 files, plain, compressed, in archives or folders.", metavar="PATHS"),
    ],
    lake: Annotated[Path | None, typer.Option(help="Folder of the tape lake.", metavar="DIR")] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbols, separated by commas (default: all).")] = None,
    date: Annotated[str | None, typer.Option(help="Default: read from the file names.", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[
        float | None, typer.Option(help="Tick size in dollars (default: inferred for each symbol).", metavar="T")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Keep the books of all symbols and count what is odd; import nothing.")
    ] = False,
    allow_cut: Annotated[
        bool, typer.Option("--allow-cut", help="Take the whole messages of a file that ends inside one.")
    ] = False,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import NASDAQ TotalView-ITCH 5.0 files: all symbols in one pass, or some."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data_itch

        wanted = data_itch.Wanted(symbol, date, tick, allow_cut, replace)
        data_itch.import_itch(paths, lake, wanted, check, as_json)


@import_app.command("csv")
def import_csv(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV files, zip, zst, gz or tar files of them, or folders.", metavar="PATHS"),
    ] = None,
    map: Annotated[
        str, typer.Option(help="What the columns mean: the name of a shipped map, or a file.", metavar="MAP.toml")
    ] = "",
    lake: Annotated[Path | None, typer.Option(help="Folder of the tape lake.", metavar="DIR")] = None,
    show_map: Annotated[
        bool, typer.Option("--show-map", help="Print the map, to start one's own from, and import nothing.")
    ] = False,
    symbol: Annotated[str | None, typer.Option(help="Default: as the map says.", metavar="SYM")] = None,
    date: Annotated[str | None, typer.Option(help="Default: as the map says.", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[float | None, typer.Option(help="Tick size (default: the map's).", metavar="T")] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import quotes, trades, levels or order events from columns that a map names, cleaned by the field's rules."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data_csv

        asked = data_csv.Asked(paths or [], map, lake, symbol, date, tick, replace, as_json)
        data_csv.run(asked, show_map)


@import_app.command("dbn")
def import_dbn(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Databento MBO files: .dbn, .dbn.zst, .csv, archives of them, or folders.", metavar="PATHS"
        ),
    ],
    lake: Lake,
    symbol: Annotated[
        str | None, typer.Option(help="One symbol or instrument id (default: all).", metavar="SYM")
    ] = None,
    date: Annotated[str | None, typer.Option(help="One day of UTC (default: all).", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[
        float | None,
        typer.Option(help="Tick size (default: from a definition file, else inferred).", metavar="T"),
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import Databento order-by-order days, every instrument in the files."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data

        data.import_dbn(paths, lake=lake, symbol=symbol, date=date, tick=tick, replace=replace, as_json=as_json)


@import_app.command("binance")
def import_binance(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Captures: lines of local ns and JSON, plain, compressed, in archives or folders.", metavar="PATHS"
        ),
    ],
    lake: Lake,
    symbol: Annotated[str | None, typer.Option(help="One symbol (default: all).", metavar="SYM")] = None,
    date: Annotated[str | None, typer.Option(help="One day of UTC (default: all).", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[float | None, typer.Option(help="Tick size (default: inferred, exactly).", metavar="T")] = None,
    lot: Annotated[str | None, typer.Option(help="Lot size (default: inferred, exactly).", metavar="L")] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import Binance captures of depth diffs, trades and snapshots: spot, USD-M and COIN-M futures."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data

        data.import_binance(
            paths, lake=lake, symbol=symbol, date=date, tick=tick, lot=lot, replace=replace, as_json=as_json
        )


@import_app.command("bitstamp")
def import_bitstamp(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Captures: lines of local ns and JSON, plain, compressed, in archives or folders.", metavar="PATHS"
        ),
    ],
    lake: Lake,
    symbol: Annotated[str | None, typer.Option(help="One pair, as BTCUSD (default: all).", metavar="SYM")] = None,
    date: Annotated[str | None, typer.Option(help="One day of UTC (default: all).", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[float | None, typer.Option(help="Tick size (default: inferred, exactly).", metavar="T")] = None,
    lot: Annotated[
        str | None, typer.Option(help="Lot size (default: the smallest power of ten that fits).", metavar="L")
    ] = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import Bitstamp captures of order events, trades and snapshots (order_book?group=2)."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data

        data.import_bitstamp(
            paths, lake=lake, symbol=symbol, date=date, tick=tick, lot=lot, replace=replace, as_json=as_json
        )


@record_app.command("crypto")
def record_crypto(
    symbol: Annotated[str, typer.Option(help="As the venue writes it: BTCUSDT, btcusd.", metavar="SYM")],
    url: Annotated[str, typer.Option(help="WebSocket server, ws:// or wss://.", metavar="URL")],
    lake: Lake,
    venue: Annotated[str, typer.Option(help="binance or bitstamp.")] = "binance",
    market: Annotated[str, typer.Option(help="Binance: spot, usdm or coinm.")] = "spot",
    snapshot_url: Annotated[str | None, typer.Option(help="Snapshot server (default: the venue's).")] = None,
    captures: Annotated[
        Path | None, typer.Option(help="Folder of the raw captures (default: in the lake).", metavar="DIR")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds (default: until Ctrl-C).", metavar="S")] = None,
    as_json: AsJson = False,
) -> None:
    """Record order books and trades: raw captures as they come, at the end a tape. A kill loses nothing accepted."""
    with told(as_json, "what was captured is kept; `tercel data import` makes a tape of it"):
        from tercel.app.commands import data_record

        asked = data_record.Asked(venue, symbol, market, url, snapshot_url, lake, captures, duration, as_json)
        data_record.record_crypto(asked)


@data_app.command("list")
def list_lake(lake: Lake, as_json: AsJson = False) -> None:
    """List what a lake holds."""
    with told(as_json):
        from tercel.app.commands import data

        data.list_lake(lake, as_json)


@data_app.command()
def verify(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM")],
    date: Annotated[str, typer.Option(help="Day on the tape.", metavar="YYYY-MM-DD")],
    venue: Annotated[str | None, typer.Option(help="Where several have the day: BINANCE, XNAS, ...")] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="File to compare with: a LOBSTER orderbook, a Databento mbp-10, a Binance capture.", metavar="FILE"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a day and count what is odd; with --against, exit 1 when a row of the file is left unexplained."""
    with told(as_json):
        check_date(date)
        from tercel.app.commands import data

        raise typer.Exit(data.verify(lake, symbol, date, venue, against, as_json))
