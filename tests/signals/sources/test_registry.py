"""Sources by name."""

from pathlib import Path

import pytest
from tests.signals.sources.test_sources import series_file

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.signals.sources.port import SignalSource
from tercel.signals.sources.registry import KINDS, source_of


def test_every_kind_makes_a_source(tmp_path: Path) -> None:
    needed = {"series": {"date": "date", "series": ["debt"], "lag_days": 1}}
    for kind in KINDS:
        assert isinstance(source_of(kind, tmp_path, **needed.get(kind, {})), SignalSource), kind


def test_options_reach_the_source(tmp_path: Path) -> None:
    facts = source_of(
        "series", series_file(tmp_path), date="date", series=["debt"], lag_days=3
    ).facts()
    assert str((facts["known_time"] - facts["event_time"])[0]) == "3 days, 0:00:00"
    assert source_of("series", series_file(tmp_path), lag_days=3, name="glow").name == "glow"


def test_unknown_kinds_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="a kind of source among daily, fundamentals"):
        source_of("horoscope", tmp_path)
    with pytest.raises(ConfigError, match="options of news among"):
        source_of("news", tmp_path, lag=3)
    with pytest.raises(ConfigError, match="the options that series needs"):
        source_of("series", tmp_path)
