"""``python -m studies seconds``: what `+seconds` saves on tape, its forecaster of other symbols; what haste costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from studies.tape import flow
from studies.tape.flow_command import judged_of
from tercel import View
from tercel.cli import print_json, print_table, say
from tercel.core.report import spelt
from tercel.execution import (
    AlphaTilt,
    Intents,
    OnSeconds,
    PostureCap,
    Strategy,
    Wrapper,
    half_spread,
)
from tercel.execution import columns as c
from tercel.execution.foresight import Forecaster, heard
from tercel.execution.strategies import build
from tercel.signals.flow.train import steps

BASES: Final = ("immediate", "twap_take", "guarded", "peg_touch", "twap_repeg")
HASTE: Final = ((0.5, 0.5), (0.5, 0.8))
"""Half spreads against an order from which it makes haste, and the urgency."""


@dataclass(frozen=True)
class Hasty(Wrapper):
    """What the packaged wrapper does not do: urgency is raised where the next 30 s go against the order."""

    inner: Strategy
    model: str
    hurry: float
    urgency: float
    name: str = "hasty"

    @property
    def forecaster(self) -> Forecaster | None:
        """Whose forecasts it is told of."""
        return heard(self.model)

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy under a higher urgency."""
        x = view.x.copy()
        half = half_spread(view)
        hasty = (half > 0) & (view.forecast_30_bps > self.hurry * half)
        x[hasty, c.URGENCY] = np.maximum(x[hasty, c.URGENCY], round(self.urgency * 1e6))
        return self.inner.decide(replace(view, x=x))


def strategies_of(base: str, model: str) -> dict[str, Strategy]:
    """A base, the same guided by seconds, and in haste by them."""
    inner = build(base)
    hasty = {
        f"{base}, haste {u:g} from {h:g}": Hasty(PostureCap(inner), model, h, u) for h, u in HASTE
    }
    return {base: inner, f"{base}+alpha+seconds": OnSeconds(AlphaTilt(inner), model), **hasty}


def run(
    lakes: Sequence[Path],
    symbols: Sequence[str],
    leave_out: Sequence[str],
    bound: str,
    seed: int,
    as_json: bool,
) -> None:
    """Print a row a symbol and strategy."""
    days, homes, judged = judged_of(lakes, symbols)
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as kept, steps("judging", len(judged)) as step:
        for symbol in judged:
            others = {name: found for name, found in days.items() if name != symbol}
            model = flow.learned(others, Path(kept) / symbol, seed)
            market = flow.ground(homes[symbol], symbol, bound, leave_out)
            made = {base: strategies_of(base, model) for base in BASES}
            scores = flow.scores_of(
                market, {name: one for each in made.values() for name, one in each.items()}
            )
            for base, each in made.items():
                cost = float(scores.mean(base).mean())
                for name in list(each)[1:]:
                    found = flow.saved(scores, name, base)
                    rows.append({"symbol": symbol, "orders": len(scores.cluster), "strategy": name, "cost_bps": cost,
                                 "saves_bps": found})  # fmt: skip
            step()
    if as_json:
        print_json(
            {
                "bound": bound,
                "rows": [row | {"saves_bps": row["saves_bps"].to_json()} for row in rows],
            }
        )
        return
    shown = [
        (str(x["symbol"]), str(x["strategy"]), f"{x['cost_bps']:.2f}", spelt(x["saves_bps"]))
        for x in rows
    ]
    title = (
        f"half-hour orders of 10 %, both sides, {bound}; the forecaster knows other symbols alone"
    )
    print_table(title, ("symbol", "strategy", "without it, bps", "saves, bps"), shown)
    say("Intervals are over days.")
