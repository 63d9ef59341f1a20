"""The ledger of a desk's folder; apart from `ledger`, so that a gate, which folds its own journal, loads no readers."""

from contextlib import closing
from pathlib import Path

from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger


def fold_folder(folder: Path) -> Ledger:
    """Ledger folded from the journal of a desk's folder; JournalError for a folder without one."""
    with closing(JournalReader(folder)) as reader:
        return Ledger.of(reader)
