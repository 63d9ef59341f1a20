"""Routes that show: desks, agents, orders, the page of a desk now and then, charts, why, the journal, metrics.

What the models of a desk know: the cards of its policies and of what forecasts for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial, wraps
from itertools import islice
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeVar, cast

import msgspec
import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from tercel.api.console.connected import ConnectedDesk, Desks
from tercel.api.console.guard import COOKIE, TOKEN_TOO, HttpError, Json, needs
from tercel.core.errors import TercelError
from tercel.core.lifecycle import ChildOrder
from tercel.core.orders import ONE
from tercel.core.report.cells import csv_text
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.alerts import SEVERE, AlertBook, newest_first, read_alerts
from tercel.desk.console.chart import book, chart
from tercel.desk.console.report import (
    AgentFigures,
    AgentRow,
    AlertCounts,
    AlertPage,
    BookPart,
    Chart,
    DeskOrders,
    DeskReport,
    DeskRow,
    ForecastRow,
    Interval,
    JournalLine,
    JournalPage,
    JudgedFigure,
    Limit,
    LiveDeskReport,
    ModelCard,
    OrderRow,
    ParentPart,
    ParentRow,
    Seat,
    Why,
)
from tercel.desk.console.state import DeskState
from tercel.desk.engine.config import OFF
from tercel.desk.engine.forecasts import model_of
from tercel.desk.trading.forecast_outcomes import forecast_row
from tercel.desk.trading.journal import kinds as all_kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.execution.policies.policy import CARD, Card, read_card
from tercel.execution.policies_packaged import card_of
from tercel.execution.registry.resolve import resolve_policy
from tercel.signals.models.model_folder import SignalModel

DAYS: Final = ("until", "to", "days", "dates", "day")
"""Keys of days in a card's table of training data."""
OF_FORECASTS: Final = ("about", "command", "market", "rounds", "seed", "inputs")
"""Keys of a signal model's card that describe its training."""
MEASURES: Final = {
    "ic": "correlation with what came",
    "r2": "R²",
    "within_90": "inside the 90 % interval",
}


def model_cards(served: ConnectedDesk) -> list[ModelCard]:
    """A card for every policy that a desk uses or tries, and for the model that forecasts; rules
    have none.
    """
    seats = served.follower.ask(
        lambda state: [
            (one.name, one.strategy, one.model, dict(one.seat)) for one in state.agents.values()
        ]
    )
    used: dict[tuple[str, str], list[str]] = {}
    for agent, strategy, weights, seat in seats:
        if weights:
            used.setdefault((strategy.split("+")[0], weights), []).append(agent)
        challenger = str(seat.get("challenger") or "").split("+")[0]
        if ":" in challenger or "@" in challenger:
            used.setdefault((challenger, ""), []).append(f"{agent}, as challenger")
    return [*(_policy(*key, agents) for key, agents in used.items()), *_forecasts(served)]


def _policy(strategy: str, weights: str, agents: list[str]) -> ModelCard:
    try:
        card = card_of(weights) if weights else None
        card = card or read_card(resolve_policy(strategy) / CARD)
        if not card.weights_sha256.startswith(weights):
            return _unknown(
                "policy", strategy, agents, weights, "its folder holds other weights now"
            )
    except TercelError as error:
        return _unknown(
            "policy", strategy, agents, weights, f"{error.expected} was expected: {error.received}"
        )
    about = {
        **card.trained_on,
        "frames": card.frames,
        "learner": card.learner.get("name", ""),
        "seed": card.seed,
    }
    return ModelCard(
        kind="policy",
        name=strategy,
        used_by=agents,
        hash=card.weights_sha256[:12],
        version=card.version,
        markets=list(card.markets),
        trained_on=_words(about),
        seen_until=_last_day(card.trained_on),
        judged_on=str(card.scores.get("judged", "")),
        judged=list(_judged(card)),
        why="",
    )


def _judged(card: Card) -> Iterator[JudgedFigure]:
    """Costs where it was judged, by market where the card has them, those of the rule beside them."""
    tables = card.scores.get("by_market") or {card.market or "": card.scores}
    for market, table in tables.items():
        for key, value in table.items():
            if isinstance(value, Mapping) and "ci_low" in value:
                low, high = value["ci_low"], value["ci_high"]
                yield _figure(market, _measure(key), value.get("mean"), low, high)
            elif key.startswith("twap"):
                yield _figure(market, f"{key} there, bps", value)


def _measure(key: str) -> str:
    return "cost, bps" if key == "is_bps" else MEASURES.get(key, key.replace("_", " "))


def _forecasts(served: ConnectedDesk) -> Iterator[ModelCard]:
    name = str(served.desk.signals().get("model") or OFF)
    if name == OFF:
        return
    agents = served.follower.ask(
        lambda state: [(one.name, one.strategy) for one in state.agents.values()]
    )
    used = [agent for agent, strategy in agents if "+alpha" in strategy]
    try:
        model = model_of(name)
    except TercelError as error:
        yield _unknown(
            "forecast", name, used, "", f"{error.expected} was expected: {error.received}"
        )
        return
    card = model.card
    about = {key: card[key] for key in OF_FORECASTS if card.get(key) not in (None, "")}
    about |= {f"synthetic {key}": value for key, value in dict(card.get("planted") or {}).items()}
    about["sources"] = ", ".join(dict.fromkeys(part["source"] for part in card.get("parts", ())))
    test: Mapping[str, Any] = card.get("test") or {}
    yield ModelCard(
        kind="forecast",
        name=name,
        used_by=used,
        hash=model.id,
        version=str(card.get("version", "")),
        markets=[str(card["market"])] if card.get("market") else [],
        trained_on=_words(about),
        seen_until=_walked(model),
        judged_on=f"{test['rounds']} rounds apart" if "rounds" in test else "",
        judged=[
            figure
            for where, table in test.items()
            if isinstance(table, Mapping)
            for figure in _tested(where, table)
        ],
        why="",
    )


def _tested(where: str, table: Mapping[str, Any]) -> Iterator[JudgedFigure]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield _figure(
                where, _measure(key), value.get("mean"), value.get("ci_low"), value.get("ci_high")
            )
        elif isinstance(value, int | float) and key in MEASURES:
            yield _figure(where, _measure(key), value)


def _walked(model: SignalModel) -> str:
    try:
        until = model.walked_ns[1]
    except TercelError:
        return ""
    return str(np.datetime64(until, "ns").astype("datetime64[D]")) if until else ""


def _figure(where: str, what: str, mean: Any, low: Any = None, high: Any = None) -> JudgedFigure:
    return JudgedFigure(
        where=where,
        what=what,
        figure=Interval(mean=to_jsonable(mean), low=to_jsonable(low), high=to_jsonable(high)),
    )


def _last_day(trained_on: Mapping[str, Any]) -> str:
    """The last day that a card tells of its data.

    >>> _last_day({"days": ["2012-06-21", "2012-06-20"]}), _last_day({"seed": 1})
    ('2012-06-21', '')
    """
    found = next((trained_on[key] for key in DAYS if trained_on.get(key)), "")
    return str(max(found) if isinstance(found, list | tuple) else found)


def _words(table: Mapping[str, Any]) -> dict[str, str]:
    """Values as people read them.

    >>> _words({"markets": ["csco", "ibm"], "seed": 4, "note": ""})
    {'markets': 'csco, ibm', 'seed': '4'}
    """
    found = {
        key: ", ".join(map(str, one)) if isinstance(one, list | tuple) else str(one)
        for key, one in table.items()
    }
    return {key: text[:300] for key, text in found.items() if text}


def _unknown(kind: Any, name: str, used_by: list[str], weights: str, why: str) -> ModelCard:
    return ModelCard(
        kind=kind,
        name=name,
        used_by=used_by,
        hash=weights,
        version="",
        markets=[],
        trained_on={},
        seen_until="",
        judged_on="",
        judged=[],
        why=why,
    )


EVERY_S: Final = 1.0
"""Between two looks of a stream that nothing wakes; a reader that is slow gets what has changed since its last one."""
LAST: Final = 2**62
"""No journal has so many entries."""
MOST_ENTRIES: Final = 1000
"""Of a page of a journal."""
READERS, MOST_READS = 2, 64
"""Threads that read journals and fold them, so that a kill does not wait for them; and reads that may wait."""
Ns = Annotated[int, Query(ge=0, le=LAST)]
Most = Annotated[int, Query(ge=1, le=MOST_ENTRIES)]
NO_CHALLENGER: Final = {
    "challenger": "",
    "strategy": "",
    "trials": 0,
    "mean_bps": None,
    "low_bps": None,
    "high_bps": None,
    "verdict": "",
}
"""Fields of a challenger that an entry of the journal may lack."""
Ask = Callable[[Callable[[AlertBook], Any]], Any]
"""Asks the alerts of a journal, which do not change meanwhile."""
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
    base, content = (
        needs("look"),
        {kind.replace("_", "/"): {"schema": schema} for kind, schema in contents.items()},
    )
    return {
        **base,
        "responses": {**base["responses"], 200: {"description": description, "content": content}},
    }


TABLE: Final = looks("a table, as JSON or CSV", text_csv={"type": "string"})
EVENTS: Final = looks(
    "events, each JSON of some parts of a page",
    **{"text_event-stream": {"$ref": "#/components/schemas/LiveDeskReport"}},
)


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
        return [row for one in desks.chosen(desk) for row in agent_rows(one)]

    @app.get("/api/orders", response_model=DeskOrders, **TABLE)
    def list_orders(
        desk: str | None = None, format: Literal["json", "csv"] = "json"
    ) -> DeskOrders | Response:
        """Parents and the orders that are open, of one desk or of all; as CSV the parents alone."""
        found = DeskOrders(parents=[], orders=[])
        for one in desks.chosen(desk):
            there = order_rows(one)
            found.parents = found.parents + there.parents
            found.orders = found.orders + there.orders
        return _csv_response(found.parents, ParentRow, "orders") if format == "csv" else found

    @app.get("/api/desks/{desk}/state", response_model=LiveDeskReport, **needs("look"))
    def desk_state(desk: str) -> Response:
        """The page of a desk, whole."""
        return Json(desks.of(desk).follower.report())

    @app.get("/api/desks/{desk}/stream", response_class=StreamingResponse, **EVENTS)
    async def desk_stream(request: Request, desk: str) -> Response:
        """The page of a desk as server-sent events: first whole, then the parts that changed."""
        return streamed(request, desks.of(desk))

    @app.get("/api/desks/{desk}/at", response_model=DeskReport, **needs("look"))
    @few
    def desk_at(desk: str, ns: Ns) -> Response:
        """The page of a desk as it was at a time of the venue."""
        return Json(desks.of(desk).follower.report_at(ns))

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
        return follower.ask(DeskState.limits) if ns == LAST else follower.at(ns).limits()

    @app.get("/api/desks/{desk}/forecasts", **needs("look"))
    def desk_forecasts(desk: str) -> list[ForecastRow]:
        """The last forecast of each instrument, then those whose time is over beside what came of them."""
        alphas, over = desks.of(desk).follower.ask(
            lambda state: (dict(state.alphas), list(state.outcomes.scored))
        )
        last = (
            forecast_row(name, one["ns"], msgspec.convert(one, AlphaEntry))
            for name, one in alphas.items()
        )
        rows = [*last, *over]
        return [ForecastRow(**to_jsonable(row)) for row in rows]

    @app.get("/api/desks/{desk}/models", **needs("look"))
    def desk_models(desk: str) -> list[ModelCard]:
        """Cards of a desk's models."""
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
        """A decision of the journal, explained."""
        served = desks.of(desk)
        found = served.desk.why(seq) if 0 < seq < LAST else None
        if found is None:
            raise HttpError(
                404, f"a decision of {served.name}", f"entry {seq}", "take the number from the page"
            )
        return Json(found)

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


def desk_row(served: ConnectedDesk) -> DeskRow:
    """A desk in a line."""
    report = served.follower.report()
    summary = report.summary
    critical, warning = (summary.alerts.get(name, 0) for name in SEVERE)
    return DeskRow(
        desk=served.name,
        stage=str(report.session.get("stage", "")),
        venue=str(report.session.get("venue", "")),
        running=report.running,
        seq=report.seq,
        ns=report.ns,
        silent_s=report.silent_s,
        fault=report.fault,
        killed=report.latch,
        alerts=AlertCounts(
            critical=critical,
            warning=warning,
            unowned=summary.unowned,
            of_gate=summary.of_gate,
            gate=summary.gate,
        ),
        money=report.money,
        unbooked=report.unbooked,
    )


def agent_rows(served: ConnectedDesk) -> list[AgentRow]:
    """A desk's agents, a line each; the kill latch counts before the desk has journaled it."""
    report = served.follower.report()
    latch = report.latch
    killed = [] if latch is None else latch.scope.split(", ")
    rows = []
    for one in report.agents:
        figures = {each.name: getattr(one, each.name) for each in fields(AgentFigures)}
        if latch is not None and (one.name in killed or killed == ["all"]):
            figures |= {"state": "killed", "reason": latch.reason}
        challenger = {**NO_CHALLENGER, **one.seat} if one.seat.get("challenger") else None
        rows.append(
            AgentRow(
                desk=served.name,
                agent=one.name,
                challenger=cast(Seat | None, challenger),
                **figures,
            )
        )
    return rows


def order_rows(served: ConnectedDesk) -> DeskOrders:
    """A desk's parents, those that are over too if the report has them, and its open orders."""
    parts = {part.parent: part for part in served.follower.report().parents}

    def rows(state: DeskState) -> DeskOrders:
        parents = [one for one in state.ledger.parents if one.id in parts]
        return DeskOrders(
            parents=[_parent_row(served.name, state, one, parts[one.id]) for one in parents],
            orders=[_order_row(served.name, state, one) for one in state.ledger.orders.live()],
        )

    return served.follower.ask(rows)


def _parent_row(desk: str, state: DeskState, parent: ParentOrder, part: ParentPart) -> ParentRow:
    order, unit = parent.order, state.money.unit(parent.order.instrument)
    return ParentRow(
        desk=desk,
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
        schedule=part.schedule,
        hand=parent.hand,
        by_hand=unit.qty(round(part.by_hand * ONE)),
        left_s=part.left_s,
        is_bps=part.is_bps,
        arrival_price=part.arrival_price if unit.known else None,
    )


def _order_row(desk: str, state: DeskState, order: ChildOrder) -> OrderRow:
    part, unit = state.order_part(order), state.money.unit(order.instrument)
    row = OrderRow(**vars(part), desk=desk, reason=order.text)
    return row if unit.known else replace(row, limit_price=None)


def alert_page(
    served: ConnectedDesk, before_ns: int, most: int, unowned: bool, ns: int | None
) -> AlertPage:
    """A page of a desk's alerts and its gate's; all of one moment are on one page, which may be longer for that."""
    follower, gate = served.follower, served.follower.gate
    if before_ns == LAST and ns is None:  # all that the journals hold now
        served.read_up()
        served.look_at_gate()
    asks: list[Ask] = [
        lambda question: follower.ask(lambda state: question(state.alerts)),
        gate.ask,
    ]
    if ns is not None:
        books = [ask(lambda book: book.as_of(ns)) for ask in asks]
        asks = [lambda question, book=book: question(book) for book in books]  # type: ignore[misc]

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
    alerts = [
        row
        for ask, read in zip(
            asks, (list(read_alerts(served.desk, here)), gate.rows(there)), strict=True
        )
        for row in ask(partial(AlertBook.owned, rows=read))
    ]
    return AlertPage(alerts=newest_first(alerts), next=last_ns if keys(last_ns, 1) else None)


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


def _csv_response(rows: Iterable[object], kind: Any, name: str) -> Response:
    """Rows as a CSV file, with their fields in order; values other than numbers and text are JSON."""
    heads = [one.name for one in fields(kind)]
    text = csv_text([heads, *([getattr(row, head) for head in heads] for row in rows)])
    said = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=said)
