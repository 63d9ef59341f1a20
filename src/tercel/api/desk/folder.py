"""Contents of a desk's folder, while the desk runs and afterwards: orders, positions, decisions, costs."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError, JournalError, OrderError, offer
from tercel.core.lifecycle import ChildOrder
from tercel.core.orders import PAID_ONE, PAID_PLACES, shown
from tercel.core.ports import Entry
from tercel.core.report.svg import Section, render
from tercel.core.report.tables import plain_table
from tercel.core.system import user_name
from tercel.core.toml import read_toml
from tercel.core.vocabulary import NS_PER_SECOND, SIDE_WORDS
from tercel.desk.console.report import PositionPart, Total
from tercel.desk.engine.runtime import CONFIG
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.bodies import AlertEntry
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.database import BRIEFLY, DATABASE, holder
from tercel.desk.trading.journal.store import JournalReader, SqlJournal, post, withdraw
from tercel.desk.trading.ledger import ANSWERS, FOLDED, Ledger
from tercel.desk.trading.reconciliation.positions import ends
from tercel.desk.trading.reconciliation.recovery import RecoveryLine
from tercel.desk.trading.risk.money import HeldPosition, Money
from tercel.desk.trading.tca.measure import AnalysedCost
from tercel.desk.trading.tca.pairs import PairCost, pair_costs
from tercel.desk.trading.tca.rfq import DealerCosts, QuotedRequest, dealer_costs, requests_of
from tercel.desk.trading.tca.summary import CostSummary, sentences, summary

DRAWN = 40
"""Parents whose path a page draws."""


def ledger_of(folder: Path) -> Ledger:
    """Ledger folded from the journal of a folder."""
    with closing(JournalReader(folder)) as reader:
        return Ledger.of(reader)


@dataclass(kw_only=True)
class HeldRow(PositionPart):
    """A position in the console's units, and in ticks and ticks x lots; a value in an unknown unit is None."""

    average_ticks: float | None
    mark_ticks: float | None
    realised_ticks: float
    unrealised_ticks: float | None
    realised_half_ticks: float


def held_of(folder: Path) -> tuple[list[HeldRow], list[Total]]:
    """Positions by agent and instrument, and their sums by currency."""
    money, ledger = _folded(folder, kinds.MARKET)
    held = money.holdings(ledger.positions)
    return [_held_row(one) for one in held], [Total(**row) for row in money.total(held)]


def _folded(folder: Path, *more: str) -> tuple[Money, Ledger]:
    """Money and ledger of a journal, from entries of more kinds than they need."""
    money, ledger = Money(), Ledger()
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, [*FOLDED, *more]):
            ledger.apply(entry)
            money.apply(entry, ledger)
    return money, ledger


def quotes_of(folder: Path) -> tuple[list[QuotedRequest], list[DealerCosts]]:
    """Requests for quotes of a desk, with their state at the last journal entry, and costs of the finished ones, by
    dealer and (the last row) over all dealers."""
    with closing(JournalReader(folder)) as reader:
        found = [entry for _, entry in reader.read(0, (kinds.QUOTE,))]
        now_ns = max((entry.ns for _, entry in reader.read(reader.last - 1)), default=0)
    if not found:
        return [], []  # most desks ask no dealer: their journal is not folded for it
    money, ledger = _folded(folder)
    requests = requests_of(found, ledger, money.unit, now_ns)
    return requests, dealer_costs(requests, ledger, money.unit)


def _held_row(one: HeldPosition) -> HeldRow:
    realised2, value = one.position.realised2, one.exact("value")
    open2 = None if value is None else (one.exact("open") or 0) / one.unit.value * 2
    row = HeldRow(
        **one.shown(),
        average_ticks=one.position.average,
        mark_ticks=None if one.mark is None else one.mark[1] / 2,
        realised_ticks=realised2 / (2 * PAID_ONE),
        unrealised_ticks=None if open2 is None else float(open2 / 2),
        realised_half_ticks=shown(realised2, PAID_PLACES),
    )
    return replace(row, value=None if value is None or not one.unit.known else float(value))


def names_of(folder: Path) -> dict[str, str]:
    """Instruments of a desk to their names in its model and targets, if different: `names` of `[signals]`."""
    return {str(own): str(known) for own, known in signals_of(folder).get("names", {}).items()}


def paid_of(folder: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Filled parents by session of a desk: name in its model, cost in bps, value at arrival.

    A parent counts in the session that analysed it first, by its last analysis.
    """
    names, found, at = names_of(folder), dict[str, tuple[int, Entry]](), 0
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, (kinds.SESSION, kinds.TCA)):
            if entry.kind == kinds.SESSION:
                at += 1
            else:
                found[entry.parent] = found.get(entry.parent, (at, entry))[0], entry
    days: dict[str, list[tuple[str, float, float]]] = {
        str(folder) if at == 1 else f"{folder}, session {number}": [] for number in range(1, at + 1)
    }
    sessions = list(days.values())
    for when, one in found.values():
        cost = CostEntry.of(one)
        if when and cost.is_bps is not None:
            name = names.get(one.instrument, one.instrument)
            sessions[when - 1].append((name, cost.is_bps, cost.notional))
    return days


def weights_of(folder: Path) -> dict[str, float] | None:
    """Portfolio weights of a desk: value at the last marks over the capital in its file, by the names of its model.

    None if its file names no capital, or a position has no mark.
    """
    capital, names = float(signals_of(folder).get("capital", 0.0)), names_of(folder)
    held: dict[str, float] = {}
    for row in held_of(folder)[0] if capital else ():
        if row.lots:
            if row.value is None:
                return None
            name = names.get(row.instrument, row.instrument)
            held[name] = held.get(name, 0.0) + row.value / capital
    return held if capital else None


def signals_of(folder: Path) -> dict[str, Any]:
    """Section `[signals]` of a desk's file, {} if absent."""
    found = read_toml(folder / CONFIG, "name the folder of a desk", "a desk file").get(
        "signals", {}
    )
    return found if isinstance(found, dict) else {}


def decision_of(
    folder: Path, parent: str | None = None, at_s: float | None = None, entry: int | None = None
) -> dict[str, Any]:
    """One decision, its observation, intent and commands: that of an entry, or the last by a time of the venue.

    Raises
    ------
    ConfigError
        No such decision.
    """
    from tercel.desk.trading.explain import decision_at, explain

    seq = entry
    with closing(JournalReader(folder)) as reader:
        if seq is None:
            seq = decision_at(reader, parent, None if at_s is None else round(at_s * NS_PER_SECOND))
            if seq is None:
                raise ConfigError(
                    f"a decision of {parent or 'any parent'}",
                    f"none in {folder} by then",
                    "`tercel trade orders` names the parents",
                )
        shown = explain(reader, seq)
    if shown is None:
        raise ConfigError(
            "the number of a decision", f"{seq}", "the console and `tercel trade replay` name some"
        )
    return {"seq": seq, **shown}


# -- costs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DeskCosts:
    """Costs of a desk's finished parents.

    Parameters
    ----------
    folder : Path
    entries : sequence of Entry
        The last analysis of each parent.
    """

    folder: Path
    entries: Sequence[Entry]

    @cached_property
    def rows(self) -> list[AnalysedCost]:
        """Costs of each parent."""
        return [AnalysedCost.of(entry) for entry in self.entries]

    @property
    def pairs(self) -> list[PairCost]:
        """Costs of pairs whose legs are both analysed."""
        return pair_costs(self.entries)

    @cached_property
    def summed(self) -> CostSummary:
        """Costs summed by agent, and over all of them."""
        return summary(self.rows)

    def page(
        self, limit: str, agents: Sequence[Mapping[str, object]], more: Sequence[Section] = ()
    ) -> str:
        """The page with plots; `limit` heads the column of limit prices, `agents` are rows of the first table, `more`
        are sections behind it."""
        from tercel.desk.trading.tca.figures import (
            against_benchmarks,
            fills_in,
            markouts,
            path_with_fills,
        )

        rows = self.rows
        heads = ("parent", "agent", "side", limit, "quantity", "filled", "unfilled", "refused")
        bps = ("is, bps", "opportunity, bps", "vwap, bps", "twap, bps", "participation", "rested")
        shown = [
            [
                *(row.parent, row.agent, SIDE_WORDS.get(row.side), row.limit),
                *(row.quantity, row.filled, row.unfilled, row.refused),
                *(row.is_bps, row.opportunity_bps, row.vwap_bps, row.twap_bps),
                *(row.participation, row.passive_share),
            ]
            for row in rows
        ]
        paths = []
        for number, (entry, row) in enumerate(zip(self.entries[:DRAWN], rows, strict=False)):
            arrays = unpack(entry.blob)
            fills, name = fills_in(arrays), f"path{number}"
            paths.append(path_with_fills(row.parent, row.side, fills, arrays["mids"], name))
        note = sentences(rows)
        first = "The first forty." if len(self.entries) > DRAWN else ""
        of_agents = plain_table(list(agents[0]), [list(row.values()) for row in agents])
        sections = [
            Section("Agents", "Means by what was filled, bps.", of_agents),
            *([Section("In short", note[1:])] if note[1:] else []),
            *(
                Section(
                    "Pairs", html=plain_table(list(one), [list(row.values()) for row in self.pairs])
                )
                for one in self.pairs[:1]
            ),
            *more,
            Section("Against benchmarks", figures=[against_benchmarks(rows), markouts(rows)]),
            Section("All parents", html=plain_table([*heads, *bps], shown), folded=True),
            Section("Parent by parent", first, figures=paths, folded=True),
        ]
        return render(f"Cost analysis of {self.folder.name}", note[0], sections)


def costs_of(folder: Path, parent: str | None = None) -> DeskCosts:
    """The last cost analysis of every finished parent, or of one.

    Raises
    ------
    ConfigError
        No parent has been analysed yet.
    """
    with closing(JournalReader(folder)) as reader:
        last = {e.parent: e for _, e in reader.read(0, (kinds.TCA,)) if parent in (None, e.parent)}
    found = sorted(last.values(), key=lambda e: (e.body["start_ns"], e.instrument, e.parent))
    if not found:
        raise ConfigError(
            "finished parents",
            f"no analysis of {parent or 'any parent'} in {folder}",
            "an analysis is written a minute after its parent is over",
        )
    return DeskCosts(folder, found)


# -- the venue's word -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """Reconciliation of orders with the venue: the compared ones, and those that still wait for a report.

    Parameters
    ----------
    asked : bool
        Whether the venue was queried now.
    orders : list of RecoveryLine
    unknown, open : list of ChildOrder
        Of unknown fate, and open.
    faults : list of str
        Of the journal.
    """

    asked: bool
    orders: list[RecoveryLine]
    unknown: list[ChildOrder]
    open: list[ChildOrder]
    faults: list[str]

    @property
    def differ(self) -> int:
        """Number of orders that differ from the venue's report."""
        return sum(row.action != "agreed" for row in self.orders)


def agreement_of(folder: Path, venue: str | None = None) -> Agreement:
    """Compare every order with the venue's report: the one in the journal, or with a `venue` a new one.

    Then the desk's journal is opened as a new session would open it, and open orders are cancelled.
    """
    if venue is not None:
        return _reconciled(folder, venue)
    with closing(JournalReader(folder)) as reader:
        rows = [
            RecoveryLine(e.order, e.instrument, e.agent, e.parent, **e.body)
            for _, e in reader.read(0, (kinds.RECONCILED,))
        ]
        return _agreement(rows, Ledger.of(reader), asked=False)


def _agreement(rows: Sequence[RecoveryLine], ledger: Ledger, asked: bool) -> Agreement:
    unknown = {order.root: order for order in ledger.orders.unknown()}
    live = [order for order in ledger.orders.live() if order.root not in unknown]
    return Agreement(asked, list(rows), list(unknown.values()), live, ledger.faults())


def _reconciled(folder: Path, where: str) -> Agreement:
    """Open the desk's journal as a new session would, ask the venue, cancel open orders."""
    from tercel.desk.engine.agent_slot import strategy_of
    from tercel.desk.gate.process import venue_at
    from tercel.desk.limits import LimitGate, default_file, from_json, read
    from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
    from tercel.desk.trading.session import Session, SessionTerms
    from tercel.venues.address import mark_of

    ledger = ledger_of(folder)
    agents, in_force = (
        sorted({parent.order.agent for parent in ledger.parents}),
        ledger.limits.in_force,
    )
    journal = SqlJournal(folder, f"{user_name()} (tercel trade reconcile)")
    latch = KillLatch(folder / LATCH)
    with closing(journal), ExitStack() as opened:
        link = venue_at(
            where, agents, folder, None, latch.path, opened, agree=lambda money: {}
        )  # it cancels alone
        limits = read(default_file()) if in_force is None else from_json(in_force)
        gate = LimitGate(limits, link.listings(), agents, latch.killed)
        terms = SessionTerms(mark=mark_of(where))
        session = Session(
            link, journal, gate, lambda name, _: strategy_of(name, None), terms, latch=latch
        )
        result = _agreement(session.recovered, session.ledger, asked=True)
        session.close()
    return result


LOOK_S = 0.05
"""Between two looks for a desk's answer."""


@dataclass(frozen=True)
class PostedCommand:
    """A command posted to a desk's folder.

    Parameters
    ----------
    folder : Path
    command : str
    number : int
        Its number.
    entry : Entry or None
        Journal entry of the desk's answer; None if none came in time.
    idle : bool
        Whether the desk is not running: its next session takes the command.
    """

    folder: Path
    command: str
    number: int
    entry: Entry | None
    idle: bool

    @property
    def answer(self) -> str | None:
        """Outcome of the command, in one word."""
        return None if self.entry is None else str(self.entry.body.get("event", self.entry.kind))


def ask(
    folder: Path, command: str, body: Mapping[str, Any], reason: str, wait_s: float, by: str = ""
) -> PostedCommand:
    """Post a command to a running desk (submit, pause, resume, cancel, amend, promote, limits) and wait for its answer.

    With 0 seconds it does not wait, and the next session may take it. `by`: operator; by default the process's user.

    Raises
    ------
    OrderError
        The desk refused, has ended, or ended before it answered.
    """
    idle = holder(folder) == ""
    if idle and wait_s > 0:
        raise OrderError(
            "a desk that runs",
            f"{folder}, which is not running; nothing was left there",
            f"start it with tercel trade run CONFIG.toml `desk={folder}` (where it traded on the simulated exchange, "
            "which ends with its desk, begin another), or post it for its next session with `wait=0`",
        )
    with closing(JournalReader(folder)) as reader:
        before = reader.last
        number = post(folder, command, body, by or user_name(), reason or command, time.time_ns())
        found = _await(folder, reader, before, number, wait_s)
    if found is not None and found.kind == kinds.ALERT:
        said = AlertEntry.of(found)
        if said.expected and said.received and said.remedy:
            raise OrderError(said.expected, said.received, said.remedy)
        raise OrderError(
            f"a command that {folder.name} can obey", said.text, "see `tercel trade orders`"
        )
    return PostedCommand(folder, command, number, found, idle)


def _await(
    folder: Path, reader: JournalReader, before: int, number: int, wait_s: float
) -> Entry | None:
    """The answer to a command; None when none came in time. What a desk that has ended did not take is withdrawn."""
    until = time.monotonic() + wait_s
    while True:
        ended = holder(folder) == ""  # before the answer: one written as the desk ends counts
        found = answer(reader, before, number)
        if found is not None or time.monotonic() >= until:
            return found
        if ended:
            became = "withdrawn" if withdraw(folder, number) else "taken and not answered"
            raise OrderError(
                "a desk that runs until it answers",
                f"{folder}, which ended meanwhile; the command was {became}",
                "see `tercel trade orders`",
            )
        time.sleep(LOOK_S)


def answer(reader: JournalReader, after: int, number: int) -> Entry | None:
    """Journal entry that answers a person's command: a parent's event, a promotion, limits, the alert of a refusal, or
    the note itself."""
    answers = (*ANSWERS, kinds.PROMOTED, kinds.OPERATOR)
    return next(
        (entry for _, entry in reader.read(after, answers) if _answers(entry.body, number)), None
    )


def _answers(body: Mapping[str, Any], number: int) -> bool:
    return body.get("operator") == number or (
        body.get("id") == number and body.get("command") in kinds.NOTED
    )


def own_alert(folder: Path, body: Mapping[str, Any], by: str, note: str) -> Entry | None:
    """Write the owner of an alert into the journal of a desk that does not run; None if it runs (then use `ask`).

    Alerts raised as a desk ended need an owner before its next session.
    """
    if (by_whom := holder(folder)) is None or (by_whom and BRIEFLY not in by_whom):
        return None
    with (
        suppress(JournalError),
        closing(SqlJournal(folder, f"{by} (an alert, {BRIEFLY}")) as journal,
    ):
        last = max((entry.ns for _, entry in journal.read(max(journal.last - 1, 0))), default=0)
        journal.append([said := _said("own_alert", body, by, note, last)])
        return said
    return None  # it has begun just now


@dataclass(frozen=True)
class EndedOrder:
    """An order that a person ended in a journal, and the lots that it had filled."""

    order: str
    filled: float
    journal: Path


def settle_orders(
    desk: Path, orders: Sequence[str], reason: str, wait_s: float
) -> Iterator[PostedCommand | EndedOrder]:
    """End orders in the journals of a desk and of its gate, at their filled quantities. A running gate, or a desk
    without one, gets a command to do so: its reports reach all desks behind it.

    Yields
    ------
    PostedCommand or EndedOrder
        The command that was posted, or an order that was ended here.

    Raises
    ------
    OrderError
        An unknown or finished order: nothing was written.
    """
    names = list(dict.fromkeys(orders))
    found = {
        folder: ledger_of(folder)
        for folder in (desk / FOLDER, desk)
        if (folder / DATABASE).exists()
    }
    known = sorted({order.root for ledger in found.values() for order in ledger.orders.live()})
    if missing := [name for name in names if name not in known]:
        raise OrderError(
            "orders that are not over",
            f"{', '.join(missing)}; nothing was written",
            offer(missing[0], known, "see `tercel trade orders`"),
        )
    settled = set[str]()
    for folder, ledger in found.items():
        chosen = [
            order
            for order in ledger.orders.live()
            if order.root in names and order.root not in settled
        ]
        if chosen and holder(folder):
            yield ask(
                folder, "settle", {"orders": [order.root for order in chosen]}, reason, wait_s
            )
            settled |= {order.root for order in chosen} if holder(desk) else set()
        elif chosen:
            _end(folder, chosen, ledger.orders.last_ns, reason)
            for order in chosen:
                yield EndedOrder(order.root, shown(order.cum_qty), folder)


def _end(folder: Path, orders: Sequence[ChildOrder], ns: int, reason: str) -> None:
    """Write the operator's statement, then the end of each order as if the venue had reported it."""
    by = user_name()
    with closing(SqlJournal(folder, f"{by} (tercel trade settle)")) as journal:
        said = _said("settle", {"orders": [order.root for order in orders]}, by, reason, ns)
        parents = {order.root: order.parent for order in orders}
        over = ends(orders, f"{said.body['wall_ns']}", ns, by, reason)
        entries = [entry_in(end, parents[end.orig or end.cl_ord_id]) for end in over]
        journal.append([said, *entries])


def _said(command: str, body: Mapping[str, Any], by: str, reason: str, ns: int) -> Entry:
    """Command of a person while the desk did not run."""
    words = {
        "command": command,
        "body": dict(body),
        "by": by,
        "reason": reason,
        "wall_ns": time.time_ns(),
    }
    return Entry(kinds.OPERATOR, ns, body=words)
