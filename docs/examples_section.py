"""For the reference: examples at the end of a docstring are a section of their own (a griffe extension)."""

import re
from typing import Any

import griffe


class ExamplesSection(griffe.Extension):
    """Put a heading before `>>>` so that it does not belong to the section before."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = headed(obj.docstring.value)


def headed(text: str) -> str:
    """A docstring whose examples have a heading.

    >>> headed("One.\\n\\nRaises\\n------\\nError\\n\\n>>> 1\\n1").splitlines()[-4:]
    ['Examples', '--------', '>>> 1', '1']
    """
    if re.search(r"^Examples\n-+$", text, re.MULTILINE):
        return text
    return re.sub(r"\n\n(>>> )", r"\n\nExamples\n--------\n\1", text, count=1)
