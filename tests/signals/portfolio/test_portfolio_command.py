"""`tercel portfolio backtest`: one JSON object, a table with few sentences, a page with pictures, refusals."""

import math
import re
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.signals.command.material import daily_model, denied, ran, told

from tercel.api.desk.folder_costs import costs_by_session
from tercel.core.errors import DataError
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal
from tercel.signals.portfolio.book import Walk
from tercel.signals.portfolio.config import mean_variance
from tercel.signals.portfolio.daily_returns import DailyReturns
from tercel.signals.portfolio.targets import read_targets

DATES, NAMES = 150, 20
TOML = """
name = "mine"
[forecasts]
file = "forecasts.csv"
[cost]
bps = 10
"""


portfolio, run = (partial(ran, "portfolio", what) for what in ("backtest", "run"))
done, stepped = (partial(told, "portfolio", what) for what in ("backtest", "run"))


def refused(*arguments: object) -> str:
    said = denied("portfolio", "backtest", *arguments)
    assert all(part in said for part in ("expected", "received", "to go on"))
    return said


@cache
def table(seed: int = 1, gone: str = "") -> pl.DataFrame:
    """Forecasts that persist, with skill; one name is gone from date 100 on."""
    rng = np.random.default_rng(seed)
    value, rows = rng.standard_normal(NAMES), []
    for t in range(DATES):
        value = 0.9 * value + 0.45 * rng.standard_normal(NAMES)
        for n in range(NAMES):
            outcome = 0.005 * value[n] + 0.03 * rng.standard_normal()
            day = date(2010, 1, 5) + timedelta(days=7 * t)
            rows.append(
                (day, f"N{n:02d}", value[n], round(outcome, 6), 0.01 + 0.001 * n, 1e7 * (n + 1))
            )
    frame = pl.DataFrame(rows, ["date", "name", "value", "outcome", "sd", "dollars"], orient="row")
    return frame.filter(~((pl.col("name") == gone) & (pl.col("date") > date(2012, 1, 1))))


def placed(folder: Path, text: str = TOML, frame: pl.DataFrame | None = None) -> Path:
    (table() if frame is None else frame).write_csv(folder / "forecasts.csv")
    (folder / "p.toml").write_text(text, encoding="utf-8")
    return folder / "p.toml"


@pytest.mark.usefixtures("quick_pictures")
def test_dates_on_which_no_rule_holds_a_book_are_left_out(tmp_path: Path) -> None:
    """Silent for the last 50 dates: those but the first few, on which a slow rule still sells, dilute no figure."""
    frame = table().with_columns(
        pl.when(pl.col("date") < date(2011, 12, 20)).then("value").otherwise(0.0).alias("value")
    )
    found = done(placed(tmp_path, frame=frame), "--out", tmp_path / "out")
    assert found["dates"] - found["invested"] > 20
    assert len(found["curve"]) == found["invested"]
    assert f"; invested on {found['invested']} of {found['dates']} dates" in found["sentences"][0]
    at_once = np.array([row["rules"]["all_at_once"]["net"] for row in found["curve"]])
    assert found["rules"]["all_at_once"]["sharpe_net"] == pytest.approx(
        at_once.mean() / at_once.std(ddof=1) * found["dates_a_year"] ** 0.5
    )


def test_from_a_table_to_a_page(tmp_path: Path) -> None:
    file = placed(tmp_path)
    found = done(file, "--out", tmp_path / "out")
    assert list(found["rules"]) == ["all_at_once", "rate", "zone"]
    assert all(row["left_while_held"] == 0 for row in found["rules"].values())
    assert all(row["sharpe_net"] < row["sharpe_gross"] for row in found["rules"].values())
    assert found["rules"]["zone"]["turnover"] < found["rules"]["all_at_once"]["turnover"]
    assert found["rules"]["all_at_once"]["against_all_at_once"]["t"] is None
    gain = found["rules"]["rate"]["against_all_at_once"]
    assert gain["mean"] == pytest.approx(
        found["rules"]["rate"]["sharpe_net"] - found["rules"]["all_at_once"]["sharpe_net"]
    )
    assert set(found["rules"]["zone"]["chosen"]) == {"2011", "2012"}
    assert found["first"].startswith("2011-01")
    assert found["cost_learned"]["at_last"] > 0.0
    assert {"true", "learned", "third"} <= set(found["beliefs"]["rate"])
    assert len(found["sentences"]) <= 5
    before = found["not_judged"]
    assert (before["first"][:10], before["dates"] + found["dates"]) == ("2010-01-05", DATES)
    assert (
        f"; the {before['dates']} before, from 2010-01-05 on, are not judged (the past by"
        in found["sentences"][0]
    )
    zone = TOML + '[rules]\nnames = ["zone"]\n'
    named = done(placed(tmp_path, zone + 'first = "2010-01-01"\n'))
    assert named["not_judged"]["dates"] == 0
    assert "not judged" not in named["sentences"][0]
    later = done(placed(tmp_path, zone + 'first = "2012-01-01"\n'))
    assert (
        f"the {later['not_judged']['dates']} before, from 2010-01-05 on, are not judged (rules.first)"
        in (later["sentences"][0])
    )
    grown = math.prod(1.0 + row["rules"]["rate"]["net"] for row in found["curve"])
    compounded = grown ** (found["dates_a_year"] / found["dates"]) - 1.0
    assert found["rules"]["rate"]["net_a_year"] == pytest.approx(compounded)
    assert found["definition"].endswith("what is made a year is compounded")
    page = (tmp_path / "out" / "portfolio.html").read_text(encoding="utf-8")
    assert page.count("<figure id") == 3
    assert (
        page.index("Equity after costs")
        < page.index("What each year chose")
        < page.index("Belief on costs")
    )
    equity = math.prod(1.0 + row["rules"]["rate"]["net"] for row in found["curve"])
    assert equity == pytest.approx(found["curve"][-1]["rules"]["rate"]["equity"])
    shown = portfolio(placed(tmp_path)).stdout
    assert "against all at once" in shown
    assert found["sentences"][0] in " ".join(shown.split())


def test_costs_of_the_law_that_triple(tmp_path: Path) -> None:
    law = TOML.replace("bps = 10", 'law = 1.0\ncapital = 2e7\nchanges = "2011-06-01"\ntimes = 3')
    found = done(placed(tmp_path, law + '[rules]\nnames = ["zone", "by_name"]\n'))
    assert list(found["rules"]) == ["all_at_once", "zone", "by_name"]
    assert (
        found["cost"]
        == "the square-root law, Y 1, on 20,000,000, 3 times as much from 2011-06-01 on"
    )
    true = [row["cost_true"] for row in found["curve"]]
    assert (true[0], true[-1]) == (1.0, 3.0)
    assert found["cost_learned"]["back_after"] <= 26
    shuffled = done(tmp_path / "p.toml", "--shuffled")
    assert shuffled["sentences"][0].startswith("Control")
    low, high = (
        shuffled["rules"]["zone"]["sharpe_gross_interval"][key] for key in ("ci_low", "ci_high")
    )
    assert low < 0 < high
    assert done(tmp_path / "p.toml", "--seed", "2")["curve"] != found["curve"]


def test_a_name_that_leaves_while_held_is_closed_and_counted(tmp_path: Path) -> None:
    """Its last return counts; no cost of it is asked for afterwards."""
    found = done(placed(tmp_path, frame=table(gone="N03")))
    assert all(row["left_while_held"] == 1 for row in found["rules"].values())
    assert any("closed at their last close" in line for line in found["sentences"])


def test_a_belief_that_is_named(tmp_path: Path) -> None:
    for believed, first in (("true", 10.0), ("0.5", 5.0)):
        quoted = f'"{believed}"' if believed == "true" else believed
        found = done(placed(tmp_path, TOML + f'believed = {quoted}\n[rules]\nnames = ["zone"]\n'))
        assert {row["rules"]["zone"]["cost_believed"] for row in found["curve"]} == {first}


def test_a_trained_model_and_both_controls(tmp_path: Path) -> None:
    run = daily_model(tmp_path)
    text = f'[forecasts]\nmodel = "{run.name}"\n[cost]\nbps = 5\n[rules]\nfirst = "2011-01-01"\n'
    (tmp_path / "p.toml").write_text(text + 'names = ["rate", "by_name", "mean_variance"]\n')
    found = done(tmp_path / "p.toml")
    assert list(found["rules"]) == ["all_at_once", "rate", "by_name", "mean_variance"]
    # before the second of three blocks no source is significant: nothing is held in it
    assert found["rules"]["mean_variance"]["held"] == pytest.approx(2.0 * 2 / 3)
    assert set(found["rules"]["by_name"]["against_rate"]) >= {"mean", "t"}
    assert "survivors" in found["sentences"][-1]


def test_weights_by_covariance_know_no_later_day() -> None:
    rng = np.random.default_rng(1)
    names, day = np.array(["A", "B", "C", "D"]), 86_400 * 10**9
    returns = 0.02 * rng.standard_normal((90, 4))
    known = np.arange(90, dtype=np.int64) * day + day // 2
    time = known[[40, 60, 80]] + 1
    walk = Walk(time, time, time + day, names, rng.standard_normal((3, 4)), np.zeros((3, 4)))
    sd = np.full((3, 4), 0.02)
    found = mean_variance(walk, sd, DailyReturns(known, returns))
    later = returns.copy()
    later[61:] = 0.2 * rng.standard_normal((29, 4))
    other = mean_variance(walk, sd, DailyReturns(known, later))
    np.testing.assert_array_equal(other[:2], found[:2])
    assert abs(other[2] - found[2]).max() > 0.01
    later[60:] += 0.2  # the day that is known at the very time counts
    assert abs(mean_variance(walk, sd, DailyReturns(known, later))[1] - found[1]).max() > 0.01
    with pytest.raises(DataError, match="at least 22 days of prices before the first date"):
        mean_variance(walk, sd, DailyReturns(known[30:], returns[30:]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("[cost]\nbps = 10", ""),
            ("a table [cost]", "[forecasts] in", "add [cost] with bps = 10"),
        ),
        (
            ('[forecasts]\nfile = "forecasts.csv"', ""),
            ("a table [forecasts]", "[cost] in", "model = "),
        ),
        (("bps = 10", "bps = -1"), ("cost.bps", "-1", "row 6")),
        (("bps = 10", "law = 1.0"), ("cost.capital beside cost.law", "none")),
        (("bps = 10", "bps = 10\nlaw = 1.0"), ("one of cost.bps and cost.law", "both")),
        (("bps = 10", ""), ("one of cost.bps and cost.law", "neither")),
        (("bps = 10", "bsp = 10"), ("cost.bsp", "try 'bps'")),
        (
            ("bps = 10", 'bps = 10\n[rules]\nnames = ["zoen"]'),
            ("rules among", "'zoen' in rules.names", "try 'zone'"),
        ),
        (
            ("bps = 10", 'bps = 10\n[rules]\nnames = ["mean_variance"]'),
            ("forecasts.model for the rule mean_variance",),
        ),
        (
            ("bps = 10", 'bps = 10\n[rules]\nfirst = "2030-01-01"'),
            ("two dates to judge", "150 dates"),
        ),
        (("bps = 10", 'bps = 10\nchanges = "soon"'), ("a day such as",)),
        (
            ('file = "forecasts.csv"', 'model = "nowhere"'),
            ("the folder of a trained model", "nowhere"),
        ),
        (('file = "forecasts.csv"', 'file = "none.csv"'), ("a table", "none.csv")),
        (
            ('file = "forecasts.csv"', 'file = "a"\nmodel = "b"'),
            ("one of forecasts.model and forecasts.file",),
        ),
    ],
)
def test_what_is_no_portfolio_is_refused(
    tmp_path: Path, change: tuple[str, str], said: tuple[str, ...]
) -> None:
    why = refused(placed(tmp_path, TOML.replace(*change)), "--out", tmp_path / "x")
    assert all(part in why for part in said), why
    assert not (tmp_path / "x").exists()


def test_a_table_that_cannot_be_used_is_refused_by_its_row(tmp_path: Path) -> None:
    good, seventh = table(), pl.int_range(pl.len()) == 7
    law = TOML.replace("bps = 10", "law = 1.0\ncapital = 1e7")

    def spoilt(column: str, bad: float | None) -> pl.DataFrame:
        return good.with_columns(pl.when(seventh).then(bad).otherwise(pl.col(column)).alias(column))

    for frame, text, said in (
        (spoilt("value", None), TOML, r"a forecast in each row.*row 9"),
        (spoilt("outcome", -1.5), TOML, r"a return of -1 or more.*row 9"),
        (spoilt("sd", 0.0), TOML, r"above 0.*row 9"),
        (spoilt("sd", None), TOML, r"above 0.*row 9"),
        (pl.concat([good, good[:1]]), TOML, r"row 2\b|row 3002"),
        (good.drop("sd"), TOML, "sd"),
        (good.drop("dollars"), law, "dollars"),
        (good.with_columns(dollars=pl.lit(None, pl.Float64)), law, "on date"),
        (good[:NAMES], TOML, "two dates"),
        (good.with_columns(outcome=pl.lit(0.9)), TOML, "divide the column outcome by 100"),
        (good.with_columns(value=1.0), TOML, "differ"),
    ):
        assert re.search(said, refused(placed(tmp_path, text, frame)))
    (tmp_path / "x").write_text("")
    assert "is a file" in refused(placed(tmp_path), "--out", tmp_path / "x")
    assert "a configuration file" in refused(tmp_path / "none.toml")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a portfolio beside its trained model; nobody writes into its folder."""
    folder = tmp_path_factory.mktemp("model")
    run = daily_model(folder)
    (folder / "p.toml").write_text(f'[forecasts]\nmodel = "{run.name}"\n[cost]\nbps = 12\n')
    return folder / "p.toml"


def test_todays_book_is_a_step_from_the_one_before(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "book"
    out.mkdir()
    (out / "targets.csv").write_text(
        "date,name,weight\n2012-01-02,N00,0.5\n2012-01-02,GONE,-0.25\n"
    )
    found = stepped(model, "--out", out, "--rule", "rate")
    rows = {row["name"]: row for row in found["trades"]}
    for row in rows.values():
        assert (
            row["trade"] == pytest.approx(found["parameter"] * (row["target"] - row["held"]))
            or row["name"] == "GONE"
        )
    assert (rows["N00"]["held"], rows["GONE"]["weight"], rows["GONE"]["trade"]) == (0.5, 0.0, 0.25)
    assert sum(row["target"] for row in rows.values()) == pytest.approx(0.0, abs=1e-12)
    read = read_targets(out / "targets.csv", {name: name for name in rows})  # as a desk reads it
    assert {name: one.value for name, one in read.items()} == pytest.approx(
        {n: r["weight"] for n, r in rows.items()}
    )
    assert {one.unit for one in read.values()} == {"weight"}
    before = (out / "targets.csv").read_bytes()
    again = denied("portfolio", "run", model, "--out", out)
    assert "one step after the previous targets" in again
    assert (out / "targets.csv").read_bytes() == before
    shown = run(model, "--out", tmp_path / "new", "--rule", "zone")
    assert shown.exit_code == 0
    assert "zone at" in shown.stdout


@pytest.mark.usefixtures("quick_pictures")
def test_desks_say_what_was_paid(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(f"N{n:02d}", 40.0, 1e4) for n in range(12)]
    sessions = 1

    def paid(folder: Path) -> dict[str, list[tuple[str, float, float]]]:
        return {f"{folder}, session {n}": rows for n in range(sessions)}

    monkeypatch.setattr("tercel.api.desk.folder_costs.costs_by_session", paid)
    monkeypatch.setattr("tercel.api.desk.folder.weights_of", lambda folder: None)
    found = stepped(
        model, "--out", tmp_path / "a", *[word for n in range(9) for word in ("--desk", f"d{n}")]
    )
    assert found["parents"] == 9 * 12
    assert 28.0 < found["cost_believed"] < 40.0  # nine days, the prior of 12 forgotten as a day is
    assert found["cost_said"] == 12.0
    assert [(one["bps"], one["half_bps"]) for one in found["learned"]] == 9 * [(40.0, 0.0)]
    assert [one["before"] for one in found["learned"]] == [
        12.0,
        *(one["after"] for one in found["learned"][:-1]),
    ]
    sessions = 9
    again = stepped(model, "--out", tmp_path / "one", "--desk", "d1")
    assert again["cost_believed"] == found["cost_believed"], (
        "sessions of one folder count as desks do"
    )
    assert stepped(model, "--out", tmp_path / "b")["cost_believed"] == 12.0
    sessions, rows[:] = 1, []  # a day on which limits refused all of it
    assert stepped(model, "--out", tmp_path / "none", "--desk", "d1")["cost_believed"] == 12.0
    rows[:] = [("XYZ", 40.0, 1e4)]
    assert "XYZ of d1" in denied("portfolio", "run", model, "--out", tmp_path / "c", "--desk", "d1")


def test_a_desk_tells_what_each_session_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent belongs to the session that analysed it first; a correction takes the place of what it corrects."""
    monkeypatch.setattr("tercel.api.desk.folder_costs.names_of", lambda folder: {"first": "N00"})

    def tca(parent: str, instrument: str, bps: float | None) -> Entry:
        return Entry(
            kinds.TCA,
            1,
            instrument,
            "a",
            parent,
            body={"is_bps": bps, "notional": 1e4, "start_ns": 0},
        )

    with closing(SqlJournal(tmp_path, "test")) as journal:
        begun = Entry(kinds.SESSION, 1)
        journal.append([begun, tca("p1", "first", 5.0), tca("p2", "N01", None)])
        assert costs_by_session(tmp_path) == {str(tmp_path): [("N00", 5.0, 1e4)]}
        journal.append([begun, tca("p3", "N01", 7.0), tca("p1", "first", 6.0), begun])
    assert list(costs_by_session(tmp_path).values()) == [
        [("N00", 6.0, 1e4)],
        [("N01", 7.0, 1e4)],
        [],
    ]


@pytest.mark.usefixtures("quick_pictures")
def test_what_a_desk_holds_is_what_is_stepped_from(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tercel.api.desk.folder_costs.costs_by_session", lambda folder: {})
    monkeypatch.setattr(
        "tercel.api.desk.folder.weights_of", lambda folder: {"N00": 0.2, "GONE": -0.1}
    )
    (tmp_path / "targets.csv").write_text(
        "date,name,weight\n2012-01-02,N00,0.5\n2012-01-02,LATE,0.1\n"
    )
    found = stepped(model, "--out", tmp_path, "--desk", "monday")
    rows = {row["name"]: row for row in found["trades"]}
    assert (rows["N00"]["held"], rows["GONE"]["held"], rows["GONE"]["weight"]) == (0.2, -0.1, 0.0)
    assert (rows["N00"]["asked"], rows["LATE"]["asked"], rows["LATE"]["held"]) == (0.5, 0.1, 0.0)
    assert (found["held"], found["missed"]) == ("positions", pytest.approx(0.5))
    assert "a one-way turnover of 0.500 from the previous targets" in " ".join(found["sentences"])
    monkeypatch.setattr("tercel.api.desk.folder.weights_of", lambda folder: None)
    (tmp_path / "targets.csv").write_text("date,name,weight\n2012-01-02,N00,0.5\n")
    found = stepped(model, "--out", tmp_path, "--desk", "monday")
    assert (found["held"], {row["name"]: row["held"] for row in found["trades"]}["N00"]) == (
        "targets",
        0.5,
    )
    assert len((tmp_path / "steps.jsonl").read_text().splitlines()) == 2


def test_what_has_no_book_of_today_is_refused(model: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "desk.toml").write_text("[desk]\n")
    with closing(sqlite3.connect(foreign / "journal.db")) as other:
        other.execute("CREATE TABLE photos (id INTEGER)")
    for arguments, part in (
        ((model, "--rule", "zoen"), "try 'zone'"),
        ((placed(tmp_path), "--rule", "zone"), "forecasts.model"),
        ((model, "--desk", tmp_path / "no-desk"), "no-desk"),
        ((model, "--desk", foreign), "another database: no such table: meta"),
    ):
        assert part in denied("portfolio", "run", *arguments, "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()
