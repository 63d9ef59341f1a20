"""Notes on policies that are judged outside the limits on their cards."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tercel.execution.strategies import TUNABLE
from tercel.execution.strategies.hand_over import BEYOND, TAKES, most_share, span_of
from tercel.execution.task import Task
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.sizes import SLACK
from tercel.lab.evaluation.settings import MarketTask

MS_NS: Final = 1e6
LATENCY_SLACK: Final = 0.001
"""Of a decision interval; latencies that differ by less are the same to who decides so seldom."""
LARGE: Final = "Orders of"
"""How the notes begin that say who is beyond the size of order that it is for."""
SIDES: Final = {1: "buys", -1: "sells", 0: "buys and sells"}


def outside(policy: Candidate, settings: MarketTask, market: str) -> str:
    """Ways in which a policy is used outside its card's limits in a market; empty without any.

    Parameters
    ----------
    policy : Candidate
    settings : MarketTask
        Of the judged episodes.
    market : str
        Name of the scenario.
    """
    differences = list(_differences(policy.card.limits, settings.task, market))
    return f"{policy.key} was trained for {', and for '.join(differences)}" if differences else ""


def handed_over(policies: Iterable[Candidate], settings: MarketTask) -> dict[str, str]:
    """Policies whose orders, told as a share of the volume, go to another: name -> whose."""
    share = settings.task.share
    large = [
        one.key
        for one in policies
        if share is not None and share > most_share(one.card.limits) * (1 + SLACK)
    ]
    return dict.fromkeys(large, TAKES)


def size_notes(
    policies: Iterable[Candidate], baselines: Iterable[Candidate], markets: Mapping[str, MarketTask]
) -> list[str]:
    """Who hands over, and which rules are beyond what their numbers were tuned for, in each market once."""
    listed, rules = list(policies), [one.key for one in baselines if one.key in TUNABLE]
    found = []
    for settings in markets.values():
        share = settings.task.share
        if share is None or share <= BEYOND * (1 + SLACK):
            continue
        orders = f"{LARGE} {100 * share:g} % of the volume"
        if over := handed_over(listed, settings):
            found.append(
                f"{orders}: {', '.join(over)} {_hands(over)} over to {TAKES}, whose costs these are."
            )
        if rules:
            words = f"{', '.join(rules)} {'are' if len(rules) > 1 else 'is'} tuned for up to {100 * BEYOND:g} %"
            found.append(
                f"{orders}: {words}; beyond it what rests waits for trades that do not come. Look at {TAKES}."
            )
    return list(dict.fromkeys(found))


def _hands(names: Collection[str]) -> str:
    return "hand" if len(names) > 1 else "hands"


def notes_on(
    teams: Mapping[str, Sequence[Candidate]], markets: Mapping[str, MarketTask]
) -> list[str]:
    """A note for each policy that is judged outside its limits in any of the markets, what is the same said once."""
    found = (
        outside(one, settings, name) for name, settings in markets.items() for one in teams[name]
    )
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


def _regimes(trained_on: Mapping[str, object]) -> list[str]:
    value = trained_on.get("regimes", ())
    parts: Iterable[object] = (
        value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    )
    return [str(part).strip() for part in parts]


def _differences(limits: Mapping[str, Any], task: Task, market: str) -> Iterator[str]:
    interval_s = task.horizon_s / task.decisions
    here = {
        "decision_s": (interval_s if task.clock == "time" else None, "s", " decisions"),
        "horizon_s": (task.horizon_s, "s", " horizons"),
        "share": (None if task.share is None else 100 * task.share, "%", " of the volume"),
        "latency_ms": (task.latency.mean_ns / MS_NS, "ms", " latency"),
    }
    for key, (value, unit, name) in here.items():
        span = span_of(limits.get(key), 100.0 if key == "share" else 1.0)
        if span is None or value is None:
            continue
        low, high = span
        slack = 1e3 * LATENCY_SLACK * interval_s if key == "latency_ms" else 0.0
        if not low - SLACK * abs(low) - slack <= value <= high + SLACK * abs(high) + slack:
            there = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            yield f"{there} {unit}{name}; here {value:g} {unit}"
    side = limits.get("side")
    if side in (1, -1) and task.side != side:
        yield f"{SIDES[side]}; here {SIDES[task.side]}"
    markets = limits.get("markets")
    names = [markets] if isinstance(markets, str) else markets if isinstance(markets, list) else []
    if names and market not in names and market.removesuffix(" tape").lower() not in names:
        yield f"{', '.join(map(str, names))}; here {market}"
