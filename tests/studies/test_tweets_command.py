"""Tweets at the command line: beside prices of the same names, in the leak check, refused with file and row."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.signals.command.material import TRAIN, configured, done, refused
from typer.testing import CliRunner

from studies.__main__ import app as studies_app

pytestmark = pytest.mark.release

TWEETS = '[[source]]\nkind = "tweets"\npath = "net"\n'
PANEL = 'name = "net"\n[panel]\nkind = "stocknet"\npath = "net"\nfirst = "2013-06-01"\nevery = 1\nhorizon = 1\n'
PHRASES = "Profit rose .@positive\nProfit fell .@negative\nIt is a firm .@neutral\n"


def stocknet(folder: Path, names: int = 8, days: int = 420) -> Path:
    """A set like StockNet: a year of prices before tweets begin, then a tweet or more a day of each name."""
    rng = np.random.default_rng(5)
    weekdays = [
        d
        for d in (date(2013, 1, 1) + timedelta(days=i) for i in range(2 * days))
        if d.weekday() < 5
    ][:days]
    prices = folder / "price" / "raw"
    prices.mkdir(parents=True)
    for n in range(names):
        close = 40 * np.exp(np.cumsum(0.02 * rng.standard_normal(days)))
        lines = [
            f"{day},{c * 0.99:.4f},{c * 1.02:.4f},{c * 0.97:.4f},{c:.4f},{c / 2:.4f},{int(v)}"
            for day, c, v in zip(weekdays, close, rng.integers(100_000, 200_000, days), strict=True)
        ]
        (prices / f"N{n}.csv").write_text(
            "Date,Open,High,Low,Close,Adj Close,Volume\n" + "\n".join(lines) + "\n"
        )
        told = folder / "tweet" / "preprocessed" / f"N{n}"
        told.mkdir(parents=True)
        for day in weekdays[260:]:
            words = ["rally", "strong"] if rng.random() < 0.5 else ["falling", "weak"]
            stamp = day.strftime("%a %b %d") + " 15:00:00 +0000 " + str(day.year)
            line = json.dumps({"text": words[: rng.integers(1, 3)], "created_at": stamp}) + "\n"
            (told / str(day)).write_text(line * int(rng.integers(1, 4)))
    return folder


def test_tweets_beside_prices_of_the_same_names(tmp_path: Path) -> None:
    stocknet(tmp_path / "net")
    config = tmp_path / "net.toml"
    panel = 'name = "net"\n[panel]\nkind = "stocknet"\npath = "net"\nfirst = "2013-06-01"\nevery = 1\nhorizon = 1\n'
    tweets = '[[source]]\nkind = "tweets"\npath = "net"\ncutoff = "close"\nmax_age_days = 5\n'
    config.write_text(panel + tweets + TRAIN)
    out = tmp_path / "out"
    built = done("build", config, "--out", out)
    assert built["instruments"] == 8
    assert built["missing"]["tweets"] < 0.1
    assert "large names" in built["note"]
    weights = done("train", config, "--out", out)["weights"]
    assert {name.partition(":")[0] for name in weights} == {"daily", "tweets"}
    found = done("evaluate", config, "--out", out)
    assert set(found["ablation"]) == {
        name.partition(":")[0] for name, weight in weights.items() if weight
    }
    assert {one["verdict"] for one in found["leak"]} == {"clean"}
    config.write_text((panel + tweets + TRAIN).replace("first", 'last = "2013-05-01"\nfirst'))
    assert refused("build", config, "--out", tmp_path / "other")


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


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (no_ticker, ("a text without ticker in tweet/preprocessed/2014-01-02, row 1",)),
        (latin_tweets, ("texts in UTF-8", "tweet/preprocessed/N0/bad, row 1")),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_whole(
    tmp_path: Path, made: Callable[[Path], str], said: tuple[str, ...]
) -> None:
    config, out = configured(tmp_path, made(tmp_path)), tmp_path / "out"
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
def test_texts_of_another_encoding_or_of_a_single_class_are_refused(
    tmp_path: Path, text: bytes, said: str
) -> None:
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


def test_the_head_learns_from_a_path_beside_the_configuration(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    stocknet(tmp_path / "net", names=5, days=290)
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "Sentences_50Agree.txt").write_text(
        "strong rally .@positive\nweak falling .@negative\n" * 3
    )
    config = tmp_path / "net.toml"
    config.write_text(
        PANEL.replace("2013-06-01", "2013-12-30") + TWEETS + 'phrasebank = "bank"\n' + TRAIN
    )
    built = done("build", config, "--out", tmp_path / "out")
    assert (
        built["config"]["source"][0]["phrasebank"] == "bank"
    )  # as written: a project that is copied reads its own
    assert "tweets" in built["sources"]


def test_the_leak_command_looks_at_the_set(tmp_path: Path) -> None:
    stocknet(tmp_path / "stocknet")
    found = done("leak", "--data", tmp_path, "--out", tmp_path / "out")
    assert {one["panel"] for one in found["leak"]} == {"stocknet"}
    assert {"daily", "tweets"} < {one["source"] for one in found["leak"]}
