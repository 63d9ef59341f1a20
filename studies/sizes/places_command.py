"""``python -m studies places``: what our side trades beside its twin, by where a whole volume stands."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from studies.twins import without_own_orders
from tercel import Latency, Task
from tercel.cli import print_json, print_table, say
from tercel.execution import Peg
from tercel.lab.evaluation import Episodes, seeded_plan
from tercel.market.flow import load
from tercel.market.simulator import layout as sim, reactive

PLACES = {"touch": 0, "inside": -1, "behind": 1}
"""Where orders rest: ticks behind the touch."""
WORLDS = 4
MOST = 1.2
"""What our side may trade at most, over the twin's."""


@dataclass(frozen=True)
class Place:
    """Lots of our side in ten minutes, over those of the twin: own, by limit orders that crossed them, and all."""

    market: str
    place: str
    own: float
    crossed: float
    traded: float


def run(markets: Sequence[str], episodes: int, seed: int, as_json: bool) -> None:
    """Print a row a market and place."""
    rows = [measure(market, place, episodes, seed) for market in markets for place in PLACES]
    if as_json:
        print_json({"places": [asdict(one) for one in rows]})
        return
    shown = [
        (x.market, x.place, f"{x.own:.2f}", f"{x.crossed:.2f}", f"{x.traded:.2f}") for x in rows
    ]
    print_table(
        "lots of our side over the twin's: an order of ten minutes' volume",
        ("market", "place", "own", "crossed", "all"),
        shown,
    )  # fmt: skip
    above = [f"{x.market} {x.place}" for x in rows if x.traded > MOST]
    say(f"Above {MOST:g}: {', '.join(above)}." if above else f"None is above {MOST:g}.")


def measure(market: str, place: str, episodes: int, seed: int) -> Place:
    """Own orders of the whole volume of ten minutes that rest at a place."""
    preset = load(market)
    task = Task(
        share=1.0,
        horizon_s=600.0,
        decisions=60,
        warmup_s=60.0,
        latency=Latency("constant", 1_000_000, 0),
    )
    plan = seeded_plan(task, max(round(600 * preset.volume_per_s), 1), seed, 0, episodes, WORLDS)
    source = reactive(preset, worlds=WORLDS, seed=seed, settle_s=900.0)
    ours, rule = Episodes(source, task, episodes), Peg(PLACES[place])
    ours.start(plan)
    while ours.working.any():
        ours.step(rule.decide(ours.view))
    k, twin = ours.states, without_own_orders(source, task, plan).states
    at, i = np.where(k[:, sim.SIDE] > 0, sim.SOLD, sim.BOUGHT), np.arange(episodes)
    public, theirs = (x[i, at] - x[i, sim.ARRIVED + at - sim.EVENTS] for x in (k, twin))
    own, total = k[:, sim.PASSIVE_LOTS].sum(), max(int(theirs.sum()), 1)
    return Place(
        market, place, float(own / total), float(k[:, sim.CROSSED_LOTS].sum() / total),
        float((own + public.sum()) / total),
    )  # fmt: skip
