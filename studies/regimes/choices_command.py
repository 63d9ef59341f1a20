"""``studies choices``: in each regime the best rule, and who chooses specialists without being told of it."""

from collections.abc import Sequence

from rich.table import Table

from studies.regimes import choices
from tercel.cli import print_json, result_console

SIDES = 1.96
"""Standard errors of a 95 % interval."""


def show(
    agents: Sequence[str],
    regimes: Sequence[str],
    markets: Sequence[str],
    *,
    episodes: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure and print; see :func:`studies.regimes.choices.choices`."""
    found = choices.choices(agents, regimes, markets, episodes=episodes, seed=seed)
    columns = {choices.SWITCH: "switch", "filter": "filter", "oracle": "oracle"}
    columns |= {
        name: name
        for costs in found.costs.values()
        for name in costs
        if name.partition(choices.WITHOUT)[0] in agents
    }
    rows = []
    for regime, costs in found.costs.items():
        best = found.best_rule(regime)
        less = {name: found.mean(regime, name, choices.BASE) for name in columns if name in costs}
        on_best = {name: found.mean(regime, name, best) for name in agents}
        rows.append(
            (
                regime,
                best,
                found.mean(regime, best),
                found.mean(regime, choices.BASE),
                less,
                on_best,
            )
        )
    if as_json:
        names = (
            "regime",
            "best_rule",
            "best",
            choices.BASE,
            f"less_{choices.BASE}",
            "less_best_rule",
        )
        told = [dict(zip(names, row, strict=True)) for row in rows]
        print_json({"markets": list(markets), "episodes": episodes, "seed": seed, "regimes": told})
        return
    table = Table(
        box=None,
        pad_edge=False,
        title="Cost by regime, bps",
        caption=f"Mean over {', '.join(markets)}; {episodes} episodes each, bought and sold in, seed {seed}. "
        f"Best rule: the cheapest of {len(choices.RULES)} in hindsight. Then each less {choices.BASE}, which switch, "
        f"filter and oracle leave in a trend; last, agents less the best rule; ±: {SIDES} standard errors.",
    )
    table.add_column("regime")
    table.add_column("best rule", no_wrap=True)
    for head in (
        "cost",
        choices.BASE,
        *columns.values(),
        *(f"{name} less best" for name in agents),
    ):
        table.add_column(head, justify="right", no_wrap=True)
    for regime, best, cost, base, less, on_best in rows:
        cells = (
            *(_cell(less.get(name)) for name in columns),
            *(_cell(on_best[name]) for name in agents),
        )
        table.add_row(regime, best, f"{cost[0]:.2f}", f"{base[0]:.2f}", *cells)
    result_console().print(table)


def _cell(difference: tuple[float, float] | None) -> str:
    """A mean and its interval; nothing where there is none."""
    return "" if difference is None else f"{difference[0]:+.3g} ±{SIDES * difference[1]:.2g}"
