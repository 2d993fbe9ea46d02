"""Augmentation: more texts for the labelled documents of a training split.

Easy data augmentation (Wei and Zou 2019, "EDA", arXiv:1901.11196) with words swapped,
deleted, inserted and replaced by synonyms, noise of characters, and back translation
through a function of the user's. A copy is a function of (seed, document id, number of
the copy): of no other document, batch or worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from textmill.components.ingester.augment.eda import OPERATIONS
from textmill.components.ingester.augment.synonyms import Synonyms
from textmill.models.checks import SHARE, Bounds, check_bounds
from textmill.models.errors import ConfigError, DataError
from textmill.models.hashing import StatelessRandom
from textmill.models.paths import FilePath

_TRIES = 4
_HOOK = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")

Translate = Callable[[list[str]], list[str]]
"""Translates texts into another language and back, in order."""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Config of augmentation: the number of copies, and the operations on them.

    A rate is the share of a text's words (characters, for noise) that an operation
    changes, at least one. Chinese is written without spaces: its characters are words.
    """

    copies: Annotated[int, Bounds(at_least=1, at_most=10_000)] = 1
    """Copies of each document, in addition to the document itself."""
    combine: Literal["one", "all"] = "one"
    """Applies one operation to a copy (as in EDA; copies of a document take turns), or
    all of them in order."""
    swap: Annotated[float, SHARE] = 0.0
    """Share of words that are swapped with another word."""
    delete: Annotated[float, SHARE] = 0.0
    """Share of words that are deleted; at least one word stays."""
    synonyms: FilePath | None = None
    """A table of UTF-8 lines: a word, a tab, its synonyms with tabs between them."""
    synonym_rate: Annotated[float, SHARE] = 0.1
    """Share of words that are replaced by a synonym; without a table, none."""
    insert: Annotated[float, SHARE] = 0.0
    """Share of words for which a synonym is inserted at a random position."""
    noise: Annotated[float, SHARE] = 0.0
    """Share of letters that are swapped with the next, deleted, or replaced or followed
    by a neighbour on the keyboard (in other scripts, by another letter of the text)."""
    segment: Literal["table", "jieba"] = "table"
    """Segmentation of Chinese for synonyms: the longest entry of the table at each
    position, or jieba (must be installed), which finds no 生气 in 学生气质."""
    back_translate: str | None = None
    """A function ``package.module:function`` from a list of texts to as many texts; it
    should be deterministic."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.insert and self.synonyms is None:
            raise ValueError("a table of synonyms for insert, got none")
        if self.back_translate and not _HOOK.fullmatch(self.back_translate):
            raise ValueError(
                "back_translate as package.module:function, "
                f"got {self.back_translate!r}"
            )
        if not self.operations:
            raise ValueError(
                "an operation (swap, delete, synonyms, noise or back_translate), "
                "got none"
            )

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations, in order."""
        rates = {
            "synonym": self.synonym_rate if self.synonyms else 0,
            "insert": self.insert,
            "swap": self.swap,
            "delete": self.delete,
            "noise": self.noise,
        }
        named = tuple(name for name, rate in rates.items() if rate)
        return ("back_translate", *named) if self.back_translate else named


def external_files(config: AugmentConfig) -> list[Path]:
    """Returns the files that copies depend on: the table, and the function's source.

    Raises:
        ConfigError: the table or the module does not exist.
    """
    files = [_table(config.synonyms)] if config.synonyms else []
    if config.back_translate:
        source = _source(config.back_translate)
        if source:
            files.append(source)
    return files


def _table(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"augment.synonyms: expected a file, found none at {path}; "
            "name a table of lines with a word, a tab and its synonyms"
        )
    return path


def _source(hook: str) -> Path | None:
    """Returns a module's source file; imports its parent packages only."""
    from importlib.util import find_spec

    module = hook.partition(":")[0]
    try:
        spec = find_spec(module)
    except Exception as error:
        raise _no_hook(hook, f"{type(error).__name__}: {error}") from error
    if spec is None:
        raise _no_hook(hook, f"there is no module {module!r}")
    return Path(spec.origin) if spec.origin and spec.has_location else None


def _no_hook(hook: str, reason: str) -> ConfigError:
    return ConfigError(
        f"augment.back_translate: expected a function at {hook}, but {reason}; "
        "install its package or put its folder on PYTHONPATH"
    )


def _load(hook: str) -> Translate:
    from importlib import import_module

    module, _, name = hook.partition(":")
    try:
        function = getattr(import_module(module), name)
    except Exception as error:
        raise _no_hook(hook, f"{type(error).__name__}: {error}") from error
    if not callable(function):
        raise _no_hook(hook, f"{name} is {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]


class Augmenter:
    """Makes copies of texts.

    Raises:
        ConfigError: the table is missing, or jieba is asked for and not installed.
        DataError: the table is malformed.
    """

    def __init__(self, config: AugmentConfig, *, seed: int = 17) -> None:
        self._config = config
        self._seed = seed
        self._translate: Translate | None = None
        self._rates = {
            "synonym": config.synonym_rate,
            "insert": config.insert,
            "swap": config.swap,
            "delete": config.delete,
            "noise": config.noise,
        }
        table = _table(config.synonyms) if config.synonyms else None
        self._synonyms = Synonyms.read(table, segment=config.segment)

    def augment(self, text: str, document_id: str, copy: int) -> str:
        """Returns copy number ``copy`` of a document's text.

        It is never empty where the text is not, and differs from the text wherever an
        operation can change it; a text without any word comes back as it is.
        """
        return self.augment_batch([text], [document_id], copy)[0]

    def augment_batch(
        self, texts: Sequence[str], ids: Sequence[str], copy: int
    ) -> list[str]:
        """Returns copy number ``copy`` of every text, back-translated in one call.

        Raises:
            ConfigError: the function of back_translate cannot be imported.
            DataError: it returned too few or too many texts, or something else.
        """
        plans = [self._plan(document_id, copy) for document_id in ids]
        bases = self._translated(texts, plans)
        copies = []
        for text, base, document_id, plan in zip(texts, bases, ids, plans, strict=True):
            random = StatelessRandom(self._seed, document_id, copy)
            copies.append(self._apply(text, base, plan, random))
        return copies

    def _plan(self, document_id: str, copy: int) -> list[str]:
        """Returns the operations in order; for "one", this copy's operation first."""
        operations = list(self._config.operations)
        if self._config.combine == "all":
            return operations
        turn = (
            StatelessRandom(self._seed, document_id, "turn").integer(len(operations))
            + copy
        )
        turn %= len(operations)
        return operations[turn:] + operations[:turn]

    def _translated(
        self, texts: Sequence[str], plans: Sequence[list[str]]
    ) -> Sequence[str]:
        """Returns the texts, back-translated where the plan begins with that."""
        wanted = [i for i, plan in enumerate(plans) if plan[0] == "back_translate"]
        wanted = [i for i in wanted if texts[i].strip()]
        if not wanted:
            return texts
        hook = str(self._config.back_translate)
        self._translate = self._translate or _load(hook)
        answers = self._translate([texts[i] for i in wanted])
        if not isinstance(answers, list | tuple) or len(answers) != len(wanted):
            received = len(answers) if hasattr(answers, "__len__") else answers
            raise DataError(
                f"augment.back_translate: expected {len(wanted)} texts from {hook}, "
                f"received {received}; it must return one for each text"
            )
        bases = list(texts)
        for i, answer in zip(wanted, answers, strict=True):
            if not isinstance(answer, str):
                raise DataError(
                    f"augment.back_translate: expected strings from {hook}, "
                    f"received {type(answer).__name__}; it must return texts"
                )
            bases[i] = answer if answer.strip() else texts[i]
        return bases

    def _apply(
        self, text: str, base: str, plan: list[str], random: StatelessRandom
    ) -> str:
        """Applies a plan: all operations, or the first that changes the text."""
        if self._config.combine == "all":
            for name in plan:
                base = self._perturb(name, base, random)
        return base if base != text else self._until_different(text, plan, random)

    def _until_different(
        self, text: str, plan: list[str], random: StatelessRandom
    ) -> str:
        for name in plan:
            for _ in range(_TRIES):
                changed = self._perturb(name, text, random)
                if changed != text:
                    return changed
        return text

    def _perturb(self, name: str, text: str, random: StatelessRandom) -> str:
        if name == "back_translate":
            return text
        changed = OPERATIONS[name](text, self._rates[name], random, self._synonyms)
        return changed if changed.strip() else text
