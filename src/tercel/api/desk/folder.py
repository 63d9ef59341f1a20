"""Contents of a desk's folder, while the desk runs and afterwards: orders, positions, decisions, costs."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
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
from tercel.desk.engine.runtime import CONFIG
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in, unpack
from tercel.desk.trading.journal.database import BRIEFLY, DATABASE, holder
from tercel.desk.trading.journal.store import JournalReader, SqlJournal, post, withdraw
from tercel.desk.trading.ledger import ANSWERS, FOLDED, Ledger
from tercel.desk.trading.reconciliation.positions import ends
from tercel.desk.trading.risk.money import HeldPosition, Money
from tercel.desk.trading.tca.shortfall import sentences, summary

DRAWN = 40
"""Parents whose path a page draws."""


def ledger_of(folder: Path) -> Ledger:
    """Ledger folded from the journal of a folder."""
    with closing(JournalReader(folder)) as reader:
        return Ledger.of(reader)


def orders_of(folder: Path, *, every: bool = False) -> dict[str, Any]:
    """Parents, their children that are open (or all of them), and accounts that are not active."""
    running = None if (who := holder(folder)) is None else who != ""
    ledger = ledger_of(folder)
    return {
        "desk": str(folder),
        "running": running,
        "parents": [
            {
                "id": parent.id,
                **parent.row,
                "limit_price": parent.limit_price,
                "limit": parent.limit or None,
            }
            for parent in ledger.parents
        ],
        "orders": [
            {"order": order.name, "parent": order.parent, **_child(order)}
            for order in (list(ledger.orders) if every else ledger.orders.live())
        ],
        "states": ledger.states.rows(),
    }


def held_of(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Positions by agent and instrument, and their sums by currency (`desk.trading.risk.money.Money.total`).

    A position is as the console shows it (`HeldPosition.shown` there): prices in the units of the market, the rest in
    money; and, in ticks and ticks x lots, as `average_ticks`, `mark_ticks`, `realised_ticks`, `unrealised_ticks`.
    """
    money, ledger = Money(), Ledger()
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, [*FOLDED, kinds.MARKET]):
            ledger.apply(entry)
            money.apply(entry, ledger)
    held = money.holdings(ledger.positions)
    return [one.shown() | _in_ticks(one) for one in held], money.total(held)


def names_of(folder: Path) -> dict[str, str]:
    """Names of a desk's instruments in its model and its targets, where they are others: `names` of `[signals]`."""
    return {str(own): str(known) for own, known in signals_of(folder).get("names", {}).items()}


def paid_of(folder: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Each session of a desk with its filled parents: name in its model, cost in bps, value at arrival.

    A parent counts in the session that analysed it first, by its last analysis.
    """
    names, found, at = names_of(folder), dict[str, tuple[int, Entry]](), 0
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, (kinds.SESSION, kinds.TCA)):
            if entry.kind == kinds.SESSION:
                at += 1
            else:
                found[entry.parent] = found.get(entry.parent, (at, entry))[0], entry
    days: dict[str, list[tuple[str, float, float]]] = {}
    for number in range(1, at + 1):
        filled = [
            one for when, one in found.values() if when == number and one.body["is_bps"] is not None
        ]
        rows = [
            (names.get(one.instrument, one.instrument), one.body["is_bps"], one.body["notional"])
            for one in filled
        ]
        days[str(folder) if at == 1 else f"{folder}, session {number}"] = rows
    return days


def weights_of(folder: Path) -> dict[str, float] | None:
    """What a desk holds as shares of the capital that its file names, at its last marks, by the names of its model.

    None where its file names no capital, or a position has no mark in money.
    """
    capital, names = float(signals_of(folder).get("capital", 0.0)), names_of(folder)
    rows = [row for row in held_of(folder)[0] if row["lots"]]
    if not capital or any(row["value"] is None for row in rows):
        return None
    held: dict[str, float] = {}
    for row in rows:
        name = names.get(row["instrument"], row["instrument"])
        held[name] = held.get(name, 0.0) + row["value"] / capital
    return held


def signals_of(folder: Path) -> dict[str, Any]:
    """What a desk's file says of forecasts, its section `[signals]`."""
    found = read_toml(folder / CONFIG, "name the folder of a desk", "a desk file").get(
        "signals", {}
    )
    return found if isinstance(found, dict) else {}


def _in_ticks(one: HeldPosition) -> dict[str, Any]:
    """A position's figures in ticks and ticks x lots; a value that is no money is None."""
    realised2, value = one.position.realised2, one.exact("value")
    open2 = None if value is None else (one.exact("open") or 0) / one.unit.value * 2
    return {
        "average_ticks": one.position.average,
        "mark_ticks": None if one.mark is None else one.mark[1] / 2,
        "realised_ticks": realised2 / (2 * PAID_ONE),
        "unrealised_ticks": None if open2 is None else float(open2 / 2),
        "realised_half_ticks": shown(realised2, PAID_PLACES),
        "value": None if value is None or not one.unit.known else float(value),
    }


def decision_of(
    folder: Path, parent: str | None = None, at_s: float | None = None, entry: int | None = None
) -> dict[str, Any]:
    """One decision, its observation, intent and commands: that of an entry, or the last by a time of the venue.

    Raises
    ------
    ConfigError
        There is none.
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

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Costs of each parent, a row a parent."""
        return [
            {"parent": e.parent, "instrument": e.instrument, "agent": e.agent, **e.body}
            for e in self.entries
        ]

    @property
    def summed(self) -> dict[str, Any]:
        """Costs summed by agent, and over all of them (`trading.tca.shortfall`)."""
        return summary(self.rows)

    def page(
        self, limit: str, agents: Sequence[Mapping[str, Any]], more: Sequence[Section] = ()
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
        counts = {"side": "side", "limit": limit} | {
            key: key for key in ("quantity", "filled", "unfilled", "refused")
        }
        keys = counts | {
            f"{key}_bps": f"{key}, bps" for key in ("is", "opportunity", "vwap", "twap")
        }
        keys |= {"participation": "participation", "passive_share": "rested"}
        sided = [row | {"side": SIDE_WORDS.get(row["side"])} for row in rows]
        shown = [[row.get(key) for key in ("parent", "agent", *keys)] for row in sided]
        paths = []
        for number, entry in enumerate(self.entries[:DRAWN]):
            arrays, side = unpack(entry.blob), entry.body["side"]
            paths.append(
                path_with_fills(
                    entry.parent, side, fills_in(arrays), arrays["mids"], f"path{number}"
                )
            )
        note = sentences(rows)
        first = "The first forty." if len(self.entries) > DRAWN else ""
        of_agents = plain_table(list(agents[0]), [list(row.values()) for row in agents])
        sections = [
            Section("Agents", "Means by what was filled, bps.", of_agents),
            *([Section("In short", note[1:])] if note[1:] else []),
            *more,
            Section("Against benchmarks", figures=[against_benchmarks(rows), markouts(rows)]),
            Section(
                "All parents",
                html=plain_table(["parent", "agent", *keys.values()], shown),
                folded=True,
            ),
            Section("Parent by parent", first, figures=paths, folded=True),
        ]
        return render(f"Cost analysis of {self.folder.name}", note[0], sections)


def costs_of(folder: Path, parent: str | None = None) -> DeskCosts:
    """The last analysis of every finished parent, or of one.

    Raises
    ------
    ConfigError
        There is none yet.
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


def agreement_of(folder: Path, venue: str | None = None) -> dict[str, Any]:
    """Every order beside the venue's report: what the journal knows, or with a `venue` what that says now.

    Then the desk's journal is opened as a new session would open it, and open orders are cancelled.
    """
    if venue is not None:
        return _reconciled(folder, venue)
    with closing(JournalReader(folder)) as reader:
        rows = [{"order": e.order, **e.body} for _, e in reader.read(0, (kinds.RECONCILED,))]
        return _agreement(folder, rows, Ledger.of(reader), asked=False)


def _agreement(
    folder: Path, rows: list[dict[str, Any]], ledger: Ledger, asked: bool
) -> dict[str, Any]:
    """What was compared with the venue's report, and which orders of the ledger still wait for one."""
    unknown = {order.root: order for order in ledger.orders.unknown()}
    return {
        "desk": str(folder),
        "asked": asked,
        "checked": len(rows),
        "differ": sum(row["action"] != "agreed" for row in rows),
        "orders": rows,
        "unknown": [{"order": order.root, **_child(order)} for order in unknown.values()],
        "open": [
            {"order": order.root, **_child(order)}
            for order in ledger.orders.live()
            if order.root not in unknown
        ],
        "faults": ledger.faults(),
    }


def _child(order: ChildOrder) -> dict[str, Any]:
    return {
        "instrument": order.instrument,
        "agent": order.account,
        "side": order.side,
        "lots": order.lots,
        "filled": shown(order.cum_qty),
        "price": order.price,
        "status": str(order.status),
    }


def _reconciled(folder: Path, where: str) -> dict[str, Any]:
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
        lines = [asdict(line) for line in session.recovered]
        result = _agreement(folder, lines, session.ledger, asked=True)
        session.close()
    return result


LOOK_S = 0.05
"""Between two looks for a desk's answer."""


@dataclass(frozen=True)
class PostedCommand:
    """A command that was left in a desk's folder.

    Parameters
    ----------
    folder : Path
    command : str
    number : int
        Its own.
    entry : Entry or None
        What the desk did of it; None where no answer came in time.
    idle : bool
        Whether the desk does not run: its next session takes it.
    """

    folder: Path
    command: str
    number: int
    entry: Entry | None
    idle: bool

    @property
    def answer(self) -> str | None:
        """Outcome of the command, in a word."""
        return None if self.entry is None else str(self.entry.body.get("event", self.entry.kind))


def ask(
    folder: Path, command: str, body: Mapping[str, Any], reason: str, wait_s: float, by: str = ""
) -> PostedCommand:
    """Post a command to a running desk (submit, pause, resume, cancel, amend, promote, limits) and wait for its answer.

    With 0 seconds it does not wait, and the next session may take it. `by`: who asks; by default the user of this process.

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
            "which ends with its desk, begin another), or leave word for its next session with `wait=0`",
        )
    with closing(JournalReader(folder)) as reader:
        before = reader.last
        number = post(folder, command, body, by or user_name(), reason or command, time.time_ns())
        found = _await(folder, reader, before, number, wait_s)
    if found is not None and found.kind == kinds.ALERT:
        parts = [str(found.body.get(part) or "") for part in ("expected", "received", "remedy")]
        if not all(parts):
            parts = [
                f"a command that {folder.name} can obey",
                str(found.body["text"]),
                "see `tercel trade orders`",
            ]
        raise OrderError(*parts)
    return PostedCommand(folder, command, number, found, idle)


def _await(
    folder: Path, reader: JournalReader, before: int, number: int, wait_s: float
) -> Entry | None:
    """The answer to a command; None when none came in time. What a desk that has ended did not take is withdrawn."""
    until = time.monotonic() + wait_s
    while True:
        ended = holder(folder) == ""  # asked first: what a desk says as it ends counts
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
    """What the desk did of a person's command: a parent's event, a promotion, limits, or the alert of a refusal; of
    what is only noted, its own entry."""
    answers = (*ANSWERS, kinds.PROMOTED, kinds.OPERATOR)
    return next(
        (entry for _, entry in reader.read(after, answers) if _answers(entry.body, number)), None
    )


def _answers(body: Mapping[str, Any], number: int) -> bool:
    return body.get("operator") == number or (
        body.get("id") == number and body.get("command") in kinds.NOTED
    )


def own_alert(folder: Path, body: Mapping[str, Any], by: str, note: str) -> Entry | None:
    """Write into the journal of a desk that does not run whose an alert is; None if it runs, and is asked to (`ask`).

    What happened as a desk ended has to be somebody's before its next session.
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


def settle_orders(
    desk: Path, orders: Sequence[str], reason: str, wait_s: float
) -> Iterator[PostedCommand | dict[str, Any]]:
    """End orders in the journals of a desk and of its gate, with what was filled. A gate that runs, or a desk without
    one, is asked to: what it says goes to all desks behind it.

    Yields
    ------
    Posted or dict
        What was asked for; or order, filled (lots) and journal of an order that was ended here.

    Raises
    ------
    OrderError
        For an order that is not known, or is over: nothing was written.
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
                yield {"order": order.root, "filled": shown(order.cum_qty), "journal": str(folder)}


def _end(folder: Path, orders: Sequence[ChildOrder], ns: int, reason: str) -> None:
    """Who said so, then the end of each order as if the venue had reported it."""
    by = user_name()
    with closing(SqlJournal(folder, f"{by} (tercel trade settle)")) as journal:
        said = _said("settle", {"orders": [order.root for order in orders]}, by, reason, ns)
        over = zip(ends(orders, f"{said.body['wall_ns']}", ns, by, reason), orders, strict=True)
        journal.append([said, *(entry_in(end, order.parent) for end, order in over)])


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
