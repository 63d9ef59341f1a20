from tercel.desk.trading.journal import kinds as kinds, log as log
from tercel.desk.trading.journal.chain import MemoryJournal as MemoryJournal
from tercel.desk.trading.journal.codec import (
    command_of as command_of,
    entry_in as entry_in,
    entry_out as entry_out,
)
from tercel.desk.trading.journal.store import (
    JournalReader as JournalReader,
    SqlJournal as SqlJournal,
    verify as verify,
)

__all__ = [
    "JournalReader",
    "MemoryJournal",
    "SqlJournal",
    "command_of",
    "entry_in",
    "entry_out",
    "kinds",
    "log",
    "verify",
]
