"""A small queue-reactive market whose tables are made up: weights drawn at random around a stable law."""

from typing import Any

import numpy as np

from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.queue_reactive.tables import LAYOUT, WEIGHTS, PilotFactors

SHARES = (0.06, 0.06, 0.08, 0.08, 0.13, 0.13, 0.08, 0.08, 0.12, 0.12, 0.03, 0.03)


def made(seed: int = 1, rough: float = 0.4, **changes: Any) -> QueueReactivePreset:
    """A preset with weights that are lognormal about a stable market's shares, `rough` their log sd."""
    rng = np.random.default_rng(seed)
    law: dict[str, np.ndarray] = {}
    for name in WEIGHTS:
        cells = LAYOUT[name].length // q.EVENTS
        law[name] = rng.lognormal(0.0, rough / 2.0, (cells, q.EVENTS)) * (
            np.array(SHARES) if name == "state" else 1.0
        )
    law |= {
        "spread_edges": np.array([2.0, 3.0, 5.0, 8.0, 12.0, *[1e300] * 6]),
        "width_edges": np.array([2.0, 4.0, 8.0]),
        "narrow_edges": np.array([2.0, 3.0, 6.0]),
        "queue_edges": np.array([2.0, 4.0, 8.0, 15.0, 30.0]),
        "imbalance_edges": np.linspace(-0.9, 0.9, q.TOUCHES - 1),
        "fast_edges": np.array([-3.0, -1.0, 1.0, 3.0]),
        "flow_edges": np.array([-0.6, -0.2, 0.2, 0.6]),
        "sign_edges": np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]),
        "run_edges": np.array([0.15, 0.6, 1.4, 3.0]),
        "behind_edges": np.array([2.0, 3.0, 5.0, 9.0]),
        "shift_edges": np.array([-6.0, -4.0, -2.0, -1.0, 0.0, 1.0, 3.0]),
        "last_edges": np.array([-6.0, -3.0, -1.0, 1.0, 3.0]),
        "age_edges": np.array([1e7, 5e7, 5e8, 2e9]),
        "since_edges": np.array([1e8, 1e9, 5e9, 2e10]),
        "drop_edges": np.array([2.0, 4.0]),
        "fell_edges": np.array([1e7, 1e8, 1e9, 1e10]),
        "insides_edges": np.array([0.3, 1.0, 2.0, 4.0]),
        "withdrawn_edges": np.array([0.3, 1.0, 3.0]),
        "pressure_edges": np.array([-6.0, -3.0, -1.0, 1.0, 3.0, 6.0]),
        "again_edges": np.array([1e7, 5e7, 1e8, 5e8, 1e9, 5e9, 1e10, 3e10]),
        "young_edges": np.array([2e8, 2e9, 1e10]),
        "wait_edges": np.array([1e6, 1e7, 3e7, 1e8, 2e8, 4e8, 8e8, 1.6e9, 3e9]),
        "activity_edges": np.array([0.5, 1.0, 1.5]),
        "activity_mean": np.array([0.4, 0.8, 1.2, 2.0]),
        "season": np.ones(q.SEASONS),
        "turned": np.ones(q.SPREADS * q.KINDS),
        "pull": np.full(q.LEVELS - 1, 1.0 / 40.0),
        "hazard": np.full(q.LEVELS - 1, 1.0 / 40.0),
        "size": rng.integers(1, 9, LAYOUT["size"].length),
        "deep_edges": np.array([2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 1e300, 1e300]),
        "deep": rng.integers(1, 8, LAYOUT["deep"].length),
        "inside": rng.choice([-2, -1, 1, 2], LAYOUT["inside"].length),
        "take_equal": np.full(q.QUEUES, 0.3),
        "take_less": np.full(q.QUEUES, 0.9),
        "less": rng.integers(1, 9, LAYOUT["less"].length),
        "more": rng.integers(1, 5, LAYOUT["more"].length),
        "gap": rng.integers(1, 4, q.GAP_POINTS),
        "deep_lots": rng.integers(2, 20, q.GAP_POINTS),
        "repeat_size": np.full(q.PREVIOUS * 6, 0.3),
        "repeat_edges": np.array([2.0, 4.0, 6.0]),
        "repeat_by": np.repeat(((1.2, 1.0, 0.8, 0.5),), 3, axis=0),
        "repeat_price": np.full(q.PREVIOUS * 3, 0.3),
        "repost_size": np.full(3, 0.2),
        "repost_price": np.full(3, 0.2),
        "again_price": np.full(LAYOUT["again_price"].length, 0.3),
        "again_lots": np.full(LAYOUT["again_lots"].length, 0.5),
        "lost_price": np.full(LAYOUT["lost_price"].length, 0.2),
        "follow_price": np.full(LAYOUT["follow_price"].length, 0.2),
        "slot": np.arange(1, 9) / 8.0,
        "between": rng.choice([-1, 1], q.INSIDE_POINTS),
        "rank": np.arange(1, 9) / 16.0,
        "stays": np.array([1.0, 0.9, 0.8, 0.7]),
        "stay_edges": np.array([2.0, 4.0, 6.0]),
        "life_edges": np.array([1.0, 2.0, 4.0, 7.0, 12.0, 20.0, 35.0, 60.0, 120.0]),
        "leaves": np.exp(-0.2 * np.arange(q.LIFE))[:, None]
        * rng.uniform(0.5, 1.5, (q.LIFE, q.STAY_CLASSES)),
        "leaves_edges": np.array([2.0, 4.0, 6.0]),
        "hidden": np.repeat((0.5, 0.02), q.LAST_PLACES * q.SPREADS)
        * rng.uniform(0.5, 1.5, LAYOUT["hidden"].length),
        "hidden_same": np.array([0.0, 0.4, 0.2, 0.2, 0.1, 0.0]),
        "hidden_at": rng.choice([0.0, 0.25, 0.5], LAYOUT["hidden_at"].length),
        "hidden_lots": rng.integers(1, 9, q.GAP_POINTS),
    }
    waits = rng.dirichlet(
        np.ones(q.WAITS), q.PREVIOUS * q.WAITS * q.ACTIVITIES * q.WIDTHS * q.SINCE
    )
    law["wait_law"] = np.minimum(np.cumsum(waits, axis=1), 1.0)
    edges = np.concatenate(([0.0], law["wait_edges"], [6e9]))
    law["wait_ns"] = np.linspace(edges[:-1], edges[1:], q.WAIT_POINTS, axis=1)
    scalars = {
        "resolution_ns": 1.0, "session_ns": 23_400e9, "slow_ns": 30e9, "fast_ns": 2e9, "run_ns": 10e9,
        "value_ns": 300e9, "follow_ns": 5e9,
        "window": 30.0, "hole": 8.0, "limited": 0.0, "by_imbalance": 0.0, "beyond": 0.1, "live_mean": 60.0,
        "leaves_mean": 2.0, "hidden_again": 0.4, "deep_power": 2.0, "short_ns": 1e8,
        "unit": 3.0, "sweep": 10.0,
    }  # fmt: skip
    minutes = tuple(
        (float(a), float(m), float(i % 2))
        for i, (a, m) in enumerate(rng.uniform(0.5, 1.5, (60, 2)))
    )
    fields: dict[str, Any] = {
        "name": "made", "symbol": "MADE", "venue": "TEST", "tick": 0.01, "lot": 1, "start_mid_ticks": 10_000,
        "volume_per_s": 1.0, "mean_depth": (8.0, 10.0, 9.0, 7.0, 5.0), "level_offset_ticks": (0.0, 1.0, 2.0, 3.0, 4.0),
        "mean_spread_ticks": 2.0, "sd60_ticks": 1.0, "volume_curve": (1.0,) * 13, "eta_ticks_per_lot": 0.1,
        "orders": 4096, "width": 256, "card": {}, "version": q.VERSION,
        "law": {name: tuple(float(x) for x in np.asarray(values).ravel()) for name, values in law.items()},
        "scalars": scalars, "minutes": minutes, "fast_centres": tuple(np.linspace(-2, 2, q.FAST)),
        "knobs": PilotFactors(),
    }  # fmt: skip
    fields["scalars"] = scalars | changes.pop("scalars", {})
    fields["law"] |= changes.pop("law", {})
    return QueueReactivePreset(**(fields | changes))
