"""Say something to a library once it is imported, without importing it."""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def after_import(module: str, then: Callable[[], None]) -> None:
    """Call `then` when a top-level `module` has been imported: now, if it already is.

    >>> said = []
    >>> after_import("sys", lambda: said.append("here"))
    >>> said
    ['here']
    """
    if module in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, _Finder(module, then))


class _Finder:
    """Finds one module, once, as everybody else does, and listens."""

    def __init__(self, module: str, then: Callable[[], None]) -> None:
        self.module, self.then = module, then

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the module, whose loader then tells."""
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        loader = None if spec is None else spec.loader
        if loader is not None:
            run = loader.exec_module

            def told(module: ModuleType) -> None:
                run(module)
                self.then()

            loader.exec_module = told  # type: ignore[method-assign]
        return spec
