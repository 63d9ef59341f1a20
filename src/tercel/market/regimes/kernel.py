"""Regimes in the event loop: a chain or script sets the regime in force, a season the pace of the day.

A law lies in the flow's parameters at `flow[REGIMES_AT]` (see `regimes.law.packed`): its head, the first phase of every
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
from tercel.market.simulator.account import write
from tercel.market.simulator.background import follows
from tercel.market.simulator.records import state_at

# -- the head of a law, from flow[REGIMES_AT] on -----------------------------------------------------------------------
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
    out = np.concatenate([flow, law])
    out[sim.REGIMES_AT] = len(flow)
    return out


@kernel
def law_of(flow: Floats) -> int:
    """Offset of the regime law in the flow's parameters, 0 without one."""
    return int(flow[sim.REGIMES_AT]) if flow.shape[0] > sim.REGIMES_AT else 0


@kernel
def _table(flow: Floats, at: int) -> int:
    """Offset of the chain's first law, or of the script."""
    return at + HEAD + int(flow[at + STATES]) + 1 + int(flow[at + PHASES]) * PHASE_WORDS


@kernel
def _season(flow: Floats, at: int) -> int:
    """Offset of the season."""
    n = int(flow[at + STATES])
    return _table(flow, at) + (
        n + n * n if flow[at + LAW] == CHAIN else 2 * int(flow[at + ENTRIES])
    )


@kernel
def _pick(k: Longs, flow: Floats, first: int, n: int, total: float) -> int:
    """One of n states with the weights at `first`."""
    u = uniform(k, sim.REGIME_RNG) * total
    last = 0
    for i in range(n):
        if flow[first + i] > 0.0:
            last = i
            if u < flow[first + i]:
                return i
            u -= flow[first + i]
    return last


@kernel
def _enter_phase(k: Longs, flow: Floats, at: int, phase: int) -> None:
    s = state_at(k)
    s.regime_phase = phase
    lasts = flow[at + HEAD + int(flow[at + STATES]) + 1 + phase * PHASE_WORDS]
    s.phase_ns = s.now + int(lasts) if lasts > 0.0 else FOREVER_NS


@kernel
def _enter(k: Longs, flow: Floats, at: int, state: int) -> None:
    """A state begins now; when it ends."""
    s = state_at(k)
    n = int(flow[at + STATES])
    s.regime = state + 1
    _enter_phase(k, flow, at, int(flow[at + HEAD + state]))
    s.change_ns = FOREVER_NS
    if flow[at + LAW] == CHAIN:
        rates = _table(flow, at) + n + state * n
        total = 0.0
        for i in range(n):
            total += flow[rates + i]
        if total > 0.0:
            wait = -math.log(1.0 - uniform(k, sim.REGIME_RNG)) * SECOND / total
            s.change_ns = s.now + 1 + int(wait) if wait < 1e18 else FOREVER_NS


@kernel
def _read_script(k: Longs, flow: Floats, at: int, base: int) -> int:
    """The state that the script wants by now, -1 for no change; CHANGE_NS is left at its next entry."""
    s = state_at(k)
    script, wanted = _table(flow, at), -1
    while s.entry < flow[at + ENTRIES] and base + int(flow[script + 2 * s.entry]) <= s.now:
        wanted = int(flow[script + 2 * s.entry + 1])
        s.entry += 1
    return wanted


@kernel
def _base(k: Longs, flow: Floats, at: int) -> int:
    s = state_at(k)
    return int(s.start_ns if flow[at + FROM] == ARRIVAL else s.session_ns)


@kernel
def _next_entry(k: Longs, flow: Floats, at: int) -> None:
    s = state_at(k)
    if flow[at + LAW] == SCRIPT:
        s.change_ns = FOREVER_NS
        if s.entry < flow[at + ENTRIES]:
            s.change_ns = _base(k, flow, at) + int(flow[_table(flow, at) + 2 * s.entry])


@kernel
def _enter_season(k: Longs, flow: Floats, at: int) -> None:
    """The factor of the time of day, and when it changes."""
    s = state_at(k)
    steps, step_ns = int(flow[at + SEASON_STEPS]), int(flow[at + SEASON_STEP_NS])
    s.season_ns = FOREVER_NS
    if steps == 0:
        s.season = 1.0
        return
    step = min(max((s.now - s.session_ns) // step_ns, 0), steps - 1)
    s.season = flow[_season(flow, at) + step]
    if step + 1 < steps:
        s.season_ns = s.session_ns + (step + 1) * step_ns


@kernel
def _apply(k: Longs, flow: Floats, at: int, before: float) -> None:
    """Write the factors in force; the event that waits comes sooner or later with the pace (`before`: the old one)."""
    s = state_at(k)
    row = at + HEAD + int(flow[at + STATES]) + 1 + s.regime_phase * PHASE_WORDS
    s.limit_factor = flow[row + 1]
    s.market_factor = flow[row + 2]
    s.cancel_factor = flow[row + 3]
    pace = flow[row + 4] * s.season
    s.pace_factor = pace
    s.lean = flow[row + 5]
    if pace != before and s.now < s.flow_ns < FOREVER_NS and not follows(k):
        s.flow_ns = s.now + int((s.flow_ns - s.now) * (before / pace))
    s.regime_ns = min(s.change_ns, s.phase_ns, s.season_ns)


@kernel
def _say(k: Longs, flow: Floats, at: int) -> None:
    s = state_at(k)
    phase = s.regime_phase - int(flow[at + HEAD + s.regime - 1])
    write(k, sim.REGIME_IS, -1, 0, s.regime, phase, 0, 0)


@late_kernel
def begin_regimes(k: Longs, flow: Floats, seed: int, index: int, arrival_ns: int) -> None:
    """Start the regime law, if any, in a market at time NOW.

    The chain starts in a state drawn from its first law, the script in its first state. Scripts and seasons count from
    the arrival or from the session. The stream is the law's own, so that a market without regimes stays as it was.
    """
    s = state_at(k)
    at = law_of(flow)
    if at == 0:
        return
    seed_stream(k, sim.REGIME_RNG, seed, index, 4)
    start, n = flow[at + SEASON_START_NS], int(flow[at + STATES])
    if flow[at + SEASON_STEPS] > 0 and start != AS_IT_IS:
        if start == DRAWN:
            day = flow[at + SEASON_STEPS] * flow[at + SEASON_STEP_NS]
            start = uniform(k, sim.REGIME_RNG) * max(day - s.horizon_ns, 0.0)
        s.session_ns = arrival_ns - int(start)
    s.start_ns = arrival_ns
    s.entry = 0
    state = 0
    if flow[at + LAW] == CHAIN:
        state = _pick(k, flow, _table(flow, at), n, 1.0)
    else:
        state = max(_read_script(k, flow, at, _base(k, flow, at)), 0)
    before = s.pace_factor if s.regime != 0 else 1.0
    _enter(k, flow, at, state)
    _next_entry(k, flow, at)
    _enter_season(k, flow, at)
    _apply(k, flow, at, before)
    _say(k, flow, at)


@late_kernel
def regime_event(k: Longs, flow: Floats) -> None:
    """Change of regime, phase or season at REGIME_NS; the time of the next change."""
    s = state_at(k)
    at = law_of(flow)
    before = s.pace_factor
    regime, phase = s.regime, s.regime_phase
    if s.change_ns <= s.now:
        n = int(flow[at + STATES])
        if flow[at + LAW] == CHAIN:
            rates = _table(flow, at) + n + (s.regime - 1) * n
            total = 0.0
            for i in range(n):
                total += flow[rates + i]
            _enter(k, flow, at, _pick(k, flow, rates, n, total))
        else:
            wanted = _read_script(k, flow, at, _base(k, flow, at))
            if wanted >= 0:
                _enter(k, flow, at, wanted)
            _next_entry(k, flow, at)
    elif s.phase_ns <= s.now:
        _enter_phase(k, flow, at, s.regime_phase + 1)
    if s.season_ns <= s.now:
        _enter_season(k, flow, at)
    _apply(k, flow, at, before)
    if s.regime != regime or s.regime_phase != phase:
        _say(k, flow, at)
