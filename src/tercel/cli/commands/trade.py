"""Body of `tercel trade run`: a whole desk, from its file to its report."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from tercel.api.demo.config import DemoConfig, demo_text, described
from tercel.api.demo.experiment import DESK, DeskRun, arrows, freezes, levels, mean_paths, worth
from tercel.api.demo.variants import run_variants
from tercel.api.desk_page import page, within
from tercel.api.desk_parts import parts_of
from tercel.cli.desks import named_desk, new_desk, waiting
from tercel.cli.machine import end_on_termination
from tercel.cli.operator import PORT
from tercel.cli.trade import RunDesk
from tercel.core.errors import ConfigError, JournalError
from tercel.core.fixed import summed
from tercel.core.machine import WallClock, person
from tercel.report.terminal import print_json, print_table, progress, result_console, say
from tercel.trading.desk.build import Opened
from tercel.trading.desk.outcome import outcome
from tercel.trading.desk.running import Running, refuse
from tercel.trading.journal.reader import JournalReader
from tercel.trading.journal.store import SqlJournal
from tercel.trading.ledger import Ledger

REPORT = "report.html"
NAMED = 5
"""Open parents that a sentence names."""
HOLDS = " (holds 0)"


def run(request: RunDesk) -> None:
    """Run a desk; print what it came to, leave a report.

    Raises
    ------
    TercelError
        For anything that cannot be obeyed; the journal keeps what was done.
    """
    if request.demo == (request.config is not None):
        raise ConfigError("a desk's file or --demo", "both" if request.demo else "neither", "give one of the two")
    typed = {"desk.seed": request.seed, "desk.rounds": request.rounds, "desk.venue": request.venue}
    config, text = described(request.config, {key: value for key, value in typed.items() if value is not None})
    beside = request.config.parent if request.config is not None else None
    folder = request.desk or named_desk() or _folder(config, beside)
    opened = _traded(config, text, folder, request, beside)
    result = outcome(opened, folder).to_json()
    arrows_of, freezes_of = _experiments(config, folder, request)
    if arrows_of:
        result["ablation"] = {f"{name}_bps": cell.to_json() for name, cell in worth(arrows_of).items()}
    if freezes_of:
        result["frozen"] = {
            "cost_bps": {name: cell.to_json() for name, cell in levels(freezes_of).items()},
            "desk_saves_bps": {name: cell.to_json() for name, cell in worth(freezes_of).items()},
            **mean_paths(freezes_of),
        }
    (folder / REPORT).write_text(page(config, opened, result, folder, freezes_of), encoding="utf-8")
    if request.as_json:
        print_json(result)
    else:
        _print(config, result, folder)
    if unknown := [order.root for order in opened.desk.session.ledger.orders.unknown()]:
        say(f"NOT known to be over: {', '.join(unknown)}; see tercel trade reconcile --desk {folder}")
        raise typer.Exit(1)


def _folder(config: DemoConfig, beside: Path | None) -> Path:
    """A new folder under `desks/`, once the configuration is known to be one that can be opened."""
    refuse(config, beside)
    return new_desk(config.desk.name)


def _traded(config: DemoConfig, text: str, folder: Path, request: RunDesk, beside: Path | None) -> Opened:
    """Run the desk over its venue and journal; alerts leave while it runs."""
    end_on_termination()
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(f"rounds of {folder}", total=config.desk.rounds)

        def show(done: int) -> None:
            bar.update(task, completed=done)
            if done and config.desk.pace != "stepped" and not sys.stderr.isatty():
                say(f"round {done:,} of {config.desk.rounds:,} is over")

        say(f"watch     {folder}: tercel console --desk {folder}, then http://127.0.0.1:{PORT}")
        try:
            with Running(
                config,
                folder,
                parts_of(config, WallClock(), beside),
                text=text,
                holder=f"{person()} (tercel trade run)",
                beside=beside,
                acknowledge=request.acknowledge,
                progress=show,
            ) as running:
                if waits := waiting(folder, running.session.ledger):
                    say(waits)
                running.desk.run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_what_remains(folder)) from None
    journal = running.session.journal
    if isinstance(journal, SqlJournal):
        key = "" if journal.key else ", hashes without a key"
        say(f"the journal ends with entry {journal.last:,}, hash {journal.head}{key}")
    return running.opened


def _what_remains(folder: Path) -> str:
    """What a desk that was stopped leaves: its journal, and what the journal says of parents that are not over."""
    try:
        with closing(JournalReader(folder)) as reader:
            parents = [parent for parent in Ledger.of(reader).parents if not parent.over]
    except JournalError:
        return f"nothing was done in {folder}"
    named = [f"{parent.id} ({parent.left:,} lots left)" for parent in parents[:NAMED]]
    named += [f"{len(parents) - NAMED:,} more"] if len(parents) > NAMED else []
    left = f"; open parents: {', '.join(named)}" if named else ""
    return f"the journal of what was done is kept in {folder}{left}"


# -- what it came to --------------------------------------------------------------------------------------------------


def _experiments(config: DemoConfig, folder: Path, request: RunDesk) -> tuple[list[DeskRun], list[DeskRun]]:
    simulated = config.with_desk(venue="simulated", pace="stepped")
    seeds = range(config.desk.seed, config.desk.seed + request.seeds)
    arrows_of: list[DeskRun] = []
    freezes_of: list[DeskRun] = []
    if request.ablate:
        file = folder / "ablation.jsonl"
        arrows_of = run_variants(arrows(simulated), seeds, file, "with and without arrows")
    if request.freeze:
        file = folder / "frozen.jsonl"
        freezes_of = run_variants(freezes(simulated), seeds, file, "desk and frozen agents")
    return arrows_of, freezes_of


def _print(config: DemoConfig, result: dict[str, Any], folder: Path) -> None:
    from rich.table import Table

    title = (
        f"desk {config.desk.name}, seed {result['seed']}: program {result['cost_bps']:.2f} bps, waiting included; "
        f"its parents {result['cost']:,.0f} in money"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("agent", "strategy", "share", "cost, bps", "money", "saves, bps", "drift", "challenger on paper"):
        table.add_column(heading, justify="left" if heading in ("agent", "strategy") else "right")
    for name, agent in result["agents"].items():
        drift = "" if agent["drift"] is None else f"{agent['drift']:.2f}" + (" drifting" if agent["drifting"] else "")
        cost = within(agent["is_bps"], agent["half_bps"])
        saves, share = within(agent["saves_bps"], agent["saves_half_bps"]), f"{100 * agent['share']:.0f} %"
        cells = (cost, f"{agent['cost']:,.0f}", saves, drift, agent["challenger"] or "")
        table.add_row(name, _short(agent["strategy"]), share, *cells)
    out = result_console()
    out.print(table)
    denied = ", ".join(f"{code} {n}" for code, n in result["denials"].items()) or "none"
    journal = result["journal"]
    parents = within(**result["parents_bps"])
    left, refused = (summed(row[key] for row in result["parents"]) for key in ("unfilled", "refused"))
    out.print(
        f"{len(result['parents'])} parents: {parents} bps by what was filled, each from its own arrival; {left} lots "
        f"unfilled, {refused} refused. saves: on the other agents' parents of the same round. One run is mostly luck: "
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
        out.print(f"value of {name.removesuffix('_bps'):<9} {_cell(cell)}")
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
    text = ("instrument", "agent")
    print_table(f"open when the desk stopped: {len(parents)} parents", list(keys.values()), rows, text, text, ("why",))


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
