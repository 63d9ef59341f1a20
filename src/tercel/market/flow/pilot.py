"""Simulated days of a flow alone, as tape: what the card of a preset is judged by.

The compiled flow of the batched simulator, no agent, no decisions; the record of its public rows becomes events.
"""

import numpy as np

from tercel.core.errors import CapacityError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.census import Census, census
from tercel.market.flow.preset import Preset
from tercel.market.flow.santa_fe import pack, santa_fe_event
from tercel.market.simulator import layout as sim
from tercel.market.tape import Events
from tercel.market.tape.schema import MESSAGE_END

CHUNK = 1 << 16


@kernel
def _run(b: Packed, k: Longs, flow: Floats, stop: int, margin: int) -> None:
    """Flow events until `stop` (ns) or until fewer than `margin` rows of the record are free."""
    while k[sim.FLOW_NS] < stop and k[sim.RECORD] + margin <= k[sim.RECORD_ROWS]:
        k[sim.NOW] = k[sim.FLOW_NS]
        santa_fe_event(b, k, flow)


def simulated_day(preset: Preset, seed: int, seconds: float, warmup_s: float = 600.0) -> Events:
    """A day of the preset's flow from an empty book, times in ns from 0, the warm-up in it.

    Raises
    ------
    CapacityError
        The preset's book is too small for its flow.

    >>> from tercel.market.flow import load
    >>> simulated_day(load("csco-2003"), seed=1, seconds=60.0, warmup_s=0.0).n > 50
    True
    """
    b = lay.new_book(preset.orders, preset.width, 0)
    margin = preset.orders + 1  # one market order takes each resting order at most once
    k = sim.extend(np.zeros(sim.GRID, np.int64), 0, CHUNK + margin)
    k[sim.MODEL] = sim.SANTA_FE
    k[sim.LAST_BID], k[sim.LAST_ASK] = preset.start_mid_ticks, preset.start_mid_ticks + 1
    k[sim.PUBLIC_BID], k[sim.PUBLIC_ASK] = NO_BID, NO_ASK
    seed_stream(k, sim.FLOW_RNG, seed, 0, 0)
    flow = pack(
        np.array(preset.limit_rate), preset.market_rate, np.array(preset.cancel_rate), np.array(preset.limit_sizes),
        np.array(preset.market_sizes),
    )  # fmt: skip
    stop = int((warmup_s + seconds) * NS_PER_SECOND)
    record = k[k[sim.RECORD_AT] : k[sim.LOG_AT]].reshape(-1, sim.RECORD_WORDS)
    chunks = []
    while k[sim.FLOW_NS] < stop:
        k[sim.RECORD] = 0
        _run(b, k, flow, stop, margin)
        chunks.append(record[: k[sim.RECORD]].copy())
    if b[lay.OVERFLOW]:
        raise CapacityError(
            f"room for the orders of {preset.name}",
            f"{b[lay.OVERFLOW]} orders beyond its {preset.orders} slots",
            "write the preset with more slots (`orders`)",
        )
    return _as_events(np.concatenate(chunks))


def simulated_census(preset: Preset, seed: int, seconds: float, warmup_s: float = 600.0) -> Census:
    """Census of a simulated day, the warm-up left out."""
    events = simulated_day(preset, seed, seconds, warmup_s)
    warm, stop = int(warmup_s * NS_PER_SECOND), int((warmup_s + seconds) * NS_PER_SECOND)
    return census(events, 0, stop, warm)


def _as_events(rows: Longs) -> Events:
    """Public rows of a record as canonical events; slots, used again and again, are the order ids (from 1)."""
    n = len(rows)
    return Events.from_columns(
        {
            "exch_ns": rows[:, sim.R_NS],
            "recv_ns": rows[:, sim.R_NS],
            "seq": np.arange(1, n + 1),
            "kind": rows[:, sim.R_KIND],
            "order_id": rows[:, sim.R_WHO] + 1,
            "side": rows[:, sim.R_SIDE],
            "price_ticks": rows[:, sim.R_PRICE],
            "qty_lots": rows[:, sim.R_LOTS],
            "flags": np.full(n, MESSAGE_END),
        }
    )
