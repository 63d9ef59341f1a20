"""What `[style]` of `tests/budgets.toml` holds: counts of a package's sources, beside statements.

python -m tests.style            # a table by package
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "tercel"
PARSERS = ("feeds", "fix", "venues", "signals/sources", "core/tables")
"""Folders whose trade it is to read other people's messages and files by key."""
LONGEST_SHORT = 3
WORDS = ("told", "kept", "nobody", "anew", "stands", "whoever", "dearer")
PHRASES = ("goes on", "of before", "in the place of")
INSIDER = re.compile(
    "|".join(
        [
            rf"(?<![A-Za-z])(?:{'|'.join(WORDS)})(?![A-Za-z])",
            rf"(?:{'|'.join(word.capitalize() for word in WORDS)})(?![a-z])",
            rf"\b(?:{'|'.join(PHRASES)})\b",
        ]
    )
)
"""Words that a stranger stumbles over, in identifiers, messages, docstrings and comments.

>>> [found.group() for found in INSIDER.finditer("KeptExchange.told_at(untold): it goes on")]
['Kept', 'told', 'goes on']
"""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of(node: ast.AST) -> range:
    """Lines of a node that has a place."""
    return range(node.lineno, node.end_lineno + 1)  # type: ignore[attr-defined]


def docstrings(tree: ast.AST) -> Iterator[ast.stmt]:
    """Statements that are docstrings of modules, classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr):
            if ast.get_docstring(node) is not None:
                yield node.body[0]


def counts(source: str, parser: bool = False) -> Counter[str]:
    """Counts of one source: `modules`, `untyped_dicts`, `key_reads` (none of a parser), `functions`, `short_functions`,
    `code_lines`, `import_lines`, `insider_words`.

    A function is short when its body, without docstring and comments, has three lines or less. A read by key is
    `x["name"]`, columns of a frame included.

    >>> found = counts('import a\\ndef f(x: dict[str, Any]) -> int:\\n    "Kept."\\n    return x["n"]\\n')
    >>> [found[name] for name in ("short_functions", "untyped_dicts", "key_reads", "insider_words", "code_lines")]
    [1, 1, 1, 1, 3]
    """
    tree = ast.parse(source)
    texts = list(docstrings(tree))
    documented = {line for text in texts for line in lines_of(text)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {
        line
        for token in tokens
        if token.type not in NOT_CODE
        for line in range(token.start[0], token.end[0] + 1)
    } - documented
    found: Counter[str] = Counter(modules=1, code_lines=len(code))
    found["insider_words"] = len(INSIDER.findall(source))
    imports: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= code & set(lines_of(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = {line for one in node.body if one not in texts for line in lines_of(one)}
            found["functions"] += 1
            found["short_functions"] += len(body & code) <= LONGEST_SHORT
        elif isinstance(node, ast.Subscript):
            found["untyped_dicts"] += ast.unparse(node) == "dict[str, Any]"
            key = node.slice.value if isinstance(node.slice, ast.Constant) else None
            read = isinstance(key, str) and isinstance(node.ctx, ast.Load)
            found["key_reads"] += read and not parser
    found["import_lines"] = len(imports)
    return found


def by_package() -> dict[str, Counter[str]]:
    """Counts of every package directly below `tercel`."""
    found: dict[str, Counter[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        below = path.relative_to(PACKAGE)
        one = counts(path.read_text(encoding="utf-8"), below.as_posix().startswith(PARSERS))
        found.setdefault(below.parts[0], Counter()).update(one)
    return found


def figures(packages: dict[str, Counter[str]]) -> dict[str, float]:
    """What `[style]` has a budget for: sums, and shares in per cent."""
    whole = sum(packages.values(), Counter())
    return {
        "modules": whole["modules"],
        "untyped_dicts": whole["untyped_dicts"],
        "key_reads": whole["key_reads"],
        "short_functions_pct": round(100 * whole["short_functions"] / whole["functions"], 1),
        "import_lines_pct": round(100 * whole["import_lines"] / whole["code_lines"], 1),
        "insider_words": whole["insider_words"],
    }


def main() -> None:
    """Print the table and the figures."""
    packages = by_package()
    names = sorted(sum(packages.values(), Counter()))
    print(f"{'':12}", *(f"{name:>16}" for name in names))
    for package, found in packages.items():
        print(f"{package:12}", *(f"{found[name]:16}" for name in names))
    for name, value in figures(packages).items():
        print(f"{name} {value:g}")


if __name__ == "__main__":
    main()
