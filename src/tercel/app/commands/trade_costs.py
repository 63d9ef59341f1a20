"""What analysed parents cost together and agent by agent: means by lots, intervals over parents."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tercel.stats.student import weighted_interval

_OF_ORDER = ("is_bps", "spread_bps", "walk_bps", "timing_bps", "forced_bps", "opportunity_bps")
"""Per lot of the order, filled or not: their weight is its quantity. All else is per lot filled."""
_OF_FILLS = ("vwap_bps", "twap_bps", "passive_share")


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Total and agents of analysed parents.

    Parameters
    ----------
    rows : sequence of mapping
        Bodies of analyses (`trading.tca.measure.ParentCost`), each with its ``agent``.

    Returns
    -------
    dict
        ``total`` and ``agents`` (by name): parents, quantity, filled and every cost as a mean by lots; agents have
        ``ci_low`` and ``ci_high`` of ``is_bps`` beside it.
    """
    agents = {name: [row for row in rows if row["agent"] == name] for name in dict.fromkeys(r["agent"] for r in rows)}
    return {
        "total": _means(rows),
        "agents": {name: _means(mine) | _interval(mine) for name, mine in sorted(agents.items())},
    }


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums = {"parents": len(rows), **{key: sum(row[key] for row in rows) for key in ("quantity", "filled")}}
    costs = {key: _mean([(row["quantity"], row[key]) for row in rows]) for key in _OF_ORDER}
    if any(row.get("fees_bps") for row in rows):
        costs["fees_bps"] = _mean([(row["quantity"], row.get("fees_bps", 0.0)) for row in rows])
    fills = {key: _mean([(row["filled"], row[key]) for row in rows]) for key in _OF_FILLS}
    spans = dict.fromkeys(span for row in rows for span in row["markouts_bps"])
    marks = {span: _mean([(row["filled"], row["markouts_bps"].get(span)) for row in rows]) for span in spans}
    return {**sums, **costs, **fills, "markouts_bps": marks}


def _mean(weighted: Sequence[tuple[int, float | None]]) -> float | None:
    """Mean of what is known, by weight; None where nothing is.

    >>> _mean([(1, 10.0), (3, 2.0), (5, None)])
    4.0
    """
    known = [(weight, value) for weight, value in weighted if value is not None and math.isfinite(value) and weight]
    total = sum(weight for weight, _ in known)
    return sum(weight * value for weight, value in known) / total if total else None


def _interval(rows: Sequence[Mapping[str, Any]], key: str = "is_bps") -> dict[str, float | None]:
    """95 % of Student's t around the mean by lots, a ratio of sums over parents (Cochran 1977, 6.3).

    With orders of one size it is the interval of a plain mean.

    >>> found = _interval([{"quantity": 5, "is_bps": value} for value in (1.0, 2.0, 3.0)])
    >>> [round(value, 3) for value in found.values()]
    [-0.484, 4.484]
    """
    known = [(row["quantity"], row[key]) for row in rows if row[key] is not None and math.isfinite(row[key])]
    mean, half = weighted_interval([value for _, value in known], [lots for lots, _ in known], least=2)
    if mean is None or half is None:
        return {"ci_low": None, "ci_high": None}
    return {"ci_low": mean - half, "ci_high": mean + half}
