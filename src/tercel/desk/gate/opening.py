"""Opening a gate from its configuration: journal, venue, limits, latch, recovery."""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, VenueError, refuse_if
from tercel.core.ports import Venue
from tercel.core.system import freeze_heap, trim_heap
from tercel.desk.gate.config import LONGEST_PATH, GateConfig
from tercel.desk.gate.server import Gate
from tercel.desk.gate.venue_side import Prove, refuse_all
from tercel.desk.limits import (
    LimitGate,
    check_names,
    check_person_set,
    read,
    read_packaged,
    with_changes,
)
from tercel.desk.trading.emergency import cancel_and_log_open
from tercel.desk.trading.gateway import OrderGateway, name_maker
from tercel.desk.trading.heartbeat import journal_failed_opening, session_entry
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.reconciliation.recovery import reconcile
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch, check_latch
from tercel.venues.address import connect, mark_of, parse_address
from tercel.venues.wire.server import open_listener

# prctl(2): PR_SET_DUMPABLE. Other processes of the same user may then neither trace this one nor read its memory.
_NOT_DUMPABLE: Final = 4
WATCHDOG_LOG: Final = "watchdog.log"


@contextmanager
def open_gate(
    config: GateConfig,
    base_folder: Path,
    holder: str,
    acknowledge: str = "",
    reach: Callable[..., Venue] = connect,
    wall: Callable[[], int] = time.time_ns,
    approve_money: Callable[[str], bool] = lambda reason: True,
    prove: Prove = refuse_all,
) -> Iterator[Gate]:
    """Open a gate and yield it while it listens; orders of an earlier gate have been brought to their end.

    Parameters
    ----------
    config : GateConfig
    base_folder : Path
        Folder that relative paths of the file begin at.
    holder : str
        Name of the user and program that run it, for messages.
    acknowledge : str
        Reason to continue with a damaged journal.
    reach : callable
        Makes the venue of its address, accounts, store and folder.
    wall : callable
        ns since 1970.
    approve_money : callable
        Called before anything is sent to a venue that moves money, with the reason why it does. Returns whether sessions may
        send orders once they have proved that they may; False: sessions may only cancel. May raise.
    prove : callable
        See :class:`Gate`.

    Raises
    ------
    TercelError
        A venue where money is and limits that no person set; a venue that does not answer, a journal that is held or
        damaged, limits that do not read.
    """
    section = config.gate
    folder = base_folder / section.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as closing:
        journal = SqlJournal(folder, holder, acknowledge)
        closing.callback(journal.close)
        latch = KillLatch(base_folder / section.latch if section.latch else folder / LATCH)
        check_latch(journal, latch.path)
        money_reasons = list[str]()

        def agree(reason: str) -> Mapping[str, str]:
            """Confirm a venue that moves money; if sessions may trade there, refuse limits that no person set. Returns {}."""
            money_reasons.append(reason)
            if approve_money(reason):
                check_person_set(section.limits, section.changed, reason)
            return {}

        venue = reach(
            section.venue,
            section.accounts,
            folder / "fix",
            base_folder,
            section.link_s,
            wall,
            agree,
        )
        closing.callback(venue.close)
        file_limits = read(base_folder / section.limits) if section.limits else read_packaged()
        if section.changed:
            file_limits = with_changes(file_limits, section.changed)
        limits = LimitGate(file_limits, venue.listings(), section.accounts, latch.kill_reason)
        check_names(section.changed, limits.usage())
        ledger = refold(journal, limits)
        trim_heap()  # what reading the journal took
        new_name = name_maker(f"~g{mark_of(section.venue)}{ledger.next_session}.")
        gateway = OrderGateway(venue, journal, limits, ledger, new_name)
        closing.callback(cancel_and_log_open, gateway)
        with journal_failed_opening(gateway):
            open_before = {order.root: order for order in gateway.ledger.orders.live()}
            gateway.write([session_entry(gateway, holder, resume=False)])
            reconcile(gateway, open_before, extra_accounts=section.accounts)
            listen = _free_socket_path(base_folder / section.listen)
            selector = closing.enter_context(open_listener(listen))
            copy = None
            if section.drop_copy is not None:
                from tercel.desk.gate.drop_copy import DropCopy, open_copy_session

                session = open_copy_session(
                    section.drop_copy.venue, folder / "copy", base_folder, venue.listings()
                )
                copy = DropCopy(session, gateway, section.accounts, section.drop_copy.seconds)
                closing.callback(copy.close)
            gate = Gate(
                gateway,
                latch,
                section,
                listen,
                selector,
                copy=copy,
                journal=str(folder.resolve()),
                money="".join(money_reasons),
                prove=prove,
            )
            closing.callback(gate.close)
            gate.begin()
            _allow_group(Path(listen), section.group)
        yield gate


def _free_socket_path(path: Path) -> str:
    """Path of a socket file without a listener; a dead gate's file is removed.

    Raises
    ------
    VenueError
        If a process listens there, or the path is too long for a socket.
    """
    listen = str(path)
    refuse_if(
        len(os.fsencode(listen)) > LONGEST_PATH,
        f"a socket file with a path of {LONGEST_PATH} bytes at most",
        listen,
        "choose a shorter folder",
        VenueError,
    )
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(listen)
        raise VenueError(
            f"no gate at {listen} yet", "one that answers", "stop it, or choose another `listen`"
        )
    path.unlink(missing_ok=True)
    return listen


def _allow_group(listen: Path, group: str) -> None:
    """Let the members of a group connect, where one is named.

    Raises
    ------
    ConfigError
        There is no such group, or this user may not give it the socket.
    """
    if not group:
        return
    try:
        shutil.chown(listen, group=group)
        listen.chmod(0o660)
    except (LookupError, OSError) as error:
        raise ConfigError(
            "a group that this user is in", f"{group!r}: {error}", "correct `group`"
        ) from None


def forbid_tracing() -> None:
    """Forbid other processes of this user to trace this one or read its memory, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NOT_DUMPABLE, 0, 0, 0, 0)


def run_gate(
    config: GateConfig,
    file: Path,
    holder: str,
    stop: Callable[[], bool],
    on_listen: Callable[[Gate], object],
    acknowledge: str = "",
    approve_money: Callable[[str], bool] = lambda reason: True,
    prove: Prove = refuse_all,
) -> None:
    """Open a gate with its watchdog and serve until `stop()` is true.

    Parameters
    ----------
    config : GateConfig
    file : Path
        It was read from; whole.
    holder, acknowledge, approve_money, prove
        See :func:`open_gate`.
    stop : callable
    on_listen : callable
        Given the gate once it listens.

    Raises
    ------
    TercelError
        See :func:`open_gate` and :func:`serve`.
    """
    forbid_tracing()
    with (
        open_gate(
            config, file.parent, holder, acknowledge, approve_money=approve_money, prove=prove
        ) as gate,
        run_watchdog(file, config, lambda: not gate.open_orders),
    ):
        freeze_heap()
        on_listen(gate)
        serve(gate, stop)


def serve(gate: Gate, stop: Callable[[], bool], seconds: float = 2.0) -> None:
    """Run a gate's loop until `stop()` is true, then cancel open orders and wait briefly for the venue.

    Raises
    ------
    JournalError
    """
    gate.run(stop)
    gate.cancel_all()
    until = time.monotonic() + seconds
    while gate.open_orders and time.monotonic() < until:
        gate.turn()
    gate.alarm()


@contextmanager
def run_watchdog(file: Path, config: GateConfig, is_closed: Callable[[], bool]) -> Iterator[None]:
    """Start a watchdog process if the configuration asks for one; it is ended with the gate only if `is_closed()`.

    Parameters
    ----------
    file : Path
        The gate's.
    config : GateConfig
    is_closed : callable
        Whether a gate that ends leaves nothing open: then the watchdog ends with it.

    Raises
    ------
    ConfigError
        A watchdog whose profile cannot be read: no gate is served without the watchdog that its file names.
    """
    if config.gate.watchdog is None:
        yield
        return
    from tercel.desk.gate.watchdog import watchdog_address

    watchdog_address(parse_address(config.gate.venue), config.gate.watchdog, file.parent)
    with (file.parent / config.gate.folder / WATCHDOG_LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tercel.desk.gate", str(file), "watchdog"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield
    if is_closed():
        process.terminate()
        process.wait()
