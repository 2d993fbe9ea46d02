"""Learning a vocabulary: counts of words are made in Beam, entries from the counts.

Only counts cross the shuffle, and they add up to the same whatever the workers, so the
vocabulary's bytes depend on the documents alone. SentencePiece, which needs sentences,
reads a sample: documents are in hashed order, so the first ones are one.
"""

from __future__ import annotations

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import apache_beam as beam
import tensorflow as tf

from components.artifacts import Documents, read_json, read_shard, write_json
from components.base import Context
from components.beam import open_pipeline
from components.vocabulary_learner import VocabularyConfig
from components.vocabulary_learner.wordpiece import learn_pieces
from models.faults import DataError
from models.tokenization import (
    SPECIAL_TOKENS,
    Character,
    SentencePiece,
    Tokenizer,
    WordPiece,
    bert_normalize,
)

_SAMPLE_BYTES = {"sentencepiece": 10_000_000}
_SAMPLE_BYTES_ELSE = 100_000_000
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|[^\w\s]|_")
_LONGEST_WORD = 100
_BATCH = 512


def learn_tokenizer(
    documents: Documents, config: VocabularyConfig, context: Context
) -> Tokenizer:
    """Learns a tokenizer of the config's kind and size from the train split.

    Raises:
        DataError: the corpus does not hold as many entries.
    """
    if config.kind == SentencePiece.kind:
        return _learn_sentencepiece(documents, config)
    counts = _count(documents, config, context)
    if config.kind == Character.kind:
        tokens = [*SPECIAL_TOKENS, *sorted(c for c in counts if len(c) == 1)]
        return Character(tokens, lowercase=config.lowercase)
    tokens = _learn_wordpiece(counts, config)
    return WordPiece(
        tokens, lowercase=config.lowercase, normalization=config.normalization
    )


def _count(
    documents: Documents, config: VocabularyConfig, context: Context
) -> dict[str, int]:
    import tempfile

    shards = [str(path) for path in documents.shards("train")]
    bound = _sample_bytes(config) // len(shards)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "counts.json"
        with open_pipeline(context.beam) as pipeline:
            _ = (
                pipeline
                | beam.Create(shards, reshuffle=False)
                | beam.Map(count_shard, config=config, max_bytes=bound)
                | beam.CombineGlobally(_merge)
                | beam.Map(lambda counts: write_json(target, counts))
            )
        counts: dict[str, int] = read_json(target)
        return counts


def count_shard(
    shard: str, *, config: VocabularyConfig, max_bytes: int
) -> dict[str, int]:
    """Counts a shard's words, or characters, up to so many bytes of text."""
    counts: Counter[str] = Counter()
    texts = _texts([Path(shard)], max_bytes)
    while batch := list(itertools.islice(texts, _BATCH)):
        if config.kind == Character.kind:
            joined = "".join(batch)
            counts.update(joined.lower() if config.lowercase else joined)
        else:
            value = tf.constant(batch)
            normal = bert_normalize(value) if config.lowercase else value
            for text in normal.numpy():
                counts.update(_WORD.findall(text.decode()))
    return dict(counts)


def _merge(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _texts(shards: list[Path], max_bytes: int) -> Iterator[str]:
    seen = 0
    for shard in shards:
        for document in read_shard(shard):
            seen += len(document["text"].encode())
            yield document["text"]
            if seen >= max_bytes:
                return


def _sample_bytes(config: VocabularyConfig) -> int:
    default = _SAMPLE_BYTES.get(config.kind, _SAMPLE_BYTES_ELSE)
    return config.max_sample_bytes or default


def _learn_wordpiece(counts: dict[str, int], config: VocabularyConfig) -> list[str]:
    words = {word: n for word, n in counts.items() if len(word) <= _LONGEST_WORD}
    pieces = learn_pieces(words, size=config.size - len(SPECIAL_TOKENS))
    tokens = [*SPECIAL_TOKENS, *pieces]
    if len(tokens) < config.size:
        raise DataError(
            f"vocabulary.size: expected {config.size} entries, the corpus yields "
            f"{len(tokens)}; set it to {len(tokens)} or less, or learn from more text"
        )
    return tokens


def _learn_sentencepiece(
    documents: Documents, config: VocabularyConfig
) -> SentencePiece:
    import sentencepiece

    texts = _texts(documents.shards("train"), _sample_bytes(config))
    model = io.BytesIO()
    pad, unknown, start, end, mask = SPECIAL_TOKENS
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts for line in text.split("\n")),
            model_writer=model,
            model_type="unigram",
            vocab_size=config.size,
            normalization_rule_name="nmt_nfkc_cf" if config.lowercase else "nmt_nfkc",
            **{"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3},
            **{"pad_piece": pad, "unk_piece": unknown},
            **{"bos_piece": start, "eos_piece": end},
            control_symbols=[mask],
            max_sentence_length=1 << 16,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise DataError(
            f"vocabulary.size: expected {config.size} entries, the corpus does not "
            f"yield them ({reason}); lower it or learn from more text"
        ) from None
    return SentencePiece(model.getvalue())
