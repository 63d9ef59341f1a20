"""JSON schemas of files that people write, from the models that read them."""

import ast
import inspect
import sys
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
    """Docstrings under the fields of the classes in the file of a class, by class and field."""
    found: dict[str, dict[str, str]] = {}
    file = Path(getattr(sys.modules[kind.__module__], "__file__", ""))
    for one in ast.walk(ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")):
        if isinstance(one, ast.ClassDef):
            for field, after in zip(one.body, one.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
                    text = getattr(after.value, "value", None)
                    if isinstance(text, str):
                        found.setdefault(one.name, {})[ast.unparse(field.target)] = inspect.cleandoc(text)
    return found
