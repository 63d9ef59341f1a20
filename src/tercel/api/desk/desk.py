"""A desk in Python: agents, limits, a journal and a venue, run round by round, with manually submitted parent orders."""

import html
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tercel.api.desk.bound_scores import write_bounds
from tercel.api.desk.bounds import ShadowBounds, bounds_of
from tercel.api.desk.config import read_config_and_text
from tercel.api.desk.dependencies import dependencies_of
from tercel.api.desk.desk_tables import costs_table, fills_table, positions_table, rows_table
from tercel.api.desk.run_page import page
from tercel.core.errors import ConfigError, OrderError, check_known, refuse_if
from tercel.core.files import write_atomic
from tercel.core.installation import read_installation
from tercel.core.ports import Closing, Entry, Journal
from tercel.core.report.page import Section
from tercel.core.system import MonotonicClock, user_name
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.assembly import limits_of
from tercel.desk.engine.config import LIVE, DeskConfig
from tercel.desk.engine.live_checks import check_clock, check_live, check_stage, live_reason
from tercel.desk.engine.outcome import DeskOutcome, outcome_of
from tercel.desk.engine.runtime import DeskRuntime, open_runtime
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.heartbeat import journal_failed_opening
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.session import Session
from tercel.execution.task import SIDES, seconds_of
from tercel.venues.address import GATE
from tercel.venues.exchange.shadow import ShadowVenue
from tercel.venues.exchange.stream_file import STREAM

if TYPE_CHECKING:
    from tercel.api.console.second_person import SecondPerson

REPORT: Final = "report.html"


class Desk(Closing):
    """A desk of agents that is open, run round by round, with manual parent orders; :func:`tercel.open_desk` opens one.

    Time passes in :meth:`run` and :meth:`wait` alone; on the simulated exchange as fast as it can. Everything that is done is
    in the journal of its folder before it leaves, so ``tercel trade orders|tca|replay`` and ``tercel console`` read the desk
    while it runs and afterwards.

    Parameters
    ----------
    config : DeskConfig
    folder : Path
        Of the journal.
    file_folder : Path or None
        Of the configuration's file.
    runtime : DeskRuntime
    temporary : TemporaryDirectory
        Goes with the desk.

    >>> small = {"desk.warmup_s": 60, "risk.posture": "off", "signals.model": "off"}
    >>> small |= {"instrument": [{"name": "AAA"}], "agent": [{"name": "ann", "strategy": "twap_take"}]}
    >>> with open_desk(settings=small) as desk:
    ...     desk.config.desk.name
    'demo'
    """

    def __init__(
        self,
        config: DeskConfig,
        folder: Path,
        file_folder: Path | None,
        runtime: DeskRuntime,
        temporary: "TemporaryDirectory[str]",
    ) -> None:
        self.config = config
        self.folder = folder
        self._file_folder = file_folder
        self._runtime = runtime
        self._temporary = temporary
        self._closed = False

    def run(self, rounds: int | None = None) -> DeskOutcome:
        """Run so many rounds of the desk's program (None: all that remain); return the outcome so far.

        Raises
        ------
        ConfigError
            More rounds than are left, or a closed desk.
        """
        self._session()
        rounds_left = self.config.desk.rounds - self.rounds
        refuse_if(
            rounds is not None and not 0 < rounds <= rounds_left,
            f"at most the {rounds_left} rounds that are left"
            if rounds_left > 0
            else "a desk with rounds left",
            f"run({rounds}) after {self.rounds} rounds of {self.config.desk.rounds}",
            "open it with another settings={'desk.rounds': N}",
        )
        for _ in range(rounds_left if rounds is None else rounds):
            self._runtime.desk.round()
        return self.outcome

    def wait(self, span: float | str) -> None:
        """Let venue time pass between rounds: seconds, or text such as ``10min``; active parents continue to be worked.

        Raises
        ------
        ConfigError
            No span above 0, or a closed desk.
        """
        self._session()
        seconds = seconds_of(span)
        refuse_if(not 0 < seconds < 1e7, "a span above 0", repr(span), "such as '10min'")
        self._runtime.desk.wait(round(seconds * NS_PER_SECOND))

    @property
    def rounds(self) -> int:
        """Number of rounds that are over."""
        return self._runtime.desk.rounds

    def submit(
        self,
        instrument: str,
        side: str | int,
        lots: int,
        *,
        agent: str,
        horizon: float | str = "10min",
        decisions: int | None = None,
        strategy: str = "",
        limit_price: float | str | None = None,
        name: str = "",
    ) -> ParentOrder:
        """Have an agent work a parent order; work begins when time passes.

        Parameters
        ----------
        instrument : str
        side : str or int
            buy or sell; +1 or -1.
        lots : int
        agent : str
            Agent whose account it trades for.
        horizon : float or str
            Seconds, or text such as ``30min``; the remaining lots then go to the market.
        decisions : int, optional
            Number of decisions within it; one every `decision_s` of the desk if not given.
        strategy : str
            Strategy that executes it; the agent's own if not given.
        limit_price : float or str, optional
            Worst price at which it may trade: a price, or ``25bps`` beyond the mid at arrival.
        name : str
            A new id for it; one is made if not given.

        Returns
        -------
        ParentOrder
            Its state now: `id`, `status`, `lots`, `filled`, `left`, `reason`; :meth:`parent` has it later.

        Raises
        ------
        OrderError, UnknownNameError
            An invalid order, a used id, a killed agent, an unknown agent, instrument or strategy.
        """
        session = self._session()
        number = SIDES.get(side, 0) if isinstance(side, str) else side
        if number not in (1, -1):
            raise OrderError(
                "buy or sell", repr(side), "such as submit('AAA', 'buy', 100, agent=...)"
            )
        body: dict[str, Any] = {
            "id": name
            or f"py{session.terms.name_tag}{session.number}.{session.ledger.parents.count + 1}",
            "instrument": instrument,
            "side": number,
            "lots": lots,
            "horizon_ns": round(seconds_of(horizon) * NS_PER_SECOND),
            "strategy": strategy,
            "agent": agent,
            "limit_price": limit_price,
        }
        return session.manager.accept(
            session.manager.make_request(
                body if decisions is None else body | {"decisions": decisions}
            )
        )

    def amend(
        self,
        parent: str,
        *,
        lots: int | None = None,
        horizon: float | str | None = None,
        limit_price: float | str | None = None,
        reason: str = "amend",
    ) -> ParentOrder:
        """Change a parent's lots (the new total), horizon (from its acceptance), or limit price ("none": without).

        Raises
        ------
        OrderError
            Nothing to change, fewer lots than are filled, a horizon that has passed, no such parent.
        """
        if lots is None and horizon is None and limit_price is None:
            raise OrderError(
                "lots, horizon or limit_price", "none of them", "give at least one of them"
            )
        ns = None if horizon is None else round(seconds_of(horizon) * NS_PER_SECOND)
        self._session().manager.amend(parent, self._journal_reason(reason), lots, ns, limit_price)
        return self.parent(parent)

    def cancel(self, parent: str, reason: str = "cancel") -> ParentOrder:
        """Cancel a parent: it is cancelled once none of its orders is open."""
        self._session().manager.cancel(parent, self._journal_reason(reason))
        return self.parent(parent)

    def pause(self, parent: str, reason: str = "pause") -> ParentOrder:
        """Cancel a parent's orders and let it wait until `resume`."""
        self._session().manager.pause(parent, self._journal_reason(reason))
        return self.parent(parent)

    def resume(self, parent: str, reason: str = "resume") -> ParentOrder:
        """Resume a paused parent."""
        self._session().manager.resume(parent, self._journal_reason(reason))
        return self.parent(parent)

    def stop(self, reason: str, *agents: str) -> None:
        """Engage the kill switch for these agents, or all: no new orders until a person re-arms them, also after a restart.

        Open orders are cancelled and parents pause.

        Raises
        ------
        ConfigError, UnknownNameError
            No reason, or an unknown agent.
        """
        session = self._session()
        self._runtime.latch.kill(
            reason, user_name(), time.time_ns(), [self._agent(agent) for agent in agents]
        )
        session.step(session.now_ns)

    def rearm(self, reason: str, *agents: str) -> None:
        """Re-arm these agents, or all, after a kill; their paused parents wait until each is resumed."""
        session = self._session()
        self._runtime.latch.rearm(
            reason, user_name(), time.time_ns(), [self._agent(agent) for agent in agents]
        )
        session.step(session.now_ns)

    def parent(self, name: str) -> ParentOrder:
        """Current state of a parent order.

        Raises
        ------
        OrderError
            No such parent.
        """
        session = self._runtime.session
        return session.ledger.parents.get(name) or Ledger.of(session.journal).parents.require(name)

    def parents(self) -> pl.DataFrame:
        """Table of parents: parent, instrument, agent, side, lots, filled, left, refused, status, strategy, reason."""
        return rows_table(
            [
                {"parent": parent.id, **parent.row}
                for parent in Ledger.of(self._runtime.session.journal).parents
            ]
        )

    def fills(self) -> pl.DataFrame:
        """Table of fills: parent, instrument, agent, side, lots, price (money), time_s (venue time), passive."""
        return fills_table(self._runtime.session)

    def positions(self) -> pl.DataFrame:
        """Table of positions: agent, instrument, lots (signed), average and mark (prices), realised, unrealised (money)."""
        return positions_table(self._runtime.session)

    def costs(self) -> pl.DataFrame:
        """Table of the costs of finished parent orders, in bps.

        Columns: parent, instrument, agent, side, lots, filled, unfilled, refused, shortfall_bps (of the fills, against the mid at
        arrival), opportunity_bps (of unfilled lots), status.
        """
        return costs_table(self.outcome)

    @property
    def outcome(self) -> DeskOutcome:
        """Outcome so far: costs, agents and their shares of the flow, denials, state of the journal."""
        return outcome_of(self._runtime.desk, self.folder)

    def bounds(self) -> ShadowBounds | None:
        """(``stage = "shadow"``) Simulated costs of finished parents at both bounds; also written to the folder.

        None in every other stage. Parents without market events get no bounds. Replays the recorded stream twice
        (``docs/howto/crypto.md``).
        """
        venue = self._runtime.session.venue
        if not isinstance(venue, ShadowVenue):
            return None
        venue.flush()
        silent = [parent.id for parent in self.outcome.parents if parent.silent_s]
        bounds = bounds_of(
            self.config, self.journal.read(), self.folder / STREAM, self._file_folder, silent
        )
        write_bounds(self.folder, bounds)
        return bounds

    def report(
        self,
        path: str | Path | None = None,
        *,
        outcome: DeskOutcome | None = None,
        experiments: Sequence[Section] = (),
    ) -> Path:
        """Write the page of ``tercel trade run``: one HTML file that fetches nothing; by default in the folder.

        `outcome` is :attr:`outcome`, if already computed, and `experiments` are further sections.
        """
        file = self.folder / REPORT if path is None else Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        current = self.outcome if outcome is None else outcome
        write_atomic(file, page(self.config, self._runtime.desk, current, self.folder, experiments))
        return file

    @property
    def unknown(self) -> list[str]:
        """Ids of the orders of which the venue's state is unknown, of each its first cl_ord_id."""
        return [order.root for order in self._runtime.session.ledger.orders.unknown()]

    @property
    def journal(self) -> Journal:
        """The desk's journal."""
        return self._runtime.session.journal

    def close(self) -> None:
        """Write the last analyses and release venue and journal; the folder stays readable."""
        self._closed = True
        self._runtime.close()

    def __repr__(self) -> str:
        """Name, whether it is open, rounds done and in all, number of parents, and folder."""
        section = self.config.desk
        parent_count = self._runtime.session.ledger.parents.count
        state = "closed" if self._closed else "open"
        return f"<Desk {section.name}, {state}: {self.rounds} of {section.rounds} rounds, {parent_count} parents, {self.folder}>"

    def _repr_html_(self) -> str:
        """HTML of the line of `repr` and of the table of parents, for notebooks."""
        return f"<p>{html.escape(repr(self))}</p>{self.parents()._repr_html_()}"

    def _session(self) -> Session:
        """The session; ConfigError if the desk is closed."""
        refuse_if(
            self._closed,
            "a desk that is open",
            f"{self.folder}, which was closed",
            "open another: tercel.open_desk()",
        )
        return self._runtime.session

    def _agent(self, name: str) -> str:
        """Name of an agent of the desk; raises `UnknownNameError` for another name."""
        check_known(name, self._runtime.desk.slots, "an agent of the desk:")
        return name

    def _journal_reason(self, reason: str) -> str:
        """A reason as the journal has it: the operator's name and the reason."""
        return f"{user_name()}: {reason}"


def open_desk(
    config: str | Path | None = None,
    *,
    seed: int | None = None,
    venue: str | None = None,
    folder: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    acknowledge: str = "",
    progress: Callable[[int], None] | None = None,
    program: str = "tercel.Desk",
    confirm: str = "",
    tried: str | Path | None = None,
    second: "SecondPerson | None" = None,
) -> Desk:
    """Open a desk of agents, as ``tercel trade run`` does: connect to the venue, compile, watch the market for the warm-up.

    Whatever fails, what was opened before it is closed again.

    Parameters
    ----------
    config : str or Path, optional
        A desk's file (`tercel trade run` shows the demo's); the packaged demo if not given.
    seed : int, optional
        Seed of all random draws; the file's if not given.
    venue : str, optional
        ``simulated`` or ``fix://[ID@]host:port``; the file's if not given.
    folder : str or Path, optional
        Folder of the journal; a temporary one if not given.
    settings : mapping, optional
        Dotted keys of the file, such as ``{"desk.rounds": 2, "risk.posture": "off"}``, or whole sections.

    acknowledge : str
        Reason to continue a damaged journal after its last valid entry; journaled.
    progress : callable, optional
        Called with the number of finished rounds: 0 before the warm-up, then after each.
    program : str
        Name of the calling program, which the journal's lock shows beside the user's.
    confirm : str
        (Unless it is provably a test) The sentence with venue, accounts and the largest loss that a refusal shows.
    tried : str or Path, optional
        (as `confirm`) Folder of this desk in shadow or on paper in which the kill switch was tested today; its own
        if not given.
    second : SecondPerson, optional
        (as `confirm`) Second person who approves (:class:`tercel.api.console.second_person.SecondPerson`).

    Returns
    -------
    Desk
        Close it, or use it in a ``with`` block.

    Raises
    ------
    ConfigError, UnknownNameError
        A file, key, market or strategy that does not exist; the extra ``trade`` is not installed.
    JournalError
        A folder where another desk has run, or runs.

    Examples
    --------
    >>> small = {"desk.warmup_s": 60, "risk.posture": "off", "signals.model": "off"}
    >>> small |= {"instrument": [{"name": "AAA"}], "agent": [{"name": "ann", "strategy": "twap_take"}]}
    >>> with open_desk(settings=small) as desk:
    ...     order = desk.submit("AAA", "buy", 20, agent="ann", horizon="1min", decisions=4)
    ...     desk.wait("1min")
    ...     str(desk.parent(order.id).status), desk.fills()["lots"].sum()
    ('done', 20)
    """
    file = None if config is None else Path(config)
    file_folder = None if file is None else file.parent
    changes = dict(settings or {})
    changes |= {
        key: value
        for key, value in (("desk.seed", seed), ("desk.venue", venue))
        if value is not None
    }
    desk_config, text = read_config_and_text(file, changes)
    temporary = TemporaryDirectory(prefix="tercel-desk-")
    desk_folder = Path(temporary.name if folder is None else folder)
    agreed: dict[str, str] = {}

    def agree(money: str) -> Mapping[str, str]:
        """Check the requirements of live trading, once; return the agreement that a gate is shown.

        An external gate checks the second person's password itself.
        """
        if agreed:
            return agreed
        check_live(
            desk_config,
            limits_of(desk_config, file_folder),
            confirm,
            Path(tried or desk_folder),
            time.time_ns(),
            money,
        )
        if second is None:
            raise ConfigError(
                "a second person", f"none ({money})", "`second=NAME`, of risk or admin"
            )
        confirmer = (
            second.name
            if desk_config.desk.venue.startswith(GATE)
            else second.prove_identity(read_installation().people, os.geteuid())
        )
        agreed.update(
            by=f"{user_name()} ({program}), confirmed by {confirmer}",
            second=second.name,
            password=second.password,
            reason=confirm,
        )
        return agreed

    check_stage(desk_config)
    with ExitStack() as opening:
        opening.callback(temporary.cleanup)
        if money := live_reason(desk_config, file_folder):
            agree(money)
        runtime = opening.enter_context(
            open_runtime(
                desk_config,
                desk_folder,
                dependencies_of(desk_config, MonotonicClock(), file_folder, agree),
                text=text,
                holder=f"{user_name()} ({program})",
                base_folder=file_folder,
                acknowledge=acknowledge,
                progress=progress,
            )
        )
        with journal_failed_opening(runtime.session.gateway):
            if agreed:
                live_body: dict[str, Any] = {
                    "command": LIVE,
                    "body": {"venue": desk_config.desk.venue},
                    "reason": confirm,
                    "by": agreed["by"],
                    "wall_ns": time.time_ns(),
                }
                session = runtime.session
                session.gateway.write([Entry(kinds.OPERATOR, session.now_ns, body=live_body)])
            if progress is not None:
                progress(0)
            runtime.desk.begin()
            if agreed:
                check_clock(runtime.session.venue, (desk_folder / FOLDER, desk_folder))
        opening.pop_all()
    return Desk(desk_config, desk_folder, file_folder, runtime, temporary)
