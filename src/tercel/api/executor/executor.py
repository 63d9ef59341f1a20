"""``tercel.Executor``: a strategy works one parent order in the caller's loop, by a desk's decision path."""

import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

import msgspec

from tercel.api.executor.market_input import (
    Level,
    LevelChange,
    LevelInput,
    Lots,
    OrderChange,
    Side,
    Ticks,
    order_changes,
    refuse_unknown,
)
from tercel.api.executor.order_events import (
    EVENTS,
    OpenRequests,
    OverfillError,
    OwnOrderEvent,
    message_of,
)
from tercel.api.executor.strategies import strategy_for
from tercel.api.executor.terms import (
    SIDES,
    Amend,
    Cancel,
    ExecutorCommand,
    Number,
    Parent,
    Place,
    VenueInstrument,
)
from tercel.api.executor.units import Units, side_of
from tercel.core import orders as o, vocabulary as v
from tercel.core.errors import (
    OrderError,
    PolicyError,
    TapeError,
    TercelError,
    check_known,
    refuse_if,
)
from tercel.core.fixed_point import ONE, floor_units
from tercel.core.link.level_book import LevelBook, OrderBook, Row
from tercel.core.link.price_scale import RefusedError
from tercel.core.records import fast_replace
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.parent_orders.parent import model_of
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.execution.strategies import MarketEstimates
from tercel.execution.task import Latency, Task
from tercel.market.simulator import layout as sim
from tercel.market.simulator.terms import NO_FEES, Fees

_ACCOUNT: Final = "executor"
_FORMAT: Final = "tercel.Executor 1"
_NO_BYTES: Final = (
    zlib.error,
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""What bytes of another origin lead to."""
_CANCEL_AGAIN_NS: Final = NS_PER_SECOND
_LEVELS, _ORDERS, _TRADE, _STATUS, _GAP, _ORDER, _TIME, _FETCH, _STOP = range(9)  # recorded calls
_ARGUMENTS: Final[tuple[Any, ...]] = (
    tuple[int, bool, list[LevelChange]],
    tuple[int, bool, list[OrderChange]],
    tuple[int, Side, Ticks, Lots],
    tuple[int, bool],
    tuple[int],
    tuple[int, bytes, bool],
    tuple[int],
    tuple[int],
    tuple[int, str],
)
"""Arguments of recorded calls: what a compiled book is given is within its bounds, whoever wrote the bytes."""


class Settings(msgspec.Struct, frozen=True):
    """Terms of an executor beside instrument and parent, as :class:`Executor` takes them.

    >>> Settings(None, NO_FEES, True, True, 900.0, 0).amends
    True
    """

    latency: Latency | None
    fees: Fees
    own_orders_shown: bool
    amends: bool
    warmup_s: float
    seed: int


class Saved(msgspec.Struct, frozen=True):
    """An executor as bytes: its terms, and every call that changed something.

    >>> Saved.__struct_fields__[:3]
    ('format', 'strategy', 'model')
    """

    format: str
    strategy: str
    model: str
    instrument: Any
    parent: Any
    settings: Settings
    digest: str
    now_ns: int
    calls: list[bytes]


class Executor:
    """Works one parent order in the caller's loop: market data and order events in, orders to send out.

    It decides as a desk does, by the same code: observation, strategy, reconciliation with own orders. It has no thread,
    clock or file. Times are the caller's, ns, and do not go back. At a moment the caller gives all that has happened up to
    it, then asks for :meth:`commands`.

    Parameters
    ----------
    strategy
        A name of a rule or policy, a :class:`Policy`, a strategy of one's own: what :func:`tercel.evaluate` takes.
    instrument : VenueInstrument
    parent : Parent
    latency : Latency, optional
        From a decision to the venue, which forecasts look past; the task's default if not given.
    fees : Fees
    own_orders_shown : bool
        Whether level totals have own resting orders in them (:meth:`on_book`): False for recorded days.
    amends : bool
        Whether the venue amends orders. If not, what should shrink is cancelled, and placed again at the next decision.
    warmup_s : float
        Seconds before arrival from which long averages are taken, as far as there are so many.
    estimates : MarketEstimates, optional
        Averages of the market, for rules that need them and for what waiting costs.
    seed : int
        Of a strategy's draws.

    Raises
    ------
    ConfigError, UnknownNameError, PolicyError
        An order that is no multiple of the lot, a strategy that is none.

    >>> instrument = VenueInstrument("XYZ", tick="0.01", lot=100)
    >>> executor = Executor("twap_take", instrument, Parent("buy", 600, "1min", decisions=6))
    >>> executor.on_book(0, bids=[(9.99, 500)], asks=[(10.01, 800)])
    >>> executor.waits_for
    '10 s more of market data'
    >>> executor.on_book(10_000_000_000, bids=[(9.99, 400)], asks=[(10.01, 800)])
    >>> executor.commands(10_000_000_000)
    [Place(name='parent-1', side='buy', price=None, size=Decimal('100'), immediate=True)]
    >>> executor.on_order("parent-1", "filled", 10_050_000_000, price=10.01, size=100, execution="T1")
    >>> executor.left, executor.next_decision_ns
    (Decimal('500'), 20000000000)
    """

    def __init__(
        self,
        strategy: Any,
        instrument: VenueInstrument,
        parent: Parent,
        *,
        latency: Latency | None = None,
        fees: Fees = NO_FEES,
        own_orders_shown: bool = True,
        amends: bool = True,
        warmup_s: float = 900.0,
        estimates: MarketEstimates | None = None,
        seed: int = 0,
    ) -> None:
        self.instrument = instrument
        self.parent = parent
        self.strategy = strategy_for(strategy, estimates)
        terms = {"warmup_s": warmup_s} | ({} if latency is None else {"latency": latency})
        self._task, self._limit = parent.task(instrument, **terms)
        self._interval_ns = self._task.horizon_ns // self._task.decisions
        self._settings = Settings(latency, fees, own_orders_shown, amends, warmup_s, seed)
        self._units = Units(instrument)
        maker_fee, taker_fee, maker_rate, taker_rate = fees.kernel_values(self._units.listing.tick)
        listing = replace(
            self._units.listing,
            dense_ids=instrument.orders,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            maker_rate=maker_rate,
            taker_rate=taker_rate,
        )
        self._follower = Follower(listing, width=instrument.window, feed_levels=instrument.levels)
        self._book: LevelBook | OrderBook = self._new_level_book()
        self._levels = LevelInput(self._units, instrument.symbol, instrument.levels)
        self._orders = Orders()
        self._executor = self._new_executor(parent.start_ns, self._task, self._task.quantity)
        self._end_ns = 0
        self._status = 1  # as a STATUS row has it: known from before a gap, which a halt outlasts
        self._now = 0
        self._last_child = self._last_cancel = self._cancelled_ns = 0
        self._orders_of_execution: dict[str, list[str]] = {}
        self._filled_qty = 0
        self._requests = OpenRequests()
        self._outbox: list[ExecutorCommand] = []
        self._record: list[bytes] = []
        self.stopped = ""
        """Why nothing is traded any more; "" while it works."""

    def _new_executor(self, start_ns: int, task: Task, lots: int, first: int = 1) -> ParentExecutor:
        """A desk's executor of some lots of the parent."""
        return ParentExecutor(
            Assignment(
                self.parent.name,
                _ACCOUNT,
                self.instrument.symbol,
                self._task.side,
                lots,
                start_ns,
                task,
                self._settings.seed,
                first_child=first,
                limit=self._limit,
            ),
            self._follower,
            self.strategy,
            self._orders,
        )

    # -- state --------------------------------------------------------------------------------------------------------
    @property
    def waits_for(self) -> str:
        """What is missing before the first decision: a whole book, both sides, an interval of market data; "" when ready."""
        follower = self._follower
        if follower.ready and self._executor.arrived:
            return ""
        if not follower.ready:
            return "a whole book"
        if None in (follower.quotes.bid, follower.quotes.ask):
            return "prices on both sides"
        missing_ns = self._interval_ns - (max(self._now, follower.now_ns) - follower.began_ns)
        if missing_ns <= 0:
            return ""
        return f"{missing_ns / NS_PER_SECOND:g} s more of market data"

    @property
    def ready(self) -> bool:
        """Whether all that a decision reads is there."""
        return not self.waits_for

    @property
    def filled(self) -> Decimal:
        """Filled quantity, in the venue's sizes."""
        return self._units.size_of(self._filled_qty)

    @property
    def left(self) -> Decimal:
        """Quantity that is not filled."""
        return self._units.size(self._task.quantity) - self.filled

    @property
    def done(self) -> bool:
        """Whether nothing more is to be done: filled, or past the horizon, with no order open."""
        over = self.stopped or (self._executor.done and not self._executor.detach_reason)
        return bool(over or self.left < self._units.lot) and not self._orders.live()

    @property
    def open_orders(self) -> list[Place]:
        """Orders that were asked for and have not ended, with what is unfilled: a venue is asked about these after a restart."""
        return [
            Place(
                _shown(order.root),
                SIDES[order.side],
                None if order.price is None else self._units.price(order.price),
                self._units.size_of(order.lots * ONE - order.cum_qty),
                order.tif is o.Tif.IOC,
            )
            for order in self._orders.live()
            if not order.done
        ]

    @property
    def next_decision_ns(self) -> int | None:
        """When :meth:`commands` is to be called next, ns: now, if something is to be sent; None where only events matter."""
        if self._outbox:
            return self._now
        due_ns = self._due_ns
        return None if due_ns >= FOREVER_NS else max(due_ns, self._now)

    @property
    def _due_ns(self) -> int:
        """When a decision falls due, or an answer is overdue; FOREVER_NS where only events matter."""
        decision_ns = self._executor.due_ns if self.ready and not self.stopped else FOREVER_NS
        return min(decision_ns, self._requests.due_ns)

    # -- market data --------------------------------------------------------------------------------------------------
    def on_book(
        self,
        ns: int,
        bids: Iterable[Level],
        asks: Iterable[Level],
        whole: bool = True,
        symbol: str = "",
    ) -> None:
        """Level totals: all that the venue shows, or those that changed.

        Parameters
        ----------
        ns : int
        bids, asks : iterable of (price, size)
            Size 0: the level is gone.
        whole : bool
            Whether these are all levels shown; the first book must be.
        symbol : str
            Refused where it is another instrument's.

        Raises
        ------
        TapeError
            A crossed book, a time that goes back, another instrument, changes before any whole book.
        OrderError
            A price off the tick.
        """
        ns = self._check(ns, symbol, LevelBook)
        snapshot = whole and not self._book.ready
        refuse_if(
            not whole and not self._book.ready,
            f"a whole book of {self.instrument.symbol} first",
            "changes of some levels",
            "give all levels shown with whole=True",
            TapeError,
        )
        changes = self._levels.changes(bids, asks, whole, snapshot)
        if changes or snapshot:
            self._call(_LEVELS, ns, snapshot, changes)
        self._now = ns

    def _apply_levels(self, ns: int, snapshot: bool, changes: list[LevelChange]) -> None:
        book = self._book
        self._levels.take(changes, snapshot)
        if snapshot:
            totals = {(side, price): lots for side, price, lots in changes}
            book.set_levels(totals, ns)
            self._feed_rows(book.snapshot_rows(ns, self._status))
            return
        rows: list[Row] = []
        for side, price, lots in changes:
            rows += book.set_total(ns, side, price, lots)
        self._feed_rows(book.market_rows([*rows, *book.rest_waiting(ns)]))

    def on_orders(
        self,
        ns: int,
        changes: Iterable[tuple[str, Any, str | None, Number | None, Number]],
        whole: bool = False,
        symbol: str = "",
    ) -> None:
        """Depth by order: what happened to orders of others. Own orders, and trades with them, are left out.

        Parameters
        ----------
        ns : int
        changes : iterable of (kind, order, side, price, size)
            ``add``; ``reduce`` and ``execute`` by a size; ``delete``; ``hidden``, a trade with an order not shown, whose
            side is meant. The order is the venue's id; side and price are read of ``add`` and ``hidden`` alone.
        whole : bool
            Whether these are all orders, in order of priority; the first call must be.
        symbol : str
            Refused where it is another instrument's.

        Raises
        ------
        TapeError
            As :meth:`on_book`; an order that was never added.
        OrderError
            A price off the tick.
        """
        ns = self._check(ns, symbol, OrderBook)
        rows = order_changes(changes, self._units)
        refuse_if(
            whole and self._book.ready,
            f"changes of {self.instrument.symbol}, which is known",
            "all orders again",
            "call on_gap before",
            TapeError,
        )
        refuse_if(
            not whole and not self._book.ready,
            f"all orders of {self.instrument.symbol} first",
            f"{len(rows)} changes",
            "give them with whole=True",
            TapeError,
        )
        refuse_unknown(rows, self._book, whole)
        self._call(_ORDERS, ns, whole, rows)
        self._now = ns

    def _apply_orders(self, ns: int, whole: bool, changes: list[OrderChange]) -> None:
        if whole or not isinstance(self._book, OrderBook):
            instrument = self.instrument
            self._book = OrderBook(
                instrument.symbol, self._units.scale, instrument.orders, touch=self._touch
            )
        book = self._book
        rows: list[Row] = []
        for kind, id_, side, price, lots in changes:
            if kind == v.ADD:
                rows += book.add(id_, ns, side, price, lots)
            elif kind == v.TRADE_HIDDEN:
                rows.append((ns, kind, -1, side, price, lots, -1))
            else:
                rows += book.reduce(id_, ns, kind, lots)
        if whole:
            book.ready = True
            self._feed_rows(book.snapshot_rows(ns, self._status))
        else:
            self._feed_rows(book.market_rows([*rows, *book.rest_waiting(ns)]))

    def on_trade(
        self,
        ns: int,
        price: Number,
        size: Number,
        side: str,
        execution: str = "",
        symbol: str = "",
    ) -> None:
        """A public trade beside level totals, before the book that shows its effect; with depth by order it is of a hidden one.

        Parameters
        ----------
        ns : int
        price, size : number or str
        side : str
            Of the aggressor, ``"buy"`` or ``"sell"``; "" if unknown.
        execution : str
            The venue's id: a trade that was reported as an own fill is passed over.
        symbol : str
            Refused where it is another instrument's.

        Raises
        ------
        TapeError, OrderError
            As :meth:`on_book`.
        """
        ns = self._check(ns, symbol)
        lots = self._units.lots(size)
        ticks = self._units.ticks(price)
        taker = side_of(side) if side else 0
        own = bool(execution) and self._is_own_execution(execution)
        if lots and not own and self._book.ready:
            self._call(_TRADE, ns, taker, ticks, lots)
        self._now = ns

    def _apply_trade(self, ns: int, taker: int, price: int, lots: int) -> None:
        if isinstance(self._book, OrderBook):
            rows: list[Row] = [(ns, v.TRADE_HIDDEN, -1, -taker, price, lots, -1)]
        else:
            rows = self._book.trade_rows(ns, -taker, price, lots)
        self._feed_rows(self._book.market_rows(rows))

    def on_status(self, ns: int, trading: bool, symbol: str = "") -> None:
        """A halt of the instrument (False), or its end; TapeError for a time that goes back.

        Raises
        ------
        TapeError
            As :meth:`on_book`.
        """
        ns = self._check(ns, symbol)
        self._call(_STATUS, ns, trading)
        self._now = ns

    def _apply_status(self, ns: int, trading: bool) -> None:
        self._status = 1 if trading else -1
        self._feed_rows(self._book.market_rows([(ns, v.STATUS, 0, 0, self._status, 0, -1)]))

    def on_gap(self, ns: int) -> None:
        """Updates are missing: own orders are cancelled, and work goes on with the next whole book.

        Raises
        ------
        TapeError
            A time that goes back.
        """
        ns = self._check(ns)
        self._call(_GAP, ns)
        self._now = ns

    def _apply_gap(self, ns: int) -> None:
        self._book.ready = self._follower.ready = False
        if self._executor.arrived:
            self._detach("updates are missing", ns)

    def stop(self, ns: int, reason: str = "called off") -> None:
        """Trade no more: own orders are cancelled, what is left stays; TapeError for a time that goes back.

        Raises
        ------
        TapeError
            A time that goes back.
        """
        self._call(_STOP, self._check(ns), reason)

    # -- own orders ---------------------------------------------------------------------------------------------------
    def on_order(
        self,
        name: str,
        what: str,
        ns: int,
        *,
        price: Number | None = None,
        size: Number | None = None,
        filled: Number | None = None,
        execution: str = "",
        passive: bool | None = None,
        text: str = "",
    ) -> None:
        """What became of an own order.

        Parameters
        ----------
        name : str
            As in :class:`Place`, also of an amended order.
        what : str
            ``accepted``, ``filled``, ``amended``, ``cancelled``, ``expired``, ``rejected``, or ``cancel_rejected``, of a
            cancel or an amendment.
        ns : int
        price, size : number or str, optional
            Of a fill; of an amended order its total size, if it is another than was asked for.
        filled : number or str, optional
            Of an ended order, what was filled of it by the venue's count: fills that have not come yet are waited for, and
            their lots are not sent again.
        execution : str
            The venue's id of a fill: a fill that is reported twice counts once.
        passive : bool, optional
            Whether the order rested when it was filled; by the book if not given.
        text : str
            The venue's reason.

        Raises
        ------
        OrderError
            An order that was not asked for, an answer to nothing, a fill of more than is open: the executor stops then,
            and cancels what is open.
        TapeError
            A time that goes back.
        """
        ns = self._check(ns)
        check_known(what, EVENTS, received=f"{what!r} of {name}")
        root = _unshown(name)
        order = self._orders.get(root)
        if order is None or order.root != root:
            raise OrderError(
                f"an order of {self.parent.name}",
                f"{name!r}",
                "give events of orders that commands() returned, by their names",
            )
        if not (what == "filled" and self._is_own_execution(execution, root)):
            rested = self._book.rests(root) if passive is None else passive
            event = OwnOrderEvent(what, ns, price, size, filled, execution, rested, text)
            try:
                message = message_of(event, order, self._requests, self._units)
            except OverfillError:
                self._call(_STOP, ns, "more filled or open than was asked for")
                raise
            if message is not None:
                is_report = isinstance(message, o.Report)
                self._call(_ORDER, ns, msgspec.msgpack.encode(message), is_report)
        self._now = ns

    def _is_own_execution(self, execution: str, name: str = "") -> bool:
        """Whether a fill of that id was reported, of any order or of one."""
        orders = self._orders_of_execution.get(execution, ())
        return name in orders if name else bool(orders)

    def _apply_stop(self, ns: int, reason: str) -> None:
        self._detach(reason, ns)
        self.stopped = reason

    def _apply_order(self, ns: int, body: bytes, is_report: bool) -> None:
        message: Any = msgspec.msgpack.decode(body, type=o.Report if is_report else o.CancelReject)
        self._hear(message, ns)

    def _hear(self, message: o.Report | o.CancelReject, ns: int) -> None:
        """Give a message about an own order to the state of orders, to the book and to the desk's executor."""
        order = self._orders.find(message)
        ended = order is not None and order.done and order.cum_qty >= order.venue_qty
        is_late = ended and isinstance(message, o.Report)
        self._orders.apply(entry_in(message))
        for replaced, fill in self._orders.moves:
            if replaced is None and fill is not None:
                self._filled_qty += fill.qty
                self._orders_of_execution.setdefault(fill.exec_id, []).append(fill.order)
        self._requests.answer(message.cl_ord_id)
        events: list[o.VenueEvent] = [message]
        if isinstance(message, o.Report):
            before = self._book.market_rows(self._book.take_trade(message))
            if before is not None:
                self._follower.on_market(before)
            leaving, number, coming = self._book.settle_rest(message)
            gone = self._book.market_rows(leaving)
            after = self._book.market_rows(coming)
            named = fast_replace(message, order_id=str(number))
            for rows in (gone, after):
                if rows is not None:
                    self._follower.on_market(rows)
            events = [event for event in (before, gone, named, after) if event is not None]
            if message.price is not None:
                self._levels.stale.add((message.side, message.price))
        if is_late:
            self._detach("a fill came after the end of its order", ns)
        self._pass(events)

    def _detach(self, reason: str, ns: int) -> None:
        """Rely no more on the desk's executor: cancel its orders; another one works what is left once they have ended."""
        if not self._executor.detach_reason:
            self._executor.states.add(StateReason.DETACHED, reason)
        unsent = [command.name for command in self._outbox if isinstance(command, Place)]
        self._outbox = [command for command in self._outbox if command.name not in unsent]
        for name in unsent:
            event = OwnOrderEvent("rejected", ns, text="never sent")
            order = self._orders.get(_unshown(name))
            report = order and message_of(event, order, self._requests, self._units)
            if isinstance(report, o.Report):
                self._orders.apply(entry_in(report))
                self._book.settle_rest(report)
        for order in self._orders.live():
            if order.done or not all(request.lots for request in order.pending):
                continue  # of an amendment on its way nothing is known: cancelled behind it
            self._cancelled_ns = ns
            self._last_cancel += 1
            name = f"{self.parent.name}.x{self._last_cancel}"
            cancel = o.CancelOrder(
                name, order.name, self.instrument.symbol, order.side, _ACCOUNT, ns
            )
            self._orders.apply(entry_out(cancel))
            self._requests.add(order.root, name, 0, ns)
            self._outbox.append(Cancel(_shown(order.root)))

    # -- decisions ----------------------------------------------------------------------------------------------------
    def commands(self, now_ns: int) -> list[ExecutorCommand]:
        """What is to be sent now, in order: decisions that are due are taken, late ones at once.

        Raises
        ------
        TapeError
            A time that goes back.
        PolicyError, ConfigError
            The strategy gave no legal intent.
        """
        now_ns = self._check(now_ns)
        if self._due_ns <= now_ns:
            self._call(_TIME, now_ns)
        self._now = now_ns
        commands = [*self._outbox]
        if commands:
            self._call(_FETCH, now_ns)
        return commands

    def _apply_fetch(self, _: int) -> None:
        self._outbox = []

    def _apply_time(self, now_ns: int) -> None:
        for root, name, kept_lots in self._requests.overdue(now_ns):
            order = self._orders.get(root)
            self._requests.answer(name)
            if kept_lots and order is not None and not order.done:
                self._detach("an amendment was not answered", now_ns)  # what is open is not known
            elif order is not None:
                reject = o.CancelReject(name, order.name, _ACCOUNT, order.base, now_ns)
                self._hear(reject, now_ns)
        if not self.ready or self.stopped:
            return
        had_arrived = self._executor.arrived
        if not had_arrived and not self.parent.start_ns and not self._end_ns:
            self._executor = self._new_executor(now_ns, self._task, self._task.quantity)
        self._send(self._executor.on_time(now_ns), now_ns)
        self._executor.take_rows()  # a desk's record, which nobody reads here
        if not had_arrived and self._executor.arrived and not self._end_ns:
            state = self._executor.driver.state
            self._end_ns = int(state[sim.START_NS] + state[sim.HORIZON_NS])
            self._limit = int(state[sim.LIMIT])

    def _feed_rows(self, rows: o.MarketRows | None) -> None:
        """Give rows of the market to the desk's follower and executor."""
        if rows is not None:
            self._follower.on_market(rows)
            self._pass([rows])

    def _pass(self, events: Sequence[o.VenueEvent]) -> None:
        """Give events, which the follower knows, to the desk's executor, and send what it answers."""
        self._send(self._executor.on_events(events), self._now)
        if self._executor.detach_reason:
            self._work_rest()

    def _work_rest(self) -> None:
        """Begin another desk's executor for what is left, once no order of the last one is open."""
        if self._now >= self._cancelled_ns + _CANCEL_AGAIN_NS:  # the venue may have refused
            self._detach(self._executor.detach_reason, self._now)
        lots = floor_units(self._task.quantity * ONE - self._filled_qty)
        if self.stopped or self._orders.live() or not self._follower.ready or lots < 1:
            return
        now_ns = max(self._follower.now_ns, self._now)
        left_ns = max(self._end_ns - now_ns, 1)
        share = min(1.0, left_ns / self._task.horizon_ns)
        task = replace(
            self._task,
            horizon_s=left_ns / NS_PER_SECOND,
            decisions=max(1, round(self._task.decisions * share)),
        )
        self._executor = self._new_executor(now_ns, task, lots, self._last_child + 1)

    def _send(self, commands: Sequence[o.Command], ns: int) -> None:
        """Fold commands of the desk's executor into the state of own orders, and keep them for the caller."""
        for wanted in self._executor.keep_rules(commands, ns):
            command = wanted
            if isinstance(wanted, o.ReplaceOrder) and not self._settings.amends:
                names = wanted.cl_ord_id, wanted.orig, wanted.instrument
                command = o.CancelOrder(*names, wanted.side, wanted.account, wanted.sent_ns)
            self._orders.apply(entry_out(command))
            self._last_child = int(command.cl_ord_id.rpartition(".")[2])
            if isinstance(command, o.NewOrder):
                rests = command.tif is not o.Tif.IOC
                self._book.number_sent_order(command.cl_ord_id, command.side, command.price, rests)
                self._outbox.append(
                    Place(
                        _shown(command.cl_ord_id),
                        SIDES[command.side],
                        None if command.price is None else self._units.price(command.price),
                        self._units.size(command.lots),
                        not rests,
                    )
                )
                continue
            order = self._orders.get(command.orig)
            root = command.orig if order is None else order.root
            kept_lots = command.lots if isinstance(command, o.ReplaceOrder) else 0
            self._requests.add(root, command.cl_ord_id, kept_lots, ns)
            if isinstance(command, o.ReplaceOrder):
                price = self._units.price(command.price)
                self._outbox.append(Amend(_shown(root), self._units.size(command.lots), price))
            else:
                self._outbox.append(Cancel(_shown(root)))

    # -- save and restore ---------------------------------------------------------------------------------------------
    def save(self) -> bytes:
        """All that :meth:`restore` needs, as bytes: terms, and every call that changed something, compressed.

        An update of a few levels takes some ten bytes; restoring takes as long as the calls took.
        """
        saved = Saved(
            _FORMAT,
            self.strategy.name,
            model_of(self.strategy),
            asdict(self.instrument),
            asdict(self.parent),
            self._settings,
            self._digest(),
            self._now,
            self._record,
        )
        return zlib.compress(msgspec.msgpack.encode(saved), 6)

    @classmethod
    def restore(
        cls, data: bytes, strategy: Any, *, estimates: MarketEstimates | None = None
    ) -> "Executor":
        """The executor that :meth:`save` wrote, in the same state: what it had asked for and was not fetched is asked for again.

        Parameters
        ----------
        data : bytes
        strategy, estimates
            As they were given: no code or weights are in the bytes.

        Raises
        ------
        PolicyError
            Bytes that are none of an executor, another strategy, another version.
        """
        try:
            saved = msgspec.msgpack.decode(zlib.decompress(data), type=Saved)
            executor = cls._replayed(saved, strategy, estimates)
        except _NO_BYTES as error:
            raise PolicyError(
                "bytes that Executor.save wrote", f"{len(data)} others ({error})", "give these"
            ) from error
        executor._now = saved.now_ns
        refuse_if(
            executor._digest() != saved.digest,
            "the state that was saved",
            "another one from the same calls",
            "restore it by the version that saved it, or cancel its orders and begin another",
            PolicyError,
        )
        return executor

    @classmethod
    def _replayed(
        cls, saved: Saved, strategy: Any, estimates: MarketEstimates | None
    ) -> "Executor":
        """An executor after all saved calls."""
        executor = cls(
            strategy,
            VenueInstrument(**saved.instrument),
            Parent(**saved.parent),
            estimates=estimates,
            **msgspec.structs.asdict(saved.settings),
        )
        name = executor.strategy.name
        model = model_of(executor.strategy)
        refuse_if(
            (saved.format, saved.strategy, saved.model) != (_FORMAT, name, model),
            f"{_FORMAT} of {saved.strategy} {saved.model}".strip(),
            f"{saved.format} of {name} {model}".strip(),
            "give the strategy that was saved",
            PolicyError,
        )
        for call in saved.calls:
            kind, *given = msgspec.msgpack.decode(call)
            arguments = msgspec.convert(given, _ARGUMENTS[kind])
            executor._check(arguments[0])
            with suppress(TercelError):  # raised to the caller then, too
                executor._call(kind, *arguments)
        return executor

    def _digest(self) -> str:
        """Hash of the state of orders and of the driver."""
        driver = self._executor.driver.state.tobytes() if self._executor.arrived else b""
        return sha256(driver + repr(self.open_orders).encode()).hexdigest()[:16]

    def _call(self, kind: int, *arguments: Any) -> None:
        """Record a call, then carry it out."""
        self._record.append(msgspec.msgpack.encode((kind, *arguments)))
        self._now = arguments[0]
        try:
            self._join_missed(self._now)
            self._APPLY[kind](self, *arguments)
        except (
            TapeError,
            RefusedError,
        ):  # rows that do not fit, more orders than there is room for
            self._apply_gap(self._now)
            raise
        except TercelError as error:  # of the strategy
            self._apply_stop(self._now, f"{error}")
            raise

    _APPLY: Final = (
        _apply_levels,
        _apply_orders,
        _apply_trade,
        _apply_status,
        _apply_gap,
        _apply_order,
        _apply_time,
        _apply_fetch,
        _apply_stop,
    )

    def _join_missed(self, ns: int) -> None:
        """Make one decision, now, of those that a late caller has missed: what they would have sent in between is past."""
        executor = self._executor
        missed = executor.due_ns <= ns - self._interval_ns
        if missed and executor.arrived and not executor.done:
            state = executor.driver.state
            passed_ns = min(ns - int(state[sim.START_NS]), int(state[sim.HORIZON_NS]))
            number = passed_ns * int(state[sim.DECISIONS]) // int(state[sim.HORIZON_NS])
            state[sim.DECISION] = max(int(state[sim.DECISION]), number)
            state[sim.DUE_NS] = ns

    def _check(
        self, ns: int, symbol: str = "", book: type[LevelBook | OrderBook] | None = None
    ) -> int:
        """The time as an int; refused are one that goes back, another instrument, totals beside depth by order."""
        if not (hasattr(ns, "__index__") and self._now <= ns < FOREVER_NS):
            raise TapeError(
                f"a time in whole ns, {self._now} at least",
                f"{ns}",
                "give events in order of one clock, such as time.time_ns()",
            )
        if symbol and symbol != self.instrument.symbol:
            raise TapeError(
                f"updates of {self.instrument.symbol}", f"{symbol!r}", "give each executor its own"
            )
        if book is not None and self._book.ready and not isinstance(self._book, book):
            raise TapeError(
                "either level totals or depth by order", "both", "call on_gap before a change"
            )
        if book is LevelBook and not isinstance(self._book, LevelBook):
            self._book = self._new_level_book()
        return int(ns)

    def _touch(self, side: int) -> int | None:
        quotes = self._follower.quotes
        return quotes.bid if side > 0 else quotes.ask

    def _new_level_book(self) -> LevelBook:
        instrument = self.instrument
        shows_own = self._settings.own_orders_shown
        return LevelBook(
            instrument.symbol,
            self._units.scale,
            instrument.orders,
            touch=self._touch,
            shows_own=shows_own,
        )


def _shown(name: str) -> str:
    """Name of an order for the caller: venues take letters, digits and dashes, and no dot."""
    return "-".join(name.rsplit(".", 1))


def _unshown(name: str) -> str:
    """Name of an order that the caller knows by another (`_shown`)."""
    return ".".join(name.rsplit("-", 1))
