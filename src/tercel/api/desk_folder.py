"""Contents of a desk's folder, while the desk runs and afterwards: orders, positions, decisions, costs."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tercel.core import fixed
from tercel.core.errors import ConfigError
from tercel.core.machine import person
from tercel.core.ports import Entry
from tercel.core.report.page import Section, render
from tercel.core.report.tables import plain_table
from tercel.core.toml import read_toml
from tercel.core.vocabulary import NS_PER_SECOND, SIDE_WORDS
from tercel.desk.rounds.runtime import CONFIG
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.lock import holder
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import FOLDED, Ledger
from tercel.desk.trading.money import HeldPosition, Money
from tercel.desk.trading.order import ChildOrder
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
    """Positions by agent and instrument, and their sums by currency (`desk.trading.money.Money.total`).

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
        "realised_ticks": realised2 / (2 * fixed.PAID_ONE),
        "unrealised_ticks": None if open2 is None else float(open2 / 2),
        "realised_half_ticks": fixed.shown(realised2, fixed.PAID_PLACES),
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
    from tercel.desk.trading.replay import (
        decision_at,
        explain,
    )  # kernels, which nothing else here needs

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

    Then the desk's journal is opened as a new session would open it, and what still stands is cancelled.
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
        "filled": fixed.shown(order.cum_qty),
        "price": order.price,
        "status": str(order.status),
    }


def _reconciled(folder: Path, where: str) -> dict[str, Any]:
    """Open the desk's journal as a new session would, ask the venue, cancel what still stands."""
    from tercel.desk.gate.process import venue_at
    from tercel.desk.limits import LimitGate, default_file, from_json, read
    from tercel.desk.rounds.build import strategy_of
    from tercel.desk.trading.kill import LATCH, KillLatch
    from tercel.desk.trading.session import Session, SessionTerms
    from tercel.venues.address import mark_of

    ledger = ledger_of(folder)
    agents, in_force = (
        sorted({parent.order.agent for parent in ledger.parents}),
        ledger.limits.in_force,
    )
    journal = SqlJournal(folder, f"{person()} (tercel trade reconcile)")
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
