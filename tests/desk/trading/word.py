"""A person's word to a session with a journal in a folder, and what came of it."""

from tests.desk.trading.desk_of_two import S

from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.command_inbox import post


class Word:
    """Says things to a session as other processes do.

    Parameters
    ----------
    session : Session
        With a `SqlJournal` in `folder`.
    """

    def __init__(self, session, folder):
        self.session, self.folder = session, folder

    def __call__(self, command, by="dora (password)", reason="news are due", refused=False, **body):
        """The entries that answer, in order; one alert where it was refused."""
        before = self.session.ledger.last
        number = post(self.folder, command, body, by, reason, 1)
        self.session.run_until(self.session.now_ns + S // 10)
        found = [
            one
            for _, one in self.session.journal.read(before)
            if one.body.get("operator") == number
        ]
        assert number not in self.session.ledger.pending_commands
        assert found, (command, body)
        assert all(one.kind != kinds.ALERT for one in found) or refused, found
        return found

    def refused(self, command, **words):
        """Why it was refused: what was expected, and what was received."""
        (alert,) = self(command, refused=True, **words)
        assert alert.body["code"] == "operator_refused", alert.body
        assert alert.body["expected"]
        assert alert.body["remedy"]
        return f"{alert.body['expected']}; {alert.body['received']}"
