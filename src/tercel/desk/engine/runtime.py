"""A desk opened in its folder: journal locked, venue reached, desk assembled, alerts and TCA running.

with open_runtime(config, folder, parts, text=text, holder="ann") as runtime:
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
from tercel.desk.engine.assembly import (
    DependencyFactory,
    assemble_desk,
    check_config,
)
from tercel.desk.engine.config import SHADOW, DeskConfig
from tercel.desk.engine.live_checks import check_stage, identity
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.alerts import AlertSender
from tercel.desk.trading.email_alerts import AlertMailer
from tercel.desk.trading.heartbeat import journal_failed_opening, last_mark_entries
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import CONFIG, DATABASE
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
    """An open desk in its folder, with everything that runs beside its loop; `open_runtime` makes one.

    Parameters
    ----------
    desk : DeskLoop
    latch : KillLatch
    opened : ExitStack
        Closes all of it.
    """

    def __init__(self, desk: DeskLoop, latch: KillLatch, opened: ExitStack) -> None:
        self.desk = desk
        self.session = desk.session
        self.latch = latch
        self._opened = opened

    def close(self) -> None:
        """Write the last analyses and close venue and journal; a second call does nothing."""
        self._opened.close()


def open_runtime(
    config: DeskConfig,
    folder: Path,
    parts: DependencyFactory,
    *,
    text: str,
    holder: str,
    base_folder: Path | None = None,
    acknowledge: str = "",
    progress: Callable[[int], None] | None = None,
) -> DeskRuntime:
    """Open a desk: check its configuration, lock the journal, reach the venue, assemble it with its alerts and analyses.

    Whatever fails, what was opened before it is closed again.

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
        Anything in the configuration that does not exist, a folder where another desk has traded whose exchange ended
        with it, a journal that is held or damaged, the extra ``trade`` is not installed.
    """
    check_desk(config, base_folder)
    email = config.alerts.email
    mailer = None if email is None else AlertMailer(email, config.desk.name, base_folder or Path())
    add_email = (lambda level, text: None) if mailer is None else mailer.add
    with ExitStack() as stack:
        journal = SqlJournal(folder, holder, acknowledge, url=config.desk.journal)
        stack.callback(journal.close)
        if is_in_process(config) and any(journal.read(kinds=(kinds.PARENT,))):
            raise JournalError(
                "a folder without parent orders: the simulated exchange ends with its desk, and none is continued",
                f"{folder}, where another has traded",
                "name another with `desk=`, or leave it out; to continue after a crash, use a venue that outlives the desk: "
                '`tercel venue serve`, and venue = "fix://..."',
            )
        write_atomic(folder / CONFIG, text)
        latch = KillLatch(folder / LATCH)
        check_latch(journal, latch.path)
        dependencies = parts(folder, latch.path, stack)
        stack.callback(dependencies.venue.close)
        # Folder of the journal of a gate that is not the desk's own; "" of its own, and without one.
        gate_folder = None if dependencies.gate is None else dependencies.gate.resolve()
        shared = (
            ""
            if gate_folder is None or gate_folder.is_relative_to(folder.resolve())
            else str(gate_folder)
        )
        if mailer is not None:
            stack.callback(mailer.stop)  # after the senders, which add to it
            mailer.start()
        if dependencies.gate is not None:
            _start_gate_alerts(
                dependencies.gate, bool(shared), config, folder / SENT_FILE, stack, add_email
            )
        alerts = _start_alerts(JournalReader(folder), config, journal.last, stack, add_email)
        mark = mark_of(SIMULATED if is_in_process(config) else config.desk.venue)
        terms = SessionTerms(
            watch_s=WATCH_S, holder=holder, name_tag=mark, gate=shared, desk=identity(config)
        )
        desk = assemble_desk(
            config,
            journal,
            dependencies,
            latch=latch,
            base_folder=base_folder,
            progress=progress,
            terms=terms,
        )
        session = desk.session
        stack.callback(session.close)
        with journal_failed_opening(session.gateway):
            if mailer is not None:
                session.threads["MAIL_FAILED"] = mailer
            session.gateway.send_urgent = lambda text: alerts.send_urgent(kinds.JOURNAL_DOWN, text)
            stack.callback(_finish, desk, TcaRecorder(session))
        return DeskRuntime(desk, latch, stack.pop_all())


def _start_gate_alerts(
    gate: Path,
    shared: bool,
    config: DeskConfig,
    sent_file: Path,
    stack: ExitStack,
    add_email: Callable[[str, str], object],
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
        reader,
        config,
        sent_seq,
        stack,
        add_email,
        about,
        lambda seq: write_atomic(sent_file, f"{seq} {gate}"),
    )


def _start_alerts(
    journal: JournalReader,
    config: DeskConfig,
    after: int,
    stack: ExitStack,
    add_email: Callable[[str, str], object],
    agents: Sequence[str] = (),
    save_position: Callable[[int], object] = lambda seq: None,
) -> AlertSender:
    """Send a journal's alerts after entry `after`, of `agents` (empty: all), until the desk closes; `save_position`
    gets the last sent. The journal's reader is closed with the desk."""
    stack.callback(journal.close)
    alerts = AlertSender(
        journal,
        str(config.alerts.webhook or ""),
        after=after,
        agents=agents,
        save_position=save_position,
        add_email=add_email,
    )
    stack.callback(alerts.stop)
    alerts.start()
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
    """Validate a desk's configuration, stage and venue address before anything is written.

    Raises
    ------
    TercelError
    """
    check_stage(config)
    check_config(config, base_folder)
    if config.desk.venue != SIMULATED:
        parse_address(config.desk.venue)
