"""A desk that reads a trained folder: what `signals predict` prints, and none where it may not be trusted."""

import json
import math
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from tests.desk.rounds.forecast_material import NAMES, desk_file, prices, ran, trained, weekdays

from tercel.api.desk import dependencies
from tercel.api.desk.config import read_config
from tercel.api.desk.run_figures import cost_through_rounds
from tercel.api.desk.run_text import forecast_sentences
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.core.capabilities import Capabilities
from tercel.core.errors import ConfigError, TercelError
from tercel.core.ports import Entry
from tercel.core.system import MonotonicClock
from tercel.desk.engine.assembly import check_config
from tercel.desk.engine.forecast_results import read_forecast_outcome
from tercel.desk.engine.forecasts import session_begin_ns, share_within
from tercel.desk.engine.instrument import Sizing
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.execution.guidance import pack
from tercel.signals.models.model_folder import _digest, load
from tercel.signals.models.predict import ServedForecasts, predict
from tercel.signals.models.signal_model import SignalModel

DAY_NS = 86_400 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Prices, a model of them that reads these, and a desk's file."""
    trained(tmp_path)
    return desk_file(tmp_path).parent


def of(entries: list[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry.kind == kind]


def why_none(entries: list[Entry]) -> list[tuple[str, str]]:
    """Instrument and text of each alert that a desk trades without a forecast."""
    alerts = of(entries, kinds.ALERT)
    return [
        (one.instrument, str(one.body["text"]))
        for one in alerts
        if one.body["code"] == "NO_FORECAST"
    ]


def test_the_desk_takes_what_predict_prints_to_the_byte(
    folder: Path, tools: SimulatedMarkets
) -> None:
    _, entries = ran(folder / "desk.toml", tools)
    rows = {row.name: row for row in predict(load(folder / "o" / "model")).rows()}
    alphas = of(entries, kinds.ALPHA)
    assert [entry.instrument for entry in alphas] == ["AAA", "BBB"] * 2
    for entry in alphas:
        body, row = entry.body, rows[entry.instrument]
        assert {key: body[key] for key in ("at", "model", "expected_bps", "sd_bps", "sources")} == {
            key: getattr(row, key) for key in ("at", "model", "expected_bps", "sd_bps", "sources")
        }
        assert (body["horizon_ns"], body["half_life_ns"]) == (
            row.horizon_s * 1e9,
            round(row.half_life_s * 1e9),
        )
    assert why_none(entries) == []
    decided = [entry.body["alpha"] for entry in of(entries, kinds.DECISION)]
    assert {one["expected_bps"] for one in decided} == {
        rows[name].expected_bps for name in ("AAA", "BBB")
    }


def test_a_forecast_of_a_week_is_not_scored_on_rounds_of_minutes(
    folder: Path, tools: SimulatedMarkets
) -> None:
    """The desk, its report and what it learns: a forecast is taken in every round, counts once, and is not yet due."""
    opened, entries = ran(folder / "desk.toml", tools)
    alphas = of(entries, kinds.ALPHA)
    assert [entry.instrument for entry in alphas] == ["AAA", "BBB"] * 2
    found = read_forecast_outcome(entries)
    first = {entry.instrument: entry.body["left_bps"] for entry in alphas[:2]}
    assert [dict(one) for one in found.names] == [
        {"name": name, "forecast_bps": left, "came_bps": None} for name, left in first.items()
    ]
    assert (found.not_due, found.scored, found.hits, found.hit_rate) == (2, 0, 0, None)
    assert opened.rounds == 2
    assert {line.sizing.trust for line in opened._states.values()} == {1.0}
    said = forecast_sentences(found)
    assert said[-1] == "2 of 2 forecasts are not yet due: they are not scored."


def test_trust_in_forecasts_moves_when_their_horizon_is_over(
    folder: Path, tools: SimulatedMarkets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live forecasts of 600 s in rounds of 240 s: those of the first two of four rounds, by the move since."""
    seen = list[tuple[float, float]]()
    monkeypatch.setattr(Sizing, "learn_move", lambda _, *words: seen.append(words))
    text = (folder / "desk.toml").read_text().replace("o/model", "packaged:demo")
    (folder / "desk.toml").write_text(
        text.replace("rounds = 2", "rounds = 4").replace("round_s = 120", "round_s = 240")
    )
    opened, entries = ran(folder / "desk.toml", tools)
    alphas = of(entries, kinds.ALPHA)
    assert {entry.body["horizon_ns"] for entry in alphas} == {600 * 10**9}
    assert len(alphas) == 2 * 4
    assert [expected for expected, _ in seen] == [one.body["expected_bps"] for one in alphas[:4]]
    assert not any(
        due <= opened.session.now_ns for line in opened._states.values() for due in line.pending
    )


def test_a_round_has_its_own_part_of_a_forecast(folder: Path) -> None:
    """Oracle: the words that a strategy reads, before and after the round."""
    alpha = predict(load(folder / "o" / "model")).alphas[0]
    now, span = alpha.at_ns + 60 * 3600 * 10**9, 3600 * 10**9
    before, after = (pack(alpha, None, at)[0] / 1000 for at in (now, now + span))
    assert share_within(alpha, now, span) * alpha.expected_bps == pytest.approx(
        before - after, abs=2e-3
    )
    whole = sum(share_within(alpha, alpha.at_ns + n * DAY_NS, DAY_NS) for n in range(7))
    assert whole == pytest.approx(1.0)


def test_a_session_without_dates_is_the_weekday_after_the_forecast() -> None:
    friday = round(datetime(2017, 5, 19, 20, 30, tzinfo=UTC).timestamp()) * 10**9
    assert datetime.fromtimestamp(session_begin_ns(friday, "") / 1e9, UTC) == datetime(
        2017, 5, 22, 13, 30, tzinfo=UTC
    )
    assert datetime.fromtimestamp(session_begin_ns(friday, "2017-12-01") / 1e9, UTC).hour == 14


def test_names_of_the_desk_are_mapped_and_one_without_a_row_has_none(
    folder: Path, tools: SimulatedMarkets
) -> None:
    file = desk_file(folder, old='name = "BBB"', new='name = "XYZ"')
    _, entries = ran(file, tools)
    assert {entry.instrument for entry in of(entries, kinds.ALPHA)} == {"AAA"}
    (told,) = why_none(entries)
    assert told[0] == ""
    assert "no row of XYZ" in told[1]
    file.write_text(file.read_text() + '[signals.names]\nXYZ = "DDD"\n')
    _, entries = ran(file, tools)
    rows = {row.name: row for row in predict(load(folder / "o" / "model")).rows()}
    mapped = {entry.instrument: entry.body["expected_bps"] for entry in of(entries, kinds.ALPHA)}
    assert mapped == {"AAA": rows["AAA"].expected_bps, "XYZ": rows["DDD"].expected_bps}


def test_a_day_that_few_names_have_is_not_what_a_desk_trades(
    folder: Path, tools: SimulatedMarkets
) -> None:
    """The last whole day is, and the files are what is to be mended."""
    before = predict(load(folder / "o" / "model")).rows()
    days = weekdays(621)
    grown = prices(621)
    late = pl.col("date") < days[-1]
    grown.filter(late | (pl.col("ticker") == "AAA")).write_parquet(folder / "prices.parquet")
    _, entries = ran(folder / "desk.toml", tools)
    assert [entry.body["at"] for entry in of(entries, kinds.ALPHA)] == [before[0].at] * 4
    ((_, told),) = why_none(entries)
    assert f"(signals predict `date={days[-1]}` takes the newer one)" in told
    said = forecast_sentences(read_forecast_outcome(entries))
    assert said[-1] == f"{told}."
    grown.filter(
        late | pl.col("ticker").is_in(NAMES).and_(pl.col("ticker") != "BBB")
    ).write_parquet(folder / "prices.parquet")
    _, entries = ran(folder / "desk.toml", tools)
    assert any(
        "no row of BBB" in text and "give the files their prices" in text
        for _, text in why_none(entries)
    )


def edited(folder: Path) -> None:
    card = folder / "o" / "model" / "card.json"
    card.write_text(card.read_text().replace('"unit_bps": ', '"unit_bps": 9'))


def cut(folder: Path) -> None:
    (folder / "o" / "model" / "fusion.json").write_text('{"sou')


def later_version(folder: Path) -> None:
    card = folder / "o" / "model" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"format": 9}))


def no_card(folder: Path) -> None:
    (folder / "o" / "model" / "card.json").unlink()


def files_gone(folder: Path) -> None:
    (folder / "prices.parquet").unlink()


def rubbish(folder: Path) -> None:
    (folder / "prices.parquet").write_bytes(b"PAR1 and so on")


def resealed(**alpha: float) -> Callable[[Path], None]:
    """A card that its writer made so: hashes fit, the number is none, or says what cannot be."""

    def spoil(folder: Path) -> None:
        card = folder / "o" / "model" / "card.json"
        raw = json.loads(card.read_text())
        raw["alpha"] |= alpha
        card.write_text(json.dumps(raw | {"sha256": _digest(raw)}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (edited, "edited"), (cut, "changed"), (later_version, "format 9"), (no_card, "card.json"),
        (files_gone, "prices.parquet"), (rubbish, "Parquet"), (resealed(unit_bps=math.inf), "expected_bps"),
        (resealed(sd_bps=math.nan), "sd_bps"), (resealed(unit_bps=math.nan), "a number"),
    ],
)  # fmt: skip
def test_a_desk_trades_without_what_it_cannot_trust_and_says_so_once(
    folder: Path, tools: SimulatedMarkets, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(folder)
    opened, entries = ran(folder / "desk.toml", tools)
    assert of(entries, kinds.ALPHA) == []
    (told,) = why_none(entries)
    assert told[0] == ""
    assert said in told[1]
    assert {row["alpha_bps"] for row in opened.results} == {None}
    assert said in read_forecast_outcome(entries).without[0]


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2017-05-19", "known by now"),
        ("2017-05-26", None),
        ("2017-05-29", None),
        ("2017-05-30", "horizon is not over"),
    ],
)
def test_a_forecast_of_the_future_or_a_stale_one_is_not_traded(
    folder: Path, tools: SimulatedMarkets, day: str, said: str | None
) -> None:
    _, entries = ran(desk_file(folder, f'date = "{day}"\n'), tools)
    told = why_none(entries)
    assert [said in text for _, text in told] == ([] if said is None else [True])
    assert bool(of(entries, kinds.ALPHA)) == (said is None)


def test_a_fridays_forecast_of_one_day_reaches_over_the_weekend(
    tmp_path: Path, tools: SimulatedMarkets
) -> None:
    """It is of the move from Monday's close to Tuesday's."""
    trained(tmp_path, more="horizon = 1\n")
    for day, fresh in (("2017-05-22", True), ("2017-05-23", True), ("2017-05-24", False)):
        _, entries = ran(desk_file(tmp_path, f'date = "{day}"\n'), tools)
        assert bool(of(entries, kinds.ALPHA)) == fresh
        assert [("to the close of 2017-05-23" in text) for _, text in why_none(entries)] == [
            True
        ] * (not fresh)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "o/model"', 'model = "nowhere"', "signals.model"),
        ('model = "o/model"', 'model = "o/model/card.json"', "signals.model"),
        ('model = "o/model"', 'model = "packaged:dmo"', "demo"),
        ('model = "o/model"', 'model = "o/model"\ndate = "May"', "signals.date"),
        ('model = "o/model"', 'model = "o/model"\nnames = {AAB = "AAPL"}', "AAA"),
    ],
)
def test_what_can_never_be_looked_for_is_refused_at_once(
    folder: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check_config(read_config(desk_file(folder, old=old, new=new)), folder)


def test_the_folder_of_the_run_will_do_and_a_new_day_reads_anew(
    folder: Path, tools: SimulatedMarkets
) -> None:
    file = desk_file(folder, old='model = "o/model"', new='model = "o"')
    config, journal = read_config(file), MemoryJournal(chained=False)
    opened = open_demo(config, journal, tools)
    opened.begin()
    opened.round()
    forecasts = opened._forecasts
    assert forecasts is not None
    before = dict(forecasts._served)
    prices(625).write_parquet(folder / "prices.parquet")
    forecasts.refresh(opened.session.now_ns)
    assert forecasts._served == before
    forecasts.refresh(opened.session.now_ns + 3 * DAY_NS)
    assert forecasts._served != before
    with pytest.raises(TercelError, match="known by now"):
        forecasts.make_outlook("AAA", opened._states["AAA"].monitor, 1, opened.session.now_ns)


def test_a_hit_rate_says_how_few_forecasts_are() -> None:
    entries = []
    for n, mid in enumerate((1001, 998, 1000, 1002)):
        about = {
            "model": "m",
            "at": f"{n}",
            "expected_bps": 9.0,
            "left_bps": 1.0,
            "horizon_ns": 99,
            "due_ns": 9,
        }
        entries += [
            Entry(kinds.ALPHA, 1, f"N{n}", body=about), Entry(kinds.MARKET, 2, f"N{n}", body={"bid": 999, "ask": 1001}),
            Entry(kinds.MARKET, 9, f"N{n}", body={"bid": mid, "ask": mid}),
        ]  # fmt: skip
    found = read_forecast_outcome(entries)
    assert (found.scored, found.hits, found.not_due, len(found.names)) == (3, 2, 0, 4)
    assert found.hit_rate == pytest.approx(2 / 3)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert 0.2 < found.ci_low < 0.25
    assert np.isclose(found.ci_high, 0.939, atol=0.002)


def test_a_model_that_forecasts_what_cannot_be_is_not_followed(
    folder: Path, tools: SimulatedMarkets
) -> None:
    """Its card is sound, its files are whole, and it says that a price moves a thousandfold."""
    resealed(unit_bps=1e12)(folder)
    _, entries = ran(folder / "desk.toml", tools)
    assert of(entries, kinds.ALPHA) == []
    told = why_none(entries)
    assert told
    assert all("within 10 standard deviations" in text for _, text in told)


def test_forecasts_are_read_before_a_gate_counts_the_seconds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What loads for the first time takes seconds, in which a desk says nothing: a gate would take it for dead."""
    read, opened = list[str](), list[int]()

    def reached(*_: object) -> SimpleNamespace:
        opened.append(len(read))
        return SimpleNamespace(capabilities=Capabilities())

    monkeypatch.setattr(dependencies, "connect_venue", reached)

    def seen(model: SignalModel) -> ServedForecasts:
        read.append(model.id)
        return predict(model)

    monkeypatch.setattr("tercel.signals.models.predict.predict", seen)
    config = read_config(folder / "desk.toml").with_desk(venue="fix://TRADER@127.0.0.1:1")
    with ExitStack() as stack:
        dependencies.dependencies_of(config, MonotonicClock(), folder)(
            folder, folder / "kill.json", stack
        )
    assert opened == [1]


@pytest.mark.parametrize("rounds", [1, 2, 3, 7])
def test_rounds_on_the_axis_of_a_desks_cost_are_whole(rounds: int) -> None:
    drawn = cost_through_rounds({"desk": [[300.0 + n for n in range(rounds)]]}, "cost").svg
    labels = [float(text) for text in re.findall(r">(-?[\d.]+)</text>", drawn)]
    assert {one for one in labels if one < 100} <= set(range(-1, rounds + 2))
