"""HTTP routes of the console that only read: desks, agents, orders, reports, charts, decisions, journal, metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial, wraps
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeVar

import msgspec
from fastapi import FastAPI, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from tercel.api.console.connected import ConnectedDesk, Desks
from tercel.api.console.desk_rows import (
    LAST,
    agent_rows,
    alert_page,
    csv_response,
    desk_row,
    journal_page,
    order_rows,
)
from tercel.api.console.guard import COOKIE, TOKEN_TOO, HttpError, Json, needs
from tercel.desk.console.chart import book, chart
from tercel.desk.console.chart_types import BookPart, Chart
from tercel.desk.console.desk_tables import AgentRow, DeskOrders, DeskRow, ParentRow
from tercel.desk.console.journal_pages import AlertPage, JournalLine, JournalPage, Why
from tercel.desk.console.model_report import ModelCard
from tercel.desk.console.report import DeskReport, Limit, LiveDeskReport
from tercel.desk.console.state import DeskState
from tercel.desk.trading.forecast_outcomes import ForecastRow, forecast_row
from tercel.desk.trading.journal import kinds as all_kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry

EVERY_S: Final = 1.0
"""Seconds between two polls of a stream that nothing wakes; a slow reader gets what has changed since its last poll."""
MOST_ENTRIES: Final = 1000
"""Most entries on a page of a journal."""
READERS = 2
MOST_READS = 64
"""Threads that read and fold journals, so that a kill does not wait for reads; and the number of reads that may wait."""
Ns = Annotated[int, Query(ge=0, le=LAST)]
Most = Annotated[int, Query(ge=1, le=MOST_ENTRIES)]
_P = ParamSpec("_P")
_R = TypeVar("_R")


class ReaderPool:
    """Thread pool for slow read routes.

    >>> readers = ReaderPool()
    >>> asyncio.run(readers.wrap(lambda desk: f"the page of {desk}")("today"))
    'the page of today'
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(READERS, "console-read")
        self._waiting = 0

    def wrap(self, route: Callable[_P, _R]) -> Callable[_P, Coroutine[Any, Any, _R]]:
        """The route, run in this pool; 429 where `MOST_READS` calls already wait."""

        @wraps(route)
        async def run_in_pool(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            """Run the route in the pool's threads; 429 where too many calls wait."""
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

        return run_in_pool


def stream_report(request: Request, served: ConnectedDesk) -> Response:
    """Report of a desk as server-sent events, until the session or the connection ends."""
    sessions = request.app.state.sessions
    secret = request.cookies.get(COOKIE)
    follower = served.follower

    async def events() -> AsyncIterator[str]:
        """Yield the whole report, then its changed parts."""
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            """Tell the event loop, from the follower's thread, that the report has changed."""
            with suppress(RuntimeError):  # the loop has ended, and the page with it
                loop.call_soon_threadsafe(woken.set)

        with follower.listening(wake):
            sent_turn = 0
            turn, text = await run_in_threadpool(follower.changes_since)
            while (
                not await request.is_disconnected()
                and sessions.visit(secret, used=False) is not None
            ):
                if turn != sent_turn:
                    yield f"data: {text}\n\n"
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), EVERY_S)
                woken.clear()
                sent_turn = turn
                turn, text = follower.changes_since(turn)

    return StreamingResponse(events(), media_type="text/event-stream")


def readable_by_all(description: str, **contents: Any) -> dict[str, Any]:
    """Keywords of a route that every role may read, with the media types of its answer besides JSON."""
    base = needs("look")
    content = {kind.replace("_", "/"): {"schema": schema} for kind, schema in contents.items()}
    return {
        **base,
        "responses": {**base["responses"], 200: {"description": description, "content": content}},
    }


TABLE: Final = readable_by_all("a table, as JSON or CSV", text_csv={"type": "string"})
EVENTS: Final = readable_by_all(
    "events, each JSON of some parts of a page",
    **{"text_event-stream": {"$ref": "#/components/schemas/LiveDeskReport"}},
)


def add_read_routes(app: FastAPI, desks: Desks) -> None:
    """Add to the app all routes that only read."""
    in_pool = ReaderPool().wrap

    @app.get("/api/desks", **needs("look"))
    def list_desks() -> list[DeskRow]:
        """Every desk of this console, in a line."""
        return [desk_row(served) for served in desks.values()]

    @app.get("/api/agents", **needs("look"))
    def list_agents(desk: str | None = None) -> list[AgentRow]:
        """Every agent, of one desk or of all."""
        return [row for served in desks.select(desk) for row in agent_rows(served)]

    @app.get("/api/orders", response_model=DeskOrders, **TABLE)
    def list_orders(
        desk: str | None = None, format: Literal["json", "csv"] = "json"
    ) -> DeskOrders | Response:
        """Parents and the orders that are open, of one desk or of all; as CSV the parents alone."""
        orders = DeskOrders(parents=[], orders=[])
        for served in desks.select(desk):
            desk_orders = order_rows(served)
            orders.parents = orders.parents + desk_orders.parents
            orders.orders = orders.orders + desk_orders.orders
        return csv_response(orders.parents, ParentRow, "orders") if format == "csv" else orders

    @app.get("/api/desks/{desk}/state", response_model=LiveDeskReport, **needs("look"))
    def desk_state(desk: str) -> Response:
        """The page of a desk, whole."""
        return Json(desks.of(desk).follower.report())

    @app.get("/api/desks/{desk}/stream", response_class=StreamingResponse, **EVENTS)
    async def desk_stream(request: Request, desk: str) -> Response:
        """The page of a desk as server-sent events: first whole, then the parts that changed."""
        return stream_report(request, desks.of(desk))

    @app.get("/api/desks/{desk}/at", response_model=DeskReport, **needs("look"))
    @in_pool
    def desk_at(desk: str, ns: Ns) -> Response:
        """The page of a desk as it was at a time of the venue."""
        return Json(desks.of(desk).follower.report_at(ns))

    @app.get("/api/desks/{desk}/chart/{instrument:path}", response_model=Chart, **needs("look"))
    @in_pool
    def desk_chart(desk: str, instrument: str, from_ns: Ns = 0, to_ns: Ns = LAST) -> Response:
        """Price, own fills, orders and parents against their schedule, between two times of the venue."""
        served = desks.of(desk)
        return Json(chart(served.desk, instrument, from_ns, to_ns, served.follower.past))

    @app.get("/api/desks/{desk}/book/{instrument:path}", response_model=BookPart, **needs("look"))
    @in_pool
    def desk_book(desk: str, instrument: str, ns: Ns = LAST) -> Response:
        """The public book as the last decision up to a time saw it: ladder, heat map, tape."""
        served = desks.of(desk)
        return Json(book(served.desk, instrument, ns, served.follower.past))

    @app.get("/api/desks/{desk}/limits", **needs("look"))
    @in_pool
    def desk_limits(desk: str, ns: Ns = LAST) -> list[Limit]:
        """Every limit of a desk and how much of it is used, used most first, as of the last heartbeat up to a time."""
        follower = desks.of(desk).follower
        return follower.query(DeskState.limits) if ns == LAST else follower.state_at(ns).limits()

    @app.get("/api/desks/{desk}/forecasts", **needs("look"))
    def desk_forecasts(desk: str) -> list[ForecastRow]:
        """The last forecast of each instrument, then those whose time is over beside what came of them."""
        alphas, scored = desks.of(desk).follower.query(
            lambda state: (dict(state.alphas), list(state.outcomes.scored))
        )
        latest = (
            forecast_row(name, alpha["ns"], msgspec.convert(alpha, AlphaEntry))
            for name, alpha in alphas.items()
        )
        return [*latest, *scored]

    @app.get("/api/desks/{desk}/models", **needs("look"))
    def desk_models(desk: str) -> list[ModelCard]:
        """Cards of a desk's models."""
        # what reads models takes longer to load than all the rest of the console
        from tercel.api.console.model_cards import model_cards

        return model_cards(desks.of(desk))

    @app.get("/api/desks/{desk}/alerts", response_model=AlertPage, **needs("look"))
    @in_pool
    def desk_alerts(
        desk: str, before: Ns = LAST, most: Most = 50, unowned: bool = False, ns: Ns = LAST
    ) -> AlertPage:
        """Alerts before a time of the venue, newest first; `unowned`: those alone that need an owner and have none.

        `ns`: alerts and owners as they were at a time.
        """
        return alert_page(desks.of(desk), before, most, unowned, None if ns == LAST else ns)

    @app.get("/api/desks/{desk}/why/{seq}", response_model=Why, **needs("look"))
    @in_pool
    def desk_why(desk: str, seq: int) -> Response:
        """A decision of the journal, explained."""
        served = desks.of(desk)
        explanation = served.desk.explain_decision(seq) if 0 < seq < LAST else None
        if explanation is None:
            raise HttpError(
                404, f"a decision of {served.name}", f"entry {seq}", "take the number from the page"
            )
        return Json(explanation)

    @app.get(
        "/api/desks/{desk}/journal",
        response_model=JournalPage,
        **readable_by_all("a table, as JSON or CSV", text_csv={"type": "string"}),
    )
    @in_pool
    def desk_journal(
        desk: str,
        after: Annotated[int, Query(ge=0, le=LAST)] = 0,
        kinds: Annotated[str, Query(max_length=400)] = "",
        most: Most = 200,
        format: Literal["json", "csv"] = "json",
    ) -> JournalPage | Response:
        """Entries after a number, at most so many; kinds with commas between them, by default all."""
        wanted = [kind.strip() for kind in kinds.split(",") if kind.strip()]
        if unknown_kinds := [kind for kind in wanted if kind not in all_kinds.KINDS]:
            raise HttpError(
                422,
                f"kinds: {', '.join(sorted(all_kinds.KINDS))}",
                f"{', '.join(unknown_kinds)[:200]!r}",
                "ask for some of these",
            )
        page = journal_page(desks.of(desk), after, wanted, most)
        return csv_response(page.entries, JournalLine, "journal") if format == "csv" else page

    @app.get("/metrics", **needs("look", **{TOKEN_TOO: True}))
    def metrics(desk: str | None = None) -> Response:
        """Prometheus text of a desk (by default the first), for a session or the bearer of the token of metrics."""
        served = desks.of(desk) if desk is not None else next(iter(desks.values()))
        return Response(
            served.follower.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )
