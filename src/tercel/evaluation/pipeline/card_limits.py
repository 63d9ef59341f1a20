"""Policies that are judged outside what their cards say they are for: it is allowed, and said."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tercel.evaluation.pipeline.candidates import Candidate
from tercel.evaluation.settings import RunSettings
from tercel.execution.task import Task

MS_NS: Final = 1e6
SLACK: Final = 1e-9
"""Relative; numbers that differ by less are the same."""
LATENCY_SLACK: Final = 0.001
"""Of a decision interval; latencies that differ by less are the same to who decides so seldom."""
SIDES: Final = {1: "buys", -1: "sells", 0: "buys and sells"}


def outside(policy: Candidate, settings: RunSettings, market: str) -> str:
    """How a policy is used outside its card's limits in a market; empty where it is not, or where the card has none.

    Parameters
    ----------
    policy : Candidate
    settings : RunSettings
        Of the judged episodes.
    market : str
        Name of the scenario.
    """
    differences = list(_differences(policy.card.limits, settings.task, market))
    return f"{policy.key} is used outside its limits: {'; '.join(differences)}" if differences else ""


def notes_on(teams: Mapping[str, Sequence[Candidate]], markets: Mapping[str, RunSettings]) -> list[str]:
    """A note for each policy that is judged outside its limits in any of the markets, what is the same said once."""
    found = (outside(one, settings, name) for name, settings in markets.items() for one in teams[name])
    return list(dict.fromkeys(note for note in found if note))


def untrained_in(specialists: Mapping[str, Sequence[Candidate]]) -> list[str]:
    """A note for each policy that was given as trained in a regime which its card does not name."""
    return [
        f"{one.key} was given as trained in {regime}, but its card does not say so: "
        f"{f'regimes {named}' if (named := ', '.join(_regimes(one.card.trained_on))) else 'it names no regime'}"
        for regime, row in specialists.items()
        for one in row
        if regime not in _regimes(one.card.trained_on)
    ]


def _regimes(trained_on: Mapping[str, Any]) -> list[str]:
    value = trained_on.get("regimes", ())
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return [str(part).strip() for part in parts]


def _differences(limits: Mapping[str, Any], task: Task, market: str) -> Iterator[str]:
    interval_s = task.horizon_s / task.decisions
    here = {
        "decision_s": ("decisions every", interval_s if task.clock == "time" else None, "s"),
        "horizon_s": ("a horizon of", task.horizon_s, "s"),
        "share": ("orders of", None if task.share is None else 100 * task.share, "% of the volume"),
        "latency_ms": ("a latency of", task.latency.mean_ns / MS_NS, "ms"),
    }
    for key, (name, value, unit) in here.items():
        span = _span(limits.get(key), 100.0 if key == "share" else 1.0)
        if span is None or value is None:
            continue
        low, high = span
        slack = 1e3 * LATENCY_SLACK * interval_s if key == "latency_ms" else 0.0
        if not low - SLACK * abs(low) - slack <= value <= high + SLACK * abs(high) + slack:
            there = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            yield f"{name} {there} {unit} there, {value:g} {unit} here"
    side = limits.get("side")
    if side in (1, -1) and task.side != side:
        yield f"{SIDES[side]} there, {SIDES[task.side]} here"
    markets = limits.get("markets")
    names = [markets] if isinstance(markets, str) else markets if isinstance(markets, list) else []
    if names and market not in names and market.removesuffix(" tape").lower() not in names:
        yield f"{', '.join(map(str, names))} there, {market} here"


def _span(value: Any, scale: float) -> tuple[float, float] | None:
    """A number, or [lowest, highest]; None for what says nothing."""
    ends = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        return None
    return scale * ends[0], scale * ends[1]
