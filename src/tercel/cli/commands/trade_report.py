"""The page that a desk's run leaves."""

from contextlib import closing
from pathlib import Path
from typing import Any

from tercel import __version__
from tercel.report.page import Section, render
from tercel.report.tables import plain_table
from tercel.trading.desk import figures
from tercel.trading.desk.build import Opened
from tercel.trading.desk.config import DeskConfig
from tercel.trading.desk.experiment import DeskRun
from tercel.trading.journal import kinds
from tercel.trading.journal.reader import JournalReader
from tercel.trading.tca.figures import against_benchmarks, markouts

ARROWS = "The same desk on the same markets and orders, without one arrow of the loop; positive: the arrow saves."
ALONE = "The same orders worked by the desk, and by one agent with all the flow. The dotted line is the planted change."


def page(config: DeskConfig, opened: Opened, result: dict[str, Any], folder: Path, freezes_of: list[DeskRun]) -> str:
    """One HTML page: agents, costs, postures, analyses, and what experiments came to."""
    desk = opened.desk
    rows = [
        [name, a["strategy"], a["share"], a["is_bps"], a["drift"], a["challenger"]]
        for name, a in result["agents"].items()
    ]
    headings = ["agent", "strategy", "share at the end", "cost, bps", "drift", "challenger on paper"]
    with closing(JournalReader(folder)) as journal:
        costs = [dict(entry.body) for entry in {one.parent: one for _, one in journal.read(0, (kinds.TCA,))}.values()]
        alerts = [
            [e.ns / 1e9, e.body.get("code"), e.agent, e.body.get("text")] for _, e in journal.read(0, (kinds.ALERT,))
        ]
    sections = [
        Section("Agents", html=plain_table(headings, rows), figures=[figures.share_of_flow(desk.share_path)]),
        Section("Cost through the rounds", figures=[figures.cost_through_rounds({"desk": [desk.cost_path]}, "cost")]),
    ]
    if desk.posture_path:
        sections.append(Section("Posture", figures=[figures.postures(desk.posture_path, opened.session.now_ns)]))
    if costs:
        sections.append(Section("Cost analysis", figures=[against_benchmarks(costs), markouts(costs)]))
    if "ablation" in result:
        sections.append(Section("Value of each arrow", ARROWS, figures=[figures.worth_of_arrows(result["ablation"])]))
    if freezes_of:
        sections.append(_recovery(config, result, freezes_of))
    keys = {
        "id": "parent", "side": "side", "quantity": "lots", "filled": "filled", "unfilled": "unfilled",
        "refused": "refused", "is_bps": "cost, bps", "opportunity_bps": "opportunity, bps", "alpha_bps": "alpha, bps",
        "posture": "posture", "status": "state",
    }  # fmt: skip
    parents = [[row[key] for key in keys] for row in desk.results]
    sections.append(Section("Parents", html=plain_table(list(keys.values()), parents)))
    if result["open_parents"]:
        keys = {"id": "parent", "instrument": "instrument", "agent": "agent", "side": "side", "quantity": "lots",
                "left": "left", "at_venue": "at the venue", "reason": "why"}  # fmt: skip
        rows = [[row[key] for key in keys] for row in result["open_parents"]]
        sections.append(Section("Open when the desk stopped", html=plain_table(list(keys.values()), rows)))
    sections.append(Section("Alerts", html=plain_table(["venue s", "code", "agent", "text"], alerts, prose=True)))
    cost = result["parents_bps"]["mean"]
    lead = f"The program cost {result['cost_bps']:.2f} bps from the mids at which it came in, waiting included."
    if cost is not None:
        lead += f" Its {len(parents)} parent orders cost {cost:.2f} bps from their own arrival, weighted by lots."
    facts = {
        "seed": result["seed"],
        "rounds": config.desk.rounds,
        "fills": result["fills"],
        "journal entries": result["journal"]["events"],
    }
    return render(f"Desk {config.desk.name}", lead, sections, facts, f"tercel {__version__}")


def _recovery(config: DeskConfig, result: dict[str, Any], runs: list[DeskRun]) -> Section:
    paths: dict[str, list[tuple[float, ...]]] = {}
    for run in runs:
        paths.setdefault(run.variant, []).append(run.cost_path)
    changes = [change.at_round for instrument in config.instrument for change in instrument.change]
    shares = result["frozen"]["share_path"]
    path = [
        (n * 60_000_000_000, "mean over seeds", {agent: shares[agent][n] for agent in shares})
        for n in range(config.desk.rounds)
    ]
    rows = [
        [name, cell["mean"], cell["ci_low"], cell["ci_high"]] for name, cell in result["frozen"]["cost_bps"].items()
    ]
    return Section(
        "The desk and each agent alone",
        ALONE,
        html=plain_table(["desk", "cost, bps", "low", "high"], rows),
        figures=[
            figures.cost_through_rounds(paths, at_round=min(changes) if changes else None),
            figures.share_of_flow(path, "shares_mean"),
        ],
    )
