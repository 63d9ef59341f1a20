"""Run what pages of this folder show, and compare or write what it prints.

    python docs/execute.py docs/tutorials/quant.md            # compare
    python docs/execute.py docs/tutorials/quant.md --write    # put what is printed into the page

A page is run from its top, in an empty folder:

- ```` ```console ````: every line that begins with ``$ `` is a command (a backslash continues it); what follows is its
  output on stdout. A command that ends in ``&`` is a server: it runs until the page ends, or until the line ``$ ^C``
  ends the latest with Ctrl-C, and shows what it then says.
- ```` ```python ````: run in one namespace. A ```` ```text ```` block right behind it is what it prints; the value of
  a last expression is printed as a notebook prints it.
- ```` ```bash ````: a command a line, as in ``console``; nothing is compared, but each must end with 0. What is only
  shown (it needs a key, a network, an hour) is ```` ```sh ````.
- a block with ``title="FILE"`` is that file, from the beginning, and is not run. A later one of the same name replaces it.

``<!-- data: PATH -->`` copies a file of the folder of real data; ``<!-- needs: MODULE -->`` names an extra;
``<!-- port: NUMBER -->`` runs the page with a free port in the place of that one;
``<!-- peer: NAME -->`` lets ``python`` be that of build/peers/NAME, where ``make peers`` puts programs of others;
``<!-- digits vary -->`` compares words alone (what training gives depends on the machine, a duration on its load).
"""

import argparse
import ast
import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = Path(os.environ.get("TERCEL_FOREIGN", ROOT / "build" / "peers"))
FENCE: Final = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK: Final = re.compile(r"<!-- (data|needs|port|peer|digits vary):? ?(.*?) ?-->")
TITLE: Final = re.compile(r'title="([^"]+)"')
COLUMNS: Final = "92"
HASH: Final = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{12}\b")
"""What a file is told by; of one that names its own folder it is another in each."""
TURN: Final = {
    "cheaper", "more", "expensive", "no", "significant", "difference", "spread", "impact", "timing", "forced", "risk", "unfilled",
    "adapt", "twice",
}  # fmt: skip
"""Words that come and go with the digits of a table."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str
    span: tuple[int, int]
    """Where its text stands in the page."""
    fences: tuple[int, int]
    """Where it begins and ends, fences included."""


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in FENCE.finditer(page):
        title = TITLE.search(match[2])
        found.append(
            Block(match[1], title[1] if title else "", match[3], match.span(3), match.span())
        )
    return found


def marks(page: str) -> dict[str, list[str]]:
    """What the comments of a page ask for."""
    asked: dict[str, list[str]] = {
        "data": [],
        "needs": [],
        "port": [],
        "peer": [],
        "digits vary": [],
    }
    for kind, value in MARK.findall(page):
        asked[kind].append(value)
    return asked


class Session:
    """One page at work in a folder: the namespace of its Python, its servers."""

    def __init__(
        self, folder: Path, page: Path, ports: Sequence[str] = (), peers: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._page, self._ports = page, {port: str(free_port()) for port in ports}
        self._servers: list[subprocess.Popen[str]] = []
        tool = folder / ".bin" / "tercel"
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m tercel.cli "$@"\n')
        tool.chmod(0o755)
        python = tool.with_name("python")
        own = [str(PEERS / name / "bin" / "python") for name in peers] or [sys.executable]
        python.write_text(f'#!/bin/sh\nexec {own[0]} "$@"\n')
        python.chmod(0o755)
        path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = os.environ | {
            "PATH": path,
            "COLUMNS": COLUMNS,
            "PYTHONWARNINGS": "ignore",
            "TERM": "dumb",
        }

    def close(self) -> None:
        """End the servers."""
        for server in reversed(self._servers):
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)

    def console(self, text: str) -> str:
        """Run the commands of a block; the block with what they print now."""
        said = []
        for command in commands(text):
            typed = self._at_free_ports(command.replace("\\\n", " "))
            said += [f"$ {command}\n", self._shell(typed)]
        return "".join(said)

    def write(self, block: Block) -> None:
        """Put a block with a title into its file."""
        file = self.folder / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._at_free_ports(block.text), encoding="utf-8")

    def _at_free_ports(self, text: str) -> str:
        for shown, free in self._ports.items():
            text = text.replace(shown, free)
        return text

    def _shell(self, command: str) -> str:
        if command == "^C":
            return self._ended(self._servers.pop())
        if command.endswith("&"):
            self._servers.append(self._start(command.removesuffix("&")))
            return ""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(
                f"{self._page}: `{command}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return trimmed(done.stdout)

    def _ended(self, server: "subprocess.Popen[str]") -> str:
        """What a server says at Ctrl-C."""
        os.killpg(server.pid, signal.SIGINT)
        _, said = server.communicate(timeout=600)
        if server.returncode:
            raise SystemExit(
                f"{self._page}: Ctrl-C ended a server with {server.returncode}:\n{said}"
            )
        return trimmed(said)

    def _start(self, command: str) -> "subprocess.Popen[str]":
        """A server that has said where it is."""
        server = subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert server.stderr is not None
        if not any("127.0.0.1" in line for line in server.stderr):
            raise SystemExit(f"{self._page}: `{command}` ended at once")
        return server

    def python(self, text: str) -> str:
        """Run a block; what it prints."""
        tree = ast.parse(text)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        heard = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(heard):
            exec(compile(tree, str(self._page), "exec"), self._names)
            if isinstance(last, ast.Expr):
                value = eval(
                    compile(ast.Expression(last.value), str(self._page), "eval"), self._names
                )
                if value is not None:
                    heard.write(f"{value!r}\n")
        return trimmed(heard.getvalue())


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def commands(text: str) -> list[str]:
    """Commands of a console block, continued lines joined by their line breaks.

    >>> commands("$ one\\nout\\n$ two\\nmore\\n")
    ['one', 'two']
    """
    found: list[str] = []
    open_ = False
    for line in text.splitlines():
        if open_:
            found[-1] += f"\n{line}"
        elif line.startswith("$ "):
            found.append(line.removeprefix("$ "))
        else:
            continue
        open_ = line.endswith("\\")
    return found


def prompted(text: str) -> str:
    """A bash block as a console block: comments go, every command has its prompt.

    >>> prompted("one   # first\\ntwo \\\\\\n  three\\nfour &   # a server\\n")
    '$ one\\n$ two \\\\\\n  three\\n$ four &\\n'
    """
    lines = [re.sub(r"(^|\s+)#\s.*$", "", line) for line in text.splitlines()]
    continued = [False, *(line.endswith("\\") for line in lines)]
    return "".join(
        f"{line}\n" if inside else f"$ {line}\n"
        for line, inside in zip(lines, continued, strict=False)
        if line
    )


def trimmed(text: str) -> str:
    """Output without blanks at the ends of lines and without empty lines around it."""
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def pairs(page: Path, text: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Every block with an output, and that output as it is now; the page is run as they are taken."""
    session, found = Session(folder, page, marks(text)["port"], marks(text)["peer"]), blocks(text)
    try:
        for block in reversed(found):
            if block.title:
                session.write(block)
        for number, block in enumerate(found):
            if block.title:
                session.write(block)
            elif block.language == "bash":
                session.console(prompted(block.text))
            elif block.language == "console":
                yield block, session.console(block.text)
            elif block.language == "python":
                printed = session.python(block.text)
                after = found[number + 1] if number + 1 < len(found) else block
                if after.language == "text" and not text[block.fences[1] : after.fences[0]].strip():
                    yield after, printed
                elif printed:
                    raise SystemExit(
                        f"{page}: a block prints, and no ```text block follows it:\n{printed}"
                    )
    finally:
        session.close()


def run(page: Path, data: Path | None, write: bool = False) -> list[str]:
    """Run a page; differences between what it shows and what is printed now, none where all is the same."""
    text = page.read_text(encoding="utf-8")
    asked, changed, told = marks(text), text, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in asked["data"]:
            if data is None:
                raise SystemExit(f"{page}: needs {file} of the folder of real data: --data DIR")
            shutil.copy(data / file, folder)
        shift = 0
        for block, now in pairs(page, text, folder):
            if not same(block.text, now, words_alone=bool(asked["digits vary"])):
                told.append(f"{page}: shown\n{block.text}printed\n{now}")
            start, end = (place + shift for place in block.span)
            changed = changed[:start] + now + changed[end:]
            shift += len(now) - len(block.text)
    if write and changed != text:
        page.write_text(changed, encoding="utf-8")
    return [] if write else told


def same(shown: str, now: str, words_alone: bool = False) -> bool:
    """Whether two outputs are the same.

    >>> [same("cost 9.41 bps", now) for now in ("cost 9.41 bps", "cost 9.52 bps")]
    [True, False]
    >>> [same("cost 9.41 bps", now, words_alone=True) for now in ("cost 9.52 bps", "gain 9.41 bps")]
    [True, False]
    """
    if words_alone:
        return words(shown) == words(now)
    return shown == now


def words(text: str) -> list[str]:
    """The words of an output, sorted: rows of a table may change places, columns go and verdicts turn as figures do."""
    text = HASH.sub("", text)
    return sorted(word for word in re.findall(r"[A-Za-z_]{2,}", text) if word not in TURN)


def main() -> None:
    """Run the pages that are named."""
    line = argparse.ArgumentParser(description="Run what pages show.")
    line.add_argument("pages", nargs="+", type=Path)
    line.add_argument("--write", action="store_true", help="put what is printed into the page")
    line.add_argument(
        "--data", type=Path, default=os.environ.get("TERCEL_DATA"), help="folder of real data"
    )
    told = line.parse_args()
    differences = [
        one for page in told.pages for one in run(page, told.data and Path(told.data), told.write)
    ]
    sys.stdout.write("".join(f"{one}\n" for one in differences))
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
