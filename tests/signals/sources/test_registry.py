"""Sources by name."""

import sys
from pathlib import Path

import pytest
from tests.signals.sources.test_sources import lights_file, series_file, stocknet_folder

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.signals.sources.port import SignalSource
from tercel.signals.sources.registry import BESIDE, PLAIN, maker_of, source_of


def test_every_kind_makes_a_source(tmp_path: Path) -> None:
    needed = {"bars": {"days": [["A", "2020-01-01"]]}, "series": {"date": "date", "series": ["debt"], "lag_days": 1}}
    for kind in {*PLAIN, *BESIDE} - {"tweets"}:
        assert isinstance(source_of(kind, tmp_path, **needed.get(kind, {})), SignalSource), kind
    assert isinstance(source_of("tweets", stocknet_folder(tmp_path / "s"), cutoff="close"), SignalSource)


def test_a_source_of_anybodys_is_named_by_its_module(tmp_path: Path) -> None:
    mine = source_of("tercel.signals.sources.altdata:DatedSeries", tmp_path, date="date", series=["debt"], lag_days=1)
    assert isinstance(mine, SignalSource)
    with pytest.raises(ConfigError, match=r"a source at nobody\.here:Mine; received No module named 'nobody'"):
        maker_of("nobody.here:Mine")
    with pytest.raises(ConfigError, match=r"has no attribute 'Mine'.*check the name"):
        maker_of("tercel.signals.labels:Mine")


def test_what_a_clone_has_beside_the_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "studies.sources.lights", None)
    with pytest.raises(ConfigError, match=r"pip install \./studies"):
        maker_of("lights")


def test_options_reach_the_source(tmp_path: Path) -> None:
    facts = source_of("series", series_file(tmp_path), date="date", series=["debt"], lag_days=3).facts()
    assert str((facts["known_time"] - facts["event_time"])[0]) == "3 days, 0:00:00"
    assert source_of("lights", lights_file(tmp_path), name="glow").name == "glow"


def test_unknown_kinds_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="a kind of source among daily, bars"):
        source_of("horoscope", tmp_path)
    with pytest.raises(ConfigError, match="options of lights among collected, lag_days, name; received lag"):
        source_of("lights", tmp_path, lag=3)
    with pytest.raises(ConfigError, match="the options that series needs"):
        source_of("series", tmp_path)
    with pytest.raises(ConfigError, match="options of tweets"):
        source_of("tweets", tmp_path, lag=3)
