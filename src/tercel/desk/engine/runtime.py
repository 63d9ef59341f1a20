"""A running desk with everything around it: folder, journal, venue, kill latch, alerts, cost analysis.

with DeskRuntime(config, folder, parts, text=text, holder="ann") as runtime:
    runtime.desk.run()
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tercel.core.errors import JournalError
from tercel.core.files import write_whole
from tercel.core.ports import Closing
from tercel.core.progress import say
from tercel.desk.engine.build import check, open_desk
from tercel.desk.engine.config import SHADOW, DeskConfig
from tercel.desk.engine.dependencies import DependencyFactory, DeskDependencies
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.engine.stage import check_stage, identity
from tercel.desk.trading.alerts import AlertSender, check_webhook
from tercel.desk.trading.heartbeat import last_marks
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import DATABASE, keep_elsewhere
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch, check_latch
from tercel.desk.trading.session import SessionTerms
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.venues.address import SIMULATED, address, mark_of

CONFIG: Final = "desk.toml"
SENT: Final = "gate.sent"
"""How far the alerts of the gate's journal were sent, and whose that is."""
WATCH_S: Final = 0.05


class DeskRuntime(Closing):
    """A desk opened in a folder.

    Parameters
    ----------
    config : DeskConfig
    folder : Path
        Of the desk; made if need be.
    parts : DependencyFactory
        Asked once the folder and its journal are held.
    text : str
        The configuration as it was written, for the folder.
    holder : str
        Who runs it, for people.
    beside : Path, optional
        Folder that relative files of the configuration lie in.
    acknowledge : str
        Why a damaged journal is gone on with.
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
                    "name another with `desk=`, or leave it out; what is to go on after a crash needs a venue "
                    'that outlives it: `tercel venue serve`, and venue = "fix://..."',
                )
            (folder / CONFIG).write_text(text, encoding="utf-8")
            self.latch = KillLatch(folder / LATCH)
            check_latch(journal, self.latch.path)
            made = parts(folder, self.latch.path, opened)
            shared = _shared(made, folder)
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


def _shared(made: DeskDependencies, folder: Path) -> str:
    """Folder of the journal of a gate that is not the desk's own; "" of its own, and without one."""
    where = None if made.gate is None else made.gate.resolve()
    return "" if where is None or where.is_relative_to(folder.resolve()) else str(where)


def _send_gates(
    gate: Path, shared: bool, config: DeskConfig, kept: Path, opened: ExitStack
) -> None:
    """Send the gate's alerts too, those among them that it wrote while no session was there: `kept` says from where."""
    if not shared and not (gate / DATABASE).exists():
        return
    try:
        reader = JournalReader(gate)
    except (JournalError, OSError) as error:
        say(f"alerts of the gate are not sent from here: {error}")
        return
    seq, _, where = (
        kept.read_text(encoding="utf-8").partition(" ") if kept.exists() else ("", "", "")
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
    _send(reader, config, sent, opened, about, lambda seq: write_whole(kept, f"{seq} {gate}"))


def _send(
    journal: JournalReader,
    config: DeskConfig,
    after: int,
    opened: ExitStack,
    about: Sequence[str] = (),
    keep: Callable[[int], object] = lambda seq: None,
) -> AlertSender:
    """Send the alerts of a journal from an entry on, of some agents where they are named, until the desk is closed."""
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
    """Whether its orders are kept in this process, and end with it."""
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
