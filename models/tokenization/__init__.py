"""Tokenizers: texts become token ids, by the same ops offline and in the SavedModel.

One class a kind. A tokenizer is a ``tf.Module`` made of graph ops alone, Unicode
normalization included; what makes the training rows is what answers in production.
"""

from models.tokenization.byte_pair import (
    BYTE_PAIR_SPECIALS,
    BytePair,
    byte_alphabet,
)
from models.tokenization.byte_words import ByteWords, letters_and_numbers
from models.tokenization.character import Character
from models.tokenization.exporting import export_tokenizer
from models.tokenization.importing import import_tokenizer
from models.tokenization.loading import load_tokenizer
from models.tokenization.sentencepiece import SentencePiece
from models.tokenization.tokenizer import (
    SENTENCEPIECE_FILE,
    SPEC_FILE,
    SPECIAL_TOKENS,
    VOCABULARY_FILE,
    Specials,
    Tokenizer,
    normalize,
)
from models.tokenization.wordpiece import WordPiece, bert_normalize, clean

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
    "Specials",
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
