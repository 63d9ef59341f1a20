"""`Observation-v3`: `Observation-v2` with own fills, own share of the volume and the market's slow flow behind it.

A function of the two integer rows alone, as `execution.observation_v2` is. Here d is the mean of the ten displayed
levels, "since the warm-up" goes back to long before the arrival, and flow is that of aggressors, in lots.

| entry | |
|---|---|
| `fill_rate` | lots done a decision so far, over lots left a decision to come: log, from -4 to 4; 0 at arrival |
| `fill_share` | lots done, over them and all flow against the order since arrival |
| `flow_to_come` | flow against the order, an interval on average, times decisions to come, over lots left: log(1 + x) |
| `pace` | flow an interval since arrival over that since the warm-up: log, from -4 to 4 |
| `lean` | (flow with - flow against) / (flow with + flow against), since the warm-up |
| `lean_since_arrival` | the same since arrival |
| `long_order_flow_imbalance` | order flow imbalance an interval since the warm-up / d, slog |
"""

import math
from typing import Final

from tercel.core.jit import Longs, Singles, kernel
from tercel.execution import columns as c
from tercel.execution.microstructure import imbalance, signed_log
from tercel.execution.observation_v2 import OBS2_SIZE, STACKED, encode_past, encode_v2, mean_depth

SLOW_NAMES: Final = (
    *("fill_rate", "fill_share", "flow_to_come"),
    *("pace", "lean", "lean_since_arrival", "long_order_flow_imbalance"),
)
"""Names of the entries behind those of the second observation, in order."""
SLOW_SIZE: Final = len(SLOW_NAMES)
_MOST: Final = 4.0


@kernel
def _log_ratio(over: float, under: float) -> float:
    """log(over / under), cut at 4 either way; where neither is anything, 0."""
    if over <= 0.0 or under <= 0.0:
        return 0.0 if over <= 0.0 and under <= 0.0 else (_MOST if over > 0.0 else -_MOST)
    return min(max(math.log(over / under), -_MOST), _MOST)


@kernel
def encode_slow(x: Longs, m: Longs, at: int, o: Singles) -> None:
    """Entries `at` and on: how the order fares, and the slow state of the market (see the module's table)."""
    depth = mean_depth(m)
    passed, to_come = x[c.DECISION], max(x[c.DECISIONS] - x[c.DECISION], 1)
    interval_ns = max(x[c.HORIZON_NS] / max(x[c.DECISIONS], 1), 1.0)
    intervals = max(m[c.AGE_NS] / interval_ns, 1.0)
    left, done = float(max(x[c.LEFT], 1)), float(max(x[c.QTY0] - x[c.LEFT], 0))
    same, against = float(m[c.LONG_SAME]), float(m[c.LONG_AGAINST])
    seen, seen_against = float(m[c.V_SEEN]), float(m[c.SEEN_AGAINST])
    o[at] = _log_ratio(done / max(passed, 1), left / to_come) if passed > 0 else 0.0
    o[at + 1] = done / max(done + seen_against, 1.0)
    o[at + 2] = math.log1p(against / intervals * to_come / left)
    o[at + 3] = (
        _log_ratio(seen / max(passed, 1), (same + against) / intervals) if passed > 0 else 0.0
    )
    o[at + 4] = imbalance(same, against)
    o[at + 5] = imbalance(seen - seen_against, seen_against)
    o[at + 6] = signed_log(m[c.LONG_OFI] / intervals / depth)


@kernel
def encode_v3_rows(x: Longs, m: Longs, out: Singles) -> None:
    """int64 (n, PX), int64 (n, MX) -> `out`, float32 (n, OBS2_SIZE + 5 (stack - 1) + SLOW_SIZE): v2's entries first."""
    slow = out.shape[1] - SLOW_SIZE
    for row in range(out.shape[0]):
        encode_v2(x[row], m[row], out[row])
        for back in range(1, 1 + (slow - OBS2_SIZE) // len(STACKED)):
            encode_past(m[row], back, OBS2_SIZE + (back - 1) * len(STACKED), out[row])
        encode_slow(x[row], m[row], slow, out[row])
