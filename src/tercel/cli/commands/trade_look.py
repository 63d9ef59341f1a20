"""Bodies of the commands that look at a desk's journal, and of those that post commands to the desk that writes it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

from tercel.cli.desks import find_desk
from tercel.cli.trade import (
    DeskTca,
    ListOrders,
    ListPositions,
    Reconcile,
    ReplayDecision,
)
from tercel.core import fixed
from tercel.core.errors import ConfigError, OrderError
from tercel.core.machine import person
from tercel.core.ports import Entry
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SIDE_WORDS
from tercel.report.tables import without_idle
from tercel.report.terminal import print_json, print_table, result_console, say
from tercel.trading.journal import kinds
from tercel.trading.journal.lock import holder
from tercel.trading.journal.reader import JournalReader, post, withdraw
from tercel.trading.ledger import Ledger
from tercel.trading.order import ChildOrder
from tercel.trading.parents import NO_LIMIT, ParentStatus
from tercel.trading.positions import Position

LIMIT = "limit, ticks"
SHOWN = 20
"""Parents that a terminal shows."""
LOOK_S = 0.05
"""Between two looks for a desk's answer."""


def _ledger(folder: Path) -> Ledger:
    with closing(JournalReader(folder)) as reader:
        return Ledger.of(reader)


def orders(request: ListOrders) -> None:
    """Parents, and their children that are open (or all of them)."""
    folder = find_desk(request.desk)
    running = None if (who := holder(folder)) is None else who != ""
    ledger = _ledger(folder)
    parents = [
        {"id": parent.id, **parent.row, "limit_price": parent.limit_price, "limit": parent.limit or None}
        for parent in ledger.parents
    ]
    children = [
        {"order": order.name, "parent": order.parent, **_child(order)}
        for order in (list(ledger.orders) if request.every else ledger.orders.live())
    ]
    states = ledger.states.rows()
    if request.as_json:
        print_json({"desk": str(folder), "running": running, "parents": parents, "orders": children, "states": states})
        return
    named = {"limit_price": "limit asked", "limit": LIMIT}
    shown = [
        {named.get(key, key): value for key, value in (parent | {"strategy": _short(str(parent["strategy"]))}).items()}
        for parent in parents
    ]
    shown = without_idle(shown, ("reason", "refused", *named.values()))
    ended = "; nobody runs this desk, these are the last states in its journal" if running is False else ""
    print_rows(f"parents of {folder}{ended}", shown, ("agent", "strategy", "instrument"), wraps=("reason",))
    result_console().print()
    shown = [{f"{key}, ticks" if key == "price" else key: value for key, value in child.items()} for child in children]
    last = " when the desk ended" if running is False and not request.every else ""
    print_rows("orders" if request.every else f"open orders{last}", shown, ("parent", "agent", "instrument"))
    if states:
        print_rows("accounts that are not active", states, ("account",), wraps=("reason",))


def _short(strategy: str) -> str:
    """A strategy's name without what most of them share; `--json` has the whole.

    >>> _short("packaged:ppo+alpha+posture"), _short("twap_take+alpha")
    ('ppo', 'twap_take+alpha')
    """
    return strategy.removeprefix("packaged:").removesuffix("+alpha+posture")


def waiting(folder: Path, ledger: Ledger) -> str:
    """Which parents of a desk wait until somebody resumes them; "" where none does."""
    paused = [parent.id for parent in ledger.parents if parent.status == ParentStatus.PAUSED]
    if not paused:
        return ""
    many = "1 parent waits" if len(paused) == 1 else f"{len(paused)} parents wait"
    return f"{many}: {', '.join(paused)}; go on with `tercel trade resume PARENT --desk {folder}`"


def positions(request: ListPositions) -> None:
    """What is held, by agent and instrument, and what it is worth at the last mark."""
    folder = find_desk(request.desk)
    with closing(JournalReader(folder)) as reader:
        marks = {entry.instrument: entry for _, entry in reader.read(0, (kinds.MARKET,))}
        ledger = Ledger.of(reader)
    rows = [
        {"agent": agent, "instrument": instrument, **_position(position, marks.get(instrument))}
        for (agent, instrument), position in sorted(ledger.positions.all().items())
    ]
    if request.as_json:
        print_json({"desk": str(folder), "positions": rows})
        return
    columns = ("agent", "instrument", "lots", "average", "mark", "realised", "unrealised")
    shown = [{key.removesuffix("_ticks"): value for key, value in row.items()} for row in rows]
    print_rows(f"positions of {folder}", [{key: row[key] for key in columns} for row in shown], ("average", "mark"))
    result_console().print("average and mark in ticks, realised and unrealised in ticks x lots", style="dim")
    times = [row["mark_ns"] for row in rows if row["mark_ns"] is not None]
    if times:
        when = f"marks: the last mid journaled (at most one a minute), {min(times) / NS_PER_SECOND:.0f} s or later"
        result_console().print(when, style="dim")


def _position(position: Position, market: Entry | None) -> dict[str, Any]:
    """A position in ticks and ticks x lots; the mark is the last mid that the journal has, None without one."""
    sides = (None, None) if market is None else (market.body["bid"], market.body["ask"])
    mid2 = None if sides[0] is None or sides[1] is None else int(sides[0]) + int(sides[1])
    open2 = None if mid2 is None else position.worth2(mid2) - position.realised2
    return {
        "lots": position.lots,
        "average": position.average,
        "mark": None if mid2 is None else mid2 / 2,
        "mark_ns": None if market is None or mid2 is None else market.ns,
        "realised_ticks": position.realised2 / (2 * fixed.PAID_ONE),
        "unrealised_ticks": None if open2 is None else open2 / (2 * fixed.PAID_ONE),
        "realised_half_ticks": fixed.shown(position.realised2, fixed.PAID_PLACES),
    }


def replay(request: ReplayDecision) -> None:
    """What was seen, wanted and done at a decision."""
    from tercel.trading.replay import decision_at, explain  # kernels, which no other command here needs

    folder = find_desk(request.desk)
    seq, parent, at_s = request.entry, request.parent, request.at
    with closing(JournalReader(folder)) as reader:
        if seq is None:
            found = decision_at(reader, parent, None if at_s is None else round(at_s * NS_PER_SECOND))
            if found is None:
                wanted = f"a decision of {parent or 'any parent'}"
                raise ConfigError(wanted, f"none in {folder} by then", "`tercel trade orders` names the parents")
            seq = found
        shown = explain(reader, seq)
    if shown is None:
        raise ConfigError("the number of a decision", f"{seq}", "the console and `trade replay --parent` name some")
    if request.as_json:
        print_json({"seq": seq, **shown})
        return
    out = result_console()
    out.print(f"[bold]{shown['title']}[/bold] (entry {seq})")
    for sentence in shown["sentences"]:
        out.print(sentence)
    for name, values in shown["tables"].items():
        print_rows(name, [{"what": key, "value": value} for key, value in values.items()], wraps=("value",), digits=2)


def tca(request: DeskTca) -> None:
    """The analysis of finished parents, as a table and a page with plots."""
    from tercel.trading.tca.summary import summary

    folder, parent = find_desk(request.desk), request.parent
    with closing(JournalReader(folder)) as reader:
        last = {e.parent: e for _, e in reader.read(0, (kinds.TCA,)) if parent in (None, e.parent)}
    found = sorted(last.values(), key=lambda e: (e.body["start_ns"], e.instrument, e.parent))
    if not found:
        received = f"no analysis of {parent or 'any parent'} in {folder}"
        raise ConfigError("finished parents", received, "an analysis is written a minute after its parent is over")
    rows = [{"parent": e.parent, "instrument": e.instrument, "agent": e.agent, **e.body} for e in found]
    summed = summary(rows)
    if request.as_json:
        print_json({"desk": str(folder), "parents": rows, **summed})
    else:
        _print_tca(folder, rows, summed)
    page = request.out if request.out is not None else folder / "tca.html"
    page.write_text(_tca_page(folder, found, rows, summed), encoding="utf-8")
    say(f"report: {page}")


def _print_tca(folder: Path, rows: Sequence[Mapping[str, Any]], summed: Mapping[str, Any]) -> None:
    """Agents and all of them first, then the first parents, then what they came to in words."""
    from tercel.trading.tca.summary import sentences

    title = f"costs of {folder}, means by what was filled, bps; a cost is positive"
    print_rows(title, _agents(summed), ("vwap", "rested", "forced"))
    result_console().print()
    more = f", the first {SHOWN} of {len(rows):,}" if len(rows) > SHOWN else ""
    parents = without_idle([_tca_row(row) for row in rows[:SHOWN]], ("unfilled", "refused", LIMIT))
    leaves = ("walk", "+10s", "+60s", "timing", "spread", "twap", "vwap", "refused", LIMIT, "unfilled", "side")
    print_rows(f"parents{more}; a mark-out is positive in the order's favour", parents, leaves)
    result_console().print()
    note = "95 % of Student's t over parents as if independent: those of one time share a market."
    for sentence in (*sentences(rows), note):
        result_console().print(sentence, soft_wrap=True, markup=False)


def _agents(summed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each agent, and one for all."""
    shown = summed["agents"] | {"all": summed["total"]}
    rows = [
        {"agent": name, **{key: of[key] for key in ("parents", "filled", "unfilled", "refused")}, "is": of["is_bps"],
         "95% of is": _between(of.get("ci_low"), of.get("ci_high")), "forced": of["forced_bps"],
         "vwap": of["vwap_bps"], "rested": _percent(of["passive_share"])}
        for name, of in shown.items()
    ]  # fmt: skip
    return without_idle(rows, ("unfilled", "refused"))


def _between(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}%"


def _tca_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a terminal; the page and `--json` have all."""
    cells = {"parent": row["parent"], "side": row["side"], "lots": row["quantity"]}
    cells |= {"unfilled": row.get("unfilled", 0), "refused": row.get("refused", 0), LIMIT: row.get("limit")}
    parts = {key: row[f"{key}_bps"] for key in ("is", "forced", "vwap", "twap", "spread", "walk", "timing")}
    marks = {f"+{key}": row["markouts_bps"][key] for key in ("10s", "60s")}
    return cells | parts | {"rested": _percent(row["passive_share"])} | marks


def _tca_page(folder: Path, found: Sequence[Entry], rows: Sequence[dict[str, Any]], summed: Mapping[str, Any]) -> str:
    from tercel.report.page import Section, render
    from tercel.report.tables import plain_table
    from tercel.trading.journal.blobs import unpack
    from tercel.trading.tca.figures import against_benchmarks, fills_in, markouts, path_with_fills
    from tercel.trading.tca.summary import sentences

    counts = {"side": "side", "limit": LIMIT} | {key: key for key in ("quantity", "filled", "unfilled", "refused")}
    keys = counts | {f"{key}_bps": f"{key}, bps" for key in ("is", "opportunity", "vwap", "twap")}
    keys |= {"participation": "participation", "passive_share": "rested"}
    sided = [row | {"side": SIDE_WORDS.get(row["side"])} for row in rows]
    shown = [[row.get(key) for key in ("parent", "agent", *keys)] for row in sided]
    paths = []
    for number, entry in enumerate(found[:40]):
        arrays, side = unpack(entry.blob), entry.body["side"]
        paths.append(path_with_fills(entry.parent, side, fills_in(arrays), arrays["mids"], f"path{number}"))
    note, agents = sentences(rows), _agents(summed)
    of_agents = [list(row.values()) for row in agents]
    sections = [
        Section("Agents", "Means by what was filled, bps.", plain_table(list(agents[0]), of_agents)),
        *([Section("In short", note[1:])] if note[1:] else []),
        Section("Against benchmarks", figures=[against_benchmarks(rows), markouts(rows)]),
        Section("All parents", html=plain_table(["parent", "agent", *keys.values()], shown), folded=True),
        Section("Parent by parent", "The first forty." if len(found) > 40 else "", figures=paths, folded=True),
    ]
    return render(f"Cost analysis of {folder.name}", note[0], sections)


def limit_of(typed: str | None) -> dict[str, float | str]:
    """A limit price as a command's body has it: a number, or words that the desk reads.

    Raises
    ------
    ConfigError
        For what is neither a price, nor text such as 25bps, nor "none".

    >>> limit_of("15.63"), limit_of("25bps"), limit_of(None)
    ({'limit_price': 15.63}, {'limit_price': '25bps'}, {})
    """
    if typed is None:
        return {}
    try:
        price: float | str = float(typed)
    except ValueError:
        price = typed
    if price != NO_LIMIT:
        from tercel.execution.task import Task

        Task(side=BUY, limit_price=price)
    return {"limit_price": price}


class Posted(Protocol):
    """The options of every command that is posted."""

    @property
    def desk(self) -> Path | None:
        """The desk's folder."""
        ...

    @property
    def reason(self) -> str:
        """Why."""
        ...

    @property
    def wait(self) -> float:
        """Seconds to wait for an answer."""
        ...

    @property
    def as_json(self) -> bool:
        """Answer in JSON."""
        ...


def ask(request: Posted, command: str, body: Mapping[str, Any]) -> None:
    """Post a command to a running desk (submit, pause, resume, cancel, amend, promote) and wait for its answer.

    Ends with 1 when no answer came in `request.wait` seconds; with 0 seconds nothing is waited for, and the session to
    come may take it.

    Raises
    ------
    OrderError
        The desk refused, has ended, or ended before it answered.
    """
    import typer

    folder, wait_s = find_desk(request.desk), request.wait
    idle = holder(folder) == ""
    if idle and wait_s > 0:
        remedy = (
            f"start it with `tercel trade run CONFIG.toml --desk {folder}` (where it traded on the simulated exchange, "
            "which ends with its desk, begin another), or leave word for its next session with --wait 0"
        )
        raise OrderError("a desk that runs", f"{folder}, which nobody runs; nothing was left there", remedy)
    with closing(JournalReader(folder)) as reader:
        before = reader.last
        number = post(folder, command, body, person(), request.reason or command, time.time_ns())
        found = _await(folder, reader, before, number, wait_s)
    if found is not None and found.kind == kinds.ALERT:
        shown = [str(found.body.get(part) or "") for part in ("expected", "received", "remedy")]
        if not all(shown):
            shown = [f"a command that {folder.name} can obey", str(found.body["text"]), "see `tercel trade orders`"]
        raise OrderError(*shown)
    event = None if found is None else str(found.body.get("event", found.kind))
    if request.as_json:
        print_json({"desk": str(folder), "command": command, "number": number, "answer": event})
    elif event is not None:
        say(f"{command} ({number}): {event}{_accepted(found)}")
    else:
        waited = f"no answer in {wait_s:g} s: " if wait_s else ""
        who = f"nobody runs {folder}: its next session" if idle else "the desk"
        say(f"asked for: {command} ({number}); {waited}{who} takes it with its next step")
    if event is None and wait_s > 0:
        raise typer.Exit(1)


def _accepted(answer: Entry | None) -> str:
    """The order that was accepted, or a request's number, for the end of a sentence; nothing for another answer."""
    if answer is not None and answer.kind == kinds.LIMITS:
        return (
            f", request {answer.body['request']}" if answer.body["event"] == "requested" else f", {answer.body['hash']}"
        )
    if answer is None or answer.body.get("event") != "accepted":
        return ""
    body = answer.body
    limit = f", limit {body['limit_price']}" if body.get("limit_price") is not None else ""
    what = f"{SIDE_WORDS[body['side']]} {body['lots']:,} {answer.instrument}{limit}, {_short(str(body['strategy']))}"
    return f", {answer.parent}: {what}, {body['horizon_ns'] / NS_PER_SECOND:g} s"


def _await(folder: Path, reader: JournalReader, before: int, number: int, wait_s: float) -> Entry | None:
    """The answer to a command; None when none came in time. What a desk that has ended did not take is withdrawn."""
    until = time.monotonic() + wait_s
    while True:
        ended = holder(folder) == ""  # asked first: what a desk says as it ends counts
        found = answer(reader, before, number)
        if found is not None or time.monotonic() >= until:
            return found
        if ended:
            became = "withdrawn" if withdraw(folder, number) else "taken and not answered"
            received = f"{folder}, which ended meanwhile; the command was {became}"
            raise OrderError("a desk that runs until it answers", received, "see `tercel trade orders`")
        time.sleep(LOOK_S)


def answer(reader: JournalReader, after: int, number: int) -> Entry | None:
    """What the desk did of a person's command: a parent's event, a promotion, limits, or the alert of a refusal."""
    rows = reader.read(after, (kinds.PARENT, kinds.PROMOTED, kinds.LIMITS, kinds.SETTLED, kinds.ALERT))
    return next((entry for _, entry in rows if entry.body.get("operator") == number), None)


def reconcile(request: Reconcile) -> None:
    """Compare every order with the venue's report; without a venue, say what the journal knows and what it does not.

    Ends with 1 when the fate of an order is unknown or a sum does not agree.
    """
    import typer

    folder = find_desk(request.desk)
    if request.venue is None:
        with closing(JournalReader(folder)) as reader:
            rows = [{"order": e.order, **e.body} for _, e in reader.read(0, (kinds.RECONCILED,))]
            result = _agreement(folder, rows, Ledger.of(reader), asked=False)
    else:
        result = _reconcile_now(folder, request.venue)
    if request.as_json:
        print_json(result)
    else:
        _print_agreement(folder, result)
    if result["unknown"] or result["faults"]:
        raise typer.Exit(1)


def _agreement(folder: Path, rows: list[dict[str, Any]], ledger: Ledger, asked: bool) -> dict[str, Any]:
    """What was compared with the venue's report, and which orders of the ledger still wait for one."""
    unknown = {order.root: order for order in ledger.orders.unknown()}
    return {
        "desk": str(folder),
        "asked": asked,
        "checked": len(rows),
        "differ": sum(row["action"] != "agreed" for row in rows),
        "orders": rows,
        "unknown": [{"order": order.root, **_child(order)} for order in unknown.values()],
        "open": [{"order": order.root, **_child(order)} for order in ledger.orders.live() if order.root not in unknown],
        "faults": ledger.faults(),
    }


def _child(order: ChildOrder) -> dict[str, Any]:
    return {
        "instrument": order.instrument, "agent": order.account, "side": order.side, "lots": order.lots,
        "filled": fixed.shown(order.cum_qty), "price": order.price, "status": str(order.status),
    }  # fmt: skip


def _print_agreement(folder: Path, result: Mapping[str, Any]) -> None:
    keys = ("order", "ours", "venue", "filled_before", "filled", "action")
    rows = [{key.replace("_", " "): row[key] for key in keys} for row in result["orders"]]
    print_rows(f"reconciled orders of {folder}", rows, ("filled before", "filled"), wraps=("action",))
    print_rows("orders of unknown fate", result["unknown"], ("agent", "instrument"))
    if result["open"]:
        print_rows("orders that the ledger holds for open", result["open"], ("agent", "instrument"))
    console = result_console()
    counts = f"{result['checked']} checked, {result['differ']} differ, {len(result['unknown'])} unknown"
    console.print(f"{counts}, {len(result['open'])} open")
    if not result["asked"]:
        console.print("the venue has not been asked; --venue WHERE asks it")
    console.print("faults: " + ("; ".join(result["faults"]) or "none"), markup=False)


def _reconcile_now(folder: Path, where: str) -> dict[str, Any]:
    """Open the desk's journal as a new session would, ask the venue, cancel what still stands."""
    from dataclasses import asdict

    from tercel.limits import LimitGate, default_file, from_json, read
    from tercel.trading.desk.build import strategy_of
    from tercel.trading.desk.wall import venue_at
    from tercel.trading.journal.store import SqlJournal
    from tercel.trading.kill import LATCH, KillLatch
    from tercel.trading.session import Session, SessionTerms
    from tercel.venues.address import mark_of

    ledger = _ledger(folder)
    agents, in_force = sorted({parent.order.agent for parent in ledger.parents}), ledger.limits.in_force
    journal = SqlJournal(folder, f"{person()} (tercel trade reconcile)")
    latch = KillLatch(folder / LATCH)
    with closing(journal), ExitStack() as opened:
        link = venue_at(where, agents, folder, None, latch.path, opened)
        limits = read(default_file()) if in_force is None else from_json(in_force)
        gate = LimitGate(limits, link.listings(), agents, latch.killed)
        terms = SessionTerms(mark=mark_of(where))
        session = Session(link, journal, gate, lambda name, _: strategy_of(name, None), terms, latch=latch)
        lines = [asdict(line) for line in session.recovered]
        result = _agreement(folder, lines, session.ledger, asked=True)
        session.close()
    return result


def print_rows(
    title: str,
    rows: Iterable[Mapping[str, Any]],
    leaves: Sequence[str] = (),
    wraps: Sequence[str] = (),
    digits: int = 1,
) -> None:
    listed = list(rows)
    if not listed:
        result_console().print(f"{title}: none", markup=False)
        return
    keys = list(listed[0])
    text = [key for key in keys if key == "side" or not any(_numeric(row[key]) for row in listed)]
    cells = [[_shown(key, row[key], digits) for key in keys] for row in listed]
    print_table(title, keys, cells, leaves, text, wraps)


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.endswith("%"))


def _shown(key: str, value: Any, digits: int) -> str:
    if value is None:
        return "-"
    if key == "side":
        return SIDE_WORDS.get(value, str(value))
    return f"{round(value, digits) + 0.0:.{digits}f}" if isinstance(value, float) else str(value)
