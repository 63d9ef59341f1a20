"""State of one counterparty of the FIX server: accounts, orders, subscriptions, pending requests."""

import hmac
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, TypeVar

from exchange.fix import acceptor
from exchange.signatures import verifier
from tercel.core import ONE, ConfigError, orders as o
from tercel.fix import Fields, Message, ProfileTerms, tags as t

ReportMessage = TypeVar("ReportMessage", o.Report, o.CancelReject)


def comp_id(name: str) -> str:
    """A CompID, checked to be valid in a header.

    Raises
    ------
    ConfigError
        When it cannot.
    """
    if (
        not name
        or not name.isascii()
        or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    ):
        raise ConfigError(
            "a CompID of letters, digits, '-', '_' and '.'", repr(name), "choose another name"
        )
    return name


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials and rights of a counterparty.

    Parameters
    ----------
    comp_id : str
        Its SenderCompID, and the account of orders that name none.
    cancel_on_disconnect : bool
        Whether its orders are cancelled when it leaves or is lost; a Logon may say otherwise (`tags`).
    password, username : str
        Fields 554 and 553 of its Logon; "" asks for none.
    begin : str
        "FIX.4.4" or "FIX.4.2".
    reset : set of {"logon", "logout", "disconnect"}
        When both sequence numbers begin at 1 again, whether its Logon asks for it or not.
    user_tags : bool
        Whether unknown fields from 5000 on are ignored; else a message with one is rejected.
    copies : tuple of str
        A drop copy: it sends no orders and gets a copy of every execution report of these accounts; ("*",): of all.
    next_expected : bool
        Whether Logons say NextExpectedMsgSeqNum (789), and what is missing is repeated without being asked for.
    risk : bool
        It cancels the orders of any account (q), and gives none: for a watchdog.
    terms : ProfileTerms, optional
        The profile of a venue whose words its session speaks, and none but those (`hosted`).
    public_key : str
        Ed25519 key (PEM) that its Logon's signature (95, 96) is verified with; "" asks for none.
    """

    comp_id: str
    cancel_on_disconnect: bool = False
    password: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    begin: str = "FIX.4.4"
    reset: frozenset[Literal["logon", "logout", "disconnect"]] = frozenset()
    user_tags: bool = True
    copies: tuple[str, ...] = ()
    next_expected: bool = False
    risk: bool = False
    terms: ProfileTerms | None = None
    public_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        comp_id(self.comp_id)
        if self.terms is not None and self.terms.profile.version != self.begin:
            expected = f"a profile of {self.begin} for {self.comp_id}"
            received = self.terms.profile.version
            raise ConfigError(expected, received, "name the profile's version as the login's")
        if self.public_key:
            verifier(self.public_key, self.comp_id)

    def refusal(self, logon: Message) -> str:
        """Why its Logon is refused, "" when it is accepted; the password is not repeated."""
        for label, tag, wanted in (
            ("user name", acceptor.USERNAME, self.username),
            ("password", t.PASSWORD, self.password),
        ):
            if wanted and not hmac.compare_digest(
                logon.get(tag).encode(errors="replace"), wanted.encode()
            ):
                return f"wrong {label} for {self.comp_id}"
        if self.public_key and not verifier(self.public_key, self.comp_id)(logon):
            return f"wrong signature for {self.comp_id}"
        return ""

    def sees(self, account: str) -> bool:
        """Whether it receives copies of this account's reports."""
        return account in self.copies or "*" in self.copies


class OrderFills:
    """Executions of one order, and their mean price."""

    __slots__ = ("_fills", "_names")

    def __init__(self) -> None:
        self._fills: dict[str, tuple[int, int]] = {}
        self._names: dict[str, str] = {}

    def take(self, report: o.Report) -> bool:
        """Book a trade, a bust or a correction; False if it is booked already."""
        name = report.exec_id
        if name in self._names:
            return False
        self._names[name] = first = (
            self._names.get(report.ref, report.ref) if report.exec_type in o.REBOOKS else name
        )
        if report.exec_type is o.ExecType.BUSTED:
            self._fills.pop(first, None)
        else:
            self._fills[first] = (report.last_qty, report.last_px)
        return True

    @property
    def average(self) -> Decimal:
        """Mean price in ticks; 0 without executions."""
        qty = sum(last_qty for last_qty, _ in self._fills.values())
        return (
            Decimal(sum(last_qty * px for last_qty, px in self._fills.values())) / (qty * ONE)
            if qty
            else Decimal(0)
        )


@dataclass(slots=True)
class Counterparty:
    """One login and its state. It names orders freely: the venue sees them with the login's prefix."""

    login: Login
    up: bool = False
    uses_private_tags: bool = False
    """Whether its last Logon announced our private tags."""
    cancels: bool = False
    """Whether its orders are cancelled when this connection ends."""
    accounts: set[str] = field(default_factory=set)
    outbox: list[tuple[str, Fields]] = field(default_factory=list)
    """What is to be sent to it, in order."""
    wanted: dict[str, str] = field(default_factory=dict)
    """Instruments whose snapshot is still to come, with the request that asked; of a peer with our tags."""
    followed: dict[str, str] = field(default_factory=dict)
    waits: tuple[str, int] | None = None
    """The U1 that is still to be answered: its name, and until when."""
    owed: bool = False
    """Reports went out since the last U2: the next U1 is answered at once."""
    requested: dict[str, tuple[bool, str]] = field(default_factory=dict)
    """Cancels and replaces on their way: whether a replace, and of which order."""
    orders: dict[str, str] = field(default_factory=dict)
    """Names of orders that came, with the venue's name where it has said one."""
    last_reports: dict[str, o.Report] = field(default_factory=dict)
    """The last word on each order, by the venue's name of it, or by the counterparty's where it has none."""
    status_requests: dict[str, dict[int, str]] = field(default_factory=dict)
    """Orders that a status was asked of, with the fields of the question."""
    mass_status: str = ""
    """Name of the last question about all orders."""
    fills: dict[str, OrderFills] = field(default_factory=dict)
    """By the venue's name of the order."""

    def __post_init__(self) -> None:
        self.accounts.add(self.login.comp_id)

    @property
    def prefix(self) -> str:
        """Prefix of its order names at the venue."""
        return self.login.comp_id + "/"

    def greet(self, logon: Message) -> None:
        """Apply what its Logon requests."""
        self.uses_private_tags = (
            logon.is_yes(acceptor.OWN_TAGS)
            and self.login.begin == "FIX.4.4"
            and self.login.terms is None
        )
        asks = logon.get(acceptor.CANCEL_ON_DISCONNECT)
        self.cancels = asks == "Y" if asks else self.login.cancel_on_disconnect

    def hang_up(self) -> None:
        """Drop the state that ends with a connection."""
        self.up = False
        self.waits = None
        self.owed = False
        self.wanted.clear()
        self.followed.clear()
        self.status_requests.clear()

    def inward(self, command: o.Command) -> o.Command:
        """A command as the venue receives it: with an account, names prefixed."""
        account = command.account or self.login.comp_id
        prefix = self.prefix
        if isinstance(command, o.StatusRequest):
            return replace(
                command, account=account, cl_ord_id=command.cl_ord_id and prefix + command.cl_ord_id
            )
        named = {"cl_ord_id": prefix + command.cl_ord_id}
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            named["orig"] = prefix + command.orig
        return replace(command, account=account, **named)  # type: ignore[arg-type]

    def outward(self, message: ReportMessage) -> ReportMessage:
        """A venue message with the counterparty's own names."""
        prefix = self.prefix
        return replace(
            message,
            cl_ord_id=message.cl_ord_id.removeprefix(prefix),
            orig=message.orig.removeprefix(prefix),
            text=message.text.replace(prefix, ""),
        )

    def status_of(self, name: str) -> o.OrdStatus:
        """Status of an order, pending requests included; REJECTED where there is none."""
        pending = [
            of_replace for of_replace, original in self.requested.values() if original == name
        ]
        last = self.last_reports.get(self.orders.get(name) or name)
        if name not in self.orders or (last is not None and last.status in o.TERMINAL):
            return last.status if last is not None else o.OrdStatus.REJECTED
        if pending:
            return o.OrdStatus.PENDING_REPLACE if pending[-1] else o.OrdStatus.PENDING_CANCEL
        return last.status if last is not None else o.OrdStatus.PENDING_NEW

    def living(self, account: str, instrument: str) -> int:
        """Open orders of an account, in an instrument ("": in any)."""
        return sum(
            report.account == account
            and report.leaves_qty > 0
            and instrument in ("", report.instrument)
            for report in self.last_reports.values()
        )

    def book(self, report: o.Report) -> bool:
        """Book a report; False for a repeated execution."""
        if report.exec_type is o.ExecType.TRADE or report.exec_type in o.REBOOKS:
            if not self.fills.setdefault(report.order_id, OrderFills()).take(report):
                return False
        self.last_reports[report.order_id or report.cl_ord_id] = report
        if report.order_id:
            self.orders[report.cl_ord_id] = report.order_id
        return True

    def average(self, report: o.Report) -> Decimal:
        """Mean price in ticks of an order's executions."""
        return self.fills.get(report.order_id, OrderFills()).average
