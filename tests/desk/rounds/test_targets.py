"""Parents from a file of positions: target less what is held and at work; files that cannot be obeyed are refused."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.desk.rounds.forecast_material import DESK, ran, trained

from tercel.api.desk.config import check_file, read_config
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.core.errors import DataError, TercelError
from tercel.core.fixed_point import ONE
from tercel.core.orders import Listing
from tercel.core.ports import Entry
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk, check_config
from tercel.desk.engine.config import SignalsSection
from tercel.desk.engine.forecast_results import read_forecast_outcome
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.engine.order_arrivals import OrderArrival, TargetOrders
from tercel.desk.trading.explain import explain
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.parent_orders.parent import entry_of
from tercel.desk.trading.session_terms import SessionTerms
from tercel.signals.models.model_folder import _digest, load
from tercel.signals.models.predict import predict
from tercel.signals.portfolio.targets import Target, read_targets

TARGETS = 'orders = "targets"\ntargets = "targets.csv"\n'
NAMES = {"AAA": "AAA", "BBB": "BBB"}


def written(folder: Path, text: str, more: str = "") -> Path:
    """A desk's file beside its targets."""
    (folder / "targets.csv").write_text(text, encoding="utf-8")
    file = folder / "desk.toml"
    file.write_text(DESK.replace('model = "o/model"\n', TARGETS) + more)
    return file


def said(entries: list[Entry]) -> dict[str, str]:
    """What became of each target."""
    alerts = (
        entry for entry in entries if entry.kind == kinds.ALERT and entry.body["code"] == "TARGET"
    )
    return {entry.instrument: str(entry.body["text"]) for entry in alerts}


def held(opened: DeskLoop) -> dict[str, float]:
    """Lots by instrument, of all agents."""
    found: dict[str, float] = {}
    for lots in opened.session.ledger.positions.lots().values():
        for instrument, many in lots.items():
            found[instrument] = found.get(instrument, 0) + many
    return found


def test_a_desk_trades_to_its_targets_and_to_nothing_else(
    tmp_path: Path, tools: SimulatedMarkets
) -> None:
    opened, entries = ran(written(tmp_path, "name,lots\nAAA,30\nBBB,-20.4\n"), tools)
    assert held(opened) == {"AAA": 30, "BBB": -20}
    sides = {
        (parent.order.instrument, parent.order.side) for parent in opened.session.ledger.parents
    }
    assert sides == {("AAA", BUY), ("BBB", SELL)}
    assert "target 30, worth" in said(entries)["AAA"]
    assert said(entries)["AAA"].endswith("holds 0, 0 at work: buys 30")
    assert "is -20.4 lots; target -20, worth -" in said(entries)["BBB"]
    opened, entries = ran(written(tmp_path, "name,lots\nAAA,30\n"), tools)
    assert held(opened) == {"AAA": 30}


def test_a_session_that_follows_counts_what_the_first_holds(
    tmp_path: Path, tools: SimulatedMarkets
) -> None:
    config = read_config(written(tmp_path, "name,lots\nAAA,30\n"))
    exchange, journal = tools.exchange(config), MemoryJournal(chained=False)
    first = assemble_desk(
        config, journal, DeskDependencies(exchange), terms=SessionTerms(name_tag="a-")
    )
    first.run()
    (tmp_path / "targets.csv").write_text("name,lots\nAAA,12\nBBB,5\n")
    second = assemble_desk(
        config, journal, DeskDependencies(exchange), terms=SessionTerms(name_tag="b-")
    )
    second.run()
    texts = said([entry for _, entry in journal.read(0)])
    assert texts["AAA"].endswith("holds 30, 0 at work: sells 18")
    assert held(second) == {"AAA": 12, "BBB": 5}
    third = assemble_desk(
        config, journal, DeskDependencies(exchange), terms=SessionTerms(name_tag="c-")
    )
    before = third.session.ledger.fills
    third.run()
    assert third.session.ledger.fills == before
    assert said([entry for _, entry in journal.read(0)])["AAA"].endswith("nothing to trade")


def test_lots_at_work_are_not_asked_for_again(tmp_path: Path, tools: SimulatedMarkets) -> None:
    config, journal = (
        read_config(written(tmp_path, "name,lots\nAAA,30\n")),
        MemoryJournal(chained=False),
    )
    opened = open_demo(config, journal, tools)
    opened.begin()
    asked = {
        "id": "mine",
        "instrument": "AAA",
        "side": BUY,
        "lots": 10,
        "horizon_ns": 10**12,
        "agent": "taker",
    }
    opened.session.manager.accept(opened.session.manager.make_request(asked))
    opened.round()
    assert said([entry for _, entry in journal.read(0)])["AAA"].endswith(
        "holds 0, 10 at work: buys 20"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name,lots\nAAB,5\n", ("AAB", "row 2", "AAA")),
        ("name,lots\nAAA,5\nAAA,6\n", ("one row per name", "AAA", "row 3")),
        ("name,lots\nAAA,nan\n", ("row 2", "nan")),
        ("name,lots\nAAA,inf\n", ("row 2", "inf")),
        ("name,lots\nAAA,\n", ("row 2",)),
        ("name,lots\nAAA,five\n", ("five",)),
        ("name,lots\n", ("rows of targets",)),
        ("", ("an empty file",)),
        ("name,lots,weight\nAAA,1,.5\n", ("one of lots, shares, weight",)),
        ("who,lots\nAAA,1\n", ("who",)),
        ('name,lots\nAAA,"2,5"\n', ("2,5", "row 2")),
    ],
)
def test_files_that_cannot_be_obeyed_to_the_letter_are_refused(
    tmp_path: Path, text: str, wanted: tuple[str, ...]
) -> None:
    with pytest.raises(TercelError) as error:
        check_file(written(tmp_path, text))
    assert all(word in str(error.value) for word in (*wanted, "targets.csv"))


def test_a_file_that_is_not_there_and_none_that_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "name,lots\nAAA,5\n")
    (tmp_path / "targets.csv").unlink()
    with pytest.raises(TercelError, match=r"targets\.csv"):
        check_file(file)
    file.write_text(file.read_text().replace('targets = "targets.csv"\n', ""))
    with pytest.raises(TercelError, match=r"signals\.orders"):
        check_file(file)


def test_weights_without_a_capital_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TercelError, match="capital"):
        check_config(read_config(written(tmp_path, "name,weight\nAAA,0.5\nBBB,-0.25\n")))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffname,lots\r\nAAA,5\r\nBBB,-2.5\r\n\r\n",
        "Name;Lots\nAAA;5\nBBB;-2,5\n",
        "Ticker,Lots\nAAA,5\nBBB,-2.5\n",
        "LOTS\tnote\tNAME\n5\tx\tAAA\n-2.5\t\tBBB\n",
        'name,lots\n"AAA", 5 \nBBB,-2.5\nZZZ,0\n',
    ],
)
def test_files_as_spreadsheets_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    found = read_targets(tmp_path / "t.csv", NAMES)
    assert found == {"AAA": Target(5.0, "lots"), "BBB": Target(-2.5, "lots")}


def test_a_dated_file_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("date,name,weight\n", encoding="utf-8")
    with pytest.raises(DataError, match="none in"):
        read_targets(tmp_path / "t.csv", NAMES)


@given(
    st.floats(-2, 2), st.sampled_from([0.01, 0.5, 1e-4]), st.integers(1, 1000), st.integers(2, 10**7),
    st.floats(0, 1e9),
)  # fmt: skip
def test_a_weight_is_worth_its_share_of_the_capital(
    w: float, tick: float, lot: int, mid2: int, capital: float
) -> None:
    lots = Target(w, "weight").lots(Listing("A", tick, lot), mid2, capital)
    assert lots * lot * mid2 / 2 * tick == pytest.approx(w * capital, rel=1e-9)
    assert Target(w, "shares").lots(Listing("A", tick, lot), mid2, 0.0) * lot == pytest.approx(w)


def test_a_target_without_a_price_waits_until_there_is_one() -> None:
    mids, alerts = {"AAA": 0}, []
    session: Any = SimpleNamespace(
        now_ns=0,
        follow=lambda name: SimpleNamespace(mid2=mids[name]),
        listings={"AAA": Listing("AAA", 0.01, 1)},
        gateway=SimpleNamespace(
            alert=lambda *words: alerts.append(words),
            alert_once=lambda *words: alerts.append(words),
        ),
        ledger=SimpleNamespace(
            positions=SimpleNamespace(qty=lambda: {"ann": {"AAA": -3 * ONE}}),
            parents=SimpleNamespace(open=list),
        ),
    )
    orders = TargetOrders(
        {"AAA": Target(0.5, "weight")}, session, SignalsSection(capital=100.0), None
    )
    assert list(orders.due(0)) == []
    assert "waits a round" in alerts[0][2]
    mids["AAA"] = 1000
    assert list(orders.due(1)) == [OrderArrival(1, "AAA", BUY, 13)]
    assert list(orders.due(2)) == []


AS_WRITTEN = 'columns = { weight_unit = "fraction" }\n'


@pytest.mark.parametrize("value", ["1e9", "-3e7", "1e300"])
def test_a_target_that_no_order_reaches_is_refused_alone(
    tmp_path: Path, tools: SimulatedMarkets, value: str
) -> None:
    file = written(tmp_path, f"name,weight\nAAA,{value}\nBBB,-0.25\n")
    file.write_text(
        file.read_text().replace(TARGETS, TARGETS + "capital = 100_000.0\n" + AS_WRITTEN)
    )
    opened, entries = ran(file, tools)
    told = said(entries)
    assert f"weight {float(value):g} at" in told["AAA"]
    assert "it is refused, the others are traded" in told["AAA"]
    assert (
        f"gross exposure of {abs(float(value)) + 0.25:g} times the capital, 100,000.00" in told[""]
    )
    assert list(held(opened)) == ["BBB"]
    assert "sells" in told["BBB"]


@pytest.mark.parametrize(
    ("weights", "gross"), [((-5, 1), 6), ((0.6, -0.5), 1.1), ((0.5, 0.5001), 0), ((0.9, 0), 0)]
)
def test_weights_beyond_the_capital_are_traded_and_told_once(
    tmp_path: Path, tools: SimulatedMarkets, weights: tuple[float, float], gross: float
) -> None:
    file = written(tmp_path, f"name,weight\nAAA,{weights[0]}\nBBB,{weights[1]}\n")
    file.write_text(
        file.read_text().replace(TARGETS, TARGETS + "capital = 10_000.0\n" + AS_WRITTEN)
    )
    _, entries = ran(file, tools)
    told = [
        e.body for e in entries if e.kind == kinds.ALERT and "gross exposure" in str(e.body["text"])
    ]
    assert [(body["severity"], body["code"]) for body in told] == (
        [("warning", "TARGET")] if gross else []
    )
    assert all(
        f"targets.csv asks for a gross exposure of {gross:g} times" in str(body["text"])
        for body in told
    )


def test_a_desk_that_names_no_instrument_trades_those_of_its_targets(tmp_path: Path) -> None:
    file = written(
        tmp_path, "date,name,lots\n2024-01-01,OLD,1\n2024-01-02,AAA,3\n2024-01-02,BBB,-2\n"
    )
    text = file.read_text(encoding="utf-8")
    for name in ("AAA", "BBB"):
        text = text.replace(f'[[instrument]]\nname = "{name}"\n', "")
    file.write_text(text, encoding="utf-8")
    assert [one.name for one in read_config(file).instrument] == ["AAA", "BBB"]
    (tmp_path / "targets.csv").unlink()
    with pytest.raises(TercelError, match=r"nothing at .*targets\.csv"):
        read_config(file)


DATED = "date,name,lots\n{day},AAA,30\n{day},BBB,-2\n"


@pytest.mark.parametrize(
    ("day", "more", "traded"),
    [
        ("2017-05-19", 'date = "2017-05-19"\n', True),
        ("2017-05-19", 'date = "2017-05-26"\n', True),
        ("2017-05-19", 'date = "2017-05-27"\n', False),
        ("2017-05-19", 'date = "2017-05-18"\n', False),
        ("2017-05-19", 'date = "2017-05-20"\ntargets_days = 0\n', False),
        ("1999-05-19", 'date = "2017-05-19"\ntargets_days = 9999\n', True),
        ("1999-05-19", "", True),
    ],
)
def test_targets_with_a_date_are_traded_for_so_many_days(
    tmp_path: Path, tools: SimulatedMarkets, day: str, more: str, traded: bool
) -> None:
    """A clock without dates and a file that names none: then no age is known."""
    opened, entries = ran(written(tmp_path, DATED.format(day=day), more), tools)
    assert held(opened) == ({"AAA": 30, "BBB": -2} if traded else {})
    if not traded:
        told = said(entries)
        assert list(told) == [""]
        assert all(word in told[""] for word in ("targets.csv is not traded", day, "targets_days"))


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Prices and a model of them, whose last date is 2017-05-19."""
    trained(tmp_path)
    card = tmp_path / "o" / "model" / "card.json"
    raw = json.loads(card.read_text())
    raw["config"]["panel"]["path"] = str(tmp_path / "prices.parquet")
    card.write_text(json.dumps(raw | {"sha256": _digest(raw)}))
    return tmp_path


def modelled(folder: Path, text: str, more: str = "") -> Path:
    file = written(folder, text, more)
    file.write_text(
        file.read_text().replace(TARGETS, TARGETS + 'model = "o/model"\ncapital = 100_000.0\n')
    )
    return file


def test_targets_are_held_back_while_their_forecast_is_refused(
    beside: Path, tools: SimulatedMarkets
) -> None:
    file = modelled(beside, DATED.format(day="2017-05-19"))
    assert held(ran(file, tools)[0]) == {"AAA": 30, "BBB": -2}
    old = modelled(beside, DATED.format(day="1999-05-19"))
    assert "it is of 1999-05-19" in said(ran(old, tools)[1])[""]
    (beside / "prices.parquet").unlink()
    opened, entries = ran(modelled(beside, DATED.format(day="2017-05-19")), tools)
    assert held(opened) == {}
    assert "forecast that it is made from is refused" in said(entries)[""]
    assert "prices.parquet" in said(entries)[""]
    opened, entries = ran(modelled(beside, "name,lots\nAAA,30\n"), tools)
    assert held(opened) == {"AAA": 30}


def test_a_weight_is_worth_its_share_where_the_desk_trades_and_the_file_s_close_is_told(
    beside: Path, tools: SimulatedMarkets
) -> None:
    opened, entries = ran(modelled(beside, "name,weight\nAAA,0.5\nBBB,-0.2\n"), tools)
    close = predict(load(beside / "o" / "model")).closes["AAA"]
    listing = opened.session.listings["AAA"]
    pattern = r"weight 0.5 at (\S+) \(the file's last close, (\S+), .*target (\d+), worth ([\d,.]+)"
    found = re.search(pattern, said(entries)["AAA"])
    assert found is not None
    price, told, lots, worth = (float(one.replace(",", "")) for one in found.groups())
    assert told == pytest.approx(close)
    assert worth == pytest.approx(price * lots * listing.lot)
    assert worth == pytest.approx(50_000, abs=price * listing.lot)
    assert held(opened)["AAA"] == lots
    assert len(read_forecast_outcome(entries).targets) == 2


def test_a_target_of_no_name_in_the_panel_is_refused_with_the_nearest(
    beside: Path, tools: SimulatedMarkets
) -> None:
    file = modelled(beside, "name,weight\nAAA,0.5\nBBBB,-0.2\n")
    text = file.read_text(encoding="utf-8")
    for name in ("AAA", "BBB"):
        text = text.replace(f'[[instrument]]\nname = "{name}"\n', "")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TercelError, match=r"'BBBB' in row 3 .*try 'BBB'"):
        read_config(file)
    (beside / "targets.csv").write_text("name,weight\nAAA,0.5\nBBB,-0.2\n")
    assert [one.name for one in read_config(file).instrument] == ["AAA", "BBB"]
    (beside / "prices.parquet").unlink()
    (beside / "targets.csv").write_text("name,weight\nAAA,0.5\nBBBB,-0.2\n")
    assert [one.name for one in read_config(file).instrument] == ["AAA", "BBBB"]


def test_why_names_the_target_of_its_own_orders_alone() -> None:
    journal = MemoryJournal(chained=False)
    told = Entry(
        kinds.ALERT,
        1,
        "AAA",
        body={"code": "TARGET", "text": "AAA: lots 3 at 10 is 3 lots; buys 3"},
    )
    entries = [
        Entry(kinds.SESSION, 0, body={"session": 1}),
        told,
        entry_of("drawn", ParentEntry("accepted"), 2, "BBB"),
        entry_of("asked", ParentEntry("accepted"), 2, "AAA"),
        entry_of("by-hand", ParentEntry("accepted", operator=1), 3, "AAA"),
        Entry(kinds.SESSION, 4, body={"session": 1}),
        entry_of("later", ParentEntry("accepted"), 5, "AAA"),
    ]
    names = {"drawn": "BBB", "asked": "AAA", "by-hand": "AAA", "later": "AAA"}
    entries += [
        Entry(kinds.DECISION, 6, instrument, "agent", name, body={})
        for name, instrument in names.items()
    ]
    journal.append(entries)
    why = {
        entry.parent: " ".join((explain(journal, seq) or {})["sentences"])
        for seq, entry in journal.read(0, (kinds.DECISION,))
    }
    assert why["asked"].startswith(
        "The file of targets requested it, AAA: lots 3 at 10 is 3 lots; buys 3."
    )
    assert [name for name, said in why.items() if "targets" in said] == ["asked"]
