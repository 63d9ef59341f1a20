"""Regimes by name or file, and which is in force when: `chain`, `long_chain`, `drawn`, `season`, a named regime, or a file.

`drawn`: an episode's market has a liquidity of its own, drawn from a table, and keeps it (:func:`drawn_chain`).

A file is TOML:

    season = true                     # by the preset's volume curve; or a list of factors, one for each half hour
    arrival_s = 1800                  # time of day of every arrival; drawn uniformly by default

    [chain]
    states = ["plain", "gap"]
    rates = [[0, 0.002], [0.01, 0]]   # jumps a second from row to column
    first = [1, 0]                    # left out: the stationary law

    [[script]]                        # instead of a chain
    at_s = 300                        # since = "session" above counts from the opening, not from the arrival
    regime = "gap"

    [[regime.gap]]                    # a regime of one's own, phase by phase
    seconds = 20
    limit = 0.2
    lean = -0.5
    [[regime.gap]]
    limit = 0.8
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from tercel.core.errors import ConfigError, UnknownNameError, listed
from tercel.core.jit import Floats, Longs, kernel
from tercel.core.toml import read_toml, validated
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import santa_fe
from tercel.market.flow.port import Preset
from tercel.market.flow.preset import load
from tercel.market.flow.santa_fe import SantaFePreset
from tercel.market.regimes.kernel import begin_regimes, regime_event
from tercel.market.regimes.law import (
    LONGEST_S,
    NAMED,
    PLAIN,
    Factors,
    Law,
    Phase,
    Regime,
    RegimeChain,
    RegimeScript,
    Season,
    steady,
    with_regimes,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at
from tercel.market.simulator.source import Source

CHAIN: Final = "chain"
LONG_CHAIN: Final = "long_chain"
DRAWN: Final = "drawn"
SEASON: Final = "season"

# Mean seconds in each state of the default chain.
_STAYS_S: Final = {
    "plain": 600.0,
    "calm": 300.0,
    "volatile": 300.0,
    "thin": 300.0,
    "trending": 300.0,
    "liquidity_withdrawal": 300.0,
    "flash_crash": 120.0,
}
# The same where what lasts stays for as long as an order of half an hour.
_STAYS_LONG_S: Final = {name: 300.0 if NAMED[name].passes_s else 1800.0 for name in _STAYS_S}


def default_chain(stays_s: Mapping[str, float] = _STAYS_S) -> RegimeChain:
    """The chain of domain randomisation: from plain to any other regime, equally often, and back.

    Parameters
    ----------
    stays_s : mapping of str to float
        Mean seconds in each state.

    >>> round(float(default_chain().stationary[0]), 3)
    0.69
    """
    others = len(stays_s) - 1
    rates = [
        [
            0.0
            if i == j or PLAIN.name not in (i, j)
            else 1 / stays / (others if i == PLAIN.name else 1)
            for j in stays_s
        ]
        for i, stays in stays_s.items()
    ]
    return RegimeChain(tuple(stays_s), rates)


# Ranges of the factors, each drawn evenly in its logarithm.
_DRAWN_FROM: Final = {
    "limit": (0.5, 1.5),
    "market": (0.4, 1.5),
    "cancel": (0.7, 1.4),
    "pace": (0.5, 2.0),
}
# Share of the markets that lean to one side all along, by up to `_LEAN`.
_LEANS: Final = 0.25
_LEAN: Final = 0.2


def drawn_chain(markets: int = 96) -> RegimeChain:
    """Chain of markets with random liquidity: each episode draws one of so many and keeps it.

    >>> drawn_chain().regimes[0].phases[0].factors == drawn_chain().regimes[0].phases[0].factors
    True
    """
    rng = np.random.default_rng(0)
    own = {}
    for number in range(markets):
        factors = {
            name: low * (high / low) ** rng.random() for name, (low, high) in _DRAWN_FROM.items()
        }
        lean = rng.uniform(-_LEAN, _LEAN) if rng.random() < _LEANS else 0.0
        name = f"{DRAWN}_{number}"
        own[name] = steady(name, Factors(**factors, lean=lean))
    return RegimeChain(tuple(own), [[0.0] * markets] * markets, [1 / markets] * markets, own)


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _PhaseText(_Text):
    seconds: float = 0.0
    limit: float = 1.0
    market: float = 1.0
    cancel: float = 1.0
    pace: float = 1.0
    lean: float = 0.0


class _ChainText(_Text):
    states: list[str]
    rates: list[list[float]]
    first: list[float] | None = None


class _EntryText(_Text):
    at_s: float
    regime: str


class RegimesFile(_Text):
    """A file of regimes as it is written; see the module."""

    season: bool | list[float] = False
    arrival_s: float | None = None
    since: Literal["arrival", "session"] = "arrival"
    chain: _ChainText | None = None
    script: list[_EntryText] = []
    regime: dict[str, list[_PhaseText]] = {}


def read(path: Path, preset: Preset) -> tuple[Law | None, Season | None]:
    """Law and season of a regimes file; see the module.

    Raises
    ------
    ConfigError
        A file that cannot be read or says no law.
    """
    raw = read_toml(path, "name one that is right", "a file of regimes")
    file = validated(RegimesFile, raw, str(path), "a file of regimes")
    own = {
        name: Regime(
            name,
            tuple(
                Phase(Factors(**one.model_dump(exclude={"seconds"})), one.seconds) for one in phases
            ),
        )
        for name, phases in file.regime.items()
    }
    if file.chain is not None and file.script:
        raise ConfigError("a chain or a script", f"{path} with both", "leave one out")
    law: Law | None = None
    if file.chain is not None:
        law = RegimeChain(tuple(file.chain.states), file.chain.rates, file.chain.first, own)
    elif file.script:
        law = RegimeScript([(entry.at_s, entry.regime) for entry in file.script], file.since, own)
    season = None
    if file.season is True:
        season = Season.of(preset, file.arrival_s)
    elif file.season:
        season = Season(tuple(file.season), arrival_s=file.arrival_s)
    if law is None and season is None:
        raise ConfigError(
            "a chain, a script or a season", f"{path} with none", "see market.regimes.choice"
        )
    return law, season


def check_file(path: Path) -> None:
    """Refuse a file of regimes that :func:`read` would."""
    read(path, load("csco"))


def chosen(words: str, preset: Preset, onset_s: float = 0.0) -> tuple[Law | None, Season | None]:
    """Law and season of comma-separated names.

    Parameters
    ----------
    words : str
        `chain`, `long_chain`, `drawn`, `season`, the name of a regime, a .toml file; one law at most, and a season
        beside it.
    preset : Preset
        Whose season it is.
    onset_s : float
        When a named regime that passes begins, seconds after arrival. One that stays is in force from the start.

    Raises
    ------
    ConfigError
    """
    law: Law | None = None
    season: Season | None = None
    for word in listed(words):
        if word == SEASON:
            new: tuple[Law | None, Season | None] = None, Season.of(preset)
        elif word == CHAIN:
            new = default_chain(), None
        elif word == LONG_CHAIN:
            new = default_chain(_STAYS_LONG_S), None
        elif word == DRAWN:
            new = drawn_chain(), None
        elif word.endswith(".toml"):
            new = read(Path(word), preset)
        elif word in NAMED:
            new = RegimeScript([(onset_s if NAMED[word].passes_s else -LONGEST_S, word)]), None
        else:
            known = ", ".join((CHAIN, LONG_CHAIN, DRAWN, SEASON, *NAMED))
            raise UnknownNameError(
                f"regimes among {known}, or a .toml file", repr(word), "separate two with a comma"
            )
        if (law and new[0]) or (season and new[1]):
            raise ConfigError("one law of regimes and one season", words, "leave one out")
        law, season = law or new[0], season or new[1]
    return law, season


def with_chosen(source: Source, words: str, preset: Preset, onset_s: float = 0.0) -> Source:
    """The market with regimes by name; unchanged without names."""
    return with_regimes(source, *chosen(words, preset, onset_s)) if words else source


# -- truth -----------------------------------------------------------------------------------------
# Ground truth of regimes: which was in force when, from an episode's seed alone.
#
# Regimes have a stream of their own and no trade changes them, so nothing has to be simulated to know them.


@kernel
def _play(
    k: Longs, flow: Floats, seed: int, index: int, arrival_ns: int, end_ns: int, out: Longs
) -> int:
    """Rows (ns, regime, phase) of `out` from NOW to `end_ns`; how many there are, also beyond what `out` holds."""
    s = state_at(k)
    begin_regimes(k, flow, seed, index, arrival_ns)
    n = 0
    while True:
        if n < out.shape[0]:
            out[n, 0], out[n, 1], out[n, 2] = s.now, s.regime, s.regime_phase
        n += 1
        if s.regime_ns >= end_ns:
            return n
        s.now = s.regime_ns
        regime_event(k, flow)


def path(flow: Floats, seed: int, index: int, now_ns: int, arrival_ns: int, end_ns: int) -> Longs:
    """Regimes in force in one episode from `now_ns` (the start of its warm-up) to `end_ns`.

    Parameters
    ----------
    flow : float64 (p,)
        Of a market with a law of regimes.

    Returns
    -------
    int64 (n, 3)
        Ns from which on, regime (a place in the source's `regimes`), phase (counted over all regimes); steps of a
        season alone repeat both.
    """
    rows = 64
    while True:
        out = np.zeros((rows, 3), np.int64)
        k = np.zeros(sim.GRID, np.int64)
        k[sim.NOW], k[sim.HORIZON_NS] = now_ns, end_ns - arrival_ns
        n = _play(k, flow, seed, index, arrival_ns, end_ns, out)
        if n <= rows:
            return out[:n]
        rows = n


@dataclass(frozen=True, eq=False)
class RegimeOccupancy:
    """Time in each regime, for each of n episodes.

    Parameters
    ----------
    names : tuple of str
        Of the regimes.
    seconds : float64 (n, r)
        Between arrival and horizon.
    """

    names: tuple[str, ...]
    seconds: Floats

    @property
    def most(self) -> Longs:
        """Regime in force longest, int64 (n,); ties go to the first."""
        return np.asarray(self.seconds.argmax(axis=1), np.int64)


def in_force(
    source: Source,
    seed: Longs,
    index: Longs,
    now_ns: Longs,
    warmup_ns: Longs,
    horizon_ns: int,
) -> RegimeOccupancy:
    """Seconds that each regime was in force between arrival and horizon.

    Parameters
    ----------
    seed, index, now_ns, warmup_ns : int64 (n,)
        Of each episode: its streams, the time of its world, and how long it is warmed up.
    """
    names = source.regimes or ("none",)
    out = np.zeros((len(seed), len(names)))
    for i in range(len(seed)):
        start = int(now_ns[i] + warmup_ns[i])
        if not source.regimes:
            out[i, 0] = horizon_ns / NS_PER_SECOND
            continue
        rows = path(
            source.flow, int(seed[i]), int(index[i]), int(now_ns[i]), start, start + horizon_ns
        )
        since = np.maximum(rows[:, 0], start)
        lasts = np.diff(since, append=start + horizon_ns)
        np.add.at(out[i], rows[:, 1], lasts / NS_PER_SECOND)
    return RegimeOccupancy(names, out)


# -- scenario --------------------------------------------------------------------------------------
# Scenarios: scaled flow parameters (thinner, faster, more volatile, one-sided) for scripts that switch mid-day.
#
# What each factor does to the law of `market.flow.preset`:
#
# - `depth` scales the rate of limit orders at every distance. Orders live as long as before, so the depth at which the
#   book settles follows it, within the life of an order; the spread widens.
# - `trades` scales the rate of market orders.
# - `pace` scales all rates together: the same market in another time, so depth and spread stay and the variance of the
#   mid in a second is exactly `pace` times what it was.


def scaled(
    preset: Preset,
    depth: float = 1.0,
    *,
    trades: float = 1.0,
    pace: float = 1.0,
    buy_share: float = 0.5,
) -> Floats:
    """Flow parameters of a preset in another regime, for `Regime.flow` or a `Source`.

    Parameters
    ----------
    preset : SantaFePreset
    depth, trades, pace : float
        Factors, above 0; see the module.
    buy_share : float
        Share of market orders that buy.

    Raises
    ------
    ConfigError
        For factors that are none.

    >>> from tercel.market.flow.preset import load
    >>> flow = scaled(load("csco-santa-fe"), depth=1 / 3)
    >>> round(float(flow[santa_fe.MARKET_RATE]) / load("csco-santa-fe").market_rate, 6)
    1.0
    """
    if not isinstance(preset, SantaFePreset):
        raise ConfigError(
            "a preset of model santa_fe",
            f"{preset.name} of model {preset.model}",
            "use the factors of market.regimes, which every model reads",
        )
    for name, factor in {"depth": depth, "trades": trades, "pace": pace}.items():
        if not (math.isfinite(factor) and factor > 0):
            raise ConfigError(
                "factors of a regime above 0", f"{name}={factor!r}", "such as depth=1/3"
            )
    if not 0.0 <= buy_share <= 1.0:
        raise ConfigError("a buy_share in [0, 1]", f"{buy_share!r}", "0.5 is no drift")
    return santa_fe.pack(
        np.asarray(preset.limit_rate) * depth * pace,
        preset.market_rate * trades * pace,
        np.asarray(preset.cancel_rate) * pace,
        np.asarray(preset.limit_sizes),
        np.asarray(preset.market_sizes),
        buy_share,
    )
