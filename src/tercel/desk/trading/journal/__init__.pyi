from tercel.desk.trading.journal import kinds as kinds
from tercel.desk.trading.journal import log as log
from tercel.desk.trading.journal.chain import MemoryJournal as MemoryJournal
from tercel.desk.trading.journal.codec import command_of as command_of
from tercel.desk.trading.journal.codec import entry_in as entry_in
from tercel.desk.trading.journal.codec import entry_out as entry_out
from tercel.desk.trading.journal.store import JournalReader as JournalReader
from tercel.desk.trading.journal.store import SqlJournal as SqlJournal
from tercel.desk.trading.journal.store import verify as verify

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
