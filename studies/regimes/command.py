"""``studies regimes``: what each named regime does to a market, against the same episodes without it."""

import math
from dataclasses import asdict
from typing import Any

from rich.table import Table

from studies.regimes.effects import Effect, effects
from tercel.cli import print_json, result_console
from tercel.market.flow import DEFAULT, load
from tercel.market.simulator import reactive

EPISODES = 128
SEED = 1

COLUMNS = (
    ("sd60", "sd60", "{:.2f}"),
    ("depth", "depth", "{:.2f}"),
    ("spread", "gap", "{:.2f}"),
    ("volume", "lots", "{:.2f}"),
    ("drift", "drift", "{:+.2f}"),
    ("lowest_depth", "low", "{:.2f}"),
    ("depth_after", "after", "{:.2f}"),
    ("deepest", "fall", "{:+.1f}"),
    ("back", "back", "{:.0%}"),
)


def show(market: str, as_json: bool) -> None:
    """Measure and print; see the module."""
    preset = load(market or DEFAULT)
    found = effects(reactive(preset), seed=SEED, episodes=EPISODES)
    if as_json:
        rows = [{key: _plain(value) for key, value in asdict(one).items()} for one in found]
        print_json({"market": preset.name, "episodes": EPISODES, "regimes": rows})
        return
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{preset.name}: each regime over the plain market",
        caption=f"{EPISODES} paired episodes; factors; gap: spread; lots: traded. sd60: s. d. of the mid's "
        "move in a minute. drift: mean move a minute, in plain sd60. Of regimes that pass, which begin five minutes "
        "after arrival: lowest depth, depth at the end, deepest fall of the mean mid in plain sd60, how much of it was "
        "made good by the end.",
    )
    table.add_column("regime", no_wrap=True)
    for _, head, _ in COLUMNS:
        table.add_column(head, justify="right")
    for one in found:
        table.add_row(one.name, *(_cell(one, key, form) for key, _, form in COLUMNS))
    result_console().print(table)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(one: Effect, key: str, form: str) -> str:
    value: Any = getattr(one, key)
    shown = key not in ("lowest_depth", "depth_after", "deepest", "back") or one.passes
    return form.format(value) if shown and math.isfinite(value) else ""
