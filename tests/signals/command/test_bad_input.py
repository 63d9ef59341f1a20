"""Bad input at the command line: file and row are named, exit code 2, nothing is written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.signals.command.material import SERIES, configured, refused, stocknet, trend
from typer.testing import CliRunner

from studies.__main__ import app as studies_app

TWEETS = '[[source]]\nkind = "tweets"\npath = "net"\n'
PHRASES = "Profit rose .@positive\nProfit fell .@negative\nIt is a firm .@neutral\n"


def no_ticker(folder: Path) -> str:
    net = stocknet(folder / "net", names=5, days=270)
    stray = net / "tweet" / "preprocessed" / "2014-01-02"
    stray.write_text('{"text": ["hello"], "created_at": "Thu Jan 02 15:45:02 +0000 2014"}\n')
    return TWEETS


def latin_tweets(folder: Path) -> str:
    net = stocknet(folder / "net", names=5, days=270)
    one = sorted((net / "tweet" / "preprocessed" / "N0").iterdir())[0]
    one.with_name("bad").write_bytes('{"text": ["é"]}\n'.encode("latin-1"))
    return TWEETS


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
    path.write_text("\n".join([lines[0], *(line.split(",")[0] + ",7" for line in lines[1:])]) + "\n")
    return SERIES


def no_scene_time(folder: Path) -> str:
    (folder / "scenes.csv").write_text("file,instrument,taken,published\n0.png,S000,,\n")
    return '[[source]]\nkind = "scenes"\npath = "scenes.csv"\n'


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (no_ticker, ("a text without ticker in tweet/preprocessed/2014-01-02, row 1",)),
        (latin_tweets, ("texts in UTF-8", "tweet/preprocessed/N0/bad, row 1")),
        (latin_series, ("source series", "UTF-8", "trend.csv")),
        (future, ("source series", "dated in the future", "trend.csv, row 62", "known by the day of collection")),
        (undated, ("a date such as", "date '' in row 172 of", "trend.csv")),
        (constant, ("features that vary", "debt", "trend.csv")),
        (no_scene_time, ("0.png without one", "scenes.csv, row 2")),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PHRASES.encode() + "caf\u00e9 .@neutral\n".encode(), "UTF-8 in {file}, row 4"),
        (PHRASES.encode("utf-16"), "UTF-16, UTF-8 with a mark, or no text in {file}, row 1"),
        (PHRASES.encode() + b"no label\n", "'no label' in {file}, row 4"),
        (b"Profit rose .@positive\n" * 3, "class 1 alone in 3 rows"),
    ],
)
def test_texts_of_another_encoding_or_of_a_single_class_are_refused(tmp_path: Path, text: bytes, said: str) -> None:
    pytest.importorskip("sklearn")
    bank = tmp_path / "data" / "financial-phrasebank"
    bank.mkdir(parents=True)
    file = bank / "Sentences_50Agree.txt"
    file.write_bytes(text)
    words = ("signals", "text", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))
    result = CliRunner().invoke(studies_app, words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert said.format(file=file) in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_panel_shorter_than_its_embargo_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path)
    config.write_text(config.read_text().replace("embargo_days = 2", "embargo_days = 200"))
    told = refused("train", config, "--out", tmp_path / "out")
    assert "a panel longer than the embargo" in told
    assert "3180 rows over 158.00 days and an embargo of 200.00 days" in told


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ('[[source]]\nkind = "horoscope"\npath = "x"\n', "a kind of source among daily, bars"),
        (SERIES + "lagg = 3\n", "options of series among"),
        ('[[source]]\nkind = "series"\npath = "trend.csv"\n', "the options that series needs"),
        (SERIES + SERIES, "series twice"),
        (SERIES + 'name = "noise"\n', "noise, which the panel has already"),
        (SERIES.replace('"trend.csv"', '"gone.csv"') + "required = true\n", "source series: nothing at"),
        (SERIES.replace("2020", "1990") + "max_age_days = -1\n", "max_age_days"),
        ('[train.gate]\ncolumns = ["linear.a"]\n', "the same of every instrument"),
        ('[train.gate]\ncolumns = ["market.mood"]\n', "columns for the gate among market.vol_20, market.ret_5"),
        ("[train.gate]\nstates = 9\n", "train.gate.states"),
    ],
)
def test_sources_and_gates_that_cannot_be_are_named(tmp_path: Path, part: str, said: str) -> None:
    trend(tmp_path)
    config = configured(tmp_path)
    text = config.read_text()
    config.write_text(text + part if part.startswith("[train") else text.replace("[train]", part + "[train]"))
    told = refused("train", config, "--out", tmp_path / "out")
    assert said in told
