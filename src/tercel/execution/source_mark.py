"""Hash of the source files behind a user's function, class or object, and of the files that they import or name."""

import ast
import hashlib
import inspect
import sysconfig
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

# Folders of Python's library, of installed packages and of this one.
INSTALLED: Final = (
    *(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
)
SOURCES: Final = (".py", "/__init__.py")
# Letters of a text that may name a file.
LONGEST_NAME: Final = 200
# Bytes of a file of which size and time are hashed in place of what it holds.
LARGE: Final = 2**24


def source_mark(code: Any) -> str:
    """Hash (16 hex digits) of the source files of a user's function, class or object, and those they import; "" without source.

    Its file, the modules of a user's own that it imports, theirs in turn, and the files beside them that a text in them
    names. What else it reads is not known.
    """
    code = code if inspect.isclass(code) or inspect.isfunction(code) else type(code)
    try:
        file = inspect.getsourcefile(code)
    except TypeError:
        file = None
    if not file or not Path(file).is_file():
        return ""
    digest = hashlib.sha256()
    for path in sorted(_source_files(Path(file).resolve())):
        digest.update(_hash_file(path, *_size_and_time(path))[0])
    return digest.hexdigest()[:16]


def _source_files(file: Path) -> set[Path]:
    """A source file, the user's own files that it imports, directly or not, and existing files named in its texts."""
    sources = set[Path]()
    todo = [file]
    while todo:
        path = todo.pop()
        if path in sources or (is_installed(str(path)) and path != file):
            continue
        sources.add(path)
        names = _hash_file(path, *_size_and_time(path))[1]
        places = [
            folder_or_file / name for name in names for folder_or_file in (path.parent, Path.cwd())
        ]
        todo += [folder_or_file.resolve() for folder_or_file in places if folder_or_file.is_file()]
    return sources


def _size_and_time(file: Path) -> tuple[int, int]:
    """Size of a file and its modification time, ns."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1024)
def _hash_file(file: Path, size: int, written_ns: int) -> tuple[bytes, tuple[str, ...]]:
    """Hash of a file, and the names in its code that may be modules or files; cached by size and modification time.

    Of a large file only these two are hashed; a file that is no Python names nothing.
    """
    content = f"{size} {written_ns}".encode() if size > LARGE else file.read_bytes()
    names: tuple[str, ...] = ()
    if file.suffix == ".py":
        with suppress(SyntaxError, ValueError):
            names = _referenced_names(ast.parse(content))
    return hashlib.sha256(content).digest(), names


def _referenced_names(code: ast.AST) -> tuple[str, ...]:
    """Relative paths of modules that a syntax tree imports, and all its short texts, which may name files."""
    names: list[str] = []
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names += [
                f"{alias.name.replace('.', '/')}{end}" for alias in node.names for end in SOURCES
            ]
        elif isinstance(node, ast.ImportFrom):
            within = (node.module or "").replace(".", "/")
            inside = [f"{within}/{alias.name}".lstrip("/") for alias in node.names]
            up = "../" * max(node.level - 1, 0)
            names += [f"{up}{part}{end}" for part in (within, *inside) if part for end in SOURCES]
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 0 < len(node.value) < LONGEST_NAME
        ):
            names.append(node.value)
    return tuple(name for name in dict.fromkeys(names) if "\0" not in name)


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python, to an installed package or to Tercel, or is none (`<stdin>`)."""
    path = Path(file)
    return file.startswith("<") or any(path.is_relative_to(folder) for folder in INSTALLED)
