"""What the server keeps of one counterparty: its accounts, its subscriptions, what it waits for."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from tercel.core.orders import TERMINAL, CancelReject, Command, Report, StatusRequest

Message = TypeVar("Message", Report, CancelReject)


@dataclass(frozen=True, slots=True)
class Login:
    """Who may log on.

    Parameters
    ----------
    comp_id : str
        Its SenderCompID, and the account of orders that name none.
    cancel_on_disconnect : bool
        Whether its orders are cancelled when it leaves or is lost.
    password : str
        Field 554 of its Logon; "" asks for none.
    """

    comp_id: str
    cancel_on_disconnect: bool = False
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class Counterparty:
    """One login and its state. Names of orders are its own: the venue sees them with the login's name in front."""

    login: Login
    up: bool = False
    accounts: set[str] = field(default_factory=set)
    wanted: dict[str, str] = field(default_factory=dict)
    """Instruments whose snapshot is still to come, with the request that asked."""
    followed: dict[str, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    """Requests of this connection: what answers others is not repeated."""
    waits: tuple[str, int] | None = None
    """The U1 that is still to be answered: its name, and until when."""
    stepped: str = ""
    """Name of its last U1."""
    owed: bool = False
    """Reports went out since the last U2: the next U1 is answered at once."""
    requested: dict[str, bool] = field(default_factory=dict)
    """Cancels and replaces on their way; True: a replace."""
    names: set[str] = field(default_factory=set)
    """Orders that came, to know a possible repetition (97=Y)."""
    traded: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    """Lots and lots x ticks of each open order that traded."""

    def __post_init__(self) -> None:
        self.accounts.add(self.login.comp_id)

    @property
    def prefix(self) -> str:
        """What stands before its names at the venue."""
        return self.login.comp_id + "/"

    def hang_up(self) -> None:
        """Forget what ends with a connection."""
        self.up, self.waits, self.owed = False, None, False
        self.wanted.clear()
        self.followed.clear()
        self.live.clear()

    def inward(self, command: Command) -> Command:
        """A command as the venue receives it: with an account, under names that are nobody else's."""
        account, prefix = command.account or self.login.comp_id, self.prefix
        if isinstance(command, StatusRequest):
            return replace(command, account=account, cl_ord_id=command.cl_ord_id and prefix + command.cl_ord_id)
        named = {"cl_ord_id": prefix + command.cl_ord_id}
        if hasattr(command, "orig"):
            named["orig"] = prefix + command.orig
        return replace(command, account=account, **named)  # type: ignore[arg-type]

    def outward(self, message: Message) -> Message:
        """A message from the venue under the counterparty's own names."""
        own = self.prefix
        return replace(
            message,
            cl_ord_id=message.cl_ord_id.removeprefix(own),
            orig=message.orig.removeprefix(own),
            text=message.text.replace(own, ""),
        )

    def average(self, report: Report) -> Decimal:
        """Mean price in ticks of what an order traded, this report included."""
        lots, cash = self.traded.get(report.order_id, (0, Decimal(0)))
        if report.last_lots and report.cum == lots + report.last_lots:  # a repeated trade is not counted again
            lots, cash = lots + report.last_lots, cash + report.last_lots * report.last_price
            self.traded[report.order_id] = (lots, cash)
        if report.status in TERMINAL:
            self.traded.pop(report.order_id, None)
        return cash / lots if lots else Decimal(0)
