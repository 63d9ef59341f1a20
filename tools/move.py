"""Move modules as `src/tercel/core/moved.toml` says, and mend what names them: `python tools/move.py [FILE ...]`.

Without files it moves what is still at an old place of this clone (`git mv`) and mends imports, dotted names and paths
in every tracked text. With files (your own code, say) it mends their imports and dotted names alone.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from tercel.core.moved import TABLE, now  # noqa: E402 - of this clone, installed or not

TEXTS = {
    ".py",
    ".pyi",
    ".md",
    ".toml",
    ".cfg",
    ".yml",
    ".yaml",
    ".json",
    ".in",
    ".txt",
    ".ipynb",
    ".script",
    ".js",
    ".html",
    "",
}
KEPT = (
    "CHANGELOG.md",
    "src/tercel/core/moved.py",
    "src/tercel/core/moved.toml",
    "tests/core/test_moved.py",
    "tools/move.py",
    "guards/recorded/",
    "requirements-dev.lock",
)
"""Told as it was, and the table itself."""
HOMES = {"tercel": "src/tercel", "tests": "tests"}
TESTS = {
    "tests.app": "tests.cli",
    "tests.limits.test_stress": "tests.certify.test_stress",
    "tests.limits.test_kit": "tests.certify.test_kit",
    "tests.trading.test_faults": "tests.certify.test_faults",
    "tests.venues.fix.test_certify": "tests.certify.test_certify",
    "tests.venues.fix.test_certified_orders": "tests.certify.test_certified_orders",
    "tests.venues.fix.test_certified_venue": "tests.certify.test_certified_venue",
    "tests.market.studies": "tests.lab.fills",
    "tests.stats": "tests.core.stats",
    "tests.report": "tests.core.report",
    "tests.market.feeds": "tests.feeds",
    "tests.venues.fix": "tests.fix",
    "tests.venues.recorder": "tests.feeds.recorder",
    "tests.venues.moldudp": "tests.feeds.moldudp",
    "tests.venues.test_pace": "tests.core.test_pace",
    "tests.desk.exchange": "tests.venues.exchange",
    "tests.desk.binance": "tests.venues.binance",
    "tests.desk.binance_venue": "tests.venues.binance_venue",
    "tests.features": "tests.signals.features",
    "tests.risk": "tests.signals.risk",
    "tests.learning": "tests.lab.learning",
    "tests.evaluation": "tests.lab.evaluation",
    "tests.trading.desk": "tests.desk.rounds",
    "tests.trading": "tests.desk.trading",
    "tests.limits": "tests.desk.limits",
    "tests.gate": "tests.desk.gate",
    "tests.console": "tests.desk.console",
}
"""Tests stand in the folder of their wing."""


def table() -> dict[str, str]:
    """Old dotted name -> new one."""
    return tomllib.loads(Path(TABLE).read_text(encoding="utf-8")) | TESTS


class Moves:
    """Old names to new ones, by the longest prefix.

    Parameters
    ----------
    rows : dict of str to str
        Old dotted name -> new one.
    """

    def __init__(self, rows: dict[str, str]) -> None:
        self.rows = rows

    def name(self, old: str) -> str:
        """The dotted name as it is now.

        >>> Moves({"tercel.stats": "tercel.core.stats"}).name("tercel.stats.iqm")
        'tercel.core.stats.iqm'
        """
        return now(old, self.rows)

    def path(self, old: str) -> str:
        """A path of this clone as it is now."""
        for top, home in HOMES.items():
            if old == home or old.startswith(f"{home}/"):
                bare, dot, ending = old.removeprefix(home).strip("/").partition(".")
                dotted = ".".join([top, *bare.split("/")]) if bare else top
                new = self.name(dotted).split(".")
                if new[0] in HOMES:
                    return "/".join([HOMES[new[0]], *new[1:]]) + dot + ending
                return "/".join(new) + dot + ending
        return old


def tracked() -> list[str]:
    """Every file that git knows in this clone."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [one for one in done.stdout.splitlines() if (ROOT / one).exists()]


def modules(files: Iterable[str]) -> set[str]:
    """Dotted names of the modules and packages among files of this clone."""
    found: set[str] = set()
    for file in files:
        for top, home in HOMES.items():
            if file.startswith(f"{home}/"):
                words = [top, *file.removeprefix(f"{home}/").rpartition(".")[0].split("/")]
                found |= {".".join(words[:end]) for end in range(1, len(words) + 1)} if file.endswith(".py") else set()
    return found


def import_lines(source: str, moves: Moves, known: set[str]) -> str:
    """A source whose `from X import module` name modules where they are now.

    >>> import_lines("from tercel import stats", Moves({"tercel.stats": "tercel.core.stats"}), {"tercel.stats"})
    'from tercel.core import stats'
    """
    lines = source.splitlines(keepends=True)
    for node in sorted(_froms(source), key=lambda one: -one.lineno):
        module = str(node.module)
        groups: dict[str, list[str]] = {}
        for one in node.names:
            whole = f"{module}.{one.name}"
            new = moves.name(whole) if whole in known else f"{moves.name(module)}.{one.name}"
            home, _, leaf = new.rpartition(".")
            spoken = one.asname or (one.name if leaf != one.name else None)
            groups.setdefault(home, []).append(leaf + (f" as {spoken}" if spoken else ""))
        if list(groups) == [moves.name(module)]:
            continue  # the rest of the line is mended as a dotted name
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        before, after = lines[first][: node.col_offset], lines[last - 1][node.end_col_offset or 0 :]
        texts = [f"from {home} import {', '.join(names)}" for home, names in groups.items()]
        lines[first:last] = [before + f"\n{before}".join(texts) + after]
    return "".join(lines)


def _froms(source: str) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level and str(node.module).split(".")[0] in HOMES:
            yield node


def mended(text: str, moves: Moves, paths: dict[str, str]) -> str:
    """A text with dotted names and paths as they are now."""
    text = re.sub(r"(?<![\w./])(?:tercel|tests)(?:\.\w+)+", lambda m: moves.name(m[0]), text)

    def path(found: re.Match[str]) -> str:
        whole, bare = found[0], found[0].rstrip("./")
        new = paths.get(bare)
        return whole if new is None else new + whole[len(bare) :]

    return re.sub(r"(?<![\w.-])(?<![\w.]/)[\w.-]+(?:/[\w.-]+)+/?", path, text)


def spoken_paths(files: Iterable[str], moves: Moves) -> dict[str, str]:
    """Each moved file and folder, as texts name it (`src/tercel/X`, `tercel/X`, `X`) -> as it is now."""
    found = {}
    for file in files:
        parts = file.split("/")
        for end in range(2, len(parts) + 1):
            old = "/".join(parts[:end])
            new = moves.path(old)
            if new == old:
                continue
            found[old] = new
            if old.startswith("src/tercel/") and new.startswith("src/tercel/"):
                for lead in ("src/", "src/tercel/"):
                    short = old.removeprefix(lead)
                    if "/" in short:
                        found[short] = new.removeprefix(lead)
    return found


def deeper(text: str, old: str, new: str) -> str:
    """`Path(__file__)....parents[N]` of a file that stands deeper or less deep than before."""
    by = new.count("/") - old.count("/")
    if not by or old.startswith("src/"):
        return text
    return re.sub(r"(Path\(__file__\)(?:\.resolve\(\))?\.parents\[)(\d+)\]", lambda m: f"{m[1]}{int(m[2]) + by}]", text)


def write(file: Path, moves: Moves, known: set[str], paths: dict[str, str], was: str = "") -> bool:
    """Mend one file; whether anything changed."""
    if file.suffix not in TEXTS or file.is_symlink():
        return False
    try:
        before = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    after = import_lines(before, moves, known) if file.suffix in {".py", ".pyi"} else before
    after = mended(after, moves, paths)
    if was and file.suffix == ".py":
        after = deeper(after, was, str(file.relative_to(ROOT)))
    if after != before:
        file.write_text(after, encoding="utf-8")
    return after != before


def move(moves: Moves, files: list[str]) -> dict[str, str]:
    """`git mv` what stands at an old place; new path -> old path of each."""
    moved = {}
    for old in files:
        new = moves.path(old)
        if new == old:
            continue
        if (ROOT / new).exists():
            print(f"{old}: {new} is there already", file=sys.stderr)
            continue
        (ROOT / new).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "mv", old, new], cwd=ROOT, check=True)
        moved[new] = old
    return moved


def main(given: list[str]) -> int:
    """Mend the files given, or move and mend this clone."""
    moves, files = Moves(table()), tracked()
    known, paths = modules(files) | set(moves.rows), spoken_paths(files, moves)
    if given:
        changed = sum(write(Path(one).resolve(), moves, known, {}) for one in given)
        print(f"{changed} of {len(given)} files mended")
        return 0
    moved = move(moves, files)
    changed = sum(
        write(ROOT / one, moves, known, paths, moved.get(one, "")) for one in tracked() if not one.startswith(KEPT)
    )
    print(f"{len(moved)} files moved, {changed} mended")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
