"""The published parameters as presets: `cw-noise`, `cw-flow`, `cw-strategic`, and each with plain cancels.

Cheridito & Weiss (2025), "Reinforcement learning for trade execution with market and limit orders", arXiv 2507.06345,
and the configuration of their code. Rates: Abergel et al. (2016), "Limit order books", cancels times 100 for the
smaller orders here. What a preset says beside its law (volume, depth, volatility) is measured in it.

    python -m replications.cheridito_weiss.published      writes the files that are shipped
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.flows import FOLDER, CheriditoWeissPreset
from tercel.core import NS_PER_SECOND, seed_stream
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

LIMIT_RATE: Final = (
    0.2842, 0.5255, 0.2971, 0.2307, 0.0826, 0.0682, 0.0631, 0.0481, 0.0462, 0.0321, 0.0178, 0.0015, 0.0001,
)  # fmt: skip
MARKET_RATE: Final = 0.1237
CANCEL_RATE: Final = tuple(
    0.1 * rate
    for rate in (
        0.8636, 0.4635, 0.1487, 0.1096, 0.0402, 0.0341, 0.0311, 0.0237, 0.0233, 0.0178, 0.0127, 0.0012, 0.0001,
    )
)  # fmt: skip
SHAPE: Final = (
    4, 11, 16, 19, 20, 20, 20, 19, 18, 18, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9, 9, 8, 8, 7, 7, 6, 6, 6,
)  # fmt: skip
SIZE_SD: Final = 2.0
MOST_LOTS: Final = 20
CALMED: Final = 0.85
"""All rates of the markets that react are so much lower, so that as much happens as in the one that does not."""
MARKETS: Final = ("noise", "flow", "strategic")

_NOTHING: Final[dict[str, Any]] = {
    "volume_per_s": 1.0,
    "mean_depth": SHAPE[:5],
    "level_offset_ticks": (0.0, 1.0, 2.0, 3.0, 4.0),
    "mean_spread_ticks": 1.0,
    "sd60_ticks": 0.0,
    "volume_curve": (0.0,) * 13,
    "eta_ticks_per_lot": 0.0,
}


def size_share() -> tuple[float, ...]:
    """Shares of 1, 2, ... lots: round(min(1 + abs(N(0, 2)), 20)).

    >>> [round(share, 4) for share in size_share()[:3]]
    [0.1974, 0.3493, 0.242]
    """

    def below(x: float) -> float:
        return math.erf(x / (SIZE_SD * math.sqrt(2.0)))

    upto = [below(lots - 0.5) for lots in range(1, MOST_LOTS)] + [1.0]
    return tuple(np.diff(upto, prepend=0.0).tolist())


def published(
    market: str, cancels: str = "own", facts: dict[str, Any] | None = None
) -> CheriditoWeissPreset:
    """The preset of a market of the paper.

    Parameters
    ----------
    market : str
        noise, flow or strategic.
    cancels : str
        "own" as published, or "any".
    facts : dict, optional
        What `measured` found in it.
    """
    reacts = market != "noise"
    calmed = CALMED if reacts else 1.0
    facts = facts or _NOTHING
    card = {
        "source": "Cheridito & Weiss 2025, arXiv 2507.06345",
        "days": [],
        "task": "sell 20 or 60 lots in 150 s, 10 decisions, after 15 s of warm-up",
    }
    return CheriditoWeissPreset.model_validate(
        {
            "name": f"cw-{market}" + ("-plain" if cancels == "any" else ""),
            "symbol": "CW",
            "venue": "SIMULATED",
            "tick": 0.01,
            "lot": 1,
            "start_mid_ticks": 1000,
            "limit_rate": tuple(calmed * rate for rate in LIMIT_RATE),
            "market_rate": calmed * MARKET_RATE,
            "cancel_rate": tuple(calmed * rate for rate in CANCEL_RATE),
            "size_share": size_share(),
            "reaction": 2.0 if reacts else 0.0,
            "damping": 0.65,
            "cancels": cancels,
            "strategic_s": 3.0 if market == "strategic" else 0.0,
            "strategic_market": 1,
            "strategic_limit": 2,
            "shape": SHAPE,
            **facts,
            "orders": 512,
            "width": 128,
            "card": card,
        }
    )


def measured(
    preset: CheriditoWeissPreset, episodes: int = 4000, seed: int = 2507
) -> dict[str, Any]:
    """Volume, depth, spread and volatility within the 150 s after the warm-up, over episodes of nobody's orders."""
    from tercel.market.simulator import engine, first_world

    b0, k0, flow = first_world(preset, 0)
    seen, depth = np.zeros((episodes, 11, 8)), np.zeros((episodes, 5))
    for i in range(episodes):
        b, k = b0.copy(), k0.copy()
        seed_stream(k, sim.FLOW_RNG, seed, i, 1)
        engine.sample_market(b, k, flow, 15 * NS_PER_SECOND, 15 * NS_PER_SECOND, seen[i])
        depth[i] = (_depth(b, 1) + _depth(b, -1)) / 2
    mids, spreads, volumes = seen[:, :, 0], seen[:, :, 1], seen[:, :, 2]
    per_s = float((volumes[:, -1] - volumes[:, 0]).mean() / 150.0)
    mean_depth = depth.mean(axis=0)
    return {
        "volume_per_s": round(per_s, 4),
        "mean_depth": tuple(np.round(mean_depth, 2).tolist()),
        "level_offset_ticks": (0.0, 1.0, 2.0, 3.0, 4.0),
        "mean_spread_ticks": round(float(spreads[spreads > 0].mean()), 3),
        "sd60_ticks": round(float((mids[:, 4] - mids[:, 0]).std()), 3),
        "volume_curve": (round(per_s * 1800.0, 1),) * 13,
        "eta_ticks_per_lot": round(float(1.0 / (2.0 * mean_depth.mean())), 4),
    }


def _depth(b: NDArray[np.int32], side: int) -> NDArray[np.float64]:
    """Lots on the five best occupied levels of a side."""
    records = b[lay.HEADER : lay.HEADER + int(b[lay.ORDERS]) * lay.ORDER].reshape(-1, lay.ORDER)
    live = records[(records[:, lay.QTY] > 0) & (records[:, lay.SIDE] == side)]
    prices, level = np.unique(-side * live[:, lay.PRICE], return_inverse=True)
    return np.bincount(level, live[:, lay.QTY], minlength=max(len(prices), 5))[:5].astype(
        np.float64
    )


def write() -> None:
    """Write all six files."""
    for market in MARKETS:
        for cancels in ("own", "any"):
            facts = measured(published(market, cancels))
            preset = published(market, cancels, facts)
            preset.save(FOLDER / f"{preset.name}.json")


if __name__ == "__main__":
    write()
