"""What analysed parents cost together and agent by agent: means by what was filled, intervals over parents.

A desk's journal and a file of somebody's own fills are summed up by this one function.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tercel.trading.tca.shortfall import by_filled

OF_FILLS = (
    "is_bps", "spread_bps", "walk_bps", "timing_bps", "forced_bps", "fees_bps", "vwap_bps", "twap_bps", "close_bps",
    "passive_share",
)  # fmt: skip
"""Told of what was filled, and weighted by it."""


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
        ``is_bps`` beside it, 95 % of Student's t.

    Examples
    --------
    >>> rows = [{"agent": "a", "quantity": 5, "filled": 5, "is_bps": value} for value in (1.0, 2.0, 3.0)]
    >>> found = summary(rows)["agents"]["a"]
    >>> found["is_bps"], round(found["ci_low"], 3), round(found["ci_high"], 3)
    (2.0, -0.484, 4.484)
    """
    agents = {name: [row for row in rows if row["agent"] == name] for name in dict.fromkeys(r["agent"] for r in rows)}
    return {
        "total": _means(rows),
        "agents": {name: _means(mine) | _interval(mine) for name, mine in sorted(agents.items())},
    }


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums = {key: sum(row.get(key, 0) for row in rows) for key in ("quantity", "filled", "unfilled", "refused")}
    notional = sum(row.get("notional", 0.0) for row in rows)
    costs = {key: by_filled(rows, key)[0] for key in OF_FILLS}
    spans = dict.fromkeys(span for row in rows for span in row.get("markouts_bps", {}))
    marks = {
        span: by_filled([{**row, "mark": row["markouts_bps"].get(span)} for row in rows], "mark")[0] for span in spans
    }
    return {"parents": len(rows), **sums, "notional": notional, **costs, "markouts_bps": marks}


def _interval(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    mean, half = by_filled(rows, least=2)
    if mean is None or half is None:
        return {"ci_low": None, "ci_high": None}
    return {"ci_low": mean - half, "ci_high": mean + half}
