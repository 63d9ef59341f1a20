"""Types of requests of the console's HTTP interface, and of answers to actions and logins (of reads: `desk.console`)."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tercel.api.console.people import LONGEST_PASSWORD
from tercel.desk.console.model_report import Interval
from tercel.desk.limits.persons import is_blank

LONGEST_ID = 80


VenueId = Annotated[str, Field(min_length=1, max_length=2 * LONGEST_ID)]
Seq = Annotated[int, Field(ge=1, le=2**62)]
Qty = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Minutes = Annotated[float, Field(ge=1 / 60, le=1e5, allow_inf_nan=False)]
Price = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Beyond = Annotated[str, Field(pattern=r"^\d{1,6}(\.\d{1,6})?bps$")]


def _check_name(text: str) -> str:
    """Refuse a blank name, or one with invisible characters; return the name without outer spaces."""
    if not text.strip() or not text.isprintable():
        raise ValueError("has invisible letters, or none")
    return text.strip()


def _check_text(text: str) -> str:
    """One line of printable text: white space is collapsed, control and invisible characters are refused."""
    line = " ".join(text.split())
    if all(map(is_blank, line)) or any(
        unicodedata.category(letter) in ("Cc", "Cs", "Cf", "Co", "Cn") for letter in line
    ):
        raise ValueError("says nothing, or has invisible letters")
    return line


def _check_no_dots(text: str) -> str:
    """Refuse `.` and `..`, which no address can contain as a name; return the text."""
    if text in (".", ".."):
        raise ValueError("is dots alone: no address can name it")
    return text


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(_check_name)]
NewId = Annotated[Name, AfterValidator(_check_no_dots)]
Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_check_text)]


class StrictBody(BaseModel):
    """A request's body: its fields and no others, of their types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LoginBody(StrictBody):
    """Credentials of a login."""

    name: Annotated[str, Field(max_length=LONGEST_ID)]
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)]


class PasswordBody(StrictBody):
    """The own password, and what it is to be."""

    old: Annotated[str, Field(max_length=LONGEST_PASSWORD)]
    new: Annotated[str, Field(max_length=LONGEST_PASSWORD)]


class NewUser(StrictBody):
    """A person to let in; without a password one is generated, and is in the answer."""

    name: Name
    role: Name = "viewer"
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)] | None = None


class RoleBody(StrictBody):
    """Another role for a person."""

    role: Name


class ReasonBody(StrictBody):
    """Reason of an action."""

    reason: Text


class OfDesk(ReasonBody):
    """Something of one desk."""

    desk: Name


class KillBody(ReasonBody):
    """A kill: of everything that this console serves, of a desk, of an agent or several."""

    scope: Literal["all", "desk", "agent"]
    name: Name | Annotated[list[Name], Field(min_length=1, max_length=100)] | None = None
    desk: Name | None = None


class RearmBody(OfDesk):
    """Agents that may trade again; none named: all."""

    agents: Annotated[list[Name], Field(max_length=100)] = []


class QuoteBody(StrictBody):
    """A parent order that might be: quantity in shares or coins, minutes to its horizon."""

    desk: Name
    instrument: Name
    side: Literal["buy", "sell"]
    qty: Qty
    minutes: Minutes = 10.0
    limit_price: Price | Beyond | None = None
    agent: Name | None = None


class ParentBody(QuoteBody):
    """A parent order; without an agent, the one that has most of the instrument's flow."""

    reason: Text
    id: NewId | None = None


class ExperimentBody(OfDesk):
    """A decision on an agent's last experiment: stop it, or end it and promote an arm."""

    act: Literal["stop", "promote"]
    arm: Name | None = None


class AmendBody(OfDesk):
    """Changes of a parent: total quantity, minutes from its acceptance, limit price."""

    qty: Qty | None = None
    minutes: Minutes | None = None
    limit_price: Price | Beyond | Literal["none"] | None = None


class HandOrderBody(OfDesk):
    """A manual order for a parent: quantity in shares or coins, at a price or (without one) at the market."""

    qty: Qty
    limit_price: Price | None = None


class WithdrawBody(OfDesk):
    """Manual order to cancel; none named: all of the parent."""

    order: VenueId | None = None


class AskQuotesBody(OfDesk):
    """Dealers to ask for quotes of a parent (none named: the desk's), quantity in shares or coins; no answer is wanted
    after so many seconds."""

    qty: Qty
    dealers: Annotated[list[Name], Field(max_length=50)] = []
    seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)]


class AcceptQuoteBody(OfDesk):
    """The quote of a request that is to be taken."""

    quote: VenueId


class PassQuotesBody(OfDesk):
    """Quotes of a request that are not wanted; none named: all that are open."""

    quotes: Annotated[list[VenueId], Field(max_length=50)] = []


class EndPostureBody(OfDesk):
    """Agent whose manual risk state ends; none named: the desk's."""

    agent: Name | None = None


class PostureBody(EndPostureBody):
    """A manual risk state, for some minutes; of it and risk's own the more careful value counts.

    With `instead` it replaces risk's, and a second person has to confirm it.
    """

    minutes: Annotated[float, Field(ge=1 / 60, le=7 * 1440, allow_inf_nan=False)]
    urgency: Share | None = None
    max_participation: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    size_multiplier: Share | None = None
    styles: (
        Annotated[list[Literal["join", "improve", "take"]], Field(min_length=1, max_length=3)]
        | None
    ) = None
    instead: bool = False

    @model_validator(mode="after")
    def check_not_empty(self) -> "PostureBody":
        """Refuse a body that sets nothing."""
        if {self.urgency, self.max_participation, self.size_multiplier} == {
            None
        } and self.styles is None:
            raise ValueError(
                "says nothing: give urgency, max_participation, size_multiplier or styles"
            )
        return self


class LimitsBody(OfDesk):
    """Limits to change: ``desk.KEY``, ``agents.NAME.KEY`` or ``instruments.NAME.KEY`` to a value of a limit file."""

    changes: Annotated[dict[Name, Name | int | float], Field(min_length=1, max_length=50)]


class AcknowledgeBody(StrictBody):
    """A note on an alert; its author owns the alert."""

    desk: Name
    note: Text
    gate: bool = False
    """Whether it is in the journal of the desk's gate."""


class NotDone(BaseModel):
    """A requested action that was not done."""

    what: str
    why: str


class Done(BaseModel):
    """Actions that the desk did, by its journal."""

    done: list[str]
    not_done: list[NotDone] = []


class Waits(BaseModel):
    """A second person has to confirm it: `/api/requests`."""

    request: str


class Me(BaseModel):
    """The logged-in person; `needs`: least role of each permission that is missing; `until_s`: seconds until the session
    ends without further requests."""

    name: str
    role: str
    may: list[str]
    needs: dict[str, str]
    csrf: str
    until_s: float


class Left(BaseModel):
    """The session has ended."""

    left: bool


class Removed(BaseModel):
    """Name of a removed person."""

    removed: str


class PasswordSet(BaseModel):
    """The own password is another one now; how many other sessions ended with it."""

    ended: int


class Ways(BaseModel):
    """Available ways to log in; `oidc`: whether an identity provider is configured."""

    oidc: bool


class User(BaseModel):
    """A person; `password` only where one was made, this once."""

    name: str
    role: str
    by: str = ""
    password: str | None = None


class Request(BaseModel):
    """A request that needs two persons; `by` confirmed or refused it."""

    id: str
    desk: str
    what: str
    asked_by: str
    reason: str
    ns: int
    state: Literal["waits", "confirmed", "refused", "expired"]
    by: str


class QuotedCost(BaseModel):
    """Cost estimate of a strategy: basis points of the order's value, and money (positive is a cost)."""

    agent: str
    strategy: str
    parents: int
    bps: Interval
    money: Interval
    currency: str
    against: list[str]


class QuotedCosts(BaseModel):
    """Costs by strategy, from what each agent's parents of this journal cost; what speaks against the order at all."""

    value: float | None
    by_strategy: list[QuotedCost]
    against: list[str]


class EstimatedOrder(BaseModel):
    """What an order will cost by recorded days: a table of strategies, what it says, a picture of cost against risk (SVG)."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    sentences: list[str]
    picture: str
