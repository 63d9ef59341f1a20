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

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from tercel.core.errors import ConfigError, UnknownNameError, split_commas
from tercel.core.toml import read_toml
from tercel.core.validation import validate_model
from tercel.market.flow.port import Preset
from tercel.market.flow.registry import load
from tercel.market.regimes.law import (
    LONGEST_S,
    Law,
    RegimeChain,
    RegimeScript,
    Season,
    with_regimes,
)
from tercel.market.regimes.named import NAMED, PLAIN, Factors, Phase, Regime, steady
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


def drawn_chain(markets: int = 96) -> RegimeChain:
    """Chain of markets with random liquidity: each episode draws one of so many and keeps it.

    >>> drawn_chain().regimes[0].phases[0].factors == drawn_chain().regimes[0].phases[0].factors
    True
    """
    rng = np.random.default_rng(0)
    regimes = {}
    for number in range(markets):
        factors = {
            name: low * (high / low) ** rng.random() for name, (low, high) in _DRAWN_FROM.items()
        }
        lean = rng.uniform(-_LEAN, _LEAN) if rng.random() < _LEANS else 0.0
        name = f"{DRAWN}_{number}"
        regimes[name] = steady(name, Factors(**factors, lean=lean))
    return RegimeChain(
        tuple(regimes), [[0.0] * markets] * markets, [1 / markets] * markets, regimes
    )


class _Text(BaseModel):
    """Base of the sections of a regimes file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class _PhaseText(_Text):
    """Section of one phase of a regime in a regimes file."""

    seconds: float = 0.0
    limit: float = 1.0
    market: float = 1.0
    cancel: float = 1.0
    pace: float = 1.0
    lean: float = 0.0


class _ChainText(_Text):
    """Section of a Markov chain in a regimes file."""

    states: list[str]
    rates: list[list[float]]
    first: list[float] | None = None


class _EntryText(_Text):
    """Section of one entry of a script in a regimes file."""

    at_s: float
    regime: str


class RegimesFile(_Text):
    """Content of a regimes file, section by section (see the module's docstring)."""

    season: bool | list[float] = False
    arrival_s: float | None = None
    since: Literal["arrival", "session"] = "arrival"
    chain: _ChainText | None = None
    script: list[_EntryText] = []
    regime: dict[str, list[_PhaseText]] = {}


def read_file(path: Path, preset: Preset) -> tuple[Law | None, Season | None]:
    """Law and season from a regimes file (its format is in the module's docstring).

    Raises
    ------
    ConfigError
        A file that cannot be read or says no law.
    """
    raw = read_toml(path, "name one that is right", "a file of regimes")
    file = validate_model(RegimesFile, raw, str(path), "a file of regimes")
    own_regimes = {
        name: Regime(
            name,
            tuple(
                Phase(Factors(**phase_text.model_dump(exclude={"seconds"})), phase_text.seconds)
                for phase_text in phases
            ),
        )
        for name, phases in file.regime.items()
    }
    if file.chain is not None and file.script:
        raise ConfigError("a chain or a script", f"{path} with both", "leave one out")
    law: Law | None = None
    if file.chain is not None:
        law = RegimeChain(tuple(file.chain.states), file.chain.rates, file.chain.first, own_regimes)
    elif file.script:
        law = RegimeScript(
            [(entry.at_s, entry.regime) for entry in file.script], file.since, own_regimes
        )
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
    """Raise ConfigError for a file of regimes that :func:`read_file` cannot read."""
    read_file(path, load("sh600961"))


def parse_regimes(
    names: str, preset: Preset, onset_s: float = 0.0
) -> tuple[Law | None, Season | None]:
    """Law and season of comma-separated names.

    Parameters
    ----------
    names : str
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
    for name in split_commas(names):
        if name == SEASON:
            parsed: tuple[Law | None, Season | None] = None, Season.of(preset)
        elif name == CHAIN:
            parsed = default_chain(), None
        elif name == LONG_CHAIN:
            parsed = default_chain(_STAYS_LONG_S), None
        elif name == DRAWN:
            parsed = drawn_chain(), None
        elif name.endswith(".toml"):
            parsed = read_file(Path(name), preset)
        elif name in NAMED:
            parsed = RegimeScript([(onset_s if NAMED[name].passes_s else -LONGEST_S, name)]), None
        else:
            known_names = ", ".join((CHAIN, LONG_CHAIN, DRAWN, SEASON, *NAMED))
            raise UnknownNameError(
                f"regimes among {known_names}, or a .toml file",
                repr(name),
                "separate two with a comma",
            )
        if (law and parsed[0]) or (season and parsed[1]):
            raise ConfigError("one law of regimes and one season", names, "leave one out")
        law = law or parsed[0]
        season = season or parsed[1]
    return law, season


def with_named_regimes(source: Source, names: str, preset: Preset, onset_s: float = 0.0) -> Source:
    """The market with regimes by name; unchanged without names."""
    return with_regimes(source, *parse_regimes(names, preset, onset_s)) if names else source
