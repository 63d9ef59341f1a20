"""`tercel tca`: what somebody's own executions cost, and what strategies would have cost on the same parents."""

from pathlib import Path
from typing import Any

from tercel.app.job.contest.contenders import baselines_of
from tercel.app.output import check_folder, print_json, print_table, result_console, say, write_page
from tercel.execution.strategies import NAMES
from tercel.report.tables import spelt
from tercel.trading.tca.counterfactual import WHY_NOT, Counterfactual
from tercel.trading.tca.report import PARTS, OwnCosts, own_costs, page

RUN, NONE = "run", "none"
SHOWN = 20
"""Parents that a terminal shows."""
COUNTS = ("filled", "unfilled", "refused")
LEAVE = ("+1s", "+10s", "+300s", "+1800s", "+60s", "end", "start", "close", "twap", "fees", "walk", "timing", "vwap")
"""Columns that leave a narrow terminal, first to last."""


def tca(fills: Path, lake: Path, out: Path | None, against: str, as_json: bool, **asked: Any) -> None:
    """Print the table, leave the page."""
    check_folder(out)
    costs = own_costs(fills, lake, strategies=_named(against), **asked)
    found = costs.to_json()
    if as_json:
        print_json(found)
    else:
        _print(costs, found)
    if out is not None:
        write_page(out, "tca", found, page(costs, f"What {fills.name} cost"))
        say(f"report: {out / 'tca.html'}")


def _named(against: str) -> tuple[str, ...]:
    """The written strategies of `--against`."""
    if against in (RUN, NONE):
        return NAMES if against == RUN else ()
    return tuple(one.key for one in baselines_of(against))


def _print(costs: OwnCosts, found: dict[str, Any]) -> None:
    out = result_console()
    sums = [{"who": name or "no agent", **row} for name, row in (*found["agents"].items(), ("all", found["total"]))]
    _table("what was filled, bps by its value; a cost is positive, a mark-out in the order's favour too", sums, "who")
    out.print()
    if costs.counterfactual is not None:
        _print_again(costs.counterfactual)
        out.print()
    rows = [row | {"parents": None} for row in found["parents"][:SHOWN]]
    more = f", the first {SHOWN} of {len(found['parents']):,}" if len(found["parents"]) > SHOWN else ""
    _table(f"parents{more}", rows, "parent")
    for sentence in found["sentences"]:
        out.print(sentence, soft_wrap=True, markup=False)


def _table(title: str, rows: list[dict[str, Any]], first: str) -> None:
    spans = list(rows[0]["markouts_bps"])
    single = first == "parent"
    plain = (
        ["start", "end", "side", "filled", "unfilled", "refused"]
        if single
        else ["parents", "filled", "unfilled", "refused"]
    )
    bps = ["is", *PARTS, "vwap", "twap", "close"]
    headings = [first, *plain, "money", *bps, *(f"+{span}" for span in spans)]
    shown = []
    for row in rows:
        words = {"side": "buy" if row.get("side", 0) > 0 else "sell"}
        cells = [str(row[first]), *(str(words.get(key, row.get(key))) for key in plain)]
        cells += [f"{row['money']['fills']:,.2f}", *(_number(row[f"{key}_bps"]) for key in bps)]
        shown.append([*cells, *(_number(row["markouts_bps"][span]) for span in spans)])
    idle = [
        name for name in ("unfilled", "refused", "forced") if all(_empty(row[headings.index(name)]) for row in shown)
    ]
    keep = [i for i, name in enumerate(headings) if name not in idle]
    leaves = (
        "+1s",
        "+10s",
        "+300s",
        "+1800s",
        "+60s",
        "end",
        "start",
        "close",
        "twap",
        "fees",
        "walk",
        "timing",
        "vwap",
    )
    print_table(title, [headings[i] for i in keep], [[row[i] for i in keep] for row in shown], leaves)


def _empty(cell: str) -> bool:
    return cell in ("-", "0", "0.0")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 1) + 0.0:.1f}"


def _print_again(found: Counterfactual) -> None:
    rows = [["your own", f"{found.own_bps:.2f}", "", "", ""]]
    rows += [
        [name, f"{one.cost_bps:.2f}", spelt(one.saves.to_json(), "+"), one.verdict, f"{one.unfilled:,}"]
        for name, one in found.strategies.items()
    ]
    title = f"the same {found.parents:,} parents worked again, bps of what was asked for, without fees"
    print_table(title, ["strategy", "cost", "saves", "verdict", "unfilled"], rows, ("unfilled",), ("verdict",))
    told = f"95 % intervals that hold for all rows at once, over {found.clusters} clusters; impact: {found.impact}"
    few = "; under 20 clusters: too narrow" if found.clusters < 20 else ""
    hindsight = "; strategies knew the day's own volume where the lake has no earlier day" if found.hindsight else ""
    out = result_console()
    out.print(told + few + hindsight, style="dim")
    for why, names in found.left_out.items():
        out.print(f"{len(names):,} parents {WHY_NOT[why]}: not worked again", style="dim")
