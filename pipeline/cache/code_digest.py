"""Code digests: the source code that a component's result depends on.

Starting from the component's module, imports of first-party modules are followed,
including those inside functions, and so is every string that is the dotted path of such
a module (``importlib.import_module`` takes those). A module's digest covers its syntax
tree without docstrings and positions, so comments and formatting do not matter; a
package's templates and other resources are hashed byte by byte. Every third-party
package met on the way enters with its installed version. A module that reads a table
of plug-ins (``textmill.models.registry``) depends on the source of all of its rows.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from textmill.models.errors import ConfigError
from textmill.models.registry import entry_points

PACKAGE = "textmill"
_SOURCE_ROOT = Path(__file__).absolute().parents[2]
"""The folder that holds ``pipeline``, ``components`` and ``models``."""
_MODULE_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[A-Za-z_]\w*)?")
_NOT_RESOURCES = (".py", ".pyc", ".md")
_FORMAT = "1"

# Distributions whose name differs from their package.
_DISTRIBUTIONS = {"ruamel": "ruamel.yaml", "sklearn": "scikit-learn"}


@dataclass(frozen=True)
class Module:
    """A source file: its digest, and the dotted names that it mentions."""

    digest: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """The code and libraries that a component's result depends on."""

    modules: Mapping[str, str]
    """Digest of every first-party module and resource file, by name."""
    libraries: Mapping[str, str]
    """Version of every third-party distribution, by name, and of Python."""


class CodeReader:
    """Reads and parses source files; results are cached by the file's content.

    Args:
        known: results of earlier processes by content key; new ones are added to it.
    """

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self._files: dict[Path, tuple[tuple[int, ...], Module]] = {}

    def read(self, module: str) -> Code:
        """Returns the code that a module depends on, including itself."""
        top = module.partition(".")[0]
        homes = {top: _home(module)} | {PACKAGE: _SOURCE_ROOT}
        digests: dict[str, str] = {}
        packages: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            for plugged in _plugged_modules(name):
                homes.setdefault(plugged.partition(".")[0], _installed_home(plugged))
                waiting.append(plugged)
            for part in _with_parents(name):
                home = homes.get(part.partition(".")[0])
                if home is None:
                    packages.add(part.partition(".")[0])
                    break
                if part not in digests and (file := _source(home, part)) is not None:
                    source = self._parse(file, part)
                    digests[part] = source.digest
                    digests |= _resources(file, part)
                    waiting.extend(source.names)
        return Code(dict(sorted(digests.items())), _versions(packages))

    def _parse(self, file: Path, name: str) -> Module:
        stat = file.stat()
        state = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if (entry := self._files.get(file)) and entry[0] == state:
            return entry[1]
        source = file.read_bytes()
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        # The meaning of relative imports depends on the package.
        header = f"{_FORMAT} {sys.version_info[:2]} {package}\n".encode()
        key = hashlib.sha256(header + source).hexdigest()
        try:
            digest, names = json.loads(self.known[key])
        except (KeyError, ValueError, TypeError):
            digest, names = _analyse(source, package)
            self.known[key] = json.dumps((digest, names))
        module = Module(digest, tuple(names))
        self._files[file] = (state, module)
        return module


def _analyse(source: bytes, package: str) -> tuple[str, list[str]]:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # Docstrings of functions, classes and fields.
            body[:] = [part for part in body if not _is_docstring(part)]
    digest = hashlib.sha256(ast.dump(tree, annotate_fields=False).encode())
    return digest.hexdigest(), sorted(set(_names(tree, package)))


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    """Yields the absolute dotted names that a tree imports or holds as a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*parents, origin] if origin else parents)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _MODULE_PATH.fullmatch(node.value)
            and node.value.partition(".")[0] in {PACKAGE, package.split(".")[0]}
        ):
            yield node.value.replace(":", ".")


def _resources(file: Path, package: str) -> Iterator[tuple[str, str]]:
    """Yields the digests of resource files, such as templates, of a package."""
    if file.name == "__init__.py":
        for path in file.parent.iterdir():
            if path.is_file() and path.suffix not in _NOT_RESOURCES:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                yield f"{package}/{path.name}", digest


def _with_parents(name: str) -> Iterator[str]:
    """Yields ``a``, ``a.b``, ``a.b.c``: importing the last runs all of them."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


def _source(home: Path, name: str) -> Path | None:
    """Returns the file of a module, or None if the name is not a module.

    ``textmill`` itself only re-exports names, so no result depends on it.
    """
    parts = name.split(".")
    if parts[0] == PACKAGE:
        del parts[0]
        if not parts:
            return None
    path = home.joinpath(*parts)
    for file in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _home(module: str) -> Path:
    """Returns the folder that holds an imported module's top-level package."""
    file = sys.modules[module].__file__
    assert file is not None, module
    path = Path(file).absolute()
    depth = module.count(".") + (path.name == "__init__.py")
    return path.parents[depth]


def _plugged_modules(group: str) -> list[str]:
    """Returns the modules of the rows that distributions add to a table."""
    is_group = group.startswith(f"{PACKAGE}.") and group.count(".") == 1
    values = entry_points(group).values() if is_group else ()
    return [value.partition(":")[0] for value in values]


def _installed_home(module: str) -> Path:
    """Returns the folder that a module's top-level package is installed in."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:
        raise ConfigError(
            f"entry point {module}: expected a module that can be imported, found "
            "none; install its distribution again or remove it"
        )
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute().parent
    assert spec.origin is not None, module
    return Path(spec.origin).absolute().parent


def _versions(packages: Iterable[str]) -> dict[str, str]:
    names = set(packages) - sys.stdlib_module_names
    distributions = sorted(_DISTRIBUTIONS.get(name, name) for name in names)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {name: _version(name) for name in distributions} | {"python": python}


@functools.cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
