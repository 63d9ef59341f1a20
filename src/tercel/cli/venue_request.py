"""What is asked of `tercel venue serve`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli.shared import JsonRequest, Seed, TapesSymbol
from tercel.core.machine import WallClock

if TYPE_CHECKING:
    from tercel.fix.server import FixServer
    from tercel.venues.exchange import MarketSpec, SimulatedExchange

HOST = "127.0.0.1"
PORT = 9878
FIX, BINANCE = "fix", "binance"
KEPT = "exchange"
"""What the exchange keeps, in the folder of `--store`."""
CRYPTO = "btc-spot"
"""The packaged market of Binance's words."""


@dataclass(frozen=True)
class Serve(JsonRequest):
    """What is asked of `tercel venue serve`."""

    interrupted: ClassVar[str] = "the exchange is closed"

    api: Annotated[
        str,
        typer.Option(
            help="Words that it speaks: fix, or binance (REST, WebSocket API and streams of Binance Spot).",
            metavar="fix|binance",
        ),
    ] = FIX
    market: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset market, by name or as a .json file; may be given several times (default: csco, and btc-spot "
            "with --api binance).",
            metavar="NAME",
        ),
    ] = None
    tape: Annotated[
        Path | None,
        typer.Option(
            "--tape",
            "--lake",
            help="Replay a day of this lake instead of a preset.",
            metavar="LAKE",
        ),
    ] = None
    symbol: TapesSymbol = None
    date: Annotated[
        str | None, typer.Option(help="Day of the tape (default: its last).", metavar="YYYY-MM-DD")
    ] = None
    port: Annotated[
        int,
        typer.Option(
            help="Port of FIX 4.4, and of FIX 4.2 for logins that ask for it; 0: any that is free.",
            min=0,
            max=65535,
            metavar="P",
        ),
    ] = PORT
    login: Annotated[
        list[str] | None,
        typer.Option(
            help="CompID that may log on, ID=FIX.4.2 with that version; may be given several times (TRADER).",
            metavar="ID",
        ),
    ] = None
    password_file: Annotated[
        Path | None,
        typer.Option(
            help="Every login says the word in this file, which is its owner's (mode 0600).",
            metavar="FILE",
        ),
    ] = None
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder from which it begins again after it was killed: sessions, accounts, trades and market go on; "
            "what was open is cancelled.",
            metavar="DIR",
        ),
    ] = None
    speed: Annotated[
        float | None,
        typer.Option(
            help="Seconds of the exchange in a second of real time; 0, the default of FIX: stepped, its clock moves "
            "when a client asks. Default with --api binance: 1.",
            min=0.0,
            max=1e6,
            metavar="X",
        ),
    ] = None
    latency_ms: Annotated[
        float,
        typer.Option(
            help="Time from a client's hand to the book, milliseconds.",
            min=0.0,
            max=1e6,
            metavar="MS",
        ),
    ] = 0.0
    balance: Annotated[
        list[str] | None,
        typer.Option(
            help="(binance) What the account holds at first; may be given several times (a million of the quote asset, "
            "and the base asset's worth of it).",
            metavar="ASSET=AMOUNT",
        ),
    ] = None
    fee_bps: Annotated[
        float,
        typer.Option(help="(binance) Fee of every fill, bps.", min=0.0, max=1000.0, metavar="BPS"),
    ] = 10.0
    order_limit: Annotated[
        int,
        typer.Option(
            help="(binance) Unfilled orders in ten seconds.", min=1, max=10**9, metavar="N"
        ),
    ] = 100
    public_key: Annotated[
        Path | None,
        typer.Option(
            help="(binance) Public Ed25519 key in PEM instead of a secret of HMAC.", metavar="FILE"
        ),
    ] = None
    listen_keys: Annotated[
        bool,
        typer.Option(
            "--listen-keys",
            help="(binance) Give listen keys, as Binance did until February 2026; else 410.",
        ),
    ] = False
    out: Annotated[
        Path, typer.Option(help="(binance) Folder of the report that Ctrl-C writes.", metavar="DIR")
    ] = Path("venue-report")
    seed: Seed = 1

    def markets(self) -> "dict[str, MarketSpec]":
        """The markets that are served, as they begin."""
        from tercel.venues.exchange.named import preset_markets, recorded_market

        if self.tape is None:
            return preset_markets(
                self.market or ([CRYPTO] if self.api == BINANCE else ()), self.seed
            )
        return recorded_market(self.tape, self.symbol, self.date, self.seed)

    def served(self, exchange: "SimulatedExchange") -> "FixServer":
        """Begin to serve an exchange."""
        from tercel.core.pace import Pace
        from tercel.fix.desk import Login
        from tercel.fix.profiles.secrets import Secret
        from tercel.fix.server import serve_fix
        from tercel.venues.address import TRADER

        parted = [text.partition("=") for text in self.login or [TRADER]]
        word = ""
        if self.password_file is not None:
            word = Secret(file=str(self.password_file)).read(
                "the password of every login", Path.cwd()
            )
        logins = [Login(name, begin=begin or "FIX.4.4", password=word) for name, _, begin in parted]
        pace = Pace(WallClock(), self.speed) if self.speed else None
        return serve_fix(exchange, self.port, logins, store=self.store, pace=pace, host=HOST)
