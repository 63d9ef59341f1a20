"""Financial PhraseBank: sentences with the sentiment that annotators agreed on (Malo et al. 2014).

Files `Sentences_{50,66,75,All}Agree.txt`, Latin-1, a line `sentence@label`. The levels are nested: a model is never
trained on one and tested on another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import DataError
from tercel.signals.scores import single_class
from tercel.signals.sources.port import SourceAbsentError

LEVELS = {50: "50", 66: "66", 75: "75", 100: "All"}
LABELS = {"negative": -1, "neutral": 0, "positive": 1}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sentences with their sentiment.

    Parameters
    ----------
    texts : tuple of str
    labels : int64 (n,)
        -1 negative, 0 neutral, +1 positive.
    where : str
        The file.
    """

    texts: tuple[str, ...]
    labels: Ints
    where: str


def read_phrasebank(folder: Path, agreement: int = 50) -> Labelled:
    """Sentences of one level of agreement, in percent: 50, 66, 75 or 100.

    Raises
    ------
    SourceAbsentError
        When the file is not there.
    DataError
        For another level; a file that is not Latin-1 text (UTF-8 and UTF-16 are told apart); a line without a label,
        with an unknown one, or without a text; a single class. With file and row.
    """
    if agreement not in LEVELS:
        raise DataError(f"a level of agreement among {', '.join(map(str, LEVELS))}", f"{agreement}", "name one of them")
    path = Path(folder) / f"Sentences_{LEVELS[agreement]}Agree.txt"
    texts, labels = [], []
    for row, line in enumerate(latin_lines(path), start=1):
        if not line.strip():
            continue
        text, mark, label = line.rpartition("@")
        told = label.strip().lower()
        if not mark or told not in LABELS or not text.strip():
            received = f"{line[:60]!r} in {path}, row {row}"
            raise DataError(f"a line 'sentence@label', label {', '.join(LABELS)}", received, "mend the line")
        texts.append(text.strip())
        labels.append(LABELS[told])
    found = np.array(labels, np.int64)
    if len(np.unique(found)) < 2:
        raise single_class(", ".join({str(one) for one in labels}) or "none", len(labels))
    return Labelled(tuple(texts), found, str(path))


def latin_lines(path: Path) -> list[str]:
    """Lines of a Latin-1 file.

    Any bytes are Latin-1, so what is something else has to be looked for: zero bytes are UTF-16 or no text at all;
    bytes that are valid UTF-8 beyond ASCII are far likelier UTF-8.

    Raises
    ------
    SourceAbsentError
        When the file is not there.
    DataError
        When it is in another encoding, with the row.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceAbsentError("a file of sentences", f"{error.strerror} at {path}", "check the path") from error
    for row, line in enumerate(data.split(b"\n"), start=1):
        if b"\x00" in line or line.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
            raise _wrong_encoding("UTF-16, UTF-8 with a mark, or no text", path, row)
        if _is_utf8_beyond_ascii(line):
            raise _wrong_encoding("UTF-8", path, row)
    return data.decode("latin-1").splitlines()


def _is_utf8_beyond_ascii(line: bytes) -> bool:
    if line.isascii():
        return False
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wrong_encoding(found: str, path: Path, row: int) -> DataError:
    return DataError(
        "text in Latin-1 (ISO 8859-1)", f"{found} in {path}, row {row}", "use the file as it was published"
    )
