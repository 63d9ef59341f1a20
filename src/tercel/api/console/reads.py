"""Routes that show: desks, agents, orders, the page of a desk now and then, charts, why, the journal, metrics."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from tercel.api.console.guard import COOKIE, TOKEN_TOO, Json, NotServedError, needs
from tercel.api.console.models import AgentRow, DeskOrders, DeskRow, JournalLine, JournalPage, OrderRow
from tercel.api.console.reached import Desks, Served
from tercel.core.fixed import ONE
from tercel.core.plain import plain
from tercel.core.units import Unit
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.chart import book, chart
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds as all_kinds
from tercel.desk.trading.order import ChildOrder
from tercel.desk.trading.parents import ParentOrder

EVERY_S: Final = 0.05
"""Between two looks of a stream; a reader that is slow gets what has changed since its last one."""
LAST: Final = 2**62
"""No journal has so many entries."""
MOST_ENTRIES: Final = 1000
"""Of a page of a journal."""
Ns = Annotated[int, Query(ge=0, le=LAST)]


def streamed(request: Request, served: Served) -> Response:
    """The page of a desk as server-sent events, for as long as the session lasts."""
    sessions, secret = request.app.state.sessions, request.cookies.get(COOKIE)

    async def events() -> AsyncIterator[str]:
        turn = 0
        while not await request.is_disconnected() and sessions.visit(secret, used=False) is not None:
            before, (turn, text) = turn, await run_in_threadpool(served.follower.changed, turn)
            if turn != before:
                yield f"data: {text}\n\n"
            await asyncio.sleep(EVERY_S)

    return StreamingResponse(events(), media_type="text/event-stream")


def explained(served: Served, seq: int) -> Response:
    """A decision, explained; 404 for another entry."""
    found = served.desk.why(seq) if 0 < seq < LAST else None
    if found is None:
        raise NotServedError(404, f"a decision of {served.name}", f"entry {seq}", "take the number from the page")
    return Json(found)


def add_reads(app: FastAPI, desks: Desks) -> None:
    """Add all routes that show something."""

    @app.get("/api/desks", **needs("look"))
    def list_desks() -> list[DeskRow]:
        """Every desk of this console, in a line."""
        return [desk_row(one) for one in desks.values()]

    @app.get("/api/agents", **needs("look"))
    def list_agents(desk: str | None = None) -> list[AgentRow]:
        """Every agent, of one desk or of all."""
        return [row for one in _chosen(desks, desk) for row in agent_rows(one)]

    @app.get("/api/orders", **needs("look"))
    def list_orders(desk: str | None = None) -> DeskOrders:
        """Parents and the orders that are open, of one desk or of all."""
        found = DeskOrders(parents=[], orders=[])
        for one in _chosen(desks, desk):
            there = order_rows(one)
            found.parents, found.orders = found.parents + there.parents, found.orders + there.orders
        return found

    @app.get("/api/desks/{desk}/state", **needs("look"))
    def desk_state(desk: str) -> dict[str, Any]:
        """The page of a desk, whole."""
        return dict(plain(desks.of(desk).follower.shown()))

    @app.get("/api/desks/{desk}/stream", response_class=StreamingResponse, **needs("look"))
    async def desk_stream(request: Request, desk: str) -> Response:
        """The page of a desk as server-sent events: first whole, then the parts that changed."""
        return streamed(request, desks.of(desk))

    @app.get("/api/desks/{desk}/at", **needs("look"))
    def desk_at(desk: str, ns: Ns) -> dict[str, Any]:
        """The page of a desk as it was at a time of the venue."""
        return dict(plain(desks.of(desk).follower.page_at(ns)))

    @app.get("/api/desks/{desk}/chart/{instrument:path}", **needs("look"))
    def desk_chart(desk: str, instrument: str, from_ns: Ns = 0, to_ns: Ns = LAST) -> dict[str, Any]:
        """Price, own fills, orders and parents against their schedule, between two times of the venue."""
        one = desks.of(desk)
        return dict(plain(chart(one.desk, instrument, from_ns, to_ns, one.follower.past)))

    @app.get("/api/desks/{desk}/book/{instrument:path}", **needs("look"))
    def desk_book(desk: str, instrument: str, ns: Ns = LAST) -> dict[str, Any]:
        """The public book as the last decision up to a time saw it: ladder, heat map, tape."""
        one = desks.of(desk)
        return dict(plain(book(one.desk, instrument, ns, one.follower.past)))

    @app.get("/api/desks/{desk}/forecasts", **needs("look"))
    def desk_forecasts(desk: str) -> list[dict[str, Any]]:
        """The last forecast of each instrument, and the last whose time is over beside what came of it."""
        page = plain(desks.of(desk).follower.shown())
        over = [(name, one) for name, one in page["forecasts"].items() if one.get("span_s") is not None]
        return [forecast_row(name, one) for name, one in page["alphas"].items()] + [came_row(*one) for one in over]

    @app.get("/api/desks/{desk}/why/{seq}", **needs("look"))
    def desk_why(desk: str, seq: int) -> dict[str, Any]:
        """A decision as the journal kept it, explained."""
        return explained(desks.of(desk), seq)  # type: ignore[return-value]

    @app.get("/api/desks/{desk}/journal", **needs("look"))
    def desk_journal(
        desk: str,
        after: Annotated[int, Query(ge=0, le=LAST)] = 0,
        kinds: Annotated[str, Query(max_length=400)] = "",
        most: Annotated[int, Query(ge=1, le=MOST_ENTRIES)] = 200,
    ) -> JournalPage:
        """Entries after a number, at most so many; kinds with commas between them, by default all."""
        wanted = [one.strip() for one in kinds.split(",") if one.strip()]
        if strange := [one for one in wanted if one not in all_kinds.KINDS]:
            received = f"{', '.join(strange)[:200]!r}"
            raise NotServedError(422, f"kinds: {', '.join(sorted(all_kinds.KINDS))}", received, "ask for some of these")
        return journal_page(desks.of(desk), after, wanted, most)

    @app.get("/metrics", **needs("look", **{TOKEN_TOO: True}))
    def metrics(desk: str | None = None) -> Response:
        """Prometheus text of a desk (by default the first), for a session or the bearer of the token of metrics."""
        served = desks.of(desk) if desk is not None else next(iter(desks.values()))
        return Response(served.follower.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _chosen(desks: Desks, name: str | None) -> Iterator[Served]:
    yield from desks.values() if name is None else [desks.of(name)]


def forecast_row(instrument: str, alpha: Mapping[str, Any]) -> dict[str, Any]:
    """What is expected of an instrument, basis points with two standard deviations about it; what came is not known.

    What an older journal does not tell is null.

    >>> forecast_row("A", {"ns": 5, "expected_bps": 1.0, "sd_bps": 2.0, "horizon_ns": 3_000_000_000})["low"]
    -3.0
    """
    mean, sd, horizon_ns = alpha.get("expected_bps"), alpha.get("sd_bps"), alpha.get("horizon_ns")
    low, high = (None, None) if mean is None or sd is None else (mean - 2 * sd, mean + 2 * sd)
    sources = alpha.get("sources") or {}
    return {
        "instrument": instrument, "source": str(alpha.get("model") or ", ".join(sources)), "ns": alpha["ns"],
        "horizon_s": None if horizon_ns is None else horizon_ns / 1e9, "forecast_bps": mean, "low": low, "high": high,
        "came_bps": None,
    }  # fmt: skip


def came_row(instrument: str, over: Mapping[str, Any]) -> dict[str, Any]:
    """What was expected of a time that is over, and what came of it.

    >>> over = {"ns": 9_000_000_000, "span_s": 3.0, "forecast_bps": 1.0, "sd_bps": 2.0, "came_bps": 0.5}
    >>> [came_row("A", over)[name] for name in ("ns", "low", "came_bps")]
    [6000000000, -3.0, 0.5]
    """
    span_ns = round(over["span_s"] * 1e9)
    then = {"ns": over["ns"] - span_ns, "expected_bps": over.get("forecast_bps"), "horizon_ns": span_ns}
    return forecast_row(instrument, {**over, **then}) | {"came_bps": over.get("came_bps")}


def desk_row(served: Served) -> DeskRow:
    """A desk in a line."""
    state = served.follower.shown()
    session, counts = state["session"], state["summary"]["alerts"]
    alerts = {name: int(counts.get(name, 0)) for name in ("critical", "warning")}
    owned = served.follower.ask(lambda folded: len(folded.owners))
    alerts["unowned"] = max(sum(alerts.values()) - owned, 0)
    return DeskRow(
        desk=served.name, stage=str(session.get("stage", "")), venue=str(session.get("venue", "")),
        running=state["running"], seq=state["seq"], ns=state["ns"], silent_s=state["silent_s"], fault=state["fault"],
        killed=state["latch"], alerts=alerts, money=state.get("money", []),
    )  # fmt: skip


def agent_rows(served: Served) -> list[AgentRow]:
    """A desk's agents, a line each."""
    state, rows = served.follower.shown(), list[AgentRow]()
    killed = (state["latch"] or {}).get("scope", "").split(", ")
    for one in plain(state["agents"]):
        dead = one["name"] in killed or killed == ["all"]
        # what the fold says of an agent comes along; the names that all rows have are set here
        more = {key: value for key, value in one.items() if key not in ("name", "seat", "half_bps", "state_reason")}
        more |= {
            "desk": served.name, "agent": one["name"], "state": "killed" if dead else one["state"],
            "reason": state["latch"]["reason"] if dead else one["state_reason"],
            "challenger": one["seat"] if one["seat"].get("challenger") else None,
        }  # fmt: skip
        rows.append(AgentRow(**more))
    return rows


def order_rows(served: Served) -> DeskOrders:
    """A desk's parents, those that are over too where the page shows them, and its open orders."""
    page = {row["parent"]: row for row in served.follower.shown()["parents"]}

    def rows(state: DeskState) -> DeskOrders:
        parents = [one for one in state.ledger.parents if one.id in page]
        live, unit = state.ledger.orders.live(), state.money.unit
        return DeskOrders(
            parents=[_parent_row(served, one, page[one.id], unit(one.order.instrument)) for one in parents],
            orders=[_order_row(served, one, unit(one.instrument), state.hand_of(one)) for one in live],
        )

    return served.follower.ask(rows)


def _parent_row(served: Served, parent: ParentOrder, shown: Mapping[str, Any], unit: Unit) -> OrderRow:
    order = parent.order
    return OrderRow(
        desk=served.name, id=parent.id, instrument=order.instrument, agent=order.agent, side=SIDE_WORDS[order.side],
        qty=unit.qty(parent.lots * ONE), filled=unit.qty(parent.filled_qty), limit_price=parent.limit_price,
        status=str(parent.status), reason=parent.reason, strategy=parent.strategy, schedule=shown["schedule"],
        hand=parent.hand, by_hand=unit.qty(round(shown["by_hand"] * ONE)), left_s=shown["left_s"],
        is_bps=plain(shown["is_bps"]),
        arrival_price=shown["arrival_price"] if unit.named else None,
    )  # type: ignore[call-arg]  # fmt: skip


def _order_row(served: Served, order: ChildOrder, unit: Unit, by_hand: str) -> OrderRow:
    priced = order.price is not None and unit.named
    return OrderRow(
        desk=served.name, id=order.root, instrument=order.instrument, agent=order.account,
        side=SIDE_WORDS[order.side], qty=unit.qty(order.lots * ONE), filled=unit.qty(order.cum_qty),
        limit_price=unit.price(order.price * ONE) if priced else None,  # type: ignore[operator]
        status=str(order.status), reason=order.text, parent=order.parent, by_hand=by_hand,
    )  # type: ignore[call-arg]  # fmt: skip


def journal_page(served: Served, after: int, kinds: list[str], most: int) -> JournalPage:
    """A page of a desk's journal; it is read no further than the page goes."""
    found = islice(served.desk.read(after, kinds), most)
    lines = [
        JournalLine(
            seq=seq, ns=one.ns, kind=one.kind, instrument=one.instrument, agent=one.agent, parent=one.parent,
            order=one.order, body=dict(plain(one.body)),
        )
        for seq, one in found
    ]  # fmt: skip
    return JournalPage(entries=lines, next=lines[-1].seq if len(lines) == most else None)
