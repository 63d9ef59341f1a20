"""Claims: gains of a policy on every strategy over markets, training seeds and regimes, with a verdict on each.

A gain is called only after the correction of its comparisons (`comparisons.ComparisonLedger`), so a claim is built
first (:func:`claim`) and read afterwards, by the properties of :class:`Claim`. Losses are complete: every market,
regime or both in which the policy costs more is listed by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tercel.core.records import Record
from tercel.core.stats import PairedGain
from tercel.lab.evaluation.comparisons import Compared, ComparisonLedger, pooled_gain

SIGNIFICANCE_LEVEL = 0.05
"""Adjusted p-value below which a comparison is called."""
BEST = "best written"
RANDOM = "random"
"""Opponents of the primary comparisons."""
POOLED = {"any_markets": True, "these_markets": False}
"""Whether markets are a level of the bootstrap, in the two ways of pooling."""
SINGLE_MARKET = "by_market"
"""The view of a claim in a single market."""
ComparisonsByMarket = Mapping[str, Compared]
"""Market -> what was compared there."""
ComparisonsByRegime = Mapping[str, ComparisonsByMarket]
"""Regime -> market -> what was compared there; the first regime is the market as it is."""
Teams = Mapping[str, Sequence[str]]
"""Market -> the policies that make up the row there."""
Pool = Callable[..., PairedGain]
"""Opponents in each market, comparisons by market -> the gain of one row, pooled and entered (`_pool_gain`)."""


_VERDICT_GROUPS = (("above", "better"), ("open", "open"), ("below", "worse"))
_PLACE_KINDS = ("by_market", "by_regime", "by_market_and_regime")


def verdict_of(gain: PairedGain) -> str:
    """Verdict on a gain after the correction: "better", "worse" or "open" (also where the interval holds zero).

    >>> verdict_of(PairedGain(-23.6, -43.4, 0.8, p_adjusted=0.03))
    'open'
    """
    if (
        gain.p_adjusted is None
        or gain.p_adjusted >= SIGNIFICANCE_LEVEL
        or gain.ci_low is None
        or gain.ci_high is None
    ):
        return "open"
    return "better" if gain.ci_low > 0 else "worse" if gain.ci_high < 0 else "open"


@dataclass(frozen=True)
class PrimaryComparison(Record):
    """A comparison that was named before the evaluation: the opponent in each market, and the gain."""

    opponents: Mapping[str, str]
    gain: PairedGain


@dataclass(frozen=True)
class OpponentGains(Record):
    """Gains of a policy on one opponent: pooled over markets, and by market and regime.

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
    def first_market_gain(self) -> PairedGain:
        """Gain on this opponent in the first market."""
        return next(iter(self.by_market.values()))

    def gain_in_view(self, key: str) -> PairedGain:
        """Gain in a view of a claim (a key of `Claim.means_by_view`): pooled over markets, or in the only market."""
        return self.first_market_gain if key == SINGLE_MARKET else getattr(self, key)


PlaceGain = tuple[str, str, PairedGain]
"""An opponent, a place (a market, a regime, or a market in a regime), and the gain on the opponent there."""


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

    primary: Mapping[str, PrimaryComparison]
    markets: list[str]
    training_seeds: Mapping[str, int]
    against: Mapping[str, OpponentGains]

    @property
    def means_by_view(self) -> dict[str, dict[str, dict[str, float]]]:
        """Mean gains by view (pooled both ways, or the only market), group (above, open, below) and opponent."""
        one_market = any(gains.these_markets is None for gains in self.against.values())
        views = {
            key: {opponent: gains.gain_in_view(key) for opponent, gains in self.against.items()}
            for key in ((SINGLE_MARKET,) if one_market else POOLED)
        }
        return {
            key: {
                group: {
                    opponent: gain.mean
                    for opponent, gain in means.items()
                    if verdict_of(gain) == verdict
                }
                for group, verdict in _VERDICT_GROUPS
            }
            for key, means in views.items()
        }

    @property
    def worse(self) -> list[PlaceGain]:
        """Places in which the policy costs significantly more than an opponent, after the correction."""
        return [part for part in self.place_gains(*_PLACE_KINDS) if verdict_of(part[2]) == "worse"]

    @property
    def lowest(self) -> dict[str, PlaceGain]:
        """Lowest mean gain on any opponent in any one market and in any one regime, by kind of place (by_market, by_regime)."""
        parts_by_kind = {kind: self.place_gains(kind) for kind in ("by_market", "by_regime")}
        return {
            kind: min(parts, key=lambda part: part[2].mean)
            for kind, parts in parts_by_kind.items()
            if parts
        }

    def count_losses(self, kind: str) -> tuple[int, int]:
        """Number of gains in places of a kind whose mean is below 0, and of all."""
        gains = [gain for _, _, gain in self.place_gains(kind)]
        return sum(gain.mean < 0 for gain in gains), len(gains)

    @property
    def verdict(self) -> dict[str, str]:
        """One line of verdict for each view: opponents beaten, open, and not beaten."""
        return {
            key: _verdict_line(row, len(self.against)) for key, row in self.means_by_view.items()
        }

    def place_gains(self, *kinds: str) -> list[PlaceGain]:
        """Gains on every opponent in places of some kinds (`by_market`, `by_regime`, ...)."""
        return [
            (opponent, place, gain)
            for opponent, gains in self.against.items()
            for kind in kinds
            for place, gain in getattr(gains, kind).items()
        ]

    def json_fields(self) -> dict[str, object]:
        """Fields of the claim, with its verdicts, losses and lowest gains."""
        return super().json_fields() | {
            "told": self.means_by_view,
            "worse": [_place_fields(*part) for part in self.worse],
            "lowest": {
                kind: _place_fields(*part)
                | dict(zip(("below_0", "parts"), self.count_losses(kind), strict=True))
                for kind, part in self.lowest.items()
            },
            "verdict": self.verdict,
        }


def claim(
    name: str,
    compared: ComparisonsByRegime,
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    best: Mapping[str, str] | None = None,
) -> Claim:
    """Build the claim of a row judged in every market, entering pooled gains in `ledger`; verdicts follow its adjustment.

    Parameters
    ----------
    name : str
        The policy or recipe.
    compared : mapping
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
    (_, unchanged), *regimes = compared.items()
    gains = [cell.paired[name] for row in compared.values() for cell, _ in row.values()]
    opponents = [opponent for opponent in gains[0] if all(opponent in paired for paired in gains)]
    pool = partial(_pool_gain, name, teams, ledger, rng)
    primary = _pool_primary(name, pool, unchanged, best) if best else {}
    against = {
        opponent: OpponentGains(
            **_pool_over_markets(pool, opponent, unchanged, primary),
            by_market={
                market: cell.paired[name][opponent] for market, (cell, _) in unchanged.items()
            },
            by_regime={
                regime: pool([opponent] * len(comparisons), comparisons)
                for regime, comparisons in regimes
            },
            by_market_and_regime={
                f"{market} {regime}": cell.paired[name][opponent]
                for regime, comparisons in regimes
                for market, (cell, _) in comparisons.items()
                if len(comparisons) > 1
            },
        )
        for opponent in opponents
    }
    return Claim(
        primary, list(unchanged), {market: len(team) for market, team in teams.items()}, against
    )


def _pool_gain(
    name: str,
    teams: Teams,
    ledger: ComparisonLedger,
    rng: np.random.Generator,
    opponents: Sequence[str],
    comparisons: ComparisonsByMarket,
    redraw_markets: bool = False,
    primary: bool = False,
) -> PairedGain:
    """Gain of a row pooled over markets, on one opponent in each, and entered in the ledger; for a single market that
    of its table, which is not entered again.
    """
    if len(comparisons) == 1:
        [(cell, _)] = comparisons.values()
        return cell.paired[name][opponents[0]]
    scenarios = [resampled for _, resampled in comparisons.values()]
    row_teams = [tuple(teams[market]) for market in comparisons]
    pooled = pooled_gain(
        scenarios, name, opponents, rng, redraw_markets=redraw_markets, teams=row_teams
    )
    ranked = all(
        name not in scenario.unranked and opponent not in scenario.unranked
        for scenario, opponent in zip(scenarios, opponents, strict=True)
    )
    return ledger.enter(pooled, primary=primary, ranked=ranked)


def _pool_primary(
    name: str, pool: Pool, unchanged: ComparisonsByMarket, best: Mapping[str, str]
) -> dict[str, PrimaryComparison]:
    """Pool the primary comparisons and enter them in the ledger: with the best rule of each market, and with `random`;
    without those that were not compared everywhere.
    """
    comparisons = dict[str, PrimaryComparison]()
    for key, opponents in (
        (BEST, [best[market] for market in unchanged]),
        (RANDOM, [RANDOM] * len(unchanged)),
    ):
        if all(
            opponent in cell.paired[name]
            for opponent, (cell, _) in zip(opponents, unchanged.values(), strict=True)
        ):
            gain = _find_primary_gain(comparisons, opponents) or pool(
                opponents, unchanged, primary=True
            )
            comparisons[key] = PrimaryComparison(dict(zip(unchanged, opponents, strict=True)), gain)
    return comparisons


def _pool_over_markets(
    pool: Pool,
    opponent: str,
    unchanged: ComparisonsByMarket,
    primary: Mapping[str, PrimaryComparison],
) -> dict[str, PairedGain | None]:
    """Gain on an opponent pooled over markets in both ways, None for each if there is one market; of fixed markets a
    primary comparison is reused, not entered a second time.
    """
    if len(unchanged) == 1:
        return dict.fromkeys(POOLED)
    opponents = [opponent] * len(unchanged)
    primary_gain = _find_primary_gain(primary, opponents)
    return {
        key: primary_gain if primary_gain and not redraw else pool(opponents, unchanged, redraw)
        for key, redraw in POOLED.items()
    }


def _find_primary_gain(
    primary: Mapping[str, PrimaryComparison], opponents: Sequence[str]
) -> PairedGain | None:
    """Gain of the primary comparison whose opponents are these, market by market; None if there is none."""
    return next(
        (
            comparison.gain
            for comparison in primary.values()
            if list(comparison.opponents.values()) == opponents
        ),
        None,
    )


def _place_fields(opponent: str, place: str, gain: PairedGain) -> dict[str, object]:
    """Opponent, place and fields of the gain in one flat dict, as in the file."""
    return {"against": opponent, "in": place, **vars(gain)}


def _verdict_line(means_by_group: Mapping[str, Mapping[str, float]], count: int) -> str:
    """Line of verdict on `count` opponents, with names and mean gains of those that are not beaten.

    >>> _verdict_line({"above": {"a": 2.0, "b": 1.5}, "open": {"c": -0.25}, "below": {}}, 3)
    'significantly cheaper than 2 of 3 and more expensive than none; no significant difference from 1 (c -0.25)'
    """

    def list_means(means: Mapping[str, float]) -> str:
        """Number of opponents, with names and means in ascending order; "none" without any."""
        ranked = sorted(means.items(), key=lambda item: item[1])
        text = ", ".join(f"{name} {round(mean, 2) + 0.0:+.2f}" for name, mean in ranked)
        return f"{len(means)} ({text})" if means else "none"

    return (
        f"significantly cheaper than {len(means_by_group['above'])} of {count} and more expensive than "
        f"{list_means(means_by_group['below'])}; "
        f"no significant difference from {list_means(means_by_group['open'])}"
    )
