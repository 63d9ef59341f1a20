"""Counts of how a Python package reads, the same for this project and for others.

    python -m tests.reading src/tercel            # a table
    python -m tests.reading src/tercel --json
    python -m tests.reading src/tercel --worst 40 # where they are

generic_pct          share of stored names and parameters from a list of words that say nothing of what they hold
participle_pct       share of functions (properties aside) that are named by one participle: `stepped`, `tried`, `drawn`
packed_per_1000      targets beyond the first in assignments of a tuple to a tuple, for each 1,000 statements
banners              comments of the form `# -- title ---` in the first column: a module glued from several
late_constants       module-level assignments below the first function or class
long_modules         modules of more than 500 lines
long_init            statements of the longest `__init__` or `__post_init__`
wide_functions_pct   share of functions with more than 8 parameters
comments_pct         comment tokens (directives and banners aside) over code lines
two_line_docstrings  modules whose docstring has two first sentences joined by `;` (two subjects)
"""

import argparse
import ast
import io
import json
import re
import tokenize
from collections import Counter
from pathlib import Path

GENERIC = {
    "one", "found", "said", "asked", "words", "what", "why", "where", "at", "own", "other", "there", "out", "way", "whole",
}  # fmt: skip
PARTICIPLES = {
    "shown", "drawn", "sent", "held", "known", "chosen", "written", "meant", "told", "made", "found", "spelt", "kept",
    "built", "taken", "given", "left", "led", "heard",
}  # fmt: skip
NO_PARTICIPLES = {
    "feed",
    "seed",
    "need",
    "speed",
    "embed",
    "indeed",
    "exceed",
    "bed",
    "red",
    "proceed",
    "succeed",
}
DIRECTIVES = ("#!", "# type:", "# noqa", "# fmt:", "# pragma", "# -- ")
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def count_statements(node: ast.AST) -> int:
    return sum(
        isinstance(n, ast.stmt) and not is_docstring(n) for n in ast.walk(node)
    ) - isinstance(node, ast.stmt)


def is_participle(name: str) -> bool:
    name = name.strip("_")
    return name in PARTICIPLES or (
        re.fullmatch(r"[a-z]+ed", name) is not None and name not in NO_PARTICIPLES
    )


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    a = function.args
    listed = [x.arg for x in a.posonlyargs + a.args]
    own = bool(listed) and listed[0] in ("self", "cls")
    return len(listed) + len(a.kwonlyargs) + bool(a.vararg) + bool(a.kwarg) - own


def read_module(path: Path, counts: Counter, places: list[tuple[str, str]]) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    counts["modules"] += 1
    counts["statements"] += count_statements(tree)
    lines = text.count("\n") + 1
    if lines > 500:
        counts["long_modules"] += 1
        places.append(("long module", f"{path}: {lines} lines"))
    banners = len(re.findall(r"^# -- ", text, re.MULTILINE))
    counts["banners"] += banners
    if banners:
        places.append(("banners", f"{path}: {banners}"))
    docstring = ast.get_docstring(tree) or ""
    counts["two_line_docstrings"] += ";" in docstring.split("\n\n")[0]
    docs = set()
    for node in ast.walk(tree):
        if is_docstring(node):
            docs |= set(range(node.lineno, node.end_lineno + 1))
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            counts["comments"] += not token.string.startswith(DIRECTIVES)
        elif token.type not in NO_CODE:
            code |= set(range(token.start[0], token.end[0] + 1))
    counts["code_lines"] += len(code - docs)
    seen = False
    for node in tree.body:
        seen = seen or isinstance(node, (*FUNCTION, ast.ClassDef))
        counts["late_constants"] += seen and isinstance(node, ast.Assign | ast.AnnAssign)
    for node in ast.walk(tree):
        if isinstance(node, FUNCTION):
            counts["functions"] += 1
            is_property = any("property" in ast.unparse(d) for d in node.decorator_list)
            if is_participle(node.name) and not is_property:
                counts["participles"] += 1
                places.append(("participle", f"{path}:{node.lineno} {node.name}"))
            if count_parameters(node) > 8:
                counts["wide_functions"] += 1
                places.append(
                    (
                        "wide",
                        f"{path}:{node.lineno} {node.name}: {count_parameters(node)} parameters",
                    )
                )
            if node.name in ("__init__", "__post_init__"):
                size = count_statements(node)
                if size > 25:
                    places.append(("long init", f"{path}:{node.lineno}: {size} statements"))
                counts["long_init"] = max(counts["long_init"], size)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
        ):
            counts["packed"] += len(node.targets[0].elts) - 1
        name = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None
        name = node.arg if isinstance(node, ast.arg) else name
        if name is not None and name not in ("self", "cls", "_"):
            counts["names"] += 1
            if name.strip("_") in GENERIC:
                counts["generic"] += 1
                places.append(("generic", f"{path}:{node.lineno} {name}"))


def measure(folder: Path) -> tuple[dict[str, float], list[tuple[str, str]]]:
    counts: Counter = Counter()
    places: list[tuple[str, str]] = []
    for path in sorted(folder.rglob("*.py")):
        if not {".venv", "node_modules", "build", "__pycache__"} & set(
            path.relative_to(folder).parts
        ):
            read_module(path, counts, places)
    row = {
        "modules": counts["modules"],
        "statements": counts["statements"],
        "generic_pct": 100 * counts["generic"] / max(counts["names"], 1),
        "participle_pct": 100 * counts["participles"] / max(counts["functions"], 1),
        "packed_per_1000": 1000 * counts["packed"] / max(counts["statements"], 1),
        "banners": counts["banners"],
        "late_constants": counts["late_constants"],
        "long_modules": counts["long_modules"],
        "long_init": counts["long_init"],
        "wide_functions_pct": 100 * counts["wide_functions"] / max(counts["functions"], 1),
        "comments_pct": 100 * counts["comments"] / max(counts["code_lines"], 1),
        "two_line_docstrings": counts["two_line_docstrings"],
    }
    return row, places


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--worst", type=int, default=0, metavar="N", help="print up to N places of each kind"
    )
    options = parser.parse_args()
    rows = {}
    for folder in options.folders:
        rows[str(folder)], places = measure(folder)
        kinds = Counter()
        for kind, place in places:
            kinds[kind] += 1
            if kinds[kind] <= options.worst:
                print(f"{kind}: {place}")
    if options.json:
        print(json.dumps(rows))
        return
    for key in next(iter(rows.values())):
        print(
            f"{key:20}",
            *(
                f"{row[key]:>10.1f}" if isinstance(row[key], float) else f"{row[key]:>10,}"
                for row in rows.values()
            ),
        )


if __name__ == "__main__":
    main()
