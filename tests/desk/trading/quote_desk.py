"""A desk over FIX that asks dealers and takes their quotes until it is killed at a moment that is drawn; then the next one.

python -m tests.desk.trading.quote_desk PORT FOLDER KILLS

Every desk is a process, forked from one that has run a desk already: its kernels are loaded. The last one ends in order. What
is printed is how many were killed.
"""

import os
import random
import signal
import sys
import traceback
from pathlib import Path

from tests.desk.trading.quoting import asking, routing
from tests.waiting import until

from tercel.core.errors import OrderError, VenueError
from tercel.core.link.connection import WaitLimits
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.session_opening import open_session
from tercel.fix.opening import open_fix_venue

S = 10**9
MOST = 40
"""Moments of a round or two in which it may be killed or cut off."""


class Fate:
    """Kills the process, or breaks its connection, at one of the moments from its first request on."""

    def __init__(self, session, seed):
        self.rng = random.Random(seed)
        self.left = self.rng.randrange(MOST) if seed else -1
        self.cuts = bool(seed) and self.rng.random() < 0.3
        self.venue = session.venue
        self.asked = False

    def moment(self):
        if not self.asked or self.left < 0:
            return
        self.left -= 1
        if self.left >= 0:
            return
        if self.cuts:
            connection = self.venue._link._connection
            if connection is not None:
                connection.close("cut")
            # Killed a little later all the same: the next desk begins.
            self.cuts, self.left = False, self.rng.randrange(MOST)
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner, name):
        """A moment before and one after each call."""
        before = getattr(owner, name)

        def call(*args, **words):
            self.moment()
            try:
                return before(*args, **words)
            finally:
                self.moment()

        setattr(owner, name, call)


def run(port, folder, seed, rounds):
    patience = WaitLimits(logon_s=20.0)
    venue = open_fix_venue("127.0.0.1", port, "A", store=folder / "fix", patience=patience)
    gate = LimitGate(parse(asking(value=10**9)), venue.listings(), ["A"])
    session = open_session(venue, SqlJournal(folder), gate, routing)
    session.follow("TINY")
    fate = Fate(session, seed)
    for owner, name in (
        (session.journal, "append"),
        (venue, "send"),
        (venue, "step"),
        (venue._quotes, "request_quotes"),
        (venue._quotes, "pass_quotes"),
    ):
        fate.around(owner, name)
    step = lambda: session.step(session.now_ns + S // 100)  # noqa: E731
    if not session.ledger.is_used("p1"):
        session.manager.accept(
            ParentRequest("p1", "TINY", 1, 10**5, 10**6 * S, 10, "twap_passive", "A")
        )
        session.manager.pause("p1", "a person asks dealers")
    until(lambda: step() is not None and session.follow("TINY").mid2, what="a market")
    for n in range(rounds):
        fate.asked = n == 0 or fate.asked
        try:
            name = session.quotes.request("p1", 2, ("D1", "D2"), 2.0, by="dora")
        except (OrderError, VenueError):  # the link is down
            until(lambda: step() is not None and venue.up, what="a link")
            continue
        until(
            lambda name=name: (
                step() is not None
                and (name not in session.quotes._open or session.quotes.book.open(name))
            ),
            what="a quote",
        )
        for quote in session.quotes.book.open(name):
            try:
                session.quotes.accept(name, quote.id, "dora")
            except OrderError:
                continue
            until(
                lambda: step() is not None and not session.quotes.quote_orders("p1"), what="its end"
            )
        until(
            lambda name=name: step() is not None and name not in session.quotes._open,
            what="its end",
        )
    until(lambda: step() is not None and not session.ledger.orders.live(), what="no order")
    session.close()


def killed(port, folder, seed):
    """Whether a desk of its own process was killed before it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run(port, folder, seed, 3)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL), (seed, code)
    return code != 0


if __name__ == "__main__":
    PORT, FOLDER, KILLS = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    run(PORT, FOLDER, 0, 1)
    sys.stdout.write(f"{sum(killed(PORT, FOLDER, seed) for seed in range(1, KILLS + 1))}\n")
    run(PORT, FOLDER, 0, 1)
