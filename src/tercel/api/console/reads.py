"""Routes that show: desks, agents, orders, the page of a desk now and then, charts, why, the journal, metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial, wraps
from itertools import islice
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tercel.api.console.cards import model_cards
from tercel.api.console.chart_models import BookPart, Chart, ForecastRow, ModelCard, Why
from tercel.api.console.connected import ConnectedDesk, Desks
from tercel.api.console.guard import COOKIE, TOKEN_TOO, HttpError, Json, needs
from tercel.api.console.models import JournalLine, JournalPage
from tercel.api.console.page_models import (
    AgentRow,
    Alert,
    AlertCounts,
    AlertPage,
    DeskOrders,
    DeskPage,
    DeskRow,
    DeskThen,
    Limit,
    OrderRow,
    ParentRow,
)
from tercel.core.orders import ONE, Unit
from tercel.core.report.cells import csv_text
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.alerts import SEVERE, AlertBook
from tercel.desk.console.chart import book, chart
from tercel.desk.console.gate import newest_first, read_rows
from tercel.desk.console.state import DeskState, highest
from tercel.desk.trading.child_orders.lifecycle import ChildOrder
from tercel.desk.trading.forecast_outcomes import forecast_row
from tercel.desk.trading.journal import kinds as all_kinds
from tercel.desk.trading.parent_orders.parent import ParentOrder

EVERY_S: Final = 1.0
"""Between two looks of a stream that nothing wakes; a reader that is slow gets what has changed since its last one."""
LAST: Final = 2**62
"""No journal has so many entries."""
MOST_ENTRIES: Final = 1000
"""Of a page of a journal."""
READERS, MOST_READS = 2, 64
"""Threads that read journals and fold them, so that a kill is not kept waiting by them; and reads that may wait."""
Ns = Annotated[int, Query(ge=0, le=LAST)]
Most = Annotated[int, Query(ge=1, le=MOST_ENTRIES)]
Ask = Callable[[Callable[[AlertBook], Any]], Any]
"""Asks the alerts of a journal, which nobody changes meanwhile."""
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Readers:
    """Has routes that take long answered by a few threads of their own.

    >>> readers = Readers()
    >>> asyncio.run(readers.few(lambda desk: f"the page of {desk}")("today"))
    'the page of today'
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(READERS, "console-read")
        self._waiting = 0

    def few(self, route: Callable[_P, _R]) -> Callable[_P, Coroutine[Any, Any, _R]]:
        """The route, answered by these threads; 429 where too many wait."""

        @wraps(route)
        async def answered(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if self._waiting >= MOST_READS:
                raise HttpError(
                    429, "fewer questions at a time", f"{MOST_READS} that wait", "wait a moment"
                )
            self._waiting += 1
            try:
                work = partial(route, *args, **kwargs)
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
            finally:
                self._waiting -= 1

        return answered


def streamed(request: Request, served: ConnectedDesk) -> Response:
    """The page of a desk as server-sent events, for as long as the session lasts."""
    sessions, secret = request.app.state.sessions, request.cookies.get(COOKIE)
    follower = served.follower

    async def events() -> AsyncIterator[str]:
        woken, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended, and the page with it
                loop.call_soon_threadsafe(woken.set)

        with follower.listening(wake):
            before, (turn, text) = 0, await run_in_threadpool(follower.changed)
            while (
                not await request.is_disconnected()
                and sessions.visit(secret, used=False) is not None
            ):
                if turn != before:
                    yield f"data: {text}\n\n"
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), EVERY_S)
                woken.clear()
                before, (turn, text) = turn, follower.changed(turn)

    return StreamingResponse(events(), media_type="text/event-stream")


def looks(description: str, **contents: Any) -> dict[str, Any]:
    """Keywords of a route that everybody may look at, with what else than JSON it answers."""
    told, content = (
        needs("look"),
        {kind.replace("_", "/"): {"schema": schema} for kind, schema in contents.items()},
    )
    return {
        **told,
        "responses": {**told["responses"], 200: {"description": description, "content": content}},
    }


TABLE: Final = looks("a table, as JSON or CSV", text_csv={"type": "string"})
EVENTS: Final = looks(
    "events, each JSON of some parts of a page",
    **{"text_event-stream": {"$ref": "#/components/schemas/DeskPage"}},
)


def explained(served: ConnectedDesk, seq: int) -> Response:
    """A decision, explained; 404 for another entry."""
    found = served.desk.why(seq) if 0 < seq < LAST else None
    if found is None:
        raise HttpError(
            404, f"a decision of {served.name}", f"entry {seq}", "take the number from the page"
        )
    return Json(found)


def add_reads(app: FastAPI, desks: Desks) -> None:
    """Add all routes that show something."""
    few = Readers().few

    @app.get("/api/desks", **needs("look"))
    def list_desks() -> list[DeskRow]:
        """Every desk of this console, in a line."""
        return [desk_row(one) for one in desks.values()]

    @app.get("/api/agents", **needs("look"))
    def list_agents(desk: str | None = None) -> list[AgentRow]:
        """Every agent, of one desk or of all."""
        return [row for one in _chosen(desks, desk) for row in agent_rows(one)]

    @app.get("/api/orders", response_model=DeskOrders, **TABLE)
    def list_orders(
        desk: str | None = None, format: Literal["json", "csv"] = "json"
    ) -> DeskOrders | Response:
        """Parents and the orders that are open, of one desk or of all; as CSV the parents alone."""
        found = DeskOrders(parents=[], orders=[])
        for one in _chosen(desks, desk):
            there = order_rows(one)
            found.parents = found.parents + there.parents
            found.orders = found.orders + there.orders
        return _csv_response(found.parents, ParentRow, "orders") if format == "csv" else found

    @app.get("/api/desks/{desk}/state", response_model=DeskPage, **needs("look"))
    def desk_state(desk: str) -> Response:
        """The page of a desk, whole."""
        return Json(desks.of(desk).follower.shown())

    @app.get("/api/desks/{desk}/stream", response_class=StreamingResponse, **EVENTS)
    async def desk_stream(request: Request, desk: str) -> Response:
        """The page of a desk as server-sent events: first whole, then the parts that changed."""
        return streamed(request, desks.of(desk))

    @app.get("/api/desks/{desk}/at", response_model=DeskThen, **needs("look"))
    @few
    def desk_at(desk: str, ns: Ns) -> Response:
        """The page of a desk as it was at a time of the venue."""
        return Json(desks.of(desk).follower.page_at(ns))

    @app.get("/api/desks/{desk}/chart/{instrument:path}", response_model=Chart, **needs("look"))
    @few
    def desk_chart(desk: str, instrument: str, from_ns: Ns = 0, to_ns: Ns = LAST) -> Response:
        """Price, own fills, orders and parents against their schedule, between two times of the venue."""
        one = desks.of(desk)
        return Json(chart(one.desk, instrument, from_ns, to_ns, one.follower.past))

    @app.get("/api/desks/{desk}/book/{instrument:path}", response_model=BookPart, **needs("look"))
    @few
    def desk_book(desk: str, instrument: str, ns: Ns = LAST) -> Response:
        """The public book as the last decision up to a time saw it: ladder, heat map, tape."""
        one = desks.of(desk)
        return Json(book(one.desk, instrument, ns, one.follower.past))

    @app.get("/api/desks/{desk}/limits", **needs("look"))
    @few
    def desk_limits(desk: str, ns: Ns = LAST) -> list[Limit]:
        """Every limit of a desk and how much of it is used, used most first, as of the last heartbeat up to a time."""
        follower = desks.of(desk).follower
        beat = (
            follower.ask(lambda state: state.heartbeat) if ns == LAST else follower.at(ns).heartbeat
        )
        return [Limit(**to_jsonable(row)) for row in highest(beat.get("limits", {}))]

    @app.get("/api/desks/{desk}/forecasts", **needs("look"))
    def desk_forecasts(desk: str) -> list[ForecastRow]:
        """The last forecast of each instrument, then those whose time is over beside what came of them."""
        told = desks.of(desk).follower.ask(
            lambda state: (dict(state.alphas), list(state.outcomes.scored))
        )
        rows = [forecast_row(name, one) for name, one in told[0].items()] + told[1]
        return [ForecastRow(**to_jsonable(row)) for row in rows]

    @app.get("/api/desks/{desk}/models", **needs("look"))
    def desk_models(desk: str) -> list[ModelCard]:
        """What each model of a desk knows, by its card."""
        return model_cards(desks.of(desk))

    @app.get("/api/desks/{desk}/alerts", response_model=AlertPage, **needs("look"))
    @few
    def desk_alerts(
        desk: str, before: Ns = LAST, most: Most = 50, unowned: bool = False, ns: Ns = LAST
    ) -> AlertPage:
        """Alerts before a time of the venue, newest first; `unowned`: those alone that need an owner and have none.

        `ns`: alerts and owners as they were at a time.
        """
        return alert_page(desks.of(desk), before, most, unowned, None if ns == LAST else ns)

    @app.get("/api/desks/{desk}/why/{seq}", response_model=Why, **needs("look"))
    @few
    def desk_why(desk: str, seq: int) -> Response:
        """A decision as the journal kept it, explained."""
        return explained(desks.of(desk), seq)

    @app.get(
        "/api/desks/{desk}/journal",
        response_model=JournalPage,
        **looks("a table, as JSON or CSV", text_csv={"type": "string"}),
    )
    @few
    def desk_journal(
        desk: str,
        after: Annotated[int, Query(ge=0, le=LAST)] = 0,
        kinds: Annotated[str, Query(max_length=400)] = "",
        most: Most = 200,
        format: Literal["json", "csv"] = "json",
    ) -> JournalPage | Response:
        """Entries after a number, at most so many; kinds with commas between them, by default all."""
        wanted = [one.strip() for one in kinds.split(",") if one.strip()]
        if strange := [one for one in wanted if one not in all_kinds.KINDS]:
            raise HttpError(
                422,
                f"kinds: {', '.join(sorted(all_kinds.KINDS))}",
                f"{', '.join(strange)[:200]!r}",
                "ask for some of these",
            )
        page = journal_page(desks.of(desk), after, wanted, most)
        return _csv_response(page.entries, JournalLine, "journal") if format == "csv" else page

    @app.get("/metrics", **needs("look", **{TOKEN_TOO: True}))
    def metrics(desk: str | None = None) -> Response:
        """Prometheus text of a desk (by default the first), for a session or the bearer of the token of metrics."""
        served = desks.of(desk) if desk is not None else next(iter(desks.values()))
        return Response(
            served.follower.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )


def _chosen(desks: Desks, name: str | None) -> Iterator[ConnectedDesk]:
    yield from desks.values() if name is None else [desks.of(name)]


def desk_row(served: ConnectedDesk) -> DeskRow:
    """A desk in a line."""
    state = served.follower.shown()
    session, summary = state["session"], state["summary"]
    critical, warning = (int(summary["alerts"].get(name, 0)) for name in SEVERE)
    alerts = AlertCounts(
        critical=critical,
        warning=warning,
        **{key: summary[key] for key in ("unowned", "of_gate", "gate")},
    )
    return DeskRow(
        desk=served.name,
        stage=str(session.get("stage", "")),
        venue=str(session.get("venue", "")),
        running=state["running"],
        seq=state["seq"],
        ns=state["ns"],
        silent_s=state["silent_s"],
        fault=state["fault"],
        killed=state["latch"],
        alerts=alerts,
        money=state.get("money", []),
        unbooked=state["unbooked"],
    )


def agent_rows(served: ConnectedDesk) -> list[AgentRow]:
    """A desk's agents, a line each."""
    state, rows = served.follower.shown(), list[AgentRow]()
    killed = (state["latch"] or {}).get("scope", "").split(", ")
    for one in to_jsonable(state["agents"]):
        dead = one["name"] in killed or killed == ["all"]
        # what the fold says of an agent comes along; the names that all rows have are set here
        more = {
            key: value
            for key, value in one.items()
            if key not in ("name", "seat", "half_bps", "state_reason")
        }
        more |= {
            "desk": served.name,
            "agent": one["name"],
            "state": "killed" if dead else one["state"],
            "reason": state["latch"]["reason"] if dead else one["state_reason"],
            "challenger": one["seat"] if one["seat"].get("challenger") else None,
        }
        rows.append(AgentRow(**more))
    return rows


def order_rows(served: ConnectedDesk) -> DeskOrders:
    """A desk's parents, those that are over too where the page shows them, and its open orders."""
    page = {row["parent"]: row for row in served.follower.shown()["parents"]}

    def rows(state: DeskState) -> DeskOrders:
        parents = [one for one in state.ledger.parents if one.id in page]
        live, unit = state.ledger.orders.live(), state.money.unit
        return DeskOrders(
            parents=[
                _parent_row(served, one, page[one.id], unit(one.order.instrument))
                for one in parents
            ],
            orders=[
                _order_row(served, one, unit(one.instrument), state.hand_of(one)) for one in live
            ],
        )

    return served.follower.ask(rows)


def _parent_row(
    served: ConnectedDesk, parent: ParentOrder, shown: Mapping[str, Any], unit: Unit
) -> ParentRow:
    order = parent.order
    return ParentRow(
        desk=served.name,
        id=parent.id,
        instrument=order.instrument,
        agent=order.agent,
        side=SIDE_WORDS[order.side],
        qty=unit.qty(parent.lots * ONE),
        filled=unit.qty(parent.filled_qty),
        limit_price=parent.limit_price,
        status=str(parent.status),
        reason=parent.reason,
        strategy=parent.strategy,
        schedule=shown["schedule"],
        hand=parent.hand,
        by_hand=unit.qty(round(shown["by_hand"] * ONE)),
        left_s=shown["left_s"],
        is_bps=to_jsonable(shown["is_bps"]),
        arrival_price=shown["arrival_price"] if unit.known else None,
    )


def _order_row(served: ConnectedDesk, order: ChildOrder, unit: Unit, by_hand: str) -> OrderRow:
    priced = order.price is not None and unit.known
    return OrderRow(
        desk=served.name,
        id=order.root,
        instrument=order.instrument,
        agent=order.account,
        side=SIDE_WORDS[order.side],
        qty=unit.qty(order.lots * ONE),
        filled=unit.qty(order.cum_qty),
        limit_price=unit.price(order.price * ONE) if priced else None,  # type: ignore[operator]
        status=str(order.status),
        reason=order.text,
        parent=order.parent,
        by_hand=by_hand,
    )


def alert_page(
    served: ConnectedDesk, before_ns: int, most: int, unowned: bool, ns: int | None
) -> AlertPage:
    """A page of a desk's alerts and its gate's; all of one moment stand on one page, which may be longer for that."""
    follower, gate = served.follower, served.follower.gate
    if before_ns == LAST and ns is None:  # what stands in the journals now, and no less
        served.read_up()
        served.look_at_gate()
    asks: list[Ask] = [
        lambda question: follower.ask(lambda state: question(state.alerts)),
        gate.ask,
    ]
    if ns is not None:
        asks = [_of(ask(lambda book: book.as_of(ns))) for ask in asks]

    def keys(before_ns: int, most: int) -> list[tuple[int, int, bool]]:
        each = [ask(lambda book: book.newest(before_ns, most, unowned)) for ask in asks]
        return sorted(
            ((ns, seq, bool(at)) for at, rows in enumerate(each) for ns, seq in rows), reverse=True
        )

    found = keys(before_ns, most)
    last_ns = found[:most][-1][0] if found else 0
    here, there = (
        [seq for ns, seq, at_gate in found if at_gate == where and ns >= last_ns]
        for where in (False, True)
    )
    told = list(read_rows(served.desk, here)), [row | {"gate": True} for row in gate.rows(there)]
    rows = [
        row
        for ask, read in zip(asks, told, strict=True)
        for row in ask(partial(AlertBook.owned, rows=read))
    ]
    alerts = [Alert(**row) for row in newest_first(to_jsonable(rows))]
    return AlertPage(alerts=alerts, next=last_ns if keys(last_ns, 1) else None)


def _of(book: AlertBook) -> Ask:
    """Asks alerts that stay as they are."""
    return lambda question: question(book)


def journal_page(served: ConnectedDesk, after: int, kinds: list[str], most: int) -> JournalPage:
    """A page of a desk's journal; it is read no further than the page goes."""
    found = islice(served.desk.read(after, kinds), most)
    lines = [
        JournalLine(
            seq=seq,
            ns=one.ns,
            kind=one.kind,
            instrument=one.instrument,
            agent=one.agent,
            parent=one.parent,
            order=one.order,
            body=dict(to_jsonable(one.body)),
        )
        for seq, one in found
    ]
    return JournalPage(entries=lines, next=lines[-1].seq if len(lines) == most else None)


def _csv_response(rows: Iterable[BaseModel], kind: type[BaseModel], name: str) -> Response:
    """Rows as a file of CSV, their fields in order; what is no number or text is JSON."""
    heads = list(kind.model_fields)
    text = csv_text([heads, *([getattr(row, head) for head in heads] for row in rows)])
    said = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=said)
