"""A desk assembled from its configuration and opened in its folder: journal, venue, agents, kill latch, alerts, TCA.

with DeskRuntime(config, folder, parts, text=text, holder="ann") as runtime:
    runtime.desk.run()
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, Final, Protocol

from tercel.core.errors import ConfigError, JournalError, LimitsError, TercelError, check_known
from tercel.core.files import write_atomic
from tercel.core.ports import Closing, Journal, Venue
from tercel.core.progress import say
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.agent_slot import (
    AgentSlot,
    bare,
    detector_of,
    policy_folder,
    refuse_fast,
    slot_of,
    strategy_of,
)
from tercel.desk.engine.config import (
    OFF,
    SHADOW,
    DeskConfig,
    InstrumentSection,
    check_stage,
    identity,
)
from tercel.desk.engine.forecasts import DeskForecasts, NewsPort, check_signals
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.engine.order_arrivals import TargetOrders, targets_of
from tercel.desk.limits import LimitGate, Limits, changed, check_names, default_file, read
from tercel.desk.trading.alerts import AlertSender, check_webhook
from tercel.desk.trading.heartbeat import last_marks
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import DATABASE, keep_elsewhere
from tercel.desk.trading.journal.store import JournalReader, SqlJournal
from tercel.desk.trading.parent_orders.parent import ParentRequest
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch, Latch, check_latch
from tercel.desk.trading.session import Session, SessionTerms
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.execution.foresight.forecaster import heard
from tercel.execution.policies.policy import CARD, OBSERVATIONS, how_to_observe, read_card
from tercel.execution.policies.strategy import goes_by_costs
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategies.event_clock import WAITING
from tercel.execution.strategy import forecaster_of
from tercel.market.dealers.panel import load_panel
from tercel.market.flow import Preset, load
from tercel.signals.risk.anomaly import AnomalyBaseline
from tercel.venues.address import SIMULATED, address, mark_of


@dataclass(frozen=True)
class DeskDependencies:
    """A desk's venue, news source, anomaly baselines and gate.

    Parameters
    ----------
    venue : Venue
        The caller that makes it closes it.
    news : NewsPort, optional
        A model's feature `news`; without it the feature is missing.
    calm : mapping of instrument to AnomalyBaseline
        Baseline of a simulated market; the desk learns a missing one (`engine.monitor`).
    gate : Path, optional
        Folder of the journal of the gate before its venue, whose alerts are for the same people.
    """

    venue: Venue
    news: NewsPort | None = None
    calm: Mapping[str, AnomalyBaseline] = field(default_factory=dict)
    gate: Path | None = None


class DependencyFactory(Protocol):
    """Factory of the parts of a desk whose folder is locked; resources to close go onto the exit stack."""

    def __call__(self, folder: Path, latch: Path, opened: ExitStack) -> DeskDependencies:
        """Raise a `TercelError` for a venue that cannot be reached."""


def estimates(config: DeskConfig, preset: Preset, said: bool = True) -> MarketEstimates:
    """Market estimates for written schedules, from the figures of a preset's card over a round."""
    return MarketEstimates(
        expected_volume=preset.volume_per_s * config.desk.round_s,
        sigma=preset.sd60_ticks / 60**0.5 * config.desk.decision_s**0.5,
        eta=preset.eta_ticks_per_lot,
        spread=preset.mean_spread_ticks,
        waiting=WAITING.get(preset.name, 0.0) if said else 0.0,
    )


def known_of(config: DeskConfig) -> dict[str, MarketEstimates]:
    """Market estimates by instrument; instruments of one market share them.

    What waiting costs is known of markets that the desk's file names alone.
    """
    named = {
        each.name: (each.market, taken_for(config, each) == each.market.preset)
        for each in config.instrument
    }
    figures = {
        (market, said): estimates(config, load(market.preset), said)
        for market, said in dict.fromkeys(named.values())
    }
    return {name: figures[of] for name, of in named.items()}


def limits_of(config: DeskConfig, beside: Path | None = None) -> Limits:
    """The desk's hard limits; a relative path is resolved from the desk's file.

    Raises
    ------
    LimitsError, ConfigError
        For a file, or a single limit of the desk's own, that cannot be.
    """
    section = config.limits
    limits = read((beside or Path()) / section.file if section.file else default_file())
    try:
        return changed(limits, section.changed) if section.changed else limits
    except LimitsError as error:
        raise _of_changed(error) from error


def _of_changed(error: LimitsError) -> ConfigError:
    return ConfigError(error.expected, f"{error.received} under [limits.changed]", error.remedy)


def check(config: DeskConfig, beside: Path | None = None) -> None:
    """Validate a desk's configuration before anything is created for it.

    Raises
    ------
    TercelError
        For a market, a strategy, targets or a limits file that does not exist or does not read, and limits of
        agents and instruments that are not the desk's.
    """
    known = known_of(config)
    slots = [slot_of(agent, known, config.signals.flow) for agent in config.agent]
    check_signals(config)
    if config.signals.flow != OFF:
        heard(config.signals.flow)
    targets_of(config)
    if config.desk.panel:
        load_panel(config.desk.panel)
    limits = limits_of(config, beside)
    names = [instrument.name for instrument in config.instrument]
    try:
        check_names(
            config.limits.changed,
            {"agents": [agent.name for agent in config.agent], "instruments": names},
        )
    except LimitsError as error:
        raise _of_changed(error) from error
    for slot in slots:
        refuse_fast(slot, limits)


@dataclass
class BuiltDesk:
    """An assembled desk: its loop, session and parts."""

    desk: DeskLoop
    session: Session
    venue: Venue


def open_desk(
    config: DeskConfig,
    journal: Journal,
    parts: DeskDependencies,
    *,
    latch: Latch | None = None,
    beside: Path | None = None,
    progress: Callable[[int], None] | None = None,
    terms: SessionTerms | None = None,
) -> BuiltDesk:
    """Assemble a desk over a venue and a journal.

    Parameters
    ----------
    config : DeskConfig
    journal : Journal
        Held by this desk alone.
    parts : DeskDependencies
        Its venue, news source and baselines.
    latch : Latch, optional
        The kill latch.
    beside : Path, optional
        Folder that relative files of the configuration lie in.
    progress : callable, optional
        Called after every round with the number of rounds that are over.
    terms : SessionTerms, optional
        Its seed and warm-up are the desk's.

    Raises
    ------
    TercelError
        For anything in the configuration that does not exist.
    """
    venue = parts.venue
    listed = sorted(listing.instrument for listing in venue.listings())
    for instrument in config.instrument:
        check_known(instrument.name, listed, f"an instrument of {venue.name}:")
    known = known_of(config)
    slots = [slot_of(agent, known, config.signals.flow) for agent in config.agent]

    def request(body: Mapping[str, Any]) -> ParentRequest:
        """A person's request; by default the agent's own strategy, and as many decisions as the desk's parents."""
        agent = str(body["agent"])
        check_known(agent, [slot.name for slot in slots], "an agent of the desk:")
        slot = next(slot for slot in slots if slot.name == agent)
        every_ns = config.desk.decision_s * NS_PER_SECOND
        decisions = (
            body["decisions"]
            if "decisions" in body
            else max(round(body["horizon_ns"] / every_ns), 1)
        )
        asked = ParentRequest(
            **{**body, "strategy": body.get("strategy") or slot.shown, "decisions": decisions}
        )
        a_round = ceil(asked.lots * config.desk.round_s * NS_PER_SECOND / asked.horizon_ns)
        why = "" if body.get("strategy") else slot.beyond(asked.instrument, a_round)
        if why and desks:
            desks[0].alert("warning", "BEYOND_SIZE", why, asked.instrument, agent)
        return asked

    killed = None if latch is None else latch.killed
    limits = limits_of(config, beside)
    for slot in slots:
        refuse_fast(slot, limits)
    gate = LimitGate(limits, venue.listings(), [slot.name for slot in slots], killed)
    desks: list[DeskLoop] = []
    terms = replace(
        terms or SessionTerms(),
        seed=config.desk.seed,
        warmup_s=config.desk.warmup_s,
        dealers=config.desk.dealers,
        panel=config.desk.panel,
    )
    flow = config.signals.flow
    session = Session(
        venue,
        journal,
        gate,
        lambda name, of: strategy_of(name, known.get(of), flow),
        terms,
        latch=latch,
        on_operator=lambda entry: bool(desks) and desks[0].on_operator(entry),
        request=request,
    )
    try:
        aims = targets_of(config)
        forecasts = None if config.signals.model == OFF else DeskForecasts(config, parts.news)
        orders = None if aims is None else TargetOrders(aims, session, config.signals, forecasts)
        desks.append(DeskLoop(config, session, slots, forecasts, orders, parts.calm, progress))
    except TercelError:
        session.close()
        raise
    for agent, text in out_of_card(config):
        desks[0].alert("warning", "OUT_OF_CARD", text, agent=agent)
    if assumed := unsaid_markets(config):
        desks[0].alert("warning", "MARKET_ASSUMED", assumed)
    for slot in slots:
        if unknown := ", ".join(name for name in known if is_guarded(slot, name)):
            text = f"what waiting costs, or the next 30 s, is not known in {unknown}: it works as `guarded` there"
            desks[0].alert("warning", "WORKS_AS_GUARDED", text, agent=slot.name)
    free = ", ".join(one.instrument for one in venue.listings() if not any(one.fees))
    if free and (config.desk.venue != SIMULATED or config.data.lake):
        desks[0].alert(
            "warning",
            "NO_FEES",
            f"no fees are known of {free}: costs of taking and of resting are compared without them; of recorded days they "
            "are maker_bps and taker_bps under [data]",
        )
    for agent, text in unwatched(config):
        desks[0].alert("warning", "NO_DRIFT_DETECTION", text, agent=agent)
    return BuiltDesk(desks[0], session, venue)


def is_guarded(slot: AgentSlot, instrument: str) -> bool:
    """Whether an agent's policy goes by what waiting costs, and that is unknown of an instrument, or its forecasts say
    nothing (their gate is closed)."""
    made = slot.elsewhere.get(instrument, (slot.strategy,))[0]
    forecaster = forecaster_of(made)
    own = None if forecaster is None else forecaster.of(instrument)
    return goes_by_costs(made) and (own is None or not (own.waiting and own.scale[-1, 1]))


def unwatched(config: DeskConfig) -> list[tuple[str, str]]:
    """Agents with a policy without reference statistics of its inputs, so without drift detection: (agent, warning text)."""
    found = []
    for agent in config.agent:
        for strategy in filter(None, (agent.strategy, agent.challenger)):
            folder = policy_folder(strategy)
            if folder is not None and detector_of(strategy) is None:
                text = f"no shift of its inputs is noticed: {folder} has no {OBSERVATIONS}; "
                found.append((agent.name, f"{text}write it by {how_to_observe(folder)}"))
    return found


def taken_for(config: DeskConfig, instrument: InstrumentSection) -> str:
    """Market that an instrument is; at a venue, which is no preset market, the one that its desk's file compares it
    with, else the venue itself."""
    return (
        instrument.market.preset
        if config.desk.venue == SIMULATED or "market" in instrument.model_fields_set
        else f"at {config.desk.venue}"
    )


def unsaid_markets(config: DeskConfig) -> str:
    """Warning that a venue's instruments are sized by the volume of markets that were not named; "" where all are."""
    others = ", ".join(
        f"{each.name} as in {each.market.preset}"
        for each in config.instrument
        if taken_for(config, each) != each.market.preset
    )
    return (
        "strategies that go by volume, and a policy's largest order, take that of a market which the desk's file does "
        f"not name: {others}; say "
        'market = "NAME or FILE.json" under its [[instrument]]'
        if others
        else ""
    )


def out_of_card(config: DeskConfig) -> list[tuple[str, str]]:
    """Agents that trade a market their policy was not trained for: (agent, warning text)."""
    found = []
    for agent in config.agent:
        folder = policy_folder(agent.strategy)
        homes = () if folder is None else read_card(folder / CARD).markets
        if not homes:
            continue
        others = [
            f"{each.name} is {taken_for(config, each)}"
            for each in config.instrument
            if taken_for(config, each) not in homes and each.name not in homes
        ]
        if others:
            text = "trades in a market that its card does not name: "
            found.append((agent.name, f"{bare(agent.strategy)} {text}{', '.join(others)}"))
    return found


CONFIG: Final = "desk.toml"
SENT: Final = "gate.sent"
"""File with the number of the gate's last sent alert entry, and the folder of the gate's journal."""
WATCH_S: Final = 0.05


class DeskRuntime(Closing):
    """A desk opened in a folder.

    Parameters
    ----------
    config : DeskConfig
    folder : Path
        Of the desk; made if need be.
    parts : DependencyFactory
        Called once the folder and its journal are locked.
    text : str
        The configuration as it was written, for the folder.
    holder : str
        Name of the user and program that run it, for messages.
    beside : Path, optional
        Folder that relative files of the configuration lie in.
    acknowledge : str
        Reason to continue with a damaged journal.
    progress : callable, optional
        Called after every round with the number of rounds that are over.

    Raises
    ------
    TercelError
        Anything in the configuration that does not exist, a folder where another desk has run, a journal that is held
        or damaged, the extra ``trade`` is not installed.
    """

    def __init__(
        self,
        config: DeskConfig,
        folder: Path,
        parts: DependencyFactory,
        *,
        text: str,
        holder: str,
        beside: Path | None = None,
        acknowledge: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> None:
        refuse(config, beside)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if config.desk.journal:
            keep_elsewhere(folder, config.desk.journal)
        self.folder = folder
        with ExitStack() as opened:
            journal = SqlJournal(folder, holder, acknowledge)
            opened.callback(journal.close)
            if journal.last and held_here(config):
                raise JournalError(
                    "a new folder: the simulated exchange ends with its desk, and no session follows in it",
                    f"{folder}, where another has run",
                    "name another with `desk=`, or leave it out; to continue after a crash, use a venue that outlives the desk: "
                    '`tercel venue serve`, and venue = "fix://..."',
                )
            (folder / CONFIG).write_text(text, encoding="utf-8")
            self.latch = KillLatch(folder / LATCH)
            check_latch(journal, self.latch.path)
            made = parts(folder, self.latch.path, opened)
            # Folder of the journal of a gate that is not the desk's own; "" of its own, and without one.
            where = None if made.gate is None else made.gate.resolve()
            shared = "" if where is None or where.is_relative_to(folder.resolve()) else str(where)
            if made.gate is not None:
                _send_gates(made.gate, bool(shared), config, folder / SENT, opened)
            alerts = _send(JournalReader(folder), config, journal.last, opened)
            mark = mark_of(SIMULATED if held_here(config) else config.desk.venue)
            terms = SessionTerms(
                watch_s=WATCH_S, holder=holder, mark=mark, gate=shared, desk=identity(config)
            )
            self.opened = open_desk(
                config,
                journal,
                made,
                latch=self.latch,
                beside=beside,
                progress=progress,
                terms=terms,
            )
            self.desk = self.opened.desk
            self.session = self.opened.session
            self.session.gateway.urgent = lambda text: alerts.urgent(kinds.JOURNAL_DOWN, text)
            opened.callback(self.session.close)
            opened.callback(_end, self.desk, TcaRecorder(self.session))
            self._open = opened.pop_all()

    def close(self) -> None:
        """Write the last analyses and close venue and journal; a second call does nothing."""
        self._open.close()


def _send_gates(
    gate: Path, shared: bool, config: DeskConfig, sent_file: Path, opened: ExitStack
) -> None:
    """Send the gate's alerts too, those it wrote without a session included; `sent_file` holds the last entry sent."""
    if not shared and not (gate / DATABASE).exists():
        return
    try:
        reader = JournalReader(gate)
    except (JournalError, OSError) as error:
        say(f"alerts of the gate are not sent from here: {error}")
        return
    seq, _, where = (
        sent_file.read_text(encoding="utf-8").partition(" ") if sent_file.exists() else ("", "", "")
    )
    if where == str(gate):
        sent = int(seq)
    else:
        sent = (
            reader.last
            if shared
            else max((n for n, _ in reader.read(kinds=[kinds.SESSION])), default=0)
        )
    about = [agent.name for agent in config.agent] if shared else ()
    _send(reader, config, sent, opened, about, lambda seq: write_atomic(sent_file, f"{seq} {gate}"))


def _send(
    journal: JournalReader,
    config: DeskConfig,
    after: int,
    opened: ExitStack,
    about: Sequence[str] = (),
    keep: Callable[[int], object] = lambda seq: None,
) -> AlertSender:
    """Send the alerts of a journal after an entry, of the named agents or all, until the desk is closed."""
    alerts = AlertSender(journal, config.alerts.webhook, after=after, about=about, keep=keep)
    alerts.start()
    opened.callback(alerts.stop)
    return alerts


def _end(desk: DeskLoop, recorder: TcaRecorder) -> None:
    session = desk.session
    try:
        recorder.close()
        desk.keep_baselines()
        session.gateway.write(last_marks(session.gateway, session.followers))
    except JournalError as error:
        say(f"the last analyses and marks are lost: {error}")


def held_here(config: DeskConfig) -> bool:
    """Whether a desk's orders exist in this process alone, and end with it."""
    return config.desk.venue == SIMULATED or config.desk.stage == SHADOW


def refuse(config: DeskConfig, beside: Path | None) -> None:
    """Validate a desk before anything is written.

    Raises
    ------
    TercelError
    """
    check_stage(config)
    check(config, beside)
    check_webhook(config.alerts.webhook)
    if config.desk.venue != SIMULATED:
        address(config.desk.venue)
