"""Schema of a FIX venue's profile, table by table."""

import re
from datetime import time
from decimal import Decimal
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from tercel.core.secrets import Secret
from tercel.core.validation import TomlTable

Tag = Annotated[int, Field(ge=1, le=99_999_999)]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: Final[tuple[Day, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)


class SessionTable(TomlTable):
    """[session]: the two sides and their manners."""

    sender: str = Field(default="", pattern=r"^[A-Za-z0-9_.:-]*$", max_length=64)
    """SenderCompID (49) of what we send; empty: the name in the address."""
    target: str = Field(default="", pattern=r"^[A-Za-z0-9_.:-]*$", max_length=64)
    """TargetCompID (56): the venue."""
    host: str = ""
    """Host of the venue; empty: that of the address."""
    port: int = Field(default=0, ge=0, le=65_535)
    heartbeat_s: int = Field(default=30, ge=1, le=3600)
    """HeartBtInt (108)."""
    reset: tuple[Literal["logon", "logout", "disconnect"], ...] = ()
    """When both sequence numbers begin at 1; at a logon, ResetSeqNumFlag (141) says so."""
    next_out: int = Field(default=0, ge=0)
    """Smallest MsgSeqNum (34) to continue at when the desk starts, at a venue that expects a higher one and allows no
    reset, whatever `reset` says of logons; 0: as stored."""
    next_expected: bool = False
    """Whether logons say NextExpectedMsgSeqNum (789)."""
    on_gap: Literal["request", "logout"] = "request"
    """Action on a gap in the venue's messages: request them, or log out, log on again and query orders' status."""
    clock_tolerance_s: float = Field(default=120.0, gt=0)
    """Largest difference of the venue's SendingTime from the local time, seconds."""
    answer_s: float = Field(default=10.0, gt=0, le=600)
    """Time-out of the answer to a logon or a logout, seconds."""
    digits: Literal[0, 3, 6, 9] = 3
    """Decimal digits of a second in times that we send."""
    user_tags: bool = True
    """Whether fields from 5000 on that the dictionary does not have in a message may come in."""
    known_tags: bool = True
    """Whether a message with fields below 5000 that the dictionary does not have in it is rejected. An ExecutionReport
    with an unambiguous booking is never rejected, by this or one of the next keys: its faults become an alert."""
    known_values: bool = True
    """Whether one with values that the dictionary does not list is."""
    have_values: bool = True
    """Whether one with an empty field is."""
    fields_in_order: bool = True
    """Whether one with fields of header, body and trailer among each other is."""
    groups: bool = True
    """Whether one with repeating groups that begin with another field than their first, or are counted wrongly, is."""
    validated: bool = True
    """Whether messages are held against the dictionary at all."""
    header: dict[str, str] = Field(default_factory=dict)
    """Further fields of every header: 50, 57, 115, 128."""
    cancel_on_disconnect: dict[str, str] = Field(default_factory=dict)
    """Fields of the logon that ask the venue to cancel our orders when the link goes."""


class TimesTable(TomlTable):
    """[times]: when the session is open; without the table it always is. Numbers begin at 1 with each session."""

    start: str = Field(pattern=r"^[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?$")
    end: str = Field(pattern=r"^[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?$")
    """The same as `start`: the next session begins where one ends."""
    zone: str = "UTC"
    """IANA name of the time zone of both."""
    days: tuple[Day, ...] = DAYS
    """Days on which it starts."""
    ends_on: Day | None = None
    """Day on which it ends, where it lasts longer than a day."""

    @field_validator("start", "end")
    @classmethod
    def _check_time(cls, value: str) -> str:
        """Refuse a text that is no ISO time of day."""
        time.fromisoformat(value)
        return value

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        """Refuse a text that is no IANA time zone."""
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError("the IANA name of a time zone, like Europe/Zurich") from None
        return value


class TlsTable(TomlTable):
    """[tls]: without the table the connection is in clear. The venue's certificate is always verified."""

    ca: str = ""
    """File of the authorities that are trusted; empty: the machine's."""
    cert: str = ""
    """Our certificate, where the venue asks for one."""
    key: str = ""
    """Its private key, a file with mode 0600."""
    server_name: str = ""
    """The name in the venue's certificate; empty: the host."""


class LogonTable(TomlTable):
    """[logon]: own identity. Secrets are named by their place."""

    username: Secret | None = None
    """553."""
    password: Secret | None = None
    """554."""
    private_key: Secret | None = None
    """Ed25519 key (PEM) that signs MsgType, SenderCompID, TargetCompID, MsgSeqNum and SendingTime into 95 and 96."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Further fields, by tag."""


class OrdersTable(TomlTable):
    """[orders]: what the venue knows, and how it wants it."""

    replace: Literal["G", "XCN", "XAK", "cancel"] = "G"
    """G: cancel/replace; XCN: cancel and new order in one message; XAK: fewer lots keep their place, all else is XCN;
    cancel: no replace, so an order is cancelled and its sender sends another."""
    day: str = "0"
    """TimeInForce (59) of a resting order."""
    ioc: str = "3"
    """TimeInForce (59) of an order that does not rest."""
    status: bool = True
    """Whether it answers OrderStatusRequest (H); else an order's state is taken from repeated reports."""
    mass_status: bool = False
    """Whether it answers AF."""
    positions: str = Field(default="", pattern=r"^[A-Z]{0,3}$")
    """PosType (703) of the lots that an account holds, where it answers AN: TQ; empty: it tells no positions."""
    quotes: Literal["", "order", "response"] = ""
    """How a quote is taken where dealers answer requests for quotes (R, FIX 4.4): order: D with 117; response: AJ with 694=1;
    empty: there are no dealers."""
    mass_cancel: Literal["all", "symbol", "none"] = "none"
    """Whether it takes q, of all orders or of one instrument's; else each order is cancelled."""
    disown: bool = True
    """Whether it takes Q, of a trade that is not ours."""
    business_reject: bool = True
    """Whether it takes j, of a message that cannot be read."""
    account: bool = True
    """Whether orders may carry Account (1)."""
    handling: str = ""
    """21 HandlInst, which FIX 4.2 requires; empty: left out."""
    order_id: bool = False
    """Whether cancels name the venue's number (37) too."""
    liquidity_tag: Tag = 851
    """Tag of the liquidity flag: 851 (2 taker) or 1057 (Y taker)."""
    text_tags: tuple[Tag, ...] = (58,)
    """Tags with the reason of a refusal."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Further fields of D and G, by tag."""


class NamesTable(TomlTable):
    """[names]: what a ClOrdID may be. A name that will not do goes out as another, which is remembered."""

    letters: re.Pattern[str] = re.compile(r"[!-~]")
    """A letter of it, as a regular expression."""
    most: int = Field(default=64, ge=8, le=255)


class LimitsTable(TomlTable):
    """[limits]: how much the venue takes. More is refused here, before it is sent."""

    messages: int = Field(default=0, ge=0)
    """Messages in `window_s`; 0: no limit."""
    window_s: float = Field(default=1.0, gt=0)
    logons: int = Field(default=0, ge=0)
    """Logons in `logon_window_s`; 0: no limit."""
    logon_window_s: float = Field(default=30.0, gt=0)


class MarketTable(TomlTable):
    """[market]: market data; none without this table."""

    depth: int = Field(default=0, ge=0)
    """MarketDepth (264); 0: the whole book."""
    trades: bool = True
    """Whether prints (269=2) are requested."""
    update_type: str = "1"
    """265: 0 whole books, 1 changes; empty: left out."""
    aggregated: str = "Y"
    """266; empty: left out."""
    order: Literal["types", "symbols"] = "types"
    """First group in a MarketDataRequest (V)."""
    session: str = ""
    """Profile of the session for market data, if the one for orders has none."""


class SymbolsTable(TomlTable):
    """[symbols]: where instruments come from."""

    source: Literal["list", "file"] = "file"
    """list: the venue's SecurityList; file: [[symbol]] of this profile, or of `file`."""
    file: str = ""
    """A TOML file with [[symbol]]."""
    list_type: str = "4"
    """559 of the request."""
    tick_tag: Tag = 969
    lot_tag: Tag = 561
    currency_tag: Tag = 15


class SymbolTable(TomlTable):
    """[[symbol]]: one instrument."""

    name: str = Field(min_length=1, max_length=64)
    tick: Decimal = Field(default=Decimal("0.01"), gt=0)
    """Price of a tick."""
    lot: Decimal = Field(default=Decimal(1), gt=0)
    """Shares, or units of the base currency, of a lot."""
    currency: str = ""


class Profile(TomlTable):
    """Profile of a FIX venue."""

    version: Literal["FIX.4.2", "FIX.4.4"] = "FIX.4.4"
    dictionary: str = "standard"
    """`standard`, or the file of a dictionary in QuickFIX's XML."""
    extension: bool = False
    """Whether the venue is of this package: its market data by order, its time, its clock."""
    session: SessionTable = SessionTable()
    times: TimesTable | None = None
    tls: TlsTable | None = None
    logon: LogonTable = LogonTable()
    orders: OrdersTable = OrdersTable()
    names: NamesTable = NamesTable()
    limits: LimitsTable = LimitsTable()
    market: MarketTable | None = None
    symbols: SymbolsTable = SymbolsTable()
    symbol: tuple[SymbolTable, ...] = ()

    @model_validator(mode="after")
    def _check_tags(self) -> "Profile":
        """Refuse fields of a profile whose tags are no numbers or have no value, and the extension outside FIX 4.4."""
        tables = (
            self.session.header,
            self.session.cancel_on_disconnect,
            self.logon.fields,
            self.orders.fields,
        )
        for table in tables:
            if bad := [
                tag
                for tag, value in table.items()
                if not (tag.isascii() and tag.isdigit() and value)
            ]:
                raise ValueError(f"tags with values, which {bad[0]} is not")
        if self.extension and self.version != "FIX.4.4":
            raise ValueError("FIX.4.4 where extension is true")
        return self
