"""Tables as Markdown, and their place between two marks of a file."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tercel.core import ConfigError, write_atomic

Write = Annotated[
    Path | None, typer.Option(help="Markdown file whose table is replaced.", metavar="FILE.md")
]


def markdown_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[str] = ()
) -> list[str]:
    """Lines of a table: numbers aligned right; the first column and those in `left` on the left.

    >>> markdown_table(["name", "cost"], [["twap", "1.0"]])
    ['| name | cost |', '| --- | ---: |', '| twap | 1.0 |']
    """
    rule = ["---" if heading in {headings[0], *left} else "---:" for heading in headings]
    lines = (
        headings,
        rule,
        *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows),
    )
    return ["| " + " | ".join(line) + " |" for line in lines]


def marks_of(command: str) -> tuple[str, str]:
    """What stands around the table that a command writes.

    >>> marks_of("market table")
    ('<!-- table: tercel market table -->', '<!-- end of table -->')
    """
    return f"<!-- table: tercel {command} -->", "<!-- end of table -->"


def around(path: Path, marks: tuple[str, str]) -> tuple[str, str]:
    """What stands before and after the marks of a file.

    Raises
    ------
    ConfigError
        The file has no marks.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("a Markdown file", f"{path}: {error}", "name another") from error
    first, last = marks
    if first not in text or last not in text.split(first, 1)[1]:
        raise ConfigError(
            f"the marks {first} and {last}", f"{path} without them", "put them where the table goes"
        )
    head, rest = text.split(first, 1)
    return head, rest.split(last, 1)[1]


def replace_table(path: Path, table: str, marks: tuple[str, str]) -> None:
    """Put the table between its marks; see `around`."""
    head, tail = around(path, marks)
    write_atomic(path, f"{head}{marks[0]}\n\n{table}\n{marks[1]}{tail}")
