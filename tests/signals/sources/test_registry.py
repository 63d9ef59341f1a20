"""Sources by name."""

from pathlib import Path

import pytest
from tests.signals.command.material import refused
from tests.signals.sources.test_sources import series_file
from typer.testing import CliRunner

from tercel.cli import app
from tercel.core import extras
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
    with pytest.raises(UnknownNameError, match="a kind of source among daily, series, news"):
        source_of("horoscope", tmp_path)
    with pytest.raises(ConfigError, match="options of news among"):
        source_of("news", tmp_path, lag=3)
    with pytest.raises(ConfigError, match="the options that series needs"):
        source_of("series", tmp_path)


@pytest.mark.parametrize(
    "part",
    [f'[[source]]\nkind = "{kind}"\npath = "x"\n' for kind in ("fundamentals", "statements")],
)
def test_what_the_studies_give_is_refused_without_them_and_the_distribution_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(part)
    monkeypatch.setattr(extras, "entry_points", lambda **_: ())
    told = refused("train", config, "--out", tmp_path / "out")
    assert "pip install -e ./studies, otherwise pip install tercel-studies" in told
    checked = CliRunner().invoke(app, ["config", "check", str(config)])
    assert checked.exit_code == 2
    assert "pip install tercel-studies" in " ".join(checked.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "part",
    [
        '[panel]\nkind = "stocknet"\npath = "x"\n',
        '[[source]]\nkind = "tweets"\npath = "x"\n',
    ],
)
def test_kinds_that_were_removed_are_refused_with_their_worth(tmp_path: Path, part: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(part)
    for said in (
        refused("train", config, "--out", tmp_path / "out"),
        CliRunner().invoke(app, ["config", "check", str(config)]).output,
    ):
        told = " ".join(said.split())
        assert (
            "which was removed after f405a0a1a: accuracy .510 [.486, .535], of the majority .513"
            in told
        )
