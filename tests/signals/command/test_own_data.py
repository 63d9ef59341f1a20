"""Files of a stranger, from two lines of TOML to forecasts; a leak is caught through every adapter."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.signals.command.foreign import SMALL, TRAIN, TWO_LINES, Foreign, foreign, headlines
from tests.signals.command.material import done, refused, signals
from typer.testing import CliRunner

from tercel.cli import app
from tercel.core.report.cells import NOTHING
from tercel.core.serialization import to_jsonable
from tercel.signals.models.model_folder import load as load_model
from tercel.signals.models.predict import cross_section
from tercel.signals.panel.build import load
from tercel.signals.panel.leak import leak_report, lines_of, reports_of
from tercel.signals.runs.config import read_config
from tercel.signals.sources.port import FrameSource
from tercel.signals.sources.registry import source_of
from tercel.signals.sources.tables import read_prices


def configured(made: Foreign, *parts: str, panel: str = SMALL) -> Path:
    path = made.folder / "s.toml"
    path.write_text(panel + "".join(parts) + TRAIN)
    return path


def source(kind: str, path: str, *options: str, name: str = "") -> str:
    named = [f'name = "{name}"'] if name else []
    return (
        "\n".join(["[[source]]", f'kind = "{kind}"', f'path = "{path}"', *named, *options]) + "\n"
    )


def test_two_lines_and_a_csv_are_enough(tmp_path: Path) -> None:
    made = foreign(tmp_path, names=6, days=420)
    made.prices()
    config = made.folder / "s.toml"
    config.write_text(TWO_LINES + "least_dollars = 1e9\n")
    told = refused("build", config, "--out", tmp_path / "thin")
    assert "6 of 6 names never trade 1,000,000,000 a day" in told
    config.write_text(TWO_LINES)
    with (tmp_path / "prices.csv").open("a") as file:
        file.write("2019-07-01,NEW,1,1,1,1,1,1\n")
    built = done("build", config, "--out", tmp_path / "o")
    assert built["instruments"] == 6
    assert any("1 of 7 names have no 252 days behind them: NEW" in one for one in built["warnings"])
    assert "flatter returns, if yours are such" in built["note"]
    config.write_text(TWO_LINES.replace("[panel]", "[[source]]"))
    trained = done("train", config, "--out", tmp_path / "o")
    none = "No source is statistically significant out of sample: all have weight 0, every forecast is 0, and a desk "
    none += "trades as without a forecast"
    assert trained["warnings"] == [*built["warnings"], none]
    assert set(trained["weights"].values()) == {0.0}
    assert (trained["alpha_scale"]["unit_bps"], trained["half_life"]) == (0.0, NOTHING)
    for cell in trained["evidence"].values():
        assert cell.endswith(": not statistically significant, weight 0")
    found = done("predict", tmp_path / "o")
    assert none in found["note"]
    said = {
        (row["expected_bps"], row["low_bps"], row["high_bps"], *row["sources"])
        for row in found["rows"]
    }
    assert said == {(0.0, None, None)}
    told = refused("backtest", tmp_path / "o", "--cost-bps", "5", "--out", tmp_path / "b")
    assert "0 with such a forecast" in told
    assert not (tmp_path / "b").exists()
    assert (tmp_path / "o" / "model").is_dir()
    told = " ".join(signals("evaluate", config, "--out", tmp_path / "o").output.split())
    assert "none: it takes two sources, and a forecast with one or without it" in told
    assert "90 % interval of predict" not in told


def test_shapes_of_prices_give_one_panel(tmp_path: Path) -> None:
    made = foreign(tmp_path)
    long = made.prices()
    plain = done("build", configured(made), "--out", tmp_path / "a")
    frame = read_prices(long)
    wide = frame.pivot("instrument", index="date", values="close").rename({"date": "Day"})
    wide.write_csv(tmp_path / "wide.csv", separator=";")
    config = configured(made, panel=SMALL.replace("prices.csv", "wide.csv"))
    built = done("build", config, "--out", tmp_path / "b")
    assert built["rows"] == plain["rows"]
    assert "no volume, open, high, low in" in built["warnings"][0]
    assert "left out close_in_range, dollar_volume" in built["warnings"][0]
    assert set(built["sources"]["daily"]) < set(plain["sources"]["daily"])
    kept, first = load(tmp_path / "b")[0], load(tmp_path / "a")[0]
    assert np.allclose(kept.outcome, first.outcome, atol=1e-6)
    assert np.array_equal(kept.x[:, 0], first.x[:, first.names.index(kept.names[0])])
    renamed = "When,Who," + long.read_text().split(",", 2)[2].replace(
        "Close,Adj Close", "Last,Total", 1
    )
    (tmp_path / "odd.csv").write_text(renamed)
    config.write_text(SMALL.replace("prices.csv", "odd.csv") + TRAIN)
    assert "say what they are called in [panel.columns]" in refused(
        "build", config, "--out", tmp_path / "c"
    )
    mapped = '[panel.columns]\ndate = "When"\nsymbol = "Who"\nclose = "Last"\nadj_close = ["Adjusted", "Total"]\n'
    config.write_text(SMALL.replace("prices.csv", "odd.csv") + mapped + TRAIN)
    done("build", config, "--out", tmp_path / "c")
    assert load(tmp_path / "c")[0].x.tobytes() == first.x.tobytes()
    single = made.write(
        "ONE.csv",
        "Date,Adj Close",
        [f"{d},{c}" for d, c in zip(made.days, made.close[:, 0], strict=True)],
    )
    config.write_text(SMALL.replace("prices.csv", single.name) + TRAIN)
    alone = refused("build", config, "--out", tmp_path / "d")
    assert "dates on which two names or more" in alone
    assert "at most one of them on any date: a ranking needs two names or more" in alone


def dated(made: Foreign, name: str, header: str, values: np.ndarray, every: int = 1) -> None:
    rows = [
        f"{made.names[n]},{made.days[d]},{values[d, n]:.6f}"
        for d, n in made.cells()
        if (d + n) % every == 0
    ]
    made.write(name, header, rows)


def planted(made: Foreign, leak: bool) -> str:
    """A source of each kind, honest or not; all over the same names and days."""
    seed, word = 10 + leak, "leaky" if leak else "honest"
    made.prices(f"{word}_daily.csv", shift=int(leak))
    headlines(made, f"{word}_news.csv", leak, seed)
    # a day is known from the midnight after it, so that a leak is two days ahead of what the file says
    dated(made, f"{word}_fundamentals.csv", "Ticker,Filed,Mood", made.values(leak, seed, ahead=1))
    dated(
        made,
        f"{word}_rare.csv",
        "Ticker,Filed,Mood",
        made.values(3 * leak, seed, ahead=1),
        every=15,
    )
    dated(
        made,
        f"{word}_statements.csv",
        "Ticker,Period Ending,Mood",
        made.values(leak, seed, ahead=1),
    )
    dated(made, f"{word}_names.csv", "Symbol,Date,Mood", made.values(leak, seed))
    market = (
        made.values(leak, seed).mean(axis=1)
        if leak
        else np.random.default_rng(9).standard_normal(len(made.days))
    )
    made.write(
        f"{word}_market.csv",
        "Date,Mood",
        [f"{d},{v:.6f}" for d, v in zip(made.days, market, strict=True)],
    )
    return "".join(
        [
            source(
                "daily",
                f"{word}_daily.csv",
                "history = 20",
                "least_dollars = 0",
                name=f"{word}_daily",
            ),
            source(
                "news",
                f"{word}_news.csv",
                "window_days = 1",
                'features = ["count", "tone"]',
                name=f"{word}_news",
            ),
            source(
                "news",
                f"{word}_news.csv",
                "window_days = 1",
                'features = ["learned"]',
                name=f"{word}_learned",
            ),
            source("fundamentals", f"{word}_fundamentals.csv", name=f"{word}_fundamentals"),
            source("fundamentals", f"{word}_rare.csv", name=f"{word}_rare"),
            source(
                "statements", f"{word}_statements.csv", "lag_days = 1", name=f"{word}_statements"
            ),
            source("series", f"{word}_names.csv", "lag_days = 0", name=f"{word}_names"),
            source("series", f"{word}_market.csv", "lag_days = 0", name=f"{word}_market"),
        ]
    )


@pytest.mark.parametrize("command", [False, pytest.param(True, marks=pytest.mark.release)])
def test_a_planted_leak_is_caught_through_every_adapter_and_an_honest_twin_is_not(
    command: bool, tmp_path: Path
) -> None:
    made = foreign(tmp_path, names=16, days=400)
    made.prices()
    config = configured(made, planted(made, True), planted(made, False))
    if command:
        found = done("leak", config, "--out", tmp_path / "leak")["leak"]
    else:  # what the command writes down, without its figures
        read = read_config(config)
        found = to_jsonable(lines_of(read, *reports_of(read, 1, synthetic=True)))
    verdicts = {one["source"]: one["verdict"] for one in found}
    assert {
        name: one for name, one in verdicts.items() if name.startswith("leaky")
    } == dict.fromkeys([name for name in verdicts if name.startswith("leaky")], "leak"), {
        one["source"]: one["reasons"] for one in found
    }
    honest = {
        name: one
        for name, one in verdicts.items()
        if not name.startswith(("leaky", "planted, false"))
    }
    assert set(honest.values()) == {"clean"}, honest
    assert len(verdicts) == 2 * 8 + 3


def test_a_leak_in_a_frame_is_caught(tmp_path: Path) -> None:
    made = foreign(tmp_path, names=16)
    prices = read_prices(made.prices()).with_columns(
        time=pl.col("date").cast(pl.Datetime("ns", "UTC"))
    )
    for leak, verdict in ((True, "leak"), (False, "clean")):
        dated(made, "f.csv", "Symbol,Date,Mood", made.values(leak, 4))
        frame = pl.read_csv(tmp_path / "f.csv", try_parse_dates=True)
        assert leak_report(prices, source_of("series", frame, lag_days=0)).verdict == verdict  # type: ignore[arg-type]
        day = pl.col("Date").cast(pl.Datetime("ns", "UTC"))
        facts = frame.select(
            pl.col("Symbol").alias("instrument"), "Mood", event_time=day, known_time=day
        )
        assert leak_report(prices, FrameSource("mine", ("Mood",), facts)).verdict == verdict


def test_several_files_on_one_panel(tmp_path: Path) -> None:
    made = foreign(tmp_path)
    made.prices()
    parts = planted(made, False).replace("honest_", "")
    parts = (
        parts.replace('path = "', 'path = "honest_')
        .replace('name = "daily"', 'name = "other"')
        .replace('name = "market"', 'name = "mood"')
    )
    built = done("build", configured(made, parts), "--out", tmp_path / "o")
    assert built["sources"]["news"] == ["news.count", "news.tone"]
    assert built["sources"]["names"] == ["names.Mood", "names.Mood_change"]
    assert built["missing"]["fundamentals"] < 0.05
    checked = json.loads(
        CliRunner().invoke(app, ["config", "check", str(made.folder / "s.toml"), "--json"]).stdout
    )
    assert checked["kind"] == "signals"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (source("nws", "n.csv"), "try 'news'"),
        (source("news", "n.csv", "window = 3"), "options of news among"),
        (source("series", "n.csv"), "the options that series needs"),
    ],
)
def test_config_check_knows_kinds_and_options(tmp_path: Path, part: str, said: str) -> None:
    made = foreign(tmp_path)
    result = CliRunner().invoke(app, ["config", "check", str(configured(made, part))])
    assert result.exit_code == 2
    told = " ".join(result.output.split())
    assert said in told
    assert "source[0] of" in told


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ('[panel.columns]\nclose = "Lst"', "the column that is called close received no Lst in"),
        (
            '[source.columns]\ntext = "Words"',
            "in source news: the column that is called text received no Words in",
        ),
        ('[source.columns]\ntxt = "Headline"', "try 'text'"),
    ],
)
def test_config_check_reads_the_files_that_are_named(
    tmp_path: Path, columns: str, said: str
) -> None:
    made = foreign(tmp_path, names=3, days=40)
    made.prices()
    headlines(made, "n.csv", False, 1)
    file = tmp_path / "s.toml"
    part = source("news", "n.csv")
    panel, table = (
        (SMALL + columns, part) if columns.startswith("[panel") else (SMALL, part + columns)
    )
    file.write_text(f"{panel}\n{table}\n{TRAIN}", encoding="utf-8")
    result = CliRunner().invoke(app, ["config", "check", str(file)])
    assert result.exit_code == 2
    assert said in (told := " ".join(result.output.split()))
    assert "Date, Symbol, Open" in told or "published, Ticker, Headline" in told or "try" in said
    file.write_text(f"{SMALL}\n{part}\n{TRAIN}", encoding="utf-8")
    (tmp_path / "n.csv").unlink()
    checked = json.loads(CliRunner().invoke(app, ["config", "check", str(file), "--json"]).stdout)
    assert checked["notes"] == [f"news is absent: nothing at {tmp_path / 'n.csv'}"]
    file.write_text(f"{SMALL}\n{part}required = true\n{TRAIN}", encoding="utf-8")
    assert CliRunner().invoke(app, ["config", "check", str(file)]).exit_code == 2


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (["2018-03-05T10:00:00Z,,up"], (), "a name in every headline received Ticker '' in row 2"),
        (["2018-03-05T10:00:00Z,N1,"], (), "a text in every headline received Headline '' in row 2"),
        (["2018-03-05 10:00,N1,up"], (), 'a time with its zone received published \'2018-03-05 10:00\' in row 2'),
        (["2018-03-05 10:00,N1,up"], ('timezone = "Mars"',), "an IANA time zone"),
        (["soon,N1,up"], (), "received published 'soon' in row 2"),
        (["2030-03-05T10:00:00Z,N1,up"], (), "headlines up to a day after the last price"),
        (["2018-03-05T10:00:00Z,N1,up"], ("collected = 2018-03-01",), "headlines up to the day of collection"),
        (["2018-03-05T10:00:00Z,N1,up"], ('features = ["mood"]',), "features of news among count, tone, learned"),
    ],
)  # fmt: skip
def test_broken_headlines_are_refused_with_their_row(
    tmp_path: Path, rows: list[str], options: tuple[str, ...], said: str
) -> None:
    made = foreign(tmp_path, days=60)
    made.prices()
    made.write("n.csv", "published,Ticker,Headline", rows)
    told = refused(
        "build", configured(made, source("news", "n.csv", *options)), "--out", tmp_path / "o"
    )
    assert said in told


def test_an_evaluation_says_what_was_left_out(tmp_path: Path) -> None:
    made = foreign(tmp_path)
    path = made.prices()
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rsplit(",", 2)[0] for line in lines) + "\n")
    config = configured(made)
    done("train", config, "--out", tmp_path / "o")
    told = signals("evaluate", config, "--out", tmp_path / "o")
    words = " ".join(told.output.split())
    assert (
        "moves of a split, or beyond -60% or +65% in a day, without an adjusted close: 1 in"
        in words
    )
    assert "N0 on 2018-06" in words


def test_what_is_served_of_own_files_is_what_the_panel_has(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    made = foreign(tmp_path)
    made.prices()
    headlines(made, "n.csv", True, 4)
    dated(made, "f.csv", "Ticker,Filed,Mood", made.values(True, 4), every=15)
    sources = source("news", "n.csv", "window_days = 1", "collected = 2018-12-31") + source(
        "fundamentals", "f.csv"
    )
    done("train", configured(made, sources), "--out", tmp_path / "o")
    model = load_model(tmp_path / "o" / "model")
    data = load(tmp_path / "o")[0]
    for at in (data.time_ns[-1], data.time_ns[len(data.time_ns) // 2]):
        (served, missing), _, _ = cross_section(model, datetime.fromtimestamp(at / 1e9, UTC).date())
        rows = data.rows(data.time_ns == at)
        assert missing == {}
        assert {"news.tone", "news.learned", "fundamentals.Mood"} <= set(served.names)
        kept = np.isin(served.instrument, rows.instrument)
        columns = [rows.names.index(name) for name in served.names]
        assert np.array_equal(served.x[kept], rows.x[:, columns], equal_nan=True)


def test_a_news_file_that_has_ended_is_not_heard(tmp_path: Path) -> None:
    """Counts of 0 would say that nothing happened: the forecast says which file has ended, and when."""
    pytest.importorskip("sklearn")
    made = foreign(tmp_path)
    made.prices()
    headlines(made, "n.csv", True, 4)
    head, *rows = (made.folder / "n.csv").read_text().splitlines()
    rows = sorted(rows)[: len(rows) * 4 // 5]
    (made.folder / "n.csv").write_text("\n".join([head, *rows]))
    config = configured(
        made, source("news", "n.csv", "window_days = 1", 'features = ["count", "tone"]')
    )
    trained = done("train", config, "--out", tmp_path / "o")
    ended = f"the last headline of {made.folder / 'n.csv'} is of {rows[-1][:10]}"
    assert any(ended in warning for warning in trained["warnings"])
    told = done("predict", tmp_path / "o")
    assert told["missing"]["news"].startswith(f"nothing known by then; {ended}")
    assert not any("news" in row["sources"] for row in told["rows"])
    odd = head.replace("Headline", "Said")
    (made.folder / "n.csv").write_text("\n".join([odd, *rows]))
    why = refused("train", config, "--out", tmp_path / "p")
    assert 'say what they are called in [source.columns]: text = "..."' in why
