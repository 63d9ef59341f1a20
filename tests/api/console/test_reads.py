"""What a desk's past, charts, book and forecasts are over HTTP: the journal's, for whoever may look."""

import csv
import http.client
import io
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from tests.api.console.conftest import Place, listening, placed
from tests.desk.console.desks import ListedDesk, S
from tests.desk.trading.quote_journal import asked, quoted, said
from tests.waiting import until

from tercel.api.console.reads import MOST_READS, READERS
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.console.desk_fold import MOST_REQUESTS
from tercel.desk.console.report_base import LatchPart
from tercel.desk.console.state import DeskState
from tercel.desk.trading.forecast_outcomes import Outcomes
from tercel.desk.trading.journal import kinds
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies_packaged import folder_of, packaged_names

DESK = "/api/desks/test desk"
ROUTES = (
    "alerts",
    "at?ns=5",
    "chart/AAA?from_ns=0&to_ns=9",
    "book/AAA?ns=9",
    "forecasts",
    "models",
)
LISTED = {"tick": 0.01, "lot": 100, "currency": "USD"}
EUR = "EUR/USD"


def test_all_limits_are_told_now_and_then(place: Place) -> None:
    client = place.of("viewer")
    body = {"limits": {"agents": {"a/b": {f"limit_{n}": [n, 10] for n in range(12)}}}}
    place.desk.entries.append(Entry(kinds.HEARTBEAT, 30 * S, body=body))
    until(lambda: len(client.get(f"{DESK}/limits").json()) == 12, what="the heartbeat")
    rows = client.get(f"{DESK}/limits").json()
    assert [row["share"] for row in rows] == sorted((row["share"] for row in rows), reverse=True)
    assert {row["name"] for row in client.get(f"{DESK}/limits?ns={9 * S}").json()} == {"ppo"}


def test_a_page_has_the_last_requests_for_quotes_now_and_then(place: Place) -> None:
    place.desk.entries += [
        asked(20 * S, by="ann"),
        quoted(21 * S, "a", "A", 10_004),
        quoted(22 * S, "b", "B", 10_002),
        said("accepted", 24 * S, id="b", order="p1.9", mid2=20_000),
        said("ended", 25 * S, outcome="traded"),
        *(asked((26 + n) * S, f"s{n}") for n in range(2)),
    ]

    def told(where: str = "state") -> Any:
        return got(place, where)["quote_requests"]

    until(lambda: len(told()) == 3, what="the requests")
    assert [(row["id"], row["outcome"]) for row in told()] == [
        ("s1", "open"),
        ("s0", "open"),
        ("r1", "traded"),
    ]
    assert [quote["state"] for quote in told()[-1]["quotes"]] == ["accepted", "traded away"]
    (then,) = told(f"at?ns={23 * S}")
    assert (then["outcome"], then["cover"], then["taken"]) == ("open", 10004.0, [])
    place.desk.entries += [asked((40 + n) * S, f"t{n}") for n in range(MOST_REQUESTS)]
    until(lambda: len(told()) == MOST_REQUESTS, what="no more than are kept")
    assert told()[0]["id"] == f"t{MOST_REQUESTS - 1}"


def test_few_threads_read_journals_and_too_many_questions_are_told_so(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill and whoever logs in have the processor while many ask for the past."""
    place = placed(tmp_path, made)
    at_work, most, go = [0], [0], threading.Event()

    def slow(_ns: int) -> dict[str, Any]:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        assert go.wait(60)
        at_work[0] -= 1
        return {}

    monkeypatch.setattr(place.served["test desk"].follower, "report_at", slow)
    client, said = place.client("viewer"), list[int]()
    with listening(place.app) as port, ThreadPoolExecutor(100) as askers:
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}

        def ask(_: int) -> None:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            line.request("GET", f"{DESK.replace(' ', '%20')}/at?ns=5", headers=cookie)
            said.append(line.getresponse().status)

        asked = [askers.submit(ask, n) for n in range(MOST_READS + 20)]
        until(lambda: len(said) == 20, what="those that are too many")
        assert set(said) == {429}
        assert client.get(f"{DESK}/state").status_code == 200
        go.set()
        for one in asked:
            one.result(60)
    assert most == [READERS]
    assert sorted(said) == [200] * MOST_READS + [429] * 20


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Place]:
    """A desk whose journal tells units, marks, and a forecast with what came of the one before."""
    found = placed(tmp_path_factory.mktemp("priced"), made, "priced")
    listings = {"AAA": LISTED, EUR: LISTED | {"tick": 0.0001}}
    first = found.desk.entries[0]
    found.desk.entries[0] = Entry(
        kinds.SESSION, first.ns, body={**first.body, "listings": listings}
    )
    alpha = {
        "expected_bps": 2.0,
        "sd_bps": 1.5,
        "horizon_ns": 60 * S,
        "half_life_ns": S,
        "model": "night",
    }
    before = {**alpha, "at": "noon", "left_bps": 1.0, "due_ns": 23 * S}
    found.desk.entries += [
        Entry(kinds.MARKET, 20 * S, "AAA", body={"bid": 999, "ask": 1001}),
        Entry(kinds.ALPHA, 20 * S, EUR, body=before),
        Entry(kinds.MARKET, 21 * S, EUR, body={"bid": 10_000, "ask": 10_001}),
        Entry(kinds.ALPHA, 21 * S, EUR, body=before),
        Entry(kinds.ALPHA, 22 * S, EUR, body=alpha),
        Entry(kinds.MARKET, 23 * S, EUR, body={"bid": 9_995, "ask": 10_000}),
        Entry(kinds.HEARTBEAT, 24 * S, body={"positions": {}, "open": 0, "unknown": 0}),
    ]
    with found.outside:
        until(lambda: found.state["seq"] == len(found.desk.entries), what="the whole journal")
        yield found


def got(place: Place, path: str) -> Any:
    return place.get(f"desks/test desk/{path}")


@pytest.mark.parametrize("path", ROUTES)
def test_a_viewer_sees_it_and_a_stranger_does_not(priced: Place, path: str) -> None:
    assert priced.of("viewer").get(f"{DESK}/{path}").status_code == 200
    none = priced.of("viewer").get(f"/api/desks/nowhere/{path}")
    assert (none.status_code, set(none.json())) == (404, {"expected", "received", "remedy"})
    stranger = priced.client()
    assert stranger.get(f"{DESK}/{path}").status_code == 401
    assert (
        stranger.get(f"/api/desks/nowhere/{path}").json() == stranger.get(f"{DESK}/{path}").json()
    )
    bearer = {"authorization": "Bearer the token of metrics"}
    assert stranger.get(f"{DESK}/{path}", headers=bearer).status_code == 401, (
        "that token is for /metrics alone"
    )


@pytest.mark.parametrize(
    "path",
    [
        "at", "at?ns=", "at?ns=noon", "at?ns=-1", "at?ns=1e9", f"at?ns={10**30}", "at?ns=NaN",
        "chart/AAA?from_ns=x", "chart/AAA?to_ns=x", "chart/AAA?from_ns=-1", "chart/AAA?to_ns=1.5", "book/AAA?ns=now",
        f"book/AAA?ns={2**63}",
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_422(priced: Place, path: str) -> None:
    said = priced.get(f"desks/test desk/{path}", status=422)
    assert set(said) == {"expected", "received", "remedy"}


@pytest.mark.parametrize("at_s", [0, 1, 2, 3, 5, 7, 10, 20, 24, 10**9])
def test_the_page_of_then_is_the_fold_of_the_entries_until_then(priced: Place, at_s: int) -> None:
    until_then = list(takewhile(lambda one: one.ns <= at_s * S, priced.desk.entries))
    state = DeskState(priced.desk)
    for seq, entry in enumerate(until_then, 1):
        state.apply(seq, entry)
    page = got(priced, f"at?ns={at_s * S}")
    assert page["seq"] == len(until_then)
    assert page == json.loads(json.dumps(to_jsonable(state.report()))) | {"gate_fault": ""}


def alerts_of(place: Place, seed: int, n: int = 130) -> list[tuple[int, bool, int]]:
    """Alerts of desk and gate, some at one moment: their times, whose journal, entries; newest first."""
    draw = random.Random(seed)
    place.desk.wall = ListedDesk([], "gate")
    desk, wall = place.desk.entries, place.desk.wall.entries
    for ns in sorted(draw.randrange(20 * S, 60 * S, S) for _ in range(n)):
        severity = draw.choice(("critical", "warning", "info"))
        entry = Entry(kinds.ALERT, ns, body={"severity": severity, "code": "GAP", "text": "gone"})
        draw.choice((desk, wall)).append(entry)
        if severity != "info" and draw.random() < 0.5:
            where = desk if desk[-1] is entry else wall
            own = {
                "command": "own_alert",
                "body": {"alert": len(where)},
                "by": "ann",
                "reason": "seen",
            }
            where.append(Entry(kinds.OPERATOR, ns, body=own))
    rows = (
        (journal is wall, seq, one)
        for journal in (desk, wall)
        for seq, one in enumerate(journal, 1)
    )
    return sorted(
        ((one.ns, gate, seq) for gate, seq, one in rows if one.kind == kinds.ALERT), reverse=True
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [1, 7, 50, 1000])
def test_alerts_of_desk_and_gate_are_paged_to_the_first(place: Place, seed: int, most: int) -> None:
    wanted = alerts_of(place, seed)
    found, before, pages = list[dict[str, Any]](), 2**62, 0
    while before:
        page = got(place, f"alerts?before={before}&most={most}")
        assert len(page["alerts"]) >= min(most, len(wanted) - len(found))
        found, before, pages = found + page["alerts"], page["next"] or 0, pages + 1
    assert sorted(((row["ns"], row["gate"], row["seq"]) for row in found), reverse=True) == wanted
    assert [row["ns"] for row in found] == [ns for ns, *_ in wanted]
    assert pages >= len({ns for ns, *_ in wanted}) / most
    free = [row for row in found if not row["owner"] and row["severity"] != "info"]
    assert free
    assert got(place, "alerts?unowned=true&most=1000")["alerts"] == free
    (row,) = (row for row in place.get("desks") if row["desk"] == "test desk")
    assert row["alerts"]["unowned"] == len(free)
    state = got(place, "state")
    assert [one["ns"] for one in state["alerts"]] == [ns for ns, *_ in wanted[:50]]


@pytest.mark.parametrize("seed", range(3))
def test_alerts_of_then_are_paged_with_their_owners_of_then(place: Place, seed: int) -> None:
    alerts_of(place, seed)
    place.served["test desk"].follower.poll_gate()
    then = 40 * S
    late = [one["seq"] for one in got(place, "alerts?most=1000")["alerts"] if one["ns"] > then]
    assert late
    whole = got(place, f"at?ns={then}")
    found, before = list[dict[str, Any]](), then + 1
    while before:
        page = got(place, f"alerts?before={before}&most=9&ns={then}")
        found, before = found + page["alerts"], page["next"] or 0
    assert found[:50] == [
        {"gate": False, "owner": "", "note": "", **row} for row in whole["alerts"]
    ]
    assert len(found) == sum(whole["summary"]["alerts"].values())
    free = [row for row in found if not row["owner"] and row["severity"] != "info"]
    assert len(free) == whole["summary"]["unowned"]
    assert got(place, f"alerts?unowned=true&most=1000&ns={then}")["alerts"] == free


@pytest.mark.parametrize(
    "asked",
    [
        "before=-1", "before=x", f"before={2**63}", "most=0", "most=-5", "most=1001", f"most={10**400}", "ns=-1",
        f"ns={2**63}", "unowned=maybe",
    ],
)  # fmt: skip
def test_pages_of_alerts_that_cannot_be_are_refused(shared: Place, asked: str) -> None:
    got_ = shared.get(f"desks/test desk/alerts?{asked}", status=422)
    assert set(got_) == {"expected", "received", "remedy"}


def test_a_chart_is_of_its_span(priced: Place) -> None:
    assert [fill["qty"] for fill in got(priced, "chart/AAA")["fills"]] == [2000.0]
    assert got(priced, f"chart/AAA?from_ns={4 * S}&to_ns={19 * S}")["fills"] == []
    backwards = got(priced, f"chart/AAA?from_ns={9 * S}&to_ns={S}")
    assert [backwards[part] for part in ("mid", "fills", "schedule")] == [[], [], []]


def test_a_name_with_a_slash_is_an_instrument(priced: Place) -> None:
    for path in (EUR, "EUR%2FUSD"):
        assert got(priced, f"chart/{path}")["mid"] == [[21 * S, 1.0, 1.0001], [23 * S, 0.9995, 1.0]]
        assert got(priced, f"book/{path}")["ns"] is None


@pytest.mark.parametrize(
    "name", ["ZZZ", "..%2f..%2fetc%2fpasswd", "a/b/c", "%00", "%ff%fe", "\u202e", "A" * 2000]
)
def test_an_instrument_that_nobody_trades_has_empty_parts(priced: Place, name: str) -> None:
    chart = got(priced, f"chart/{name}")
    assert {key: one for key, one in chart.items() if key != "currency"} == {
        "mid": [], "fills": [], "orders": [], "schedule": [],
    }  # fmt: skip
    book = got(priced, f"book/{name}?ns=5")
    assert (book["ns"], book["bids"], book["asks"], book["tape"]) == (None, [], [], [])
    assert book["heat"] == {"ns": [], "price": [], "qty": []}
    assert "no decision" in book["why"]


def test_a_desk_without_entries_has_a_past_without_any(priced: Place) -> None:
    assert priced.get("desks/quiet/at?ns=7")["seq"] == 0
    assert priced.get("desks/quiet/chart/AAA")["mid"] == []
    assert priced.get("desks/quiet/book/AAA")["bids"] == []
    assert priced.get("desks/quiet/forecasts") == []


def test_forecasts_stand_beside_what_came(priced: Place) -> None:
    old, now, over = got(priced, "forecasts")
    assert now == {
        "instrument": EUR, "source": "night", "ns": 22 * S, "horizon_s": 60.0, "forecast_bps": 2.0,
        "low": -1.0, "high": 5.0, "came_bps": None,
    }  # fmt: skip
    then = {"ns": 20 * S, "horizon_s": 3.0, "forecast_bps": 1.0, "low": -2.0, "high": 4.0}
    came = pytest.approx(1e4 * (19_995 / 20_001 - 1))
    assert over == now | then | {"came_bps": came}, (
        "of the forecast that was taken first, at its horizon"
    )
    assert old["instrument"] == "AAA"
    assert (old["source"], old["forecast_bps"], old["low"]) == ("news", 3.2, pytest.approx(-4.8))
    assert (old["horizon_s"], old["came_bps"]) == (None, None)


def test_what_came_of_a_live_forecast_is_measured_by_the_marks() -> None:
    found = Outcomes()
    alpha = {"expected_bps": 5.0, "sd_bps": 2.0, "horizon_ns": 10 * S, "sources": ["flow"]}
    for ns, kind, body in (
        (0, kinds.MARKET, {"bid": 900, "ask": 900}),
        (S, kinds.ALPHA, alpha),
        (2 * S, kinds.MARKET, {"bid": 999, "ask": 1001}),
        (3 * S, kinds.MARKET, {"bid": None, "ask": 1001}),
        (10 * S, kinds.MARKET, {"bid": 500, "ask": 500}),
        (12 * S, kinds.MARKET, {"bid": 1000, "ask": 1002}),
        (20 * S, kinds.MARKET, {"bid": 1, "ask": 1}),
        (21 * S, kinds.ALPHA, alpha),
        (40 * S, kinds.MARKET, {"bid": 1, "ask": 1}),
    ):
        found.apply(Entry(kind, ns, "AAA", body=body))
    (row,) = found.scored
    assert (row.ns, row.forecast_bps, row.low, row.source) == (S, 5.0, 1.0, "flow")
    assert row.came_bps == pytest.approx(10.0), (
        "from the first mark at the forecast to the first at its horizon"
    )


def test_metrics_are_prometheus_text(place: Place) -> None:
    text = place.of("viewer").get("/metrics").text
    assert 'tercel_fills_total{agent="ppo",instrument="AAA"} 1.0' in text
    assert 'tercel_denials_total{agent="ppo",code="COLLAR"} 1.0' in text
    assert 'tercel_drifting{agent="ppo"} 1.0' in text
    assert "tercel_killed 0.0" in text
    place.desk.latch = LatchPart(scope="all", by="", reason="")
    assert "tercel_killed 1.0" in place.of("viewer").get("/metrics").text
    assert "c1" not in text


def test_what_the_models_know(priced: Place) -> None:
    (card,) = got(priced, "models")
    assert (card["kind"], card["name"], card["why"]) == ("forecast", "packaged:demo", "")
    assert card["trained_on"]["command"] == "tercel signals train --demo --seed 1"
    figures = {one["what"] for one in card["judged"] if one["where"] == "all"}
    assert figures == {"correlation with what came", "R²", "inside the 90 % interval"}


def test_a_policy_is_known_by_its_weights(place: Place) -> None:
    card = read_card(folder_of(packaged_names()[0]) / CARD)
    body = {
        **place.desk.entries[2].body,
        "strategy": "packaged:nobody",
        "model": card.weights_sha256[:12],
    }
    place.desk.entries += [Entry(kinds.PARENT, 11 * S, "AAA", "ppo", "p9", body=body)]
    place.desk.entries += [
        Entry(
            kinds.AGENT_ASSIGNMENT,
            11 * S,
            agent="peg",
            body={"strategy": "x", "challenger": "policy:gone"},
        )
    ]
    until(lambda: len(got(place, "models")) == 3, what="the cards")
    policy, challenger, _ = got(place, "models")
    assert (policy["used_by"], policy["hash"], policy["why"]) == (
        ["ppo"],
        card.weights_sha256[:12],
        "",
    )
    assert policy["judged"][0]["figure"]["mean"] is not None
    assert challenger["used_by"] == ["peg, as challenger"]
    assert challenger["why"], "a folder that is gone has no card, and that is said"


def test_a_table_to_take_away_has_no_formulas(place: Place) -> None:
    place.desk.entries[3] = replace(place.desk.entries[3], parent="=cmd|' /C calc'!A0")
    look, entries = place.of("viewer"), place.desk.entries
    until(lambda: len(got(place, "journal")["entries"]) == len(entries), what="the journal")
    said = look.get(f"{DESK}/journal?format=csv&most=5")
    assert said.headers["content-type"].startswith("text/csv")
    assert "attachment" in said.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(said.text)))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[3]["parent"] == "'=cmd|' /C calc'!A0"
    orders = list(csv.DictReader(io.StringIO(look.get("/api/orders?format=csv").text)))
    assert {row["id"] for row in orders} >= {"p1"}
    assert look.get("/api/orders?format=xml").status_code == 422


def test_a_journal_that_cannot_be_read_is_409(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(place.desk, "read", fails)
    for path in ROUTES[:3]:
        said = place.get(f"desks/test desk/{path}", status=409)
        assert set(said) == {"expected", "received", "remedy"}
    killed = place.of("trader").post("/api/kill", json={"scope": "all", "reason": "x"})
    assert killed.status_code == 200
