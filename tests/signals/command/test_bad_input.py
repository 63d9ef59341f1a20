"""Bad input at the command line: file and row are named, exit code 2, nothing is written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.signals.command.material import SERIES, configured, refused, trend


def latin_series(folder: Path) -> str:
    path = trend(folder)
    path.write_bytes("date,debt,caf\xe9\n2020-01-01,\xe9,1\n".encode("latin-1"))
    return SERIES


def future(folder: Path) -> str:
    trend(folder)
    return SERIES + "collected = 2020-03-01T00:00:00Z\n"


def undated(folder: Path) -> str:
    path = trend(folder)
    path.write_text(path.read_text() + ",21.5\n")
    return SERIES


def constant(folder: Path) -> str:
    path = trend(folder)
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0], *(line.split(",")[0] + ",7" for line in lines[1:])]) + "\n"
    )
    return SERIES


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (latin_series, ("source series", "debt 'é' in row 2", "trend.csv")),
        (
            future,
            (
                "source series",
                "dated in the future",
                "trend.csv, row 62",
                "known by the day of collection",
            ),
        ),
        (undated, ("a date such as", "date '' in row 172 of", "trend.csv")),
        (constant, ("features that vary", "debt", "trend.csv")),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_whole(
    tmp_path: Path, made: Callable[[Path], str], said: tuple[str, ...]
) -> None:
    config = configured(tmp_path, made(tmp_path))
    out = tmp_path / "out"
    told = refused("build", config, "--out", out)
    for words in said:
        assert words in told
    assert not out.exists()


def test_a_panel_shorter_than_its_embargo_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path)
    config.write_text(config.read_text().replace("embargo_days = 2", "embargo_days = 200"))
    told = refused("train", config, "--out", tmp_path / "out")
    assert "a panel longer than the embargo" in told
    assert "3180 rows over 158.00 days and an embargo of 200.00 days" in told


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            '[[source]]\nkind = "horoscope"\npath = "x"\n',
            "a kind of source among daily, series, news",
        ),
        (SERIES + "lagg = 3\n", "options of series among"),
        ('[[source]]\nkind = "series"\npath = "trend.csv"\n', "the options that series needs"),
        (SERIES + SERIES, "series twice"),
        (SERIES + 'name = "noise"\n', "noise, which the panel has already"),
        (
            SERIES.replace('"trend.csv"', '"gone.csv"') + "required = true\n",
            "source series: nothing at",
        ),
        (SERIES.replace("2020", "1990") + "max_age_days = -1\n", "max_age_days"),
        ("[train.gate]\nstates = 2\n", "train.gate"),
    ],
)
def test_sources_that_cannot_be_are_named(tmp_path: Path, part: str, said: str) -> None:
    trend(tmp_path)
    config = configured(tmp_path)
    text = config.read_text()
    config.write_text(
        text + part if part.startswith("[train") else text.replace("[train]", part + "[train]")
    )
    told = refused("train", config, "--out", tmp_path / "out")
    assert said in told
