"""`tercel trade quotes`, `day` and `limits`: a journal in, tables, pages and objects out; what is refused."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.api.test_desk_day import EVIL, busy, kept
from tests.cli.command import done, refused, tercel
from tests.desk.trading.desk_of_two import asked as wanted, exchange_of, session_of
from tests.desk.trading.quote_journal import (
    AGENT,
    NAME,
    S,
    asked,
    order_and_report,
    parent,
    quoted,
    said,
    session,
    story,
)
from tests.desk.trading.test_quoted_requests import read

from tercel.api.desk import posted_commands
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import DAY_NS
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import pack
from tercel.desk.trading.journal.store import SqlJournal

# -- requests for quotes ----------------------------------------------------------------------------------------------


def analysed(name: str, ns: int) -> Entry:
    """The analysis of a parent that is over."""
    body = {
        "side": 1,
        "quantity": 50,
        "start_ns": ns,
        "end_ns": ns + 9,
        "is_bps": 3.0,
        "filled": 50,
        "notional": 1e4,
    }
    blob = pack({"executions": np.zeros((0, 7), np.int64), "mids": np.array([[ns, 20_000]])})
    return Entry(kinds.TCA, ns, NAME, AGENT, name, body=body, blob=blob)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A request that traded, by a person."""
    entries = [
        session(),
        parent(),
        asked(10 * S, dealers=["A", "B"], by="ann (password)"),
        quoted(11 * S, "a", "A", 10_004),
        quoted(12 * S, "b", "B", 10_002),
        said("accepted", 14 * S, id="b", order="p1.1", mid2=20_000, by="ann (password)"),
        *order_and_report("p1.1", 1, 50, 10_002, 14 * S, "p1", rejected=False),
        said("ended", 15 * S, outcome="traded"),
        *(said("drift", (10 + t) * S, after_s=t, mid2=20_000 + 2 * t) for t in (1, 10, 60)),
    ]
    return kept(tmp_path / "d1", entries)


def test_a_request_as_an_object_and_as_a_table(one: Path, tmp_path: Path) -> None:
    (request,) = done("trade", "quotes", one)["requests"]
    quotes = [{key: quote[key] for key in ("dealer", "price", "at")} for quote in request["quotes"]]
    expected = {
        "id": "r1",
        "at": 10 * S,
        "name": NAME,
        "side": 1,
        "quantity": 5000.0,
        "dealers": ["A", "B"],
        "quotes": [
            {"dealer": "B", "price": 100.02, "at": 12 * S},
            {"dealer": "A", "price": 100.04, "at": 11 * S},
        ],
        "outcome": "traded",
        "cover": 100.04,
        "mid": 100.0,
        "drift_bps": {span: pytest.approx(t) for span, t in (("1s", 1), ("10s", 10), ("60s", 60))},
    }
    assert request | {"quotes": quotes} == request | expected
    text = " ".join(tercel("trade", "quotes", one).stdout.split())
    assert "r1" in text
    assert (
        "1 request: 1 traded. Dealers answered 2 of 2 times, 1.50 (too few) s after the request"
        in text
    )
    lines = tercel("trade", "quotes", kept(tmp_path / "d2", story(2)[0])).stdout.splitlines()
    assert 3 <= sum(line.endswith(".") for line in lines) <= 5


def test_a_desk_without_requests_and_no_desk(tmp_path: Path) -> None:
    folder = kept(tmp_path / "d1", [session(), parent("p0"), analysed("p0", 90 * S)])
    assert done("trade", "quotes", folder) == {"requests": []}
    assert "none" in tercel("trade", "quotes", folder).stdout
    refused(tercel("trade", "quotes", tmp_path / "nowhere"), "to go on")
    assert done("trade", "tca", "--desk", folder)["rfq"] == []
    assert "RFQ" not in (folder / "tca.html").read_text(encoding="utf-8")


def test_the_costs_of_a_desk_and_of_its_day_have_the_section(tmp_path: Path) -> None:
    entries = [*story(4)[0], analysed("p0", 9000 * S)]
    folder = kept(tmp_path / "d1", entries)
    expected = to_jsonable([asdict(row) for row in read(entries)[1]])
    assert done("trade", "tca", "--desk", folder)["rfq"] == expected
    assert "RFQ" in (folder / "tca.html").read_text(encoding="utf-8")
    text = tercel("trade", "tca", "--desk", folder).stdout
    assert "RFQ" in text
    assert "hit ratio" in text
    (of_day,) = done("trade", "day", folder)["desks"]
    assert of_day["rfq"] == expected
    page = (folder / "day.html").read_text(encoding="utf-8")
    assert "RFQ: requests for quotes by dealer" in page


# -- the day ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return kept(tmp_path / "d1", busy())


def day(*words: object) -> Any:
    return tercel("trade", "day", *words)


def test_the_page_the_terminal_and_the_json_say_the_same(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.html"
    result = day(desk, "--out", out)
    assert result.exit_code == 0, result.output
    found = done("trade", "day", desk)
    assert found["file"] == str(desk / "day.html")
    assert found["all"]["needs"] == [f"d1: {need}" for need in found["desks"][0]["needs"]]
    assert result.stdout.startswith("The day of d1\n")
    assert " ".join(result.stdout.split()).endswith(" ".join(found["desks"][0]["sentence"].split()))
    assert out.read_text() == (desk / "day.html").read_text()
    assert EVIL.split("\r")[0] not in out.read_text()


def test_a_missing_desk(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.html"
    result = day(desk, tmp_path / "none", "--out", out)
    refused(result, "not read: none")
    assert "none: its journal cannot be read" in result.stdout
    assert "d1: " in out.read_text()


def test_desks_of_two_days_are_not_added_up(desk: Path, tmp_path: Path) -> None:
    later = kept(tmp_path / "d2", [replace(entry, ns=entry.ns + 2 * DAY_NS) for entry in busy()])
    refused(day(desk, later, "--out", tmp_path / "day.html"), "desks of one day", "--date")
    assert not (tmp_path / "day.html").exists()
    both = day(desk, later, "--out", tmp_path / "day.html", "--date", "1970-01-01")
    assert both.stdout.startswith("The day of 2 desks")


@pytest.mark.parametrize(
    "words",
    ["--date 26.11.2026", "--date 1960-01-01", "--date 2026-11-26 --session", "--session --from-ns 5", "--from-ns 5 --to-ns 4"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(words: str, desk: Path) -> None:
    result = day(desk, *words.split())
    refused(result, "to go on")
    assert result.stdout == ""


def test_the_default_desk_a_date_and_a_session(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCEL_DESK", str(desk))
    for words, sentence in (
        ((), "d1: 4 parents"),
        (("--session",), "d1: 4 parents"),
        (("--date", "1970-01-01"), "d1: 4 parents"),
        (("--date", "2026-11-26"), "no parent was analysed"),
        (("--from-ns", 8 * 10**9), "d1: 2 parents"),
    ):
        assert sentence in day(*words).stdout


# -- limits -----------------------------------------------------------------------------------------------------------


def test_one_person_tightens_and_two_loosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(exchange_of(), SqlJournal(tmp_path, "test"))
    show = ("trade", "limits", "show", "--desk", tmp_path)

    def as_(person: str, *words: object) -> None:
        monkeypatch.setattr(posted_commands, "user_name", lambda: person)
        # the command waits for no answer: the session that gives it runs in this very thread
        done("trade", "limits", *words, "--reason", "news", "--wait", 0, "--desk", tmp_path)
        session.step(session.now_ns + S)

    session.manager.accept(wanted(strategy="twap_take"))
    session.run_until(session.now_ns + 61 * S)
    as_("ann", "tighten", "agents.ann.order_lots=7", "desk.messages=900")
    assert session.limits.holdings["ann", "X"].order_lots == 7
    as_("ann", "request", "agents.ann.order_lots=4000")
    shown = done(*show)
    (waiting,) = shown["requests"]
    assert (waiting["by"], waiting["changes"]) == ("ann", {"agents.ann.order_lots": "4000"})
    assert shown["hash"] == session.limits.hash
    assert shown["limits"]["agents"]["ann"]["order_lots"] == 7
    assert (shown["wrong"], shown["orders"] > 0) == ([], True)
    as_("ann", "approve", waiting["request"])
    assert session.limits.holdings["ann", "X"].order_lots == 7
    assert "agents.ann.order_lots=4000" in " ".join(tercel(*show).stdout.split())
    as_("bob", "approve", waiting["request"])
    assert session.limits.holdings["ann", "X"].order_lots == 4000
    assert done(*show)["requests"] == []
    why = "the venue has not ended o1"
    session.gateway.hold_reducing("ann", ["o1"], why)
    row = {"account": "ann", "state": "reducing", "code": "ORDERS_OPEN", "reason": why}
    assert done(*show)["states"] == [row | {"scope": "account", "reasons": ["ORDERS_OPEN"]}]
    assert "not ended o1" in " ".join(tercel(*show).stdout.split())
    session.close()


def test_a_change_that_is_none_or_without_a_reason_is_refused(tmp_path: Path) -> None:
    SqlJournal(tmp_path, "test").close()
    end = ("--wait", 0, "--desk", tmp_path)
    for words in (["messages"], ["desk.messages="], ["=5"], ["desk.messages=5", "desk.messages=6"]):
        refused(tercel("trade", "limits", "tighten", *words, "--reason", "x", *end), "PATH=VALUE")
    for words in (["tighten", "desk.messages=5"], ["request", "desk.messages=5"], ["approve", "3"]):
        refused(tercel("trade", "limits", *words, *end))
