"""Regimes in the event loop: a chain or script sets the regime in force, a season the pace of the day.

A law lies in the flow's parameters at `flow[REGIMES_AT]` (see `regimes.law.pack_law`): its head, the first phase of every
regime, the phases, then the chain's first law and rates or the script's entries, then the season.

A change of pace applies to the clock of events that are still to be drawn. The one that was drawn already comes sooner
or later in proportion to the pace, which is exact for a change of pace alone; with other factors its time, not its
kind, is still that of the regime before.
"""

import math

import numpy as np

from tercel.core.jit import Floats, Longs, kernel, late_kernel
from tercel.core.seeds import seed_stream, uniform
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import write_row
from tercel.market.simulator.packed_events import follows_recording
from tercel.market.simulator.records import state_at

# The head of a law, from flow[REGIMES_AT] on.
STATES = 0
LAW = 1
ENTRIES = 2  # of the script
FROM = 3  # what the script's times count from
PHASES = 4
SEASON_STEPS = 5  # 0: no season
SEASON_STEP_NS = 6
SEASON_START_NS = 7  # time of day at arrival; AS_IT_IS, DRAWN
HEAD = 8

CHAIN = 1
SCRIPT = 2
ARRIVAL = 0
SESSION = 1
AS_IT_IS = -1.0
DRAWN = -2.0

PHASE_WORDS = 6  # ns (0: to the end of the regime), then the factors
SECOND = 1e9


def with_law(flow: Floats, law: Floats) -> Floats:
    """Flow parameters with a regime law appended, replacing any earlier one."""
    extended = np.concatenate([flow, law])
    extended[sim.REGIMES_AT] = len(flow)
    return extended


@kernel
def law_offset(flow: Floats) -> int:
    """Offset of the regime law in the flow's parameters, 0 without one."""
    return int(flow[sim.REGIMES_AT]) if flow.shape[0] > sim.REGIMES_AT else 0


@kernel
def _table_at(flow: Floats, law_at: int) -> int:
    """Offset of the chain's first law, or of the script."""
    return law_at + HEAD + int(flow[law_at + STATES]) + 1 + int(flow[law_at + PHASES]) * PHASE_WORDS


@kernel
def _season_at(flow: Floats, law_at: int) -> int:
    """Offset of the season."""
    n = int(flow[law_at + STATES])
    return _table_at(flow, law_at) + (
        n + n * n if flow[law_at + LAW] == CHAIN else 2 * int(flow[law_at + ENTRIES])
    )


@kernel
def _pick(state: Longs, flow: Floats, first: int, n: int, total: float) -> int:
    """Draw one of n states with the weights from `flow[first]` on."""
    u = uniform(state, sim.REGIME_RNG) * total
    last = 0
    for i in range(n):
        if flow[first + i] > 0.0:
            last = i
            if u < flow[first + i]:
                return i
            u -= flow[first + i]
    return last


@kernel
def _enter_phase(state: Longs, flow: Floats, law_at: int, phase: int) -> None:
    """Make a phase the one in force, and set PHASE_NS to its end, FOREVER_NS if it has none; `_apply` writes its factors."""
    s = state_at(state)
    s.regime_phase = phase
    phase_ns = flow[law_at + HEAD + int(flow[law_at + STATES]) + 1 + phase * PHASE_WORDS]
    s.phase_ns = s.now + int(phase_ns) if phase_ns > 0.0 else FOREVER_NS


@kernel
def _enter(state: Longs, flow: Floats, law_at: int, regime: int) -> None:
    """Put a regime in force, its first phase begun; sets CHANGE_NS to a chain's next jump, which is drawn, else to FOREVER_NS."""
    s = state_at(state)
    n = int(flow[law_at + STATES])
    s.regime = regime + 1
    _enter_phase(state, flow, law_at, int(flow[law_at + HEAD + regime]))
    s.change_ns = FOREVER_NS
    if flow[law_at + LAW] == CHAIN:
        rates = _table_at(flow, law_at) + n + regime * n
        total = 0.0
        for i in range(n):
            total += flow[rates + i]
        if total > 0.0:
            wait = -math.log(1.0 - uniform(state, sim.REGIME_RNG)) * SECOND / total
            s.change_ns = s.now + 1 + int(wait) if wait < 1e18 else FOREVER_NS


@kernel
def _read_script(state: Longs, flow: Floats, law_at: int, base: int) -> int:
    """Regime that the script demands by now, -1 for no change; moves `entry` past the entries read. `base`: their origin, ns."""
    s = state_at(state)
    script = _table_at(flow, law_at)
    new_regime = -1
    while s.entry < flow[law_at + ENTRIES] and base + int(flow[script + 2 * s.entry]) <= s.now:
        new_regime = int(flow[script + 2 * s.entry + 1])
        s.entry += 1
    return new_regime


@kernel
def _script_origin(state: Longs, flow: Floats, law_at: int) -> int:
    """Time, ns, from which a script's times count: the arrival or the session's opening."""
    s = state_at(state)
    return int(s.start_ns if flow[law_at + FROM] == ARRIVAL else s.session_ns)


@kernel
def _next_entry(state: Longs, flow: Floats, law_at: int) -> None:
    """Set CHANGE_NS to the time of a script's next entry, FOREVER_NS if there is none; a chain's is left as it is."""
    s = state_at(state)
    if flow[law_at + LAW] == SCRIPT:
        s.change_ns = FOREVER_NS
        if s.entry < flow[law_at + ENTRIES]:
            s.change_ns = _script_origin(state, flow, law_at) + int(
                flow[_table_at(flow, law_at) + 2 * s.entry]
            )


@kernel
def _enter_season(state: Longs, flow: Floats, law_at: int) -> None:
    """Put the season's factor for the time of day in force, and set when it changes."""
    s = state_at(state)
    steps = int(flow[law_at + SEASON_STEPS])
    step_ns = int(flow[law_at + SEASON_STEP_NS])
    s.season_ns = FOREVER_NS
    if steps == 0:
        s.season = 1.0
        return
    step = min(max((s.now - s.session_ns) // step_ns, 0), steps - 1)
    s.season = flow[_season_at(flow, law_at) + step]
    if step + 1 < steps:
        s.season_ns = s.session_ns + (step + 1) * step_ns


@kernel
def _apply(state: Longs, flow: Floats, law_at: int, old_pace: float) -> None:
    """Write the factors in force to the state; rescale the wait for the next event from `old_pace` to the new pace."""
    s = state_at(state)
    row = law_at + HEAD + int(flow[law_at + STATES]) + 1 + s.regime_phase * PHASE_WORDS
    s.limit_factor = flow[row + 1]
    s.market_factor = flow[row + 2]
    s.cancel_factor = flow[row + 3]
    pace = flow[row + 4] * s.season
    s.pace_factor = pace
    s.lean = flow[row + 5]
    if pace != old_pace and s.now < s.flow_ns < FOREVER_NS and not follows_recording(state):
        s.flow_ns = s.now + int((s.flow_ns - s.now) * (old_pace / pace))
    s.regime_ns = min(s.change_ns, s.phase_ns, s.season_ns)


@kernel
def _record_regime(state: Longs, flow: Floats, law_at: int) -> None:
    """Write the regime and phase in force to the market's record."""
    s = state_at(state)
    phase = s.regime_phase - int(flow[law_at + HEAD + s.regime - 1])
    write_row(state, sim.REGIME_IS, -1, 0, s.regime, phase, 0, 0)


@late_kernel
def begin_regimes(state: Longs, flow: Floats, seed: int, index: int, arrival_ns: int) -> None:
    """Start the regime law, if any, in a market at time NOW.

    The chain starts in a regime drawn from its first law, the script in its first regime. Scripts and seasons count from
    the arrival or from the session. The stream is the law's own, so that a market without regimes stays as it was.
    """
    s = state_at(state)
    law_at = law_offset(flow)
    if law_at == 0:
        return
    seed_stream(state, sim.REGIME_RNG, seed, index, 4)
    start = flow[law_at + SEASON_START_NS]
    n = int(flow[law_at + STATES])
    if flow[law_at + SEASON_STEPS] > 0 and start != AS_IT_IS:
        if start == DRAWN:
            day = flow[law_at + SEASON_STEPS] * flow[law_at + SEASON_STEP_NS]
            start = uniform(state, sim.REGIME_RNG) * max(day - s.horizon_ns, 0.0)
        s.session_ns = arrival_ns - int(start)
    s.start_ns = arrival_ns
    s.entry = 0
    regime = 0
    if flow[law_at + LAW] == CHAIN:
        regime = _pick(state, flow, _table_at(flow, law_at), n, 1.0)
    else:
        regime = max(_read_script(state, flow, law_at, _script_origin(state, flow, law_at)), 0)
    old_pace = s.pace_factor if s.regime != 0 else 1.0
    _enter(state, flow, law_at, regime)
    _next_entry(state, flow, law_at)
    _enter_season(state, flow, law_at)
    _apply(state, flow, law_at, old_pace)
    _record_regime(state, flow, law_at)


@late_kernel
def regime_event(state: Longs, flow: Floats) -> None:
    """Change regime, phase or season at REGIME_NS, record it, and set the time of the next change."""
    s = state_at(state)
    law_at = law_offset(flow)
    old_pace = s.pace_factor
    regime, phase = s.regime, s.regime_phase
    if s.change_ns <= s.now:
        n = int(flow[law_at + STATES])
        if flow[law_at + LAW] == CHAIN:
            rates = _table_at(flow, law_at) + n + (s.regime - 1) * n
            total = 0.0
            for i in range(n):
                total += flow[rates + i]
            _enter(state, flow, law_at, _pick(state, flow, rates, n, total))
        else:
            new_regime = _read_script(state, flow, law_at, _script_origin(state, flow, law_at))
            if new_regime >= 0:
                _enter(state, flow, law_at, new_regime)
            _next_entry(state, flow, law_at)
    elif s.phase_ns <= s.now:
        _enter_phase(state, flow, law_at, s.regime_phase + 1)
    if s.season_ns <= s.now:
        _enter_season(state, flow, law_at)
    _apply(state, flow, law_at, old_pace)
    if s.regime != regime or s.regime_phase != phase:
        _record_regime(state, flow, law_at)
