"""What can be typed once this package is installed: `tercel venue serve`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import typer

from tercel.cli import JsonRequest, PluginCommands, Seed, TapesSymbol
from tercel.core import ConfigError

if TYPE_CHECKING:
    from tercel.venues.exchange import MarketSpec

PORT: Final = 9878
FIX: Final = "fix"
BINANCE: Final = "binance"
CRYPTO: Final = "ethbtc"
"""The packaged market of Binance's words."""


@dataclass(frozen=True)
class Serve(JsonRequest):
    """Serve a simulated exchange until Ctrl-C, over FIX or in Binance's words: a market that reacts, a recorded day."""

    body: ClassVar[str] = "exchange.serve:serve"
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
            help="Preset market, by name or as a .json file; may be given several times (default: sh600961, and ethbtc "
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
    dealers: Annotated[
        str | None,
        typer.Option(
            help="(fix) Dealers who answer requests for quotes: equity, eurusd, gbpusd, or a panel's .toml file.",
            metavar="PRESET",
        ),
    ] = None
    quote_seconds: Annotated[
        float,
        typer.Option(
            help="(fix) How long a dealer's quote can be taken; a person needs some 60 s.",
            min=0.1,
            max=3600.0,
            metavar="N",
        ),
    ] = 5.0
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

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.tape is not None and self.market:
            raise ConfigError("either --market or --tape", "both", "leave one out")
        if self.tape is None and (self.symbol or self.date):
            raise ConfigError(
                "--symbol and --date with --tape", "no --tape", "name the lake with --tape LAKE"
            )
        if self.api not in (FIX, BINANCE):
            raise ConfigError(f"--api {FIX} or {BINANCE}", f"--api {self.api}", "name one of them")
        if self.dealers is not None and (self.api == BINANCE or self.store is not None):
            raise ConfigError(
                "--dealers with --api fix, without --store",
                "trades with dealers that no folder keeps" if self.store else f"--api {BINANCE}",
                "leave one out",
            )
        if self.api == BINANCE and self.speed == 0.0:
            raise ConfigError("a clock that runs", "--speed 0", "--speed 1 is real time")

    def markets(self) -> "dict[str, MarketSpec]":
        """The markets that are served, as they begin."""
        from tercel.venues import preset_markets, recorded_market

        if self.tape is None:
            usual = [CRYPTO] if self.api == BINANCE else ()
            return preset_markets(self.market or usual, self.seed)
        return recorded_market(self.tape, self.symbol, self.date, self.seed)


COMMANDS: Final = [
    PluginCommands("venue", (Serve,), "Places to trade: serve a simulated exchange.")
]
