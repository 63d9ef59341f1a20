"""Summary of analysed parents, total and by agent: means weighted by filled value, intervals over parents.

A desk's journal and a file of somebody's own fills are summed up by this one function.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tercel.core.fixed import summed
from tercel.desk.trading.tca.shortfall import by_filled

OF_FILLS = (
    "is_bps",
    "delay_bps",
    "spread_bps",
    "walk_bps",
    "timing_bps",
    "forced_bps",
    "fees_bps",
    "vwap_bps",
    "twap_bps",
    "close_bps",
    "passive_share",
)
"""Given for what was filled, and weighted by it."""


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Total and agents of analysed parents.

    Parameters
    ----------
    rows : sequence of mapping
        Analyses (`trading.tca.measure.ParentCost`), each with its ``agent``.

    Returns
    -------
    dict
        ``total`` and ``agents`` (by name): parents; lots asked for, filled, unfilled and refused; ``notional``, the
        arrival value of what was filled; every cost as a mean by that. Agents have ``ci_low`` and ``ci_high`` of
        ``is_bps`` beside it, 95 % of Student's t; parents that a person took over (``by_hand``) count in the total
        alone.

    Examples
    --------
    >>> rows = [{"agent": "a", "quantity": 5, "filled": 5, "notional": 1.0, "is_bps": value} for value in (1.0, 2.0, 3.0)]
    >>> found = summary(rows)["agents"]["a"]
    >>> found["is_bps"], round(found["ci_low"], 3), round(found["ci_high"], 3)
    (2.0, -0.484, 4.484)
    """
    own = [row for row in rows if "by_hand" not in row]
    agents = {
        name: [row for row in own if row["agent"] == name]
        for name in dict.fromkeys(r["agent"] for r in own)
    }
    return {
        "total": _means(rows),
        "agents": {name: _means(mine) | _interval(mine) for name, mine in sorted(agents.items())},
    }


PARTS = ("delay", "spread", "walk", "timing", "forced", "fees")
BENCHMARKS = {"vwap": "VWAP", "twap": "TWAP", "close": "the close"}


def sentences(
    rows: Sequence[Mapping[str, Any]],
    money: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
    unit: str = "bps",
) -> list[str]:
    """Summary of parents in at most three sentences.

    Parameters
    ----------
    rows : sequence of mapping
        As :func:`summary` takes them.
    money : mapping of str to number, optional
        The same costs in money: ``fills``, ``opportunity``, ``refusal``.
    more : sequence of str
        What else was left.
    unit : str
        What the rows' costs are in; where that is ticks, nothing is said of what the lots were worth.

    Examples
    --------
    >>> row = {"is_bps": 2.0, "spread_bps": 2.0, "timing_bps": 0.0, "filled": 4, "unfilled": 1, "notional": 600.0}
    >>> for sentence in sentences([row, row]):
    ...     print(sentence)
    2 parents: 8 lots worth 1,200 filled cost 2.00 bps against arrival.
    In parts, bps: spread 2.00, timing 0.00.
    2 lots unfilled.
    """
    total = _means(rows)
    mean, half = by_filled(rows)
    worth = f" worth {total['notional']:,.0f}" if unit == "bps" else ""
    several = "1 parent" if len(rows) == 1 else f"{len(rows):,} parents"
    filled = f"{several}: {total['filled']:,} lots{worth} filled"
    if mean is None:
        lines = [f"{filled}, nothing to tell a cost of."]
    else:
        within = "" if half is None else f" ± {half:.2f}"
        paid = f", {float(money['fills']):,.2f} in money" if money is not None else ""
        lines = [f"{filled} cost {mean:.2f}{within} {unit} against arrival{paid}."]
        split = {
            n: v for n in PARTS if (v := total.get(f"{n}_bps")) or n not in ("delay", "forced")
        }
        parts = ", ".join(
            f"{name} {value:.2f}" for name, value in split.items() if value is not None
        )
        beside = {word: total[f"{name}_bps"] for name, word in BENCHMARKS.items()}
        against = ", ".join(
            f"{word} {value:.2f}" for word, value in beside.items() if value is not None
        )
        lines += (
            [f"In parts, {unit}: {parts}{f'; against {against}' if against else ''}."]
            if parts
            else []
        )
    why = {"unfilled": ("unfilled", "opportunity"), "refused": ("refused", "refusal")}
    lost = [
        f"{total[key]:,} lots {what}"
        + (f", which came to {float(money[part]):,.2f}" if money is not None else "")
        for key, (what, part) in why.items()
        if total[key]
    ]
    lost += more
    return lines + ([f"{'; '.join(lost)}."] if lost else [])


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums = {
        key: summed(row.get(key, 0) for row in rows)
        for key in ("quantity", "filled", "unfilled", "refused")
    }
    notional = sum(row["notional"] for row in rows)
    costs = {
        key: by_filled(rows, key)[0]
        for key in OF_FILLS
        if key != "delay_bps" or any(key in one for one in rows)
    }
    spans = dict.fromkeys(span for row in rows for span in row.get("markouts_bps", {}))
    marks = {
        span: by_filled([{**row, "mark": row["markouts_bps"].get(span)} for row in rows], "mark")[0]
        for span in spans
    }
    return {"parents": len(rows), **sums, "notional": notional, **costs, "markouts_bps": marks}


def _interval(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    mean, half = by_filled(rows, least=2)
    if mean is None or half is None:
        return {"ci_low": None, "ci_high": None}
    return {"ci_low": mean - half, "ci_high": mean + half}
