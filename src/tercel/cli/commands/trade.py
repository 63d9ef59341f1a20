"""Body of `tercel trade run`: a whole desk, from its file to its report."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercel.cli.commands.trade_report import page
from tercel.cli.desks import LATCH, elsewhere, new_desk
from tercel.cli.machine import WallClock, person
from tercel.core.errors import ConfigError, JournalError, TercelError
from tercel.core.ports import Journal, Venue
from tercel.report.terminal import print_json, print_table, progress, result_console, say
from tercel.stats.bootstrap import Estimate
from tercel.trading.alerts import AlertSender, check_webhook
from tercel.trading.desk.build import Opened, Workbench, check, open_desk
from tercel.trading.desk.challenge import Evidence
from tercel.trading.desk.config import DeskConfig, demo_config, demo_text, read_config
from tercel.trading.desk.experiment import DESK, DeskRun, arrows, freezes, levels, mean_paths, worth
from tercel.trading.desk.pace import PacedVenue
from tercel.trading.desk.planted import planted
from tercel.trading.desk.variants import run_variants
from tercel.trading.journal import kinds
from tercel.trading.journal.memory import MemoryJournal
from tercel.trading.journal.reader import JournalReader
from tercel.trading.journal.store import SqlJournal
from tercel.trading.kill import KillLatch
from tercel.trading.ledger import Ledger
from tercel.trading.tca.recorder import TcaRecorder
from tercel.trading.tca.shortfall import by_filled
from tercel.venues.address import SIMULATED, address, connect, mark_of

CONFIG = "desk.toml"
REPORT = "report.html"
WATCH_S = 0.05
NAMED = 5
"""Open parents that a sentence names."""
HOLDS = " (holds 0)"


@dataclass
class Request:
    """What `tercel trade run` was asked."""

    config: Path | None
    demo: bool
    seed: int | None
    rounds: int | None
    desk: Path | None
    venue: str | None
    ablate: int
    freeze: int
    acknowledge: str
    as_json: bool


def run(request: Request) -> None:
    """Run a desk; print what it came to, leave a report.

    Raises
    ------
    TercelError
        For anything that cannot be obeyed; the journal keeps what was done.
    """
    if request.demo == (request.config is not None):
        raise ConfigError("a desk's file or --demo", "both" if request.demo else "neither", "give one of the two")
    config = demo_config() if request.config is None else read_config(request.config)
    text = demo_text() if request.config is None else request.config.read_text(encoding="utf-8")
    typed = {"seed": request.seed, "rounds": request.rounds, "venue": request.venue}
    changes = {name: value for name, value in typed.items() if value is not None}
    config = config.model_copy(update={"desk": config.desk.model_copy(update=changes)})
    beside = request.config.parent if request.config is not None else None
    check(config, beside)
    check_webhook(config.alerts.webhook)
    if config.desk.venue != SIMULATED:
        address(config.desk.venue)
    folder = request.desk if request.desk is not None else new_desk(config.desk.name)
    folder.mkdir(parents=True, exist_ok=True)
    if config.desk.journal:
        elsewhere(folder, config.desk.journal)
    journal = SqlJournal(folder, _holder(), request.acknowledge)
    if journal.last and config.desk.venue == SIMULATED:
        journal.close()
        wanted = "a new folder for a desk on the simulated exchange, which ends with its desk"
        raise JournalError(wanted, f"{folder}, where another has run", "name another with --desk, or leave it out")
    (folder / CONFIG).write_text(text, encoding="utf-8")
    try:
        opened = _trade(config, journal, folder, beside)
    finally:
        journal.close()
    result = _result(opened, folder)
    arrows_of, freezes_of = _experiments(config, folder, request)
    if arrows_of:
        result["ablation"] = {f"{name}_bps": _plain(cell) for name, cell in worth(arrows_of).items()}
    if freezes_of:
        result["frozen"] = {
            "cost_bps": {name: _plain(cell) for name, cell in levels(freezes_of).items()},
            "desk_saves_bps": {name: _plain(cell) for name, cell in worth(freezes_of).items()},
            **mean_paths(freezes_of),
        }
    (folder / REPORT).write_text(page(config, opened, result, folder, freezes_of), encoding="utf-8")
    if request.as_json:
        print_json(result)
    else:
        _print(config, result, folder)


def _holder() -> str:
    return f"{person()} (tercel trade run)"


def _trade(config: DeskConfig, journal: SqlJournal, folder: Path, beside: Path | None) -> Opened:
    """Run the desk over its venue and journal; alerts leave while it runs."""
    _check_latch(journal, folder / LATCH)
    bench, latch = Workbench(), KillLatch(folder / LATCH)
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(f"markets of {folder}", total=config.desk.rounds)
        _compile(config, bench)
        venue = _venue(config, bench, folder)
        alerts = AlertSender(JournalReader(folder), config.alerts.webhook, after=journal.last)
        alerts.start()
        bar.reset(task, description=f"rounds of {folder}")
        opened = open_desk(
            config,
            journal,
            config.desk.seed,
            bench,
            venue,
            planted(config, config.desk.seed) if config.desk.venue == SIMULATED else None,
            latch,
            beside,
            lambda done: bar.update(task, completed=done),
            watch_s=WATCH_S,
            holder=_holder(),
            mark=mark_of(config.desk.venue),
        )
        recorder = TcaRecorder(opened.session)
        try:
            opened.desk.run()
        except KeyboardInterrupt:
            kept = f"the journal of what was done is kept in {folder}"
            raise KeyboardInterrupt(f"{kept}{_open_in_words(opened.desk.open_parents())}") from None
        finally:
            try:
                recorder.close()
            except JournalError as error:
                say(f"the last analyses are lost: {error}")
            opened.session.close()
            alerts.stop()
    return opened


def _open_in_words(parents: list[dict[str, Any]]) -> str:
    """Parents that are open, for a sentence.

    >>> _open_in_words([{"id": "AAA-000-peg", "left": 1200}]), _open_in_words([])
    ('; open parents: AAA-000-peg (1,200 lots left)', '')
    """
    told = [f"{row['id']} ({row['left']:,} lots left)" for row in parents[:NAMED]]
    told += [f"{len(parents) - NAMED:,} more"] if len(parents) > NAMED else []
    return f"; open parents: {', '.join(told)}" if told else ""


def _compile(config: DeskConfig, bench: Workbench) -> None:
    """One short round in memory: kernels are compiled before anybody waits for a decision."""
    section = config.desk.model_copy(update={"rounds": 1, "round_s": 70.0, "warmup_s": 10.0})
    instruments = config.instrument[:1]
    short = config.model_copy(update={"desk": section, "instrument": instruments})
    open_desk(short, MemoryJournal(chained=False), config.desk.seed, bench).desk.run()


def _check_latch(journal: Journal, latch: Path) -> None:
    """A latch that was taken away re-arms nobody.

    Raises
    ------
    ConfigError
        When the journal ends with somebody killed and there is no latch.
    """
    killed: dict[str, None] = {}
    for _, entry in journal.read(0, (kinds.KILL, kinds.REARM)):
        if entry.kind == kinds.KILL:
            killed[entry.agent] = None
        else:
            killed.pop(entry.agent, None)
    if killed and not latch.exists():
        remedy = f"re-arm them with a reason: tercel rearm --desk {latch.parent} --reason TEXT"
        raise ConfigError(f"{latch}, as the journal ends with {', '.join(killed)} killed", "none", remedy)


def _venue(config: DeskConfig, bench: Workbench, folder: Path) -> Venue:
    """The venue that a desk's file names, at its pace."""
    where = config.desk.venue
    if where == SIMULATED:
        venue: Venue = bench.exchange(config, config.desk.seed, planted(config, config.desk.seed))
        if config.desk.pace == "stepped":
            return venue
        paced: Venue = PacedVenue(venue, WallClock(), 1.0 if config.desk.pace == "real" else config.desk.speed).venue
        return paced
    return connect(where, [agent.name for agent in config.agent], folder / "fix")


# -- what it came to --------------------------------------------------------------------------------------------------


def _result(opened: Opened, folder: Path) -> dict[str, Any]:
    """The object of `--json`."""
    desk = opened.desk
    with closing(JournalReader(folder)) as journal:
        denials = Counter(str(entry.body.get("code")) for _, entry in journal.read(0, (kinds.DENIED,)))
        fills = len(
            {e.body["exec_id"] for _, e in journal.read(0, (kinds.REPORT_IN,)) if e.body.get("exec_type") == "trade"}
        )
        events, consistent = journal.last, _consistent(journal, opened)
    shares = desk.shares()
    costs = {name: by_filled([row for row in desk.results if row["agent"] == name]) for name in desk.seats}
    mean, half = by_filled(desk.results)
    return {
        "desk": str(folder),
        "seed": opened.desk.config.desk.seed,
        "cost_bps": desk.cost_bps(),
        "parents_bps": {"mean": mean, "half": half},
        "parents": desk.results,
        "open_parents": desk.open_parents(),
        "agents": {
            name: {
                "share": shares[name],
                "is_bps": costs[name][0],
                "half_bps": costs[name][1],
                "drift": seat.drift.score if seat.drift is not None else None,
                "drifting": seat.drifting,
                "strategy": seat.shown,
                "challenger": str(Evidence.of(seat.gains_bps)) if seat.challenger is not None else None,
            }
            for name, seat in desk.seats.items()
        },
        "denials": dict(denials),
        "posture_changes": desk.posture_changes,
        "fills": fills,
        "journal": {"events": events, "consistent": consistent},
    }


def _consistent(journal: Journal, opened: Opened) -> bool:
    """The journal read again gives the session's own state: no faults, positions and open orders alike."""
    again, ours = Ledger.of(journal), opened.session.ledger
    same = (again.positions.lots(), again.orders.live()) == (ours.positions.lots(), ours.orders.live())
    astray = [order for order in again.orders.live() if again.parents.must(order.parent).over]
    return same and not again.faults() and not astray


def _experiments(config: DeskConfig, folder: Path, request: Request) -> tuple[list[DeskRun], list[DeskRun]]:
    simulated = config.model_copy(
        update={"desk": config.desk.model_copy(update={"venue": "simulated", "pace": "stepped"})}
    )
    seed = config.desk.seed
    arrows_of: list[DeskRun] = []
    freezes_of: list[DeskRun] = []
    if request.ablate:
        kept = folder / "ablation.jsonl"
        arrows_of = run_variants(arrows(simulated), range(seed, seed + request.ablate), kept, "with and without arrows")
    if request.freeze:
        kept = folder / "frozen.jsonl"
        freezes_of = run_variants(
            freezes(simulated), range(seed, seed + request.freeze), kept, "desk and frozen agents"
        )
    return arrows_of, freezes_of


def _plain(cell: Estimate) -> dict[str, float | None]:
    return {"mean": cell.mean, "ci_low": cell.ci_low, "ci_high": cell.ci_high}


def _print(config: DeskConfig, result: dict[str, Any], folder: Path) -> None:
    from rich.table import Table

    title = f"desk {config.desk.name}, seed {result['seed']}: program {result['cost_bps']:.2f} bps, waiting included"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("agent", "strategy", "share", "cost, bps", "drift", "challenger on paper"):
        table.add_column(heading, justify="left" if heading in ("agent", "strategy") else "right")
    for name, agent in result["agents"].items():
        drift = "" if agent["drift"] is None else f"{agent['drift']:.2f}" + (" drifting" if agent["drifting"] else "")
        cost = _within(agent["is_bps"], agent["half_bps"])
        table.add_row(
            name, _short(agent["strategy"]), f"{100 * agent['share']:.0f} %", cost, drift, agent["challenger"] or ""
        )
    out = result_console()
    out.print(table)
    denied = ", ".join(f"{code} {n}" for code, n in result["denials"].items()) or "none"
    journal = result["journal"]
    parents = _within(**result["parents_bps"])
    left, refused = (sum(row[key] for row in result["parents"]) for key in ("unfilled", "refused"))
    out.print(
        f"{len(result['parents'])} parents: {parents} bps by what was filled, each from its own arrival; {left} lots "
        f"found nobody, {refused} were refused. One run is mostly luck: "
        "--ablate and --freeze run many.",
        soft_wrap=True,
    )
    _print_open(result["open_parents"])
    out.print(
        f"{result['fills']} fills, {result['posture_changes']} changes of posture; "
        f"denied: {denied}; journal: {journal['events']} entries, {'' if journal['consistent'] else 'NOT '}consistent",
        soft_wrap=True,
    )
    for name, cell in result.get("ablation", {}).items():
        out.print(f"worth of {name.removesuffix('_bps'):<9} {_cell(cell)}")
    for name, cell in result.get("frozen", {}).get("cost_bps", {}).items():
        whose = "the desk" if name == DESK else f"{name} alone"
        out.print(f"cost of {whose}: {_cell(cell).removesuffix(HOLDS)}")
    for name, cell in result.get("frozen", {}).get("desk_saves_bps", {}).items():
        out.print(f"the desk saves against {name} alone: {_cell(cell)}")
    out.print(f"report: {folder / REPORT}\nnext: tercel trade tca --desk {folder}", soft_wrap=True)


def _print_open(parents: list[dict[str, Any]]) -> None:
    """Parents that had not ended when the desk stopped, if any."""
    if not parents:
        return
    keys = {"id": "parent", "instrument": "instrument", "agent": "agent", "left": "left", "at_venue": "at the venue",
            "reason": "why"}  # fmt: skip
    rows = [[f"{row[key]:,}" if isinstance(row[key], int) else row[key] for key in keys] for row in parents]
    words = ("instrument", "agent")
    print_table(
        f"open when the desk stopped: {len(parents)} parents", list(keys.values()), rows, words, words, ("why",)
    )


def _within(mean: float | None, half: float | None) -> str:
    if mean is None:
        return "none"
    return f"{mean:.1f}" if half is None else f"{mean:.1f} ± {half:.1f}"


def _short(strategy: str) -> str:
    """A strategy's name without where it comes from and what it takes of signals and risk."""
    return strategy.removeprefix("packaged:").split("+")[0]


def _cell(cell: dict[str, float | None]) -> str:
    mean, low, high = cell["mean"], cell["ci_low"], cell["ci_high"]
    if mean is None or low is None or high is None:
        return "one seed: no interval" if mean is None else f"{mean:+.2f} bps (one seed: no interval)"
    verdict = "" if low > 0 or high < 0 else HOLDS
    return f"{mean:+.2f} bps [{low:+.2f}, {high:+.2f}]{verdict}"


def show_demo() -> None:
    """Print the packaged desk's file."""
    result_console().print(demo_text(), markup=False, highlight=False, soft_wrap=True, end="")


__all__ = ["Request", "TercelError", "run", "show_demo"]
