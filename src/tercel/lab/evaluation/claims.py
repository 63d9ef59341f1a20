"""The claim that an evaluation is made for: a policy against every strategy, over markets, training seeds and regimes.

A gain is called only after the correction of its comparisons (`comparisons.ComparisonLedger`), so a claim is built
first (:func:`claim`) and read afterwards, by the properties of :class:`Claim`. Losses are complete: every market,
regime or both in which the policy costs more is listed by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tercel.core.serialization import Record
from tercel.core.stats import PairedGain
from tercel.lab.evaluation.comparisons import ComparisonLedger, ScenarioComparison, pooled_gain

FALSE_SHARE = 0.05
"""Adjusted p-value below which a comparison is called."""
BEST, RANDOM = "best written", "random"
"""Opponents of the primary comparisons."""
POOLED = {"any_markets": True, "these_markets": False}
"""Whether markets are a level of the bootstrap, in the two ways of pooling."""
FIRST = "by_market"
"""The view of a claim in a single market."""
Compared = Mapping[str, ScenarioComparison]
"""Market -> what was compared there."""
Cells = Mapping[str, Compared]
"""Regime -> market -> what was compared there; the first regime is the market as it is."""
Teams = Mapping[str, Sequence[str]]
"""Market -> the policies that make up the row there."""


def called(gain: PairedGain) -> str:
    """Verdict of a corrected comparison: "better", "worse" or "open" (also where the interval holds zero).

    >>> called(PairedGain(-23.6, -43.4, 0.8, p_adjusted=0.03))
    'open'
    """
    if (
        gain.p_adjusted is None
        or gain.p_adjusted >= FALSE_SHARE
        or gain.ci_low is None
        or gain.ci_high is None
    ):
        return "open"
    return "better" if gain.ci_low > 0 else "worse" if gain.ci_high < 0 else "open"


@dataclass(frozen=True)
class Primary(Record):
    """A comparison that was named before the evaluation: the opponent in each market, and the gain."""

    opponents: Mapping[str, str]
    gain: PairedGain


@dataclass(frozen=True)
class Against(Record):
    """Gains on one opponent.

    Parameters
    ----------
    any_markets, these_markets : PairedGain or None
        Pooled over markets, which are a level of the bootstrap or the ones of interest; None for one market.
    by_market, by_regime, by_market_and_regime : mapping of place to PairedGain
        By regime pooled over these markets.
    """

    any_markets: PairedGain | None
    these_markets: PairedGain | None
    by_market: Mapping[str, PairedGain]
    by_regime: Mapping[str, PairedGain]
    by_market_and_regime: Mapping[str, PairedGain]

    @property
    def first(self) -> PairedGain:
        """The gain in the first market."""
        return next(iter(self.by_market.values()))

    def view(self, key: str) -> PairedGain:
        """The gain in a view of a claim: see :attr:`Claim.called_by_view`."""
        return self.first if key == FIRST else getattr(self, key)


@dataclass(frozen=True)
class PlaceGain(Record):
    """The gain on an opponent in one place."""

    against: str
    place: str
    gain: PairedGain

    def json_fields(self) -> dict[str, object]:
        """Opponent, place and gain in one object."""
        return {"against": self.against, "in": self.place, **vars(self.gain)}


@dataclass(frozen=True)
class Lowest(PlaceGain):
    """The lowest gain among parts, and how many of them have a mean below 0."""

    below_0: int
    parts: int

    def json_fields(self) -> dict[str, object]:
        """The same with the counts."""
        return super().json_fields() | {"below_0": self.below_0, "parts": self.parts}


@dataclass(frozen=True)
class Claim(Record):
    """Claim about a row that is judged in every market; complete once all comparisons are corrected.

    Parameters
    ----------
    primary : mapping of opponent to Primary
    markets : list of str
    training_seeds : mapping of market to int
    against : mapping of opponent to Against
    """

    primary: Mapping[str, Primary]
    markets: list[str]
    training_seeds: Mapping[str, int]
    against: Mapping[str, Against]

    @property
    def called_by_view(self) -> dict[str, dict[str, dict[str, float]]]:
        """View (pooled over markets in both ways, or the only market) -> above, open, below -> opponent -> mean."""
        one_market = any(row.these_markets is None for row in self.against.values())
        views = {
            key: {other: row.view(key) for other, row in self.against.items()}
            for key in ((FIRST,) if one_market else POOLED)
        }
        return {
            key: {
                word: {other: gain.mean for other, gain in row.items() if called(gain) == call}
                for word, call in _CALLS
            }
            for key, row in views.items()
        }

    @property
    def worse(self) -> list[PlaceGain]:
        """Parts in which it costs significantly more, after the correction."""
        return [part for part in self.parts(_KINDS) if called(part.gain) == "worse"]

    @property
    def lowest(self) -> dict[str, Lowest]:
        """By market and by regime: where it gains least."""
        found = {}
        for kind in ("by_market", "by_regime"):
            if parts := list(self.parts((kind,))):
                low = min(parts, key=lambda part: part.gain.mean)
                below = sum(part.gain.mean < 0 for part in parts)
                found[kind] = Lowest(low.against, low.place, low.gain, below, len(parts))
        return found

    @property
    def verdict(self) -> dict[str, str]:
        """View -> one line."""
        return {key: _verdict(row, len(self.against)) for key, row in self.called_by_view.items()}

    def parts(self, kinds: Sequence[str]) -> Iterator[PlaceGain]:
        """Gains on every opponent in places of some kinds."""
        for other, row in self.against.items():
            for kind in kinds:
                for place, gain in getattr(row, kind).items():
                    yield PlaceGain(other, place, gain)

    def json_fields(self) -> dict[str, object]:
        """The fields, and the properties that follow from them."""
        return super().json_fields() | {
            "told": self.called_by_view,
            "worse": self.worse,
            "lowest": self.lowest,
            "verdict": self.verdict,
        }


def claim(
    name: str,
    cells: Cells,
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    best: Mapping[str, str] | None = None,
) -> Claim:
    """Claim of a row that is judged in every market; its verdicts follow once the ledger is adjusted.

    Parameters
    ----------
    name : str
        The policy or recipe.
    cells : mapping
    teams : mapping
    ledger : ComparisonLedger
        Pooled comparisons are entered; those of a single scenario are in it already.
    rng : numpy Generator
    best : mapping of market to str, optional
        The rule that was best on validation in each; given, there are primary comparisons.

    Returns
    -------
    Claim
    """
    (_, plain), *regimes = cells.items()
    opponents = [
        other
        for other in next(iter(plain.values())).gains[name]
        if all(other in one.gains[name] for row in cells.values() for one in row.values())
    ]
    pooling = _Pooling(name, teams, ledger, rng)
    primary = pooling.primary(plain, best) if best else {}
    against = {
        other: Against(
            **pooling.over_markets(other, plain, primary),
            by_market={market: one.cell.paired[name][other] for market, one in plain.items()},
            by_regime={regime: pooling.gain([other] * len(row), row) for regime, row in regimes},
            by_market_and_regime={
                f"{market} {regime}": one.cell.paired[name][other]
                for regime, row in regimes
                for market, one in row.items()
                if len(row) > 1
            },
        )
        for other in opponents
    }
    return Claim(
        primary, list(plain), {market: len(team) for market, team in teams.items()}, against
    )


@dataclass(frozen=True)
class _Pooling:
    """Gains of a row over several markets, as they are entered."""

    name: str
    teams: Teams
    ledger: ComparisonLedger
    rng: np.random.Generator

    def gain(
        self,
        others: Sequence[str],
        row: Compared,
        redraw_markets: bool = False,
        primary: bool = False,
    ) -> PairedGain:
        """On the opponent of each market; in a single one the very comparison of its table."""
        if len(row) == 1:
            return next(iter(row.values())).cell.paired[self.name][others[0]]
        scenarios, teams = (
            [one.resampled for one in row.values()],
            [tuple(self.teams[market]) for market in row],
        )
        found = pooled_gain(
            scenarios, self.name, others, self.rng, redraw_markets=redraw_markets, teams=teams
        )
        ranked = all(
            self.name not in one.unranked and its not in one.unranked
            for one, its in zip(scenarios, others, strict=True)
        )
        return self.ledger.enter(found, primary=primary, ranked=ranked)

    def primary(self, plain: Compared, best: Mapping[str, str]) -> dict[str, Primary]:
        """Against the best rule of each market and against `random`."""
        found = dict[str, Primary]()
        for key, others in (
            (BEST, [best[market] for market in plain]),
            (RANDOM, [RANDOM] * len(plain)),
        ):
            if all(
                other in one.gains[self.name]
                for other, one in zip(others, plain.values(), strict=True)
            ):
                gain = _found_in(found, others) or self.gain(others, plain, primary=True)
                found[key] = Primary(dict(zip(plain, others, strict=True)), gain)
        return found

    def over_markets(
        self, other: str, plain: Compared, primary: Mapping[str, Primary]
    ) -> dict[str, PairedGain | None]:
        """Pooled over markets in both ways; a primary comparison is not made, nor entered, a second time."""
        if len(plain) == 1:
            return dict.fromkeys(POOLED)
        others = [other] * len(plain)
        known = _found_in(primary, others)
        return {
            key: known if known and not redraw else self.gain(others, plain, redraw)
            for key, redraw in POOLED.items()
        }


def _found_in(primary: Mapping[str, Primary], others: Sequence[str]) -> PairedGain | None:
    """The primary comparison with these opponents, market by market, if there is one."""
    return next(
        (one.gain for one in primary.values() if list(one.opponents.values()) == others), None
    )


_CALLS = (("above", "better"), ("open", "open"), ("below", "worse"))
_KINDS = ("by_market", "by_regime", "by_market_and_regime")


def _verdict(calls: Mapping[str, Mapping[str, float]], count: int) -> str:
    """One line, with the name and the mean gain of everything that is not beaten.

    >>> _verdict({"above": {"a": 2.0, "b": 1.5}, "open": {"c": -0.25}, "below": {}}, 3)
    'significantly cheaper than 2 of 3 and more expensive than none; no significant difference from 1 (c -0.25)'
    """

    def named(means: Mapping[str, float]) -> str:
        ranked = sorted(means.items(), key=lambda item: item[1])
        text = ", ".join(f"{name} {round(mean, 2) + 0.0:+.2f}" for name, mean in ranked)
        return f"{len(means)} ({text})" if means else "none"

    return (
        f"significantly cheaper than {len(calls['above'])} of {count} and more expensive than {named(calls['below'])}; "
        f"no significant difference from {named(calls['open'])}"
    )
