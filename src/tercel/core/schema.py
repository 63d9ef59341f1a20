"""JSON schemas of files that people write, from the models that read them."""

import ast
import inspect
import sys
from collections import ChainMap
from pathlib import Path
from typing import Any, Final

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: Any, title: str) -> dict[str, Any]:
    """The JSON schema of a pydantic model, a dataclass or a type made of them.

    What stands in a docstring under a field becomes its description.

    >>> from pydantic import BaseModel
    >>> class Desk(BaseModel):
    ...     lots: int = 5
    >>> schema_of(Desk, "A desk")["properties"]["lots"]
    {'default': 5, 'title': 'Lots', 'type': 'integer'}
    """
    from pydantic import TypeAdapter

    found = TypeAdapter(kind).json_schema()
    about = _described(kind) if inspect.isclass(kind) else {}
    for name, part in [(getattr(kind, "__name__", ""), found), *found.get("$defs", {}).items()]:
        for field, text in about.get(name, {}).items():
            part.get("properties", {}).get(field, {}).setdefault("description", text)
    return {"$schema": DRAFT, **found, "title": title}


def _described(kind: type) -> dict[str, dict[str, str]]:
    """Docstrings under the fields of the classes in the files of a class and its bases, by class and field."""
    found: dict[str, dict[str, str]] = {}
    for module in dict.fromkeys(one.__module__ for one in reversed(kind.__mro__)):
        file = Path(getattr(sys.modules[module], "__file__", None) or "")
        for one in ast.walk(ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")):
            if isinstance(one, ast.ClassDef):
                inherited = [found.get(ast.unparse(base), {}) for base in one.bases]
                found[one.name] = dict(ChainMap(_under_fields(one), *inherited))
    return found


def _under_fields(one: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, after in zip(one.body, one.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = getattr(after.value, "value", None)
            if isinstance(text, str):
                texts[ast.unparse(field.target)] = inspect.cleandoc(text)
    return texts
