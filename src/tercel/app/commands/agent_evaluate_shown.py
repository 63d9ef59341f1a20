"""An evaluation as a terminal shows it: the judged table, and the verdicts in short lines."""

from collections.abc import Iterator, Mapping
from typing import Any

from tercel.report.tables import Judged, verdict, verdict_sentence

FALSE_SHARE = 0.05
"""Adjusted p-value below which a comparison is called."""


def shown(result: Mapping[str, Any]) -> Judged:
    """The table with its verdicts."""
    ranked = sorted(result["strategies"], key=lambda name: result["strategies"][name]["is_bps"]["mean"])
    rows = {
        name: {key: cell for key, cell in result["strategies"][name].items() if cell is not None} for name in ranked
    }
    learned = [name for name, kind in result["kinds"].items() if kind == "learned"]
    return Judged(
        strategies=rows,
        best_baseline=result["best_baseline"],
        paired_vs_best_baseline=result["paired_vs_best_baseline"],
        episodes=result["episodes"],
        clusters=result["clusters"],
        cluster=result["cluster"],
        notes=[line for name in headliners(result) for line in verdicts(result, name)] + list(closing(result)),
        title=result["market"],
        learned=learned,
    )


def headliners(result: Mapping[str, Any]) -> list[str]:
    """Rows that verdicts are told of: recipes, and policies that belong to none."""
    inside = {member for members in result["recipes"].values() for member in members}
    return [name for name in result["paired"] if name not in inside]


def verdicts(result: Mapping[str, Any], name: str) -> Iterator[str]:
    """Where a policy stands, in a few lines."""
    best = result["best_baseline"]
    row = result["paired"][name]
    written = [other for other in row if result["kinds"].get(other) in ("baseline", "random")]
    beaten = [other for other in written if called(row[other]) == "better"]
    left = [other for other in written if other not in beaten]
    tests = f"corrected for {result['comparisons']:,} comparisons"
    yield f"{name} beats {len(beaten)} of {len(written)} written strategies, {tests}." + (
        f" Not beaten: {', '.join(left)}." if left else ""
    )
    least = result["power"][name].get(best)
    if least is not None:
        yield f"{name}: a true gain of {least:.2f} bps on {best} would have been told from zero four times in five."
    yield from _worst(result, name, best)
    yield from _ratios(result, name)
    gain = (result["adaptability_vs"].get(name) or {}).get("vwap_passive")
    if gain is not None:
        yield f"{name}: adaptability {_told(gain)} over vwap_passive."
    slope, its = result["price_move_beta"][name], result["price_move_beta"][best]
    yield f"{name}: cost rises {_told(slope)} bps a bp of adverse move ({best}: {_told(its)})."
    deflated = result["deflated"].get(name)
    if deflated is not None and deflated["variants"] > 1:
        yield (
            f"{name}: {deflated['variants']} variants tried; probability {deflated['probability']:.3f} that its gain a "
            f"unit of risk, {deflated['ratio']:.3f}, exceeds the best of as many without merit, "
            f"{deflated['best_of_none']:.3f}."
        )
    if name in result["iqm"]:
        middle = _told(result["iqm"][name], "+")
        yield f"{name} against {best}: interquartile mean over training seeds and markets {middle} bps."
    for key, words in (("these_markets", "over these markets"), ("any_markets", "for markets drawn like these")):
        pooled = result["pooled"].get(key, {}).get(name, {}).get(best)
        if pooled is not None:
            yield verdict_sentence(f"{name}, {words},", pooled, best)


def called(cell: Mapping[str, Any]) -> str:
    """ "better", "worse" or "open", after the correction."""
    adjusted = cell.get("p_adjusted")
    if adjusted is None or adjusted >= FALSE_SHARE:
        return "open"
    return "better" if cell["mean"] > 0 else "worse"


def _worst(result: Mapping[str, Any], name: str, best: str) -> Iterator[str]:
    """In which parts and places it gains least."""
    for key, words in (("by_regime", "regimes"), ("by_market", "markets"), ("by_liquidity", "thirds of liquidity")):
        parts: dict[str, Any] = {}
        if key == "by_liquidity":
            parts = {f"{third} {axis}": cell for axis, row in result[key].items() for third, cell in row.items()}
        else:
            parts = result[key]
        gained = {part: cell["paired"][name][best] for part, cell in parts.items() if cell.get("paired")}
        if len(gained) < 2:
            continue
        least = min(gained, key=lambda part: float(gained[part]["mean"]))
        lost = [part for part, cell in gained.items() if called(cell) == "worse"]
        won = sum(called(cell) == "better" for cell in gained.values())
        yield (
            f"{name} against {best} in {len(gained)} {words}: better in {won}, worse in {len(lost)}"
            f"{' (' + ', '.join(lost) + ')' if lost else ''}; least in {least}, {_told(gained[least], '+')} bps."
        )


def _ratios(result: Mapping[str, Any], name: str) -> Iterator[str]:
    found = result["ratios"].get(name)
    if not found:
        return
    for key, words in (("is_bps", "shortfall"), ("impact_bps", "impact")):
        told = [f"{_told(cell)} of {other}'s" for other, cell in found[key].items() if cell is not None]
        if told:
            yield f"{name}: {words} {', '.join(told)}."
    risks = [
        f"{_told(cell, '+')} bps against {other} ({'lower' if verdict(cell) == 'worse' else 'not lower'})"
        for other, cell in found["timing_risk_bps"].items()
    ]
    yield f"{name}: timing risk {', '.join(risks)}."


def closing(result: Mapping[str, Any]) -> Iterator[str]:
    """What holds for all."""
    best, chosen = result["best_baseline"], result["validation"]
    yield f"{best} is the best written strategy on {chosen['episodes']:,} other episodes; it was chosen there."
    bound = result["hindsight"]
    if bound is not None:
        yield f"{bound['label']}: {_told(bound['is_bps'])} bps, what the same orders cost who knows the path."
    yield from result["notes"]
    yield from result["checks"]


def _told(cell: Mapping[str, Any], sign: str = "") -> str:
    """A number with its interval.

    >>> _told({"mean": 0.5, "ci_low": 0.25, "ci_high": 0.75})
    '0.50 [0.25, 0.75]'
    """
    low, high = cell["ci_low"], cell["ci_high"]
    interval = "" if low is None or high is None else f" [{low:{sign}.2f}, {high:{sign}.2f}]"
    return f"{cell['mean']:{sign}.2f}{interval}"
