"""Tokenizers: texts become token ids, by the same ops offline and in the SavedModel.

Read ``tokenizer.py``, the base class; ``wordpiece.py``, the shortest kind;
``character.py``, ``sentencepiece.py`` and ``byte_pair.py`` with
``gpt2_pretokenizer.py``; ``offsets.py`` (from tokens back to the text as given); then
``loading.py`` (a stored vocabulary),
``huggingface_import.py`` (files of other libraries) and ``export.py`` (files for them).
One class per kind. A tokenizer is a ``tf.Module`` of graph ops only, including Unicode
normalization: training rows and served models use the same one.
"""

from textmill.models.tokenizers.byte_pair import (
    BYTE_PAIR_SPECIALS,
    BytePair,
    byte_alphabet,
)
from textmill.models.tokenizers.character import Character
from textmill.models.tokenizers.export import export_tokenizer
from textmill.models.tokenizers.gpt2_pretokenizer import ByteWords, letters_and_numbers
from textmill.models.tokenizers.huggingface_import import import_tokenizer
from textmill.models.tokenizers.loading import load_tokenizer
from textmill.models.tokenizers.sentencepiece import SentencePiece
from textmill.models.tokenizers.tokenizer import (
    SENTENCEPIECE_FILE,
    SPEC_FILE,
    SPECIAL_TOKENS,
    VOCABULARY_FILE,
    SpecialTokens,
    TokenIds,
    Tokenizer,
    normalize,
)
from textmill.models.tokenizers.wordpiece import WordPiece, bert_normalize, clean

__all__ = [
    "BYTE_PAIR_SPECIALS",
    "SENTENCEPIECE_FILE",
    "SPECIAL_TOKENS",
    "SPEC_FILE",
    "VOCABULARY_FILE",
    "BytePair",
    "ByteWords",
    "Character",
    "SentencePiece",
    "SpecialTokens",
    "TokenIds",
    "Tokenizer",
    "WordPiece",
    "bert_normalize",
    "byte_alphabet",
    "clean",
    "export_tokenizer",
    "import_tokenizer",
    "letters_and_numbers",
    "load_tokenizer",
    "normalize",
]
