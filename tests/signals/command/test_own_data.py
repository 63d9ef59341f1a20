"""Files of a stranger, from two lines of TOML to forecasts; several sources on one panel; a leak is caught through every
adapter.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.signals.command.foreign import SMALL, TRAIN, TWO_LINES, Foreign, foreign, headlines
from tests.signals.command.material import (
    SERIES,
    configured as synthetic,
    done,
    ran,
    refused,
    signals,
    trend,
)
from typer.testing import Result

from tercel.core.report.cells import NOTHING
from tercel.core.serialization import to_jsonable
from tercel.signals.models.model_folder import load as load_model
from tercel.signals.models.predict import cross_section
from tercel.signals.panel.build import load
from tercel.signals.panel.leak import check_sources, lines_of
from tercel.signals.runs.config import read_config
from tercel.signals.sources.prices import read_prices


def configured(made: Foreign, *parts: str, panel: str = SMALL) -> Path:
    path = made.folder / "s.toml"
    path.write_text(panel + "".join(parts) + TRAIN)
    return path


def source(kind: str, path: str, *options: str, name: str = "") -> str:
    named = [f'name = "{name}"'] if name else []
    return (
        "\n".join(["[[source]]", f'kind = "{kind}"', f'path = "{path}"', *named, *options]) + "\n"
    )


@pytest.mark.usefixtures("quick_pictures")
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


def test_a_planted_leak_is_caught_through_every_adapter_and_an_honest_twin_is_not(
    tmp_path: Path,
) -> None:
    made = foreign(tmp_path, names=16, days=400)
    made.prices()
    config = configured(made, planted(made, True), planted(made, False))
    read = read_config(config)
    found = to_jsonable(
        lines_of(read, *check_sources(read, 1, synthetic=True))
    )  # as the command tells
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


def test_config_check_reads_the_files_that_are_named(tmp_path: Path) -> None:
    made = foreign(tmp_path, names=3, days=40)
    made.prices()
    headlines(made, "n.csv", False, 1)
    file, news = tmp_path / "s.toml", source("news", "n.csv")

    def checked(text: str) -> Result:
        file.write_text(f"{text}\n{TRAIN}", encoding="utf-8")
        return ran("config", "check", file, "--json")

    for text, said in (
        (SMALL + source("nws", "n.csv"), "try 'news'"),
        (f'{SMALL}[panel.columns]\nclose = "Lst"\n{news}', "no Lst in"),
        (f'{SMALL}[panel.columns]\nclose = "Lst"\n{news}', "Date, Symbol, Open"),
        (f'{SMALL}{news}[source.columns]\ntext = "Words"', "no Words in"),
        (f'{SMALL}{news}[source.columns]\ntext = "Words"', "published, Ticker, Headline"),
        (f'{SMALL}{news}[source.columns]\ntxt = "Headline"', "try 'text'"),
    ):
        found = checked(text)
        assert found.exit_code == 2
        assert said in json.dumps(json.loads(found.stdout)["error"], ensure_ascii=False), text
    (tmp_path / "n.csv").unlink()
    told = json.loads(checked(SMALL + news).stdout)
    assert told["kind"] == "signals"
    assert told["notes"] == [f"news is absent: nothing at {tmp_path / 'n.csv'}"]
    assert checked(f"{SMALL}{news}required = true").exit_code == 2


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


def test_what_is_served_of_own_files_is_what_the_panel_has(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    made = foreign(tmp_path)
    made.prices()
    headlines(made, "n.csv", True, 4)
    dated(made, "f.csv", "Ticker,Filed,Mood", made.values(True, 4), every=15)
    news = (tmp_path / "n.csv").read_text()
    (tmp_path / "n.csv").write_text(news.replace("published,Ticker,Headline", "When,Who,Said"))
    called = '[source.columns]\ntime = "When"\nsymbol = "Who"\ntext = "Said"'
    sources = source("news", "n.csv", "window_days = 1", "collected = 2018-12-31", called)
    config = configured(made, sources, source("fundamentals", "f.csv"))
    done("train", config, "--out", tmp_path / "o")
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


@pytest.mark.usefixtures("quick_pictures")
def test_sources_join_and_one_that_ranks_no_name_has_no_weight(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    trend(tmp_path)
    config, out = synthetic(tmp_path, SERIES), tmp_path / "out"
    built = done("build", config, "--out", out)
    assert built["sources"]["series"] == ["series.debt", "series.debt_change"]
    assert built["missing"]["series"] < 0.05
    trained = done("train", config, "--out", out)
    assert not any(name.startswith("series") for name in trained["weights"])
    found = done("evaluate", config, "--out", out)
    assert found["unranked"] == ["series"]
    assert found["ablation"]["linear"]["adds"]["ci_low"] > 0
    assert {one["source"]: one["verdict"] for one in found["leak"]}["series"] == "clean"
    told = signals("evaluate", config, "--out", out)
    assert "the same for every name, which ranks none: series" in " ".join(told.output.split())


@pytest.mark.usefixtures("quick_pictures")
def test_an_absent_source_degrades_and_is_named_by_every_command(tmp_path: Path) -> None:
    config, out = synthetic(tmp_path, SERIES), tmp_path / "out"
    warning = f"source series is absent, the panel continues without it: nothing at {tmp_path / 'trend.csv'}"
    assert done("build", config, "--out", out)["warnings"] == [warning]
    done("train", config, "--out", out)
    assert done("evaluate", config, "--out", out)["warnings"] == [warning]
    told = signals("evaluate", config, "--out", out)
    assert warning in " ".join(told.output.split())
    # the same folder is refused for a configuration with other sources
    config.write_text(config.read_text().replace(SERIES, ""))
    assert "holds another" in refused("train", config, "--out", out)


def test_a_source_that_speaks_of_none_of_the_rows_is_left_out(tmp_path: Path) -> None:
    path = trend(tmp_path)
    config = synthetic(tmp_path, SERIES + 'instrument = "OTHER"\n')
    built = done("build", config, "--out", tmp_path / "out")
    assert "series" not in built["sources"]
    assert "says something of 0 of 3180 rows" in built["warnings"][0]
    config = synthetic(tmp_path, SERIES + 'instrument = "OTHER"\nrequired = true\n')
    assert "0 of 3180 rows" in refused("build", config, "--out", tmp_path / "again")
    assert path.exists()


def test_the_leak_command_catches_what_is_planted(tmp_path: Path) -> None:
    found = done("leak", "--demo", "--out", tmp_path)
    verdicts = {one["source"]: one["verdict"] for one in found["leak"]}
    assert verdicts.pop("planted, false time") == "leak"
    assert set(verdicts.values()) == {"clean"}
    page = (tmp_path / "leak.html").read_text(encoding="utf-8")
    assert page.count("<figure id") == 2
    assert "no proof" in page
    assert "none of them" in refused("leak")
    assert "nothing at" in refused("leak", "--data", tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "none in" in refused("leak", "--data", tmp_path / "empty")
