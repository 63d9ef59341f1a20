"""The claim that an evaluation is made for: a policy against every strategy, over markets, training seeds and regimes.

A gain is called only after the correction of its comparisons (`comparisons.ComparisonLedger`), so what is
claimed is put together first (:func:`claim`) and told afterwards (:func:`settle`). Nothing that was lost is left out:
where the policy is dearer, in any market, regime or both, is listed by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tercel.lab.evaluation.comparisons import ComparisonLedger, ScenarioComparison, pooled_gain

FALSE_SHARE = 0.05
"""Adjusted p-value below which a comparison is called."""
BEST, RANDOM = "best written", "random"
"""Opponents of the primary comparisons."""
POOLED = {"any_markets": True, "these_markets": False}
"""Whether markets are a level of the bootstrap, in the two ways of pooling."""
Cells = Mapping[str, Mapping[str, ScenarioComparison]]
"""Regime -> market -> what was compared there; the first regime is the market as it is."""
Teams = Mapping[str, Sequence[str]]
"""Market -> the policies that make up the row there."""


def called(cell: Mapping[str, Any]) -> str:
    """ "better", "worse" or "open", after the correction; open as well where the interval holds zero.

    >>> called({"mean": -23.6, "ci_low": -43.4, "ci_high": 0.8, "p_adjusted": 0.03})
    'open'
    """
    adjusted, low, high = cell.get("p_adjusted"), cell.get("ci_low"), cell.get("ci_high")
    if adjusted is None or adjusted >= FALSE_SHARE or low is None or high is None:
        return "open"
    return "better" if low > 0 else "worse" if high < 0 else "open"


def claim(
    name: str,
    cells: Cells,
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    best: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What is claimed of a row that is judged in every market, to be told by :func:`settle`.

    Parameters
    ----------
    name : str
        The policy or recipe.
    cells : mapping
    teams : mapping
    ledger : ComparisonLedger
        What is pooled is entered; what was compared in a single scenario is in it already.
    rng : numpy Generator
    best : mapping of market to str, optional
        The written strategy that was best on validation in each; given, there are primary comparisons.

    Returns
    -------
    dict
        `primary`: opponent -> the `gain` and the `opponents` by market; `markets`; `training_seeds` by market;
        `against`: opponent -> `any_markets`, `these_markets` (pooled over markets; None for one), `by_market`,
        `by_regime` (pooled over these markets), `by_market_and_regime`.
    """
    plain = next(iter(cells.values()))
    opponents = [other for other in next(iter(plain.values())).gains[name] if _everywhere(name, other, cells)]
    primary = _primary(name, plain, teams, ledger, rng, best) if best else {}
    return {
        "primary": primary,
        "markets": list(plain),
        "training_seeds": {market: len(team) for market, team in teams.items()},
        "against": {
            other: {
                **_over_markets(name, other, plain, teams, ledger, rng, primary),
                "by_market": {market: one.cell["paired"][name][other] for market, one in plain.items()},
                "by_regime": {
                    regime: _pooled(name, other, row, teams, ledger, rng, False)
                    if len(row) > 1
                    else next(iter(row.values())).cell["paired"][name][other]
                    for regime, row in list(cells.items())[1:]
                },
                "by_market_and_regime": {
                    f"{market} {regime}": one.cell["paired"][name][other]
                    for regime, row in list(cells.items())[1:]
                    for market, one in row.items()
                    if len(row) > 1
                },
            }
            for other in opponents
        },
    }


def _primary(
    name: str,
    plain: Mapping[str, ScenarioComparison],
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    best: Mapping[str, str],
) -> dict[str, Any]:
    """Against the best written strategy of each market and against `random`: pooled over these markets; in a single
    one the very comparisons of its table."""
    found = dict[str, Any]()
    for key, others in ((BEST, [best[market] for market in plain]), (RANDOM, [RANDOM] * len(plain))):
        if not all(other in one.gains[name] for other, one in zip(others, plain.values(), strict=True)):
            continue
        cell = _found_in(found, others)
        if cell is None and len(plain) > 1:
            cell = _pooled(name, others, plain, teams, ledger, rng, False, primary=True)
        elif cell is None:
            cell = next(iter(plain.values())).cell["paired"][name][others[0]]
        found[key] = {"opponents": dict(zip(plain, others, strict=True)), "gain": cell}
    return found


def _found_in(primary: Mapping[str, Any], others: Sequence[str]) -> dict[str, Any] | None:
    """The primary comparison with these opponents, market by market, if there is one."""
    gains = [one["gain"] for one in primary.values() if list(one["opponents"].values()) == list(others)]
    return gains[0] if gains else None


def _over_markets(
    name: str,
    other: str,
    plain: Mapping[str, ScenarioComparison],
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    primary: Mapping[str, Any],
) -> dict[str, Any]:
    """Pooled over markets in both ways; a primary comparison is not made, nor entered, a second time."""
    if len(plain) == 1:
        return dict.fromkeys(POOLED)
    known = _found_in(primary, [other] * len(plain))
    return {
        key: known if known and not redraw else _pooled(name, other, plain, teams, ledger, rng, redraw)
        for key, redraw in POOLED.items()
    }


def _everywhere(name: str, other: str, cells: Cells) -> bool:
    return all(other in one.gains[name] for row in cells.values() for one in row.values())


def _pooled(
    name: str,
    other: str | Sequence[str],
    row: Mapping[str, ScenarioComparison],
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    redraw_markets: bool,
    primary: bool = False,
) -> dict[str, Any]:
    gain = pooled_gain(
        [one.resampled for one in row.values()],
        name,
        other,
        rng,
        redraw_markets=redraw_markets,
        teams=[tuple(teams[market]) for market in row],
    )
    return ledger.enter(gain, primary=primary)


def settle(found: dict[str, Any]) -> None:
    """Tell a claim, once all comparisons are corrected: `told`, `worse`, `lowest` and `verdict` are filled in."""
    against = found["against"]
    views = {key: {other: row[key] for other, row in against.items()} for key in POOLED}
    if any(cell is None for row in views.values() for cell in row.values()):
        views = {"by_market": {other: next(iter(row["by_market"].values())) for other, row in against.items()}}
    found["told"] = {
        key: {
            word: {other: cell["mean"] for other, cell in row.items() if called(cell) == call} for word, call in _CALLS
        }
        for key, row in views.items()
    }
    found["worse"] = [
        {"against": other, "in": where, **cell} for other, where, cell in _parts(found) if called(cell) == "worse"
    ]
    parts = {kind: list(_parts(found, (kind,))) for kind in ("by_market", "by_regime")}
    found["lowest"] = {
        kind: {
            "against": other,
            "in": where,
            **cell,
            "below_0": sum(one["mean"] < 0 for _, _, one in row),
            "parts": len(row),
        }
        for kind, row in parts.items()
        if row
        for other, where, cell in [min(row, key=lambda part: float(part[2]["mean"]))]
    }
    found["verdict"] = {key: _verdict(row, len(against)) for key, row in found["told"].items()}


_CALLS = (("above", "better"), ("open", "open"), ("below", "worse"))
_KINDS = ("by_market", "by_regime", "by_market_and_regime")


def _parts(found: Mapping[str, Any], kinds: Sequence[str] = _KINDS) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for other, row in found["against"].items():
        for kind in kinds:
            for where, cell in row[kind].items():
                yield other, where, cell


def _verdict(calls: Mapping[str, Mapping[str, float]], count: int) -> str:
    """One line, with the name and the mean gain of everything that is not beaten.

    >>> _verdict({"above": {"a": 2.0, "b": 1.5}, "open": {"c": -0.25}, "below": {}}, 3)
    'significantly cheaper than 2 of 3 and dearer than none; no significant difference from 1 (c -0.25)'
    """

    def named(means: Mapping[str, float]) -> str:
        ranked = sorted(means.items(), key=lambda item: item[1])
        text = ", ".join(f"{name} {round(mean, 2) + 0.0:+.2f}" for name, mean in ranked)
        return f"{len(means)} ({text})" if means else "none"

    return (
        f"significantly cheaper than {len(calls['above'])} of {count} and dearer than {named(calls['below'])}; "
        f"no significant difference from {named(calls['open'])}"
    )
