"""A desk opened in its folder: journal locked, venue reached, desk assembled, alerts and TCA running.

with DeskRuntime(config, folder, parts, text=text, holder="ann") as runtime:
    runtime.desk.run()
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tercel.core.errors import JournalError
from tercel.core.files import write_atomic
from tercel.core.ports import Closing
from tercel.core.progress import say
from tercel.desk.engine.assembly import DependencyFactory, check_config, open_desk
from tercel.desk.engine.config import SHADOW, DeskConfig
from tercel.desk.engine.live_checks import check_stage, identity
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.alerts import AlertSender, check_webhook
from tercel.desk.trading.heartbeat import last_mark_entries
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import CONFIG, DATABASE, save_journal_url
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch, check_latch
from tercel.desk.trading.session_terms import SessionTerms
from tercel.desk.trading.tca.recorder import TcaRecorder
from tercel.venues.address import SIMULATED, mark_of, parse_address

SENT_FILE: Final = "gate.sent"
"""File with the number of the gate's last sent alert entry, and the folder of the gate's journal."""
WATCH_S: Final = 0.05


class DeskRuntime(Closing):
    """An open desk in its folder, with everything that runs beside its loop; closes all of it at the end.

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
    base_folder : Path, optional
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
        base_folder: Path | None = None,
        acknowledge: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Check the configuration, lock the journal, reach the venue, and assemble the desk with its alerts and analyses."""
        check_desk(config, base_folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if config.desk.journal:
            save_journal_url(folder, config.desk.journal)
        self.folder = folder
        with ExitStack() as stack:
            journal = SqlJournal(folder, holder, acknowledge)
            stack.callback(journal.close)
            if journal.last and is_in_process(config):
                raise JournalError(
                    "a new folder: the simulated exchange ends with its desk, and no session follows in it",
                    f"{folder}, where another has run",
                    "name another with `desk=`, or leave it out; to continue after a crash, use a venue that outlives the desk: "
                    '`tercel venue serve`, and venue = "fix://..."',
                )
            (folder / CONFIG).write_text(text, encoding="utf-8")
            self.latch = KillLatch(folder / LATCH)
            check_latch(journal, self.latch.path)
            dependencies = parts(folder, self.latch.path, stack)
            # Folder of the journal of a gate that is not the desk's own; "" of its own, and without one.
            gate_folder = None if dependencies.gate is None else dependencies.gate.resolve()
            shared = (
                ""
                if gate_folder is None or gate_folder.is_relative_to(folder.resolve())
                else str(gate_folder)
            )
            if dependencies.gate is not None:
                _start_gate_alerts(
                    dependencies.gate, bool(shared), config, folder / SENT_FILE, stack
                )
            alerts = _start_alerts(JournalReader(folder), config, journal.last, stack)
            mark = mark_of(SIMULATED if is_in_process(config) else config.desk.venue)
            terms = SessionTerms(
                watch_s=WATCH_S, holder=holder, name_tag=mark, gate=shared, desk=identity(config)
            )
            self.built = open_desk(
                config,
                journal,
                dependencies,
                latch=self.latch,
                base_folder=base_folder,
                progress=progress,
                terms=terms,
            )
            self.desk = self.built.desk
            self.session = self.built.session
            self.session.gateway.send_urgent = lambda text: alerts.send_urgent(
                kinds.JOURNAL_DOWN, text
            )
            stack.callback(self.session.close)
            stack.callback(_finish, self.desk, TcaRecorder(self.session))
            self._open = stack.pop_all()

    def close(self) -> None:
        """Write the last analyses and close venue and journal; a second call does nothing."""
        self._open.close()


def _start_gate_alerts(
    gate: Path, shared: bool, config: DeskConfig, sent_file: Path, stack: ExitStack
) -> None:
    """Send the gate's alerts too, from the last sent entry on (in `sent_file`); `shared`: only those of this desk's agents."""
    if not shared and not (gate / DATABASE).exists():
        return
    try:
        reader = JournalReader(gate)
    except (JournalError, OSError) as error:
        say(f"alerts of the gate are not sent from here: {error}")
        return
    seq, _, journal_folder = (
        sent_file.read_text(encoding="utf-8").partition(" ") if sent_file.exists() else ("", "", "")
    )
    if journal_folder == str(gate):
        sent_seq = int(seq)
    else:
        sent_seq = (
            reader.last
            if shared
            else max((n for n, _ in reader.read(kinds=[kinds.SESSION])), default=0)
        )
    about = [agent.name for agent in config.agent] if shared else ()
    _start_alerts(
        reader, config, sent_seq, stack, about, lambda seq: write_atomic(sent_file, f"{seq} {gate}")
    )


def _start_alerts(
    journal: JournalReader,
    config: DeskConfig,
    after: int,
    stack: ExitStack,
    agents: Sequence[str] = (),
    save_position: Callable[[int], object] = lambda seq: None,
) -> AlertSender:
    """Send a journal's alerts after entry `after`, of `agents` (empty: all), until the desk closes; `save_position`
    gets the last sent."""
    alerts = AlertSender(
        journal, config.alerts.webhook, after=after, agents=agents, save_position=save_position
    )
    alerts.start()
    stack.callback(alerts.stop)
    return alerts


def _finish(desk: DeskLoop, recorder: TcaRecorder) -> None:
    """Close the TCA recorder, journal baselines and last marks, as the desk closes; a journal error is only printed."""
    session = desk.session
    try:
        recorder.close()
        desk.journal_baselines()
        session.gateway.write(last_mark_entries(session.gateway, session.followers))
    except JournalError as error:
        say(f"the last analyses and marks are lost: {error}")


def is_in_process(config: DeskConfig) -> bool:
    """Whether a desk's orders exist in this process alone, and end with it."""
    return config.desk.venue == SIMULATED or config.desk.stage == SHADOW


def check_desk(config: DeskConfig, base_folder: Path | None) -> None:
    """Validate a desk's configuration, stage, webhook and venue address before anything is written.

    Raises
    ------
    TercelError
    """
    check_stage(config)
    check_config(config, base_folder)
    check_webhook(config.alerts.webhook)
    if config.desk.venue != SIMULATED:
        parse_address(config.desk.venue)
