"""Regimes as typed: names, files, and what is said of those that mean nothing."""

from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.market.flow.registry import load
from tercel.market.regimes.choice import (
    default_chain,
    drawn_chain,
    parse_regimes,
    with_named_regimes,
)
from tercel.market.regimes.law import LONGEST_S, RegimeChain, RegimeScript, Season
from tercel.market.simulator.source import reactive

FILE = """
since = "session"
season = [1.5, 1.0, 0.5]
arrival_s = 3600.0

[[script]]
at_s = 300
regime = "gap"

[[script]]
at_s = 900
regime = "plain"

[[regime.gap]]
seconds = 20
limit = 0.2
lean = -0.5

[[regime.gap]]
limit = 0.8
"""


@pytest.fixture(scope="module")
def preset():  # type: ignore[no-untyped-def]
    return load("csco-santa-fe")


def test_words_name_laws(preset) -> None:  # type: ignore[no-untyped-def]
    assert parse_regimes("thin", preset) == (RegimeScript([(-LONGEST_S, "thin")]), None)
    assert parse_regimes("flash_crash", preset, 600.0) == (
        RegimeScript([(600.0, "flash_crash")]),
        None,
    )
    law, season = parse_regimes("chain, season", preset)
    assert isinstance(law, RegimeChain)
    assert season == Season.of(preset)


def test_the_default_chain_visits_every_regime_from_plain() -> None:
    chain = default_chain()
    rates = np.array(chain.rates)
    stays = 1 / rates.sum(axis=1)
    assert stays[0] == pytest.approx(600.0)
    share = chain.stationary
    np.testing.assert_allclose(share[1:] / stays[1:], share[0] / stays[0] / 6)  # balance
    assert share.sum() == pytest.approx(1.0)


def test_the_long_chain_stays_for_as_long_as_an_order(preset) -> None:  # type: ignore[no-untyped-def]
    law, season = parse_regimes("long_chain", preset)
    assert isinstance(law, RegimeChain)
    assert season is None
    stays = dict(zip(law.states, 1 / np.array(law.rates).sum(axis=1), strict=True))
    assert stays["trending"] == pytest.approx(1800.0)
    assert stays["flash_crash"] == pytest.approx(300.0)


def test_drawn_markets_keep_their_liquidity_and_lean_to_both_sides(preset) -> None:  # type: ignore[no-untyped-def]
    law, season = parse_regimes("drawn", preset)
    assert isinstance(law, RegimeChain)
    assert season is None
    assert law.own_regimes == drawn_chain().own_regimes, "the same markets in every process"
    factors = [one.phases[0].factors for one in law.regimes]
    assert len(set(factors)) == len(factors) > 50
    leans = [one.lean for one in factors]
    assert min(leans) < -0.1 < 0.1 < max(leans)
    assert 0.5 < leans.count(0.0) / len(leans) < 0.9
    assert not any(map(sum, law.rates)), "none gives way to another"


def test_a_file_says_regimes_of_its_own(tmp_path: Path, preset) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "day.toml"
    path.write_text(FILE)
    law, season = parse_regimes(str(path), preset)
    assert isinstance(law, RegimeScript)
    assert (law.since, list(law.entries)) == ("session", [(300.0, "gap"), (900.0, "plain")])
    assert [phase.factors.limit for phase in law.regimes[1].phases] == [0.2, 0.8]
    assert law.timeline == ((300.0, "gap"), (320.0, "plain"), (900.0, "plain"))
    assert season == Season((1.5, 1.0, 0.5), arrival_s=3600.0)
    path.write_text(
        "[chain]\nstates = ['plain', 'thin']\nrates = [[0, 0.1], [0.2, 0]]\nfirst = [1, 0]\n"
    )
    law, season = parse_regimes(str(path), preset)
    assert isinstance(law, RegimeChain)
    assert season is None
    assert with_named_regimes(reactive(preset, settle_s=1.0), str(path), preset).regimes == (
        "none",
        "plain",
        "thin",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("season = 3", "season"),
        ("[chain]\nstates = ['thin']", "rates"),
        ("[[script]]\nat = 3", "at_s"),
        ("x = ", "TOML"),
        ("", "none"),
        ("[chain]\nstates=['thin']\nrates=[[0]]\n[[script]]\nat_s=1\nregime='thin'", "both"),
        ("[[script]]\nat_s = 1\nregime = 'thn'", "try 'thin'"),
        ("[[script]]\nat_s = 1\nregime = 'x'\n[[regime.x]]\nlimit = -1", "factor limit"),
        ("season = [1.0, 0.0]", "factor pace"),
    ],
)
def test_a_file_that_says_no_law_is_refused(tmp_path: Path, preset, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        parse_regimes(str(path), preset)


def test_words_that_name_nothing_are_refused(preset, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnknownNameError, match="volatile"):
        parse_regimes("wild", preset)
    with pytest.raises(ConfigError, match="one law"):
        parse_regimes("thin,chain", preset)
    with pytest.raises(ConfigError, match="No such file"):
        parse_regimes(str(tmp_path / "none.toml"), preset)
