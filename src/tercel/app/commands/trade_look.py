"""Bodies of the commands that look at a desk's journal, and of those that leave word for the desk that writes it."""

import getpass
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tercel.app.desks import find_desk
from tercel.app.output import print_json, result_console, say
from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.trading.journal import kinds
from tercel.trading.journal.reader import JournalReader, post
from tercel.trading.ledger import Ledger
from tercel.trading.replay import decision_at, explain

SIDES = {1: "buy", -1: "sell"}


def _ledger(folder: Path) -> Ledger:
    with closing(JournalReader(folder)) as reader:
        return Ledger.of(reader)


def orders(desk: Path | None, every: bool, as_json: bool) -> None:
    """Parents, and their children that are open (or all of them)."""
    folder = find_desk(desk)
    ledger = _ledger(folder)
    parents = [
        {
            "id": parent.id, "instrument": parent.order.instrument, "agent": parent.order.agent,
            "side": parent.order.side, "lots": parent.lots, "filled": parent.filled,
            "status": str(parent.status), "strategy": parent.strategy, "reason": parent.reason,
        }
        for parent in ledger.parents
    ]  # fmt: skip
    children = [
        {
            "order": order.name, "parent": order.parent, "instrument": order.instrument, "agent": order.account,
            "side": order.side, "lots": order.lots, "filled": order.cum, "price": order.price,
            "status": str(order.status),
        }
        for order in (list(ledger.orders) if every else ledger.orders.live())
    ]  # fmt: skip
    if as_json:
        print_json({"desk": str(folder), "parents": parents, "orders": children})
        return
    _table(f"parents of {folder}", parents)
    _table("orders" if every else "open orders", children)


def positions(desk: Path | None, as_json: bool) -> None:
    """What is held, by agent and instrument; cash in ticks x lots."""
    folder = find_desk(desk)
    held = [
        {
            "agent": agent, "instrument": instrument, "lots": position.lots, "average": position.average,
            "realised_half_ticks": position.realised2,
        }
        for (agent, instrument), position in sorted(_ledger(folder).positions.all().items())
    ]  # fmt: skip
    if as_json:
        print_json({"desk": str(folder), "positions": held})
    else:
        _table(f"positions of {folder}", held)


def replay(desk: Path | None, parent: str | None, at_s: float | None, seq: int | None, as_json: bool) -> None:
    """What was seen, wanted and done at a decision."""
    folder = find_desk(desk)
    with closing(JournalReader(folder)) as reader:
        if seq is None:
            found = decision_at(reader, parent, None if at_s is None else round(at_s * NS_PER_SECOND))
            if found is None:
                wanted = f"a decision of {parent or 'any parent'}"
                raise ConfigError(wanted, f"none in {folder} by then", "`tercel trade orders` names the parents")
            seq = found
        told = explain(reader, seq)
    if told is None:
        raise ConfigError("the number of a decision", f"{seq}", "the console and `trade replay --parent` name some")
    if as_json:
        print_json({"seq": seq, **told})
        return
    out = result_console()
    out.print(f"[bold]{told['title']}[/bold] (entry {seq})")
    for sentence in told["sentences"]:
        out.print(sentence)
    for name, values in told["tables"].items():
        _table(name, [{"what": key, "value": value} for key, value in values.items()])


def tca(desk: Path | None, parent: str | None, out: Path | None, as_json: bool) -> None:
    """The analysis of finished parents, as a table and a page with plots."""
    folder = find_desk(desk)
    with closing(JournalReader(folder)) as reader:
        found = [e for _, e in reader.read(0, (kinds.TCA,)) if parent in (None, e.parent)]
    if not found:
        received = f"no analysis of {parent or 'any parent'} in {folder}"
        raise ConfigError("finished parents", received, "an analysis is written a minute after its parent is over")
    rows = [{"parent": e.parent, "instrument": e.instrument, "agent": e.agent, **e.body} for e in found]
    if as_json:
        print_json({"desk": str(folder), "parents": rows})
    else:
        _table(f"costs of {folder}, bps; a cost is positive, a mark-out in the order's favour too", map(_tca_row, rows))
    page = out if out is not None else folder / "tca.html"
    page.write_text(_tca_page(folder, found), encoding="utf-8")
    say(f"report: {page}")


def _tca_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a terminal has room for; the page and `--json` have all."""
    words = {"parent": row["parent"], "side": row["side"], "lots": row["filled"]}
    costs = {key: row[f"{key}_bps"] for key in ("is", "vwap", "twap", "spread", "timing", "forced")}
    passive = row["passive_share"]
    rested = {"rested": None if passive is None else f"{100 * passive:.0f} %"}
    return words | costs | rested | {f"+{key}": row["markouts_bps"][key] for key in ("10s", "60s")}


def _tca_page(folder: Path, found: Sequence[Entry]) -> str:
    from tercel.report.page import Section, render
    from tercel.report.tables import plain_table
    from tercel.trading.journal.blobs import unpack
    from tercel.trading.tca.figures import against_benchmarks, markouts, path_with_fills

    costs = [dict(entry.body) for entry in found]
    keys = ("side", "quantity", "filled", "is_bps", "vwap_bps", "twap_bps", "participation", "passive_share")
    rows = [[entry.parent, entry.agent, *(entry.body[key] for key in keys)] for entry in found]
    paths = []
    for number, entry in enumerate(found[:40]):
        arrays, side = unpack(entry.blob), entry.body["side"]
        paths.append(path_with_fills(entry.parent, side, arrays["fills"], arrays["mids"], f"path{number}"))
    sections = [
        Section("All parents", html=plain_table(["parent", "agent", *keys], rows)),
        Section("Against benchmarks", figures=[against_benchmarks(costs), markouts(costs)]),
        Section("Parent by parent", "The first forty." if len(found) > 40 else "", figures=paths),
    ]
    total = sum(cost["quantity"] for cost in costs)
    mean = sum(cost["is_bps"] * cost["quantity"] for cost in costs) / total
    lead = f"{len(found)} parent orders of {total} lots cost {mean:.2f} bps against arrival, weighted by lots."
    return render(f"Cost analysis of {folder.name}", lead, sections)


def ask(desk: Path | None, command: str, body: Mapping[str, Any], reason: str, as_json: bool) -> None:
    """Leave word for a running desk: submit, pause, resume, cancel, promote."""
    folder = find_desk(desk)
    number = post(folder, command, body, getpass.getuser(), reason or command, time.time_ns())
    if as_json:
        print_json({"desk": str(folder), "command": command, "number": number})
    else:
        say(f"asked for: {command} ({number}); the desk takes it with its next step, if it runs")


def reconcile(desk: Path | None, venue: str | None, as_json: bool) -> None:
    """Compare every order with the venue's word; without a venue, what the journal last found."""
    folder = find_desk(desk)
    if venue is None:
        with closing(JournalReader(folder)) as reader:
            rows = [{"order": e.order, **e.body} for _, e in reader.read(0, (kinds.RECONCILED,))]
            faults = Ledger.of(reader).faults()
        result: dict[str, Any] = {"desk": str(folder), "orders": rows, "faults": faults}
    else:
        result = _reconcile_now(folder, venue)
    if as_json:
        print_json(result)
        return
    _table(f"reconciled orders of {folder}", result["orders"])
    result_console().print("faults: " + ("; ".join(result["faults"]) or "none"))


def _reconcile_now(folder: Path, where: str) -> dict[str, Any]:
    """Open the desk's journal as a new session would, ask the venue, cancel what still stands."""
    from dataclasses import asdict

    from tercel.app.commands.venues import connect, mark_of
    from tercel.app.desks import LATCH
    from tercel.limits import LimitGate, default_file, read
    from tercel.trading.desk.build import strategy_of
    from tercel.trading.journal.store import SqlJournal
    from tercel.trading.kill import KillLatch
    from tercel.trading.session import Session

    agents = sorted({parent.order.agent for parent in _ledger(folder).parents})
    journal = SqlJournal(folder, f"{getpass.getuser()} (tercel trade reconcile)")
    try:
        link = connect(where, agents, folder / "fix")
        latch = KillLatch(folder / LATCH)
        gate = LimitGate(read(default_file()), link.listings(), agents, latch.killed)
        session = Session(
            link, journal, gate, lambda name, instrument: strategy_of(name, None), latch=latch, mark=mark_of(where)
        )
        lines = [asdict(line) for line in session.recovered]
        faults = session.ledger.faults()
        session.close()
    finally:
        journal.close()
    return {"desk": str(folder), "orders": lines, "faults": faults}


def _table(title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    from rich.table import Table

    kept = list(rows)
    if not kept:
        result_console().print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, (key, value) in enumerate(kept[0].items()):
        right = isinstance(value, int | float) and key != "side"
        table.add_column(str(key), justify="right" if right else "left", no_wrap=number == 0)
    for row in kept:
        table.add_row(*(_shown(key, value) for key, value in row.items()))
    result_console().print(table)


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key == "side":
        return SIDES.get(value, str(value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)
