from tercel.desk.trading.journal import kinds as kinds
from tercel.desk.trading.journal import sqlite_log as sqlite_log
from tercel.desk.trading.journal.memory import MemoryJournal as MemoryJournal
from tercel.desk.trading.journal.codec import command_of as command_of
from tercel.desk.trading.journal.codec import entry_in as entry_in
from tercel.desk.trading.journal.codec import entry_out as entry_out
from tercel.desk.trading.journal.reader import JournalReader as JournalReader
from tercel.desk.trading.journal.store import SqlJournal as SqlJournal
from tercel.desk.trading.journal.verification import verify as verify

__all__ = [
    "JournalReader",
    "MemoryJournal",
    "SqlJournal",
    "command_of",
    "entry_in",
    "entry_out",
    "kinds",
    "sqlite_log",
    "verify",
]
