"""Laws of impact of a preset by name; the default one: constants from its tape, the mean trade from a run of its market."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.impact.law import HORIZON_S, LAWS, ImpactLaw, law_on_card
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded
from tercel.market.simulator.source import Source, reactive
from tercel.market.tape.schema import EXECUTE

AnyPreset = TypeVar("AnyPreset", bound=Preset)
TRADES = 2000
WORLDS = 48
"""Starts: with few, the error of a mean over pairs would be that of a mean over worlds."""
WEIGHTS_TAU_S = 30.0
WEIGHTS_BETA = 1.5
WEIGHTS_ETA = 0.25
"""Share of own flow that the market answers, in linear response: 2 tau (market orders a second and side) m.

More of it overshoots in models whose public flow remembers trades: prices fall while we buy.
"""


def law_for(preset: Preset, impact: str | ImpactLaw | None) -> ImpactLaw | None:
    """Law of impact by name, None for "none"; an `ImpactLaw` is returned as it is; None gives the law on the card, if any.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    if isinstance(impact, ImpactLaw):
        return impact
    card_law = law_on_card(preset.card)
    if impact is None or (card_law is not None and card_law.law == impact):
        return card_law
    if impact not in LAWS:
        raise ConfigError(
            f"an impact law: {', '.join(LAWS)}", f"{impact!r}", "such as `impact=translation`"
        )
    if impact == "none":
        return None
    law = card_law or pilot_law(preset)
    return law if impact == "translation" else weights_law(law)


def weights_law(law: ImpactLaw) -> ImpactLaw:
    """The law `weights` (kernel bias of Noble, Rosenbaum and Souilmi) for a market with the mean trade and volume of `law`."""
    strength = WEIGHTS_ETA * law.horizon_s / (WEIGHTS_TAU_S * law.trades)
    return replace(law, law="weights", td_s=WEIGHTS_TAU_S, beta=WEIGHTS_BETA, strength=strength)


def pilot_law(
    preset: Preset, *, y: float = 1.0, seed: int = 0, replenishment_s: tuple[float, ...] = ()
) -> ImpactLaw:
    """The translation law of a preset: volatility and volume from its tape, the mean trade from a run of its market.

    Parameters
    ----------
    y : float
        Prior.
    replenishment_s : tuple of float
        Of its tape (`market.impact.fitted`).

    Raises
    ------
    ConfigError
        When the model does not trade.
    """
    trade = mean_trade(reactive(preset, seed=seed, impact="none"), seed)
    return ImpactLaw(
        "translation",
        mean_trade_lots=trade,
        trades=preset.volume_per_s * HORIZON_S / trade,
        sigma_ticks=preset.sd60_ticks * float(np.sqrt(HORIZON_S / 60.0)),
        y=y,
        replenishment_s=replenishment_s,
    )


def with_pilot_law(
    preset: AnyPreset,
    *,
    y: float = 1.0,
    seed: int = 0,
    replenishment_s: tuple[float, ...] | None = None,
) -> AnyPreset:
    """The preset with its law on its card, so that it applies by default.

    `replenishment_s`: of its tape; those that its card has, if not given.
    """
    if replenishment_s is None:
        card_law = preset.card.get("impact") or {}
        replenishment_s = tuple(float(delay) for delay in card_law.get("replenishment_s", ()))
    law = pilot_law(preset, y=y, seed=seed, replenishment_s=replenishment_s)
    return preset.model_copy(update={"card": {**preset.card, "impact": law.card()}})


def mean_trade(
    source: Source, seed: int, seconds: float = 3600.0, max_s: float = 400_000.0
) -> float:
    """Mean lots of a public market order, from a run of the market; executions of one moment and side are one order.

    Runs `seconds`, and on until there are `TRADES`, at most `max_s`.

    Raises
    ------
    ConfigError
        When nothing trades.
    """
    lots = 0
    orders = 0
    elapsed_s = 0.0
    book = source.worlds_b[0].copy()
    state = source.worlds_k[0].copy()
    state[sim.FLOW_RNG] ^= seed
    while elapsed_s < seconds or (orders < TRADES and elapsed_s < max_s):
        elapsed_s += seconds
        rows = run_recorded(book, state, source.flow, int(state[sim.NOW] + seconds * NS_PER_SECOND))
        rows = rows[rows[:, sim.R_KIND] == EXECUTE]
        lots += int(rows[:, sim.R_LOTS].sum())
        orders += len(np.unique(rows[:, [sim.R_NS, sim.R_SIDE]], axis=0))
    if orders == 0:
        raise ConfigError(
            "a market that trades",
            f"no trade of {source.name} in {elapsed_s:g} s",
            "check its rates",
        )
    return lots / orders
