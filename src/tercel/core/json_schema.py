"""JSON schemas of pydantic models and dataclasses, with their fields' docstrings as descriptions."""

import ast
import inspect
import sys
from collections import ChainMap
from pathlib import Path
from typing import Any, Final

from tercel.core.bounded_parsing import JsonSchema

# JSON schemas of files that people write, from the models that read them.
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: Any, title: str) -> JsonSchema:
    """The JSON schema of a pydantic model, a dataclass or a type made of them.

    A docstring under a field becomes its description.

    >>> from pydantic import BaseModel
    >>> class Desk(BaseModel):
    ...     lots: int = 5
    >>> schema_of(Desk, "A desk")["properties"]["lots"]
    {'default': 5, 'title': 'Lots', 'type': 'integer'}
    """
    from pydantic import TypeAdapter

    schema = TypeAdapter(kind).json_schema()
    docs = _field_docs(kind) if inspect.isclass(kind) else {}
    for name, part in [(getattr(kind, "__name__", ""), schema), *schema.get("$defs", {}).items()]:
        for field, text in docs.get(name, {}).items():
            part.get("properties", {}).get(field, {}).setdefault("description", text)
    return {"$schema": DRAFT, **schema, "title": title}


def _field_docs(kind: type) -> dict[str, dict[str, str]]:
    """Docstrings below fields, by class and field, of all classes in the modules of a class and its bases."""
    docs: dict[str, dict[str, str]] = {}
    for module in dict.fromkeys(base.__module__ for base in reversed(kind.__mro__)):
        file = Path(getattr(sys.modules[module], "__file__", None) or "")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")):
            if isinstance(node, ast.ClassDef):
                inherited = [docs.get(ast.unparse(base), {}) for base in node.bases]
                docs[node.name] = dict(ChainMap(_docstrings_below_fields(node), *inherited))
    return docs


def _docstrings_below_fields(class_node: ast.ClassDef) -> dict[str, str]:
    """Docstrings below the fields in the syntax tree of a class, by field."""
    texts = {}
    for field, after in zip(class_node.body, class_node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = getattr(after.value, "value", None)
            if isinstance(text, str):
                texts[ast.unparse(field.target)] = inspect.cleandoc(text)
    return texts
