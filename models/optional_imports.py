"""Optional libraries of Keras that Textmill does not use: processes start without them.

Keras imports scikit-learn and pandas, where they are installed, for wrappers and data
adapters: a quarter of the CPU time that a process with TensorFlow takes to start.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

_SKIPPED = ("pandas", "sklearn")


class _Finder(MetaPathFinder):
    """Hides libraries from Keras; finds nothing itself."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds no module.

        Raises:
            ModuleNotFoundError: Keras imports a library to skip.
        """
        if name in _SKIPPED and _importer().startswith("keras."):
            raise ModuleNotFoundError(f"Keras does not need {name} here", name=name)
        return None


def skip_optional_imports() -> None:
    """Skips the libraries in this process, from now on; all others import as ever."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _importer() -> str:
    """Returns the name of the module that imports a module now."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith("<frozen import"):
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
