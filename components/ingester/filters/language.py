"""Language identification, by script or by a model that ships in its package.

Where a script writes one language (Chinese, Japanese, Korean, Thai, Greek, ...), the
script decides. Everything else is for py3langid (BSD, 139 languages, 4.6 MB, pure
Python and numpy), chosen among the packages that bring their model along: measured on
one core over 20,000 texts in English, German and Chinese and 150 sentences in 15
languages, it made no error on the sentences (pycld2 6, cld3 8, lingua 2) and 26 on the
13,166 English and German texts (pycld2 56; 11 for fastText's compressed model, whose
package reaches for the network). It reads 7,000 paragraphs a second; pycld2 63,000, but
abstains on short texts; lingua 950, and takes 1.2 GB. Without the package, letters and
stop words distinguish seven European languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata, util
from typing import Annotated, Any, Literal

from textmill.models.checks import COUNT, SHARE, check_bounds
from textmill.models.errors import ConfigError

UNDETERMINED = "und"
"""The code of a text of unknown language (ISO 639-2)."""

_PACKAGE = "py3langid"
_NO_LANGUAGE = "zxx"
_MACRO = {"wuu": "zh", "yue": "zh", "arz": "ar", "ary": "ar", "sdh": "ku"}
"""The model's names of varieties whose writing is filed under a larger language."""
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """Identification of a document's language, and the languages to keep."""

    keep: tuple[str, ...] | None = None
    """ISO 639-1 codes of the languages to keep (``und``: unknown). Not set: all."""
    min_confidence: Annotated[float, SHARE] = 0.65
    """Least confidence, 0 to 1, of documents to keep where ``keep`` is set (FineWeb's
    threshold)."""
    method: Literal["auto", "model", "script"] = "model"
    """The model, script and stop words alone, or the model where its package is
    installed, which then enters the cache key."""
    column: bool = True
    """Whether documents get the column ``language``, unless the data has one."""
    examined_chars: Annotated[int, COUNT] = 1000
    """Characters from the beginning that are examined."""

    def __post_init__(self) -> None:
        check_bounds(self)


def resolved_method(config: LanguageConfig) -> str:
    """Returns ``script``, or the model's package and version: part of the cache key.

    Raises:
        ConfigError: the model is asked for and its package is not installed.
    """
    if config.method == "script":
        return "script"
    if util.find_spec(_PACKAGE) is not None:
        return f"{_PACKAGE} {metadata.version(_PACKAGE)}"
    if config.method == "auto":
        return "script"
    raise ConfigError(
        f"clean.language.method: expected the package {_PACKAGE}, which is not "
        "installed; run pip install 'textmill[data]', or set the method to script"
    )


class LanguageIdentifier:
    """Identifies the languages of texts.

    Raises:
        ConfigError: the model is asked for and its package is not installed.
    """

    def __init__(self, config: LanguageConfig) -> None:
        self._examined = config.examined_chars
        self._keep = None if config.keep is None else frozenset(config.keep)
        self._min_confidence = config.min_confidence
        by_script = resolved_method(config) == "script"
        self._model: Any = None if by_script else _load_model()

    def identify(self, text: str) -> tuple[str, float]:
        """Returns the language of a text and a confidence of 0 to 1.

        The code is of ISO 639-1, of 639-3 for a language without one there, and
        ``und`` with a confidence of 0 for a text without letters or language.
        """
        from textmill.components.text import unicode_scripts as scripts

        text = text[: self._examined]
        shares = scripts.script_shares(text)
        if not shares:
            return UNDETERMINED, 0.0
        result = scripts.language_of_script(shares)
        if result is None and self._model is not None:
            result = self._classify(text)
        language, confidence = result or scripts.guess_language(text, shares)
        return language, round(confidence, _DIGITS)

    def drop_reason(self, language: str, confidence: float) -> str | None:
        """Returns the reason to drop a document of this language, or None."""
        if self._keep is None:
            return None
        if language not in self._keep:
            return "language"
        if language != UNDETERMINED and confidence < self._min_confidence:
            return "language_confidence"
        return None

    def _classify(self, text: str) -> tuple[str, float]:
        code, confidence = self._model.classify(text)
        if code == _NO_LANGUAGE:
            return UNDETERMINED, 0.0
        return _MACRO.get(code, code), min(1.0, float(confidence))


def _load_model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
