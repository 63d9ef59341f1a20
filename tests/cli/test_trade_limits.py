"""`tercel trade limits`: what people type reaches the session, and what it did is shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of
from typer.testing import CliRunner

from tercel.api.desk import folder as desk_folder
from tercel.cli import app
from tercel.desk.trading.journal.store import SqlJournal

runner = CliRunner()


def tercel(*words: Any) -> Any:
    return runner.invoke(app, ["trade", "limits", *map(str, words)])


def test_one_person_tightens_and_two_loosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(exchange_of(), SqlJournal(tmp_path, "test"))
    at = ("--desk", tmp_path)

    def as_(person: str, *words: Any) -> None:
        monkeypatch.setattr(desk_folder, "user_name", lambda: person)
        # the command waits for no answer: the session that gives it runs in this very thread
        result = tercel(*words, "--reason", "news", "--wait", 0, *at)
        assert result.exit_code == 0, result.output
        session.step(session.now_ns + S)

    session.accept(asked(strategy="twap_take"))
    session.run_until(session.now_ns + 61 * S)
    as_("ann", "tighten", "agents.ann.order_lots=7", "desk.messages=900")
    assert session.limits.holdings["ann", "X"].order_lots == 7
    as_("ann", "request", "agents.ann.order_lots=4000")
    shown = json.loads(tercel("show", "--json", *at).stdout)
    (waiting,) = shown["requests"]
    assert (waiting["by"], waiting["changes"]) == ("ann", {"agents.ann.order_lots": "4000"})
    assert shown["hash"] == session.limits.hash
    assert shown["limits"]["agents"]["ann"]["order_lots"] == 7
    assert (shown["wrong"], shown["orders"] > 0) == ([], True)
    assert {"scope", "name", "limit", "used", "of", "warned_at", "share"} == set(shown["used"][0])
    as_("ann", "approve", waiting["request"])
    assert session.limits.holdings["ann", "X"].order_lots == 7
    text = tercel("show", *at).stdout
    assert "agents.ann.order_lots=4000" in " ".join(text.split())
    as_("bob", "approve", waiting["request"])
    assert session.limits.holdings["ann", "X"].order_lots == 4000
    assert json.loads(tercel("show", "--json", *at).stdout)["requests"] == []
    session.gateway.wait_for("ann", ["o1"], "the venue has not ended o1")
    row = {
        "account": "ann",
        "state": "reducing",
        "code": "ORDERS_OPEN",
        "reason": "the venue has not ended o1",
    }
    row |= {"scope": "account", "reasons": ["ORDERS_OPEN"]}
    assert json.loads(tercel("show", "--json", *at).stdout)["states"] == [row]
    assert "not ended o1" in " ".join(tercel("show", *at).stdout.split())
    session.close()


@pytest.mark.parametrize(
    "words", [["messages"], ["desk.messages="], ["=5"], ["desk.messages=5", "desk.messages=6"]]
)
def test_a_change_that_is_none_is_refused(tmp_path: Path, words: list[str]) -> None:
    SqlJournal(tmp_path, "test").close()
    result = tercel("tighten", *words, "--reason", "x", "--wait", 0, "--desk", tmp_path)
    assert result.exit_code == 2
    assert "PATH=VALUE" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "words", [("tighten", "desk.messages=5"), ("request", "desk.messages=5"), ("approve", 3)]
)
def test_a_reason_is_asked_for(tmp_path: Path, words: tuple[Any, ...]) -> None:
    assert tercel(*words, "--desk", tmp_path).exit_code == 2
