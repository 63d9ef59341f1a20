"""`tc.Desk`: the desk of `tercel trade run` in Python, and parents by hand."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("sqlalchemy", reason="a desk's journal needs the extra [trade]")

from typer.testing import CliRunner

import tercel as tc
from tercel.cli import app

DESK = """
[desk]
name = "small"
seed = 5
rounds = 2
round_s = 120.0
decision_s = 20.0
warmup_s = 120.0
[signals]
model = "off"
[risk]
posture = "off"
[[instrument]]
name = "AAA"
[[agent]]
name = "ann"
strategy = "twap_take"
[[agent]]
name = "bob"
strategy = "peg_behind"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("desk") / "my.toml"
    path.write_text(DESK)
    return path


@pytest.fixture
def desk(file: Path) -> Iterator[tc.Desk]:
    with tc.open_desk(file) as opened:
        yield opened


def test_a_desk_comes_to_what_the_command_comes_to(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["trade", "run", str(file), "--desk", str(tmp_path / "told"), "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    with tc.open_desk(file, folder=tmp_path / "mine") as desk:
        desk.run()
    found = desk.outcome  # the last analyses are written when it closes
    assert found.cost_bps == told["cost_bps"]
    assert found.fills == told["fills"]
    assert {**found.to_json(), "desk": told["desk"]} == told
    assert desk.report(tmp_path / "page" / "report.html").read_text().startswith("<!")
    assert (tmp_path / "mine" / "journal.db").is_file()


def test_a_parent_by_hand_is_worked_amended_and_cancelled(desk: tc.Desk) -> None:
    first = desk.submit("AAA", "buy", 40, agent="ann", horizon="2min", decisions=4)
    assert (first.status, first.left, first.order.strategy) == (
        "working",
        40,
        "twap_take+posture",
    )
    desk.wait("70s")
    assert 0 < desk.parent(first.id).filled < 40
    assert desk.amend(first.id, lots=60).lots == 60
    desk.wait("2min")
    assert desk.parent(first.id).status == "done"
    assert desk.fills()["lots"].sum() == 60
    assert set(desk.fills()["parent"]) == {first.id}
    [held] = desk.positions().to_dicts()
    assert (held["agent"], held["instrument"], held["lots"]) == ("ann", "AAA", 60)
    assert desk.fills()["price"].min() <= held["average"] <= desk.fills()["price"].max()
    second = desk.submit(
        "AAA", "sell", 60, agent="bob", strategy="twap_passive", horizon=600, name="mine"
    )
    assert second.id == "mine"
    desk.wait(1)
    assert desk.pause("mine").status == "paused"
    assert desk.resume("mine").status == "working"
    desk.cancel("mine")
    desk.wait(5)
    assert desk.parent("mine").status == "cancelled"
    costs = desk.costs()
    assert isinstance(costs, pl.DataFrame)
    assert set(costs["parent"]) == {first.id, "mine"}
    assert set(desk.parents()["parent"]) == {first.id, "mine"}
    assert "mine" in desk._repr_html_()


def test_rounds_go_one_by_one_between_parents_by_hand(desk: tc.Desk) -> None:
    desk.run(1)
    assert desk.rounds == 1
    desk.submit("AAA", "buy", 5, agent="ann", horizon="1min")
    desk.run()
    assert desk.rounds == 2
    assert desk.outcome.journal.consistent
    with pytest.raises(tc.TercelError, match="rounds left"):
        desk.run(1)


def test_a_desk_that_is_stopped_trades_no_more(desk: tc.Desk) -> None:
    first = desk.submit("AAA", "buy", 40, agent="ann", horizon="2min")
    desk.stop("enough", "ann")
    desk.wait(30)
    assert desk.parent(first.id).status == "paused"
    with pytest.raises(tc.TercelError, match="ann is killed: enough"):
        desk.submit("AAA", "buy", 1, agent="ann")
    desk.submit("AAA", "buy", 1, agent="bob")
    desk.stop("all of it")
    with pytest.raises(tc.TercelError, match="all of it"):
        desk.submit("AAA", "buy", 1, agent="bob")


@pytest.mark.parametrize(
    ("ask", "expects"),
    [
        (lambda desk: desk.submit("CCC", "buy", 1, agent="ann"), "AAA"),
        (lambda desk: desk.submit("AAA", "long", 1, agent="ann"), "buy or sell"),
        (lambda desk: desk.submit("AAA", "buy", 0, agent="ann"), "lots above 0"),
        (lambda desk: desk.submit("AAA", "buy", 1, agent="anne"), "try 'ann'"),
        (lambda desk: desk.submit("AAA", "buy", 1, agent="ann", strategy="twap_tale"), "twap_take"),
        (lambda desk: desk.submit("AAA", "buy", 1, agent="ann", horizon="soon"), "30min"),
        (lambda desk: desk.amend("nobody", lots=3), "nobody"),
        (lambda desk: desk.amend("nobody"), "lots, horizon or limit_price"),
        (lambda desk: desk.parent("nobody"), "nobody"),
        (lambda desk: desk.wait(0), "above 0"),
        (lambda desk: desk.stop("why", "anne"), "try 'ann'"),
    ],
)
def test_what_a_desk_cannot_obey_is_told(desk: tc.Desk, ask: object, expects: str) -> None:
    with pytest.raises(tc.TercelError, match=expects):
        ask(desk)  # type: ignore[operator]


def test_a_closed_desk_is_read_and_not_traded(file: Path) -> None:
    with tc.open_desk(file) as desk:
        desk.submit("AAA", "buy", 5, agent="ann", horizon="1min")
        desk.wait("1min")
    assert desk.fills()["lots"].sum() == 5
    for ask in (lambda: desk.wait(1), desk.run, lambda: desk.submit("AAA", "buy", 5, agent="ann")):
        with pytest.raises(tc.TercelError, match="closed"):
            ask()
    desk.close()


def test_a_configuration_is_changed_by_keys_and_refused_as_a_file_is(
    file: Path, tmp_path: Path
) -> None:
    for wrong in (
        lambda: tc.open_desk(tmp_path / "none.toml"),
        lambda: tc.open_desk(file, settings={"desk.round": 3}),
        lambda: tc.open_desk(file, settings={"desk.rounds": 0}),
        lambda: tc.open_desk(file, venue="nowhere"),
        lambda: tc.open_desk(file, seed=-1),
    ):
        with pytest.raises(tc.TercelError):
            wrong()
    with tc.open_desk(file, seed=9, settings={"desk.rounds": 1}) as desk:
        desk.run()
        assert desk.rounds == desk.config.desk.rounds == 1
        assert desk.outcome.seed == 9


def test_without_the_extra_a_journal_on_a_server_says_what_to_install(file: Path) -> None:
    text = file.read_text().replace(
        "[desk]", '[desk]\njournal = "postgresql://nobody@127.0.0.1:1/none"', 1
    )
    file.write_text(text)
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import tercel as tc\n"
        f"try: tc.open_desk({str(file)!r})\n"
        "except tc.TercelError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'tercel[trade]'" in done.stdout
