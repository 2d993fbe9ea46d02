"""Learns a vocabulary: Beam counts words, and the counts become tokens.

Only counts cross the shuffle, and their sums do not depend on the workers, so the
vocabulary's bytes depend on the documents alone. Each kind counts units that it never
merges across: BERT's words, GPT-2's words, words between white space, or characters.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import apache_beam as beam

from textmill.components.artifacts import Documents, read_json, write_json
from textmill.components.base import Context
from textmill.components.beam import open_pipeline
from textmill.components.scratch import (
    cached_path,
    local_copy,
    open_scratch_dir,
    uploading,
)
from textmill.components.shards import Side, first_texts, group
from textmill.components.vocabulary_learner import TargetVocabularyConfig
from textmill.components.vocabulary_learner.bpe import learn_merges
from textmill.components.vocabulary_learner.counting import COUNTERS, LONGEST_SENTENCE
from textmill.components.vocabulary_learner.wordpiece import learn_pieces
from textmill.models.errors import DataError
from textmill.models.tokenizers import (
    BYTE_PAIR_SPECIALS,
    SPECIAL_TOKENS,
    BytePair,
    Character,
    SentencePiece,
    Tokenizer,
    WordPiece,
    byte_alphabet,
)

_SAMPLE_BYTES = {"sentencepiece": 10_000_000}
_SAMPLE_BYTES_ELSE = 100_000_000
_LONGEST_WORD = 100
_BATCH_CHARS = 1 << 20


def learn_tokenizer(
    documents: Documents,
    config: TargetVocabularyConfig,
    context: Context,
    *,
    side: Side = "all",
) -> Tokenizer:
    """Learns a tokenizer of at most ``size`` tokens from the train split.

    Args:
        documents: the data set.
        config: the vocabulary to learn.
        context: the runner's.
        side: the texts of a document to learn from.

    Raises:
        DataError: ``size`` has no room for the characters of the corpus.
    """
    learners = {
        WordPiece.kind: _learn_wordpiece,
        SentencePiece.kind: _learn_sentencepiece,
        BytePair.kind: _learn_byte_pair,
        Character.kind: _learn_character,
    }
    config = fill_defaults(config)
    context.report({"phase": "counting words"})
    counts = _count(documents, config, context, side)
    context.report({"phase": f"learning {config.size:,} tokens"})
    return learners[config.kind or ""](counts, config)


def fill_defaults(config: TargetVocabularyConfig) -> TargetVocabularyConfig:
    """Returns the config with the defaults of its kind filled in."""
    kind = config.kind or WordPiece.kind
    lowercase, form = config.lowercase, config.normalization
    if lowercase is None:
        lowercase = kind != BytePair.kind
    if form is None and kind != SentencePiece.kind:
        form = "bert" if kind == WordPiece.kind else "none"
    return replace(config, kind=kind, lowercase=lowercase, normalization=form)


def _count(
    documents: Documents, config: TargetVocabularyConfig, context: Context, side: Side
) -> dict[str, int]:
    shards = documents.shards("train")
    bound = _sample_bytes(config) // len(shards)
    with open_scratch_dir(context, parent=Path(tempfile.gettempdir())) as scratch:
        places = [scratch.upload(path) for path in shards]
        target = scratch.path("counts.json")
        with open_pipeline(context.beam) as pipeline:
            _ = (
                pipeline
                | beam.Create(places)
                | beam.Map(count_shard, config=config, max_bytes=bound, side=side)
                | beam.CombineGlobally(_merge)
                | beam.Map(_write_counts, target)
            )
        counts: dict[str, int] = read_json(cached_path(target))
        return counts


def count_shard(
    shard: str, *, config: TargetVocabularyConfig, max_bytes: int, side: Side = "all"
) -> dict[str, int]:
    """Counts words or characters in the first ``max_bytes`` of a shard."""
    config = fill_defaults(config)
    counts: Counter[str] = Counter()
    count = COUNTERS[config.kind or ""](config)
    with local_copy(shard) as path:
        texts = first_texts(path, max_bytes, side=side)
        for batch in group(texts, len, least=_BATCH_CHARS):
            count(batch, counts)
    return dict(counts)


def _write_counts(counts: dict[str, int], place: str) -> None:
    with uploading(place) as path:
        write_json(path, counts)


def _merge(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _sample_bytes(config: TargetVocabularyConfig) -> int:
    default = _SAMPLE_BYTES.get(config.kind or "", _SAMPLE_BYTES_ELSE)
    return config.max_sample_bytes or default


def _learn_character(
    counts: dict[str, int], config: TargetVocabularyConfig
) -> Character:
    characters = [character for character in counts if len(character) == 1]
    ranked = sorted(characters, key=lambda character: (-counts[character], character))
    most_frequent = ranked[: config.size - len(SPECIAL_TOKENS)]
    return Character(
        [*SPECIAL_TOKENS, *sorted(most_frequent)],
        lowercase=bool(config.lowercase),
        normalization=config.normalization or "",
    )


def _learn_wordpiece(
    counts: dict[str, int], config: TargetVocabularyConfig
) -> WordPiece:
    pieces = learn_pieces(_short(counts), size=config.size - len(SPECIAL_TOKENS))
    return WordPiece(
        [*SPECIAL_TOKENS, *pieces],
        lowercase=bool(config.lowercase),
        normalization=config.normalization or "",
    )


def _learn_byte_pair(
    counts: dict[str, int], config: TargetVocabularyConfig
) -> BytePair:
    first = [*BYTE_PAIR_SPECIALS.values(), *byte_alphabet()]
    merges = learn_merges(_short(counts), num_entries=config.size - len(first))
    merged = dict.fromkeys(left + right for left, right in merges)
    return BytePair(
        [*first, *merged],
        merges,
        specials=BYTE_PAIR_SPECIALS,
        lowercase=bool(config.lowercase),
        normalization=config.normalization or "",
    )


def _short(counts: dict[str, int]) -> dict[str, int]:
    return {word: n for word, n in counts.items() if len(word) <= _LONGEST_WORD}


def _learn_sentencepiece(
    counts: dict[str, int], config: TargetVocabularyConfig
) -> SentencePiece:
    try:
        return _train_sentencepiece(counts, config)
    except RuntimeError as error:
        # The trainer wants the exact size, and names the largest that it can reach.
        if largest := re.search(r"value <= (\d+)", str(error)):
            smaller = replace(config, size=int(largest[1]))
            return _train_sentencepiece(counts, smaller)
        if needed := re.search(r"required_chars\. \d+ vs (\d+)", str(error)):
            raise DataError(
                f"vocabulary.size: expected {needed[1]} or more for the characters of "
                f"the corpus, got {config.size}; make it larger"
            ) from None
        raise


def _train_sentencepiece(
    counts: dict[str, int], config: TargetVocabularyConfig
) -> SentencePiece:
    import sentencepiece

    model = io.BytesIO()
    pad, unknown, start, end, mask = SPECIAL_TOKENS
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(f"{word}\t{n}" for word, n in sorted(counts.items())),
        input_format="tsv",
        model_writer=model,
        model_type="unigram",
        vocab_size=config.size,
        normalization_rule_name="nmt_nfkc_cf" if config.lowercase else "nmt_nfkc",
        **{"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3},
        **{"pad_piece": pad, "unk_piece": unknown},
        **{"bos_piece": start, "eos_piece": end},
        control_symbols=[mask],
        max_sentence_length=LONGEST_SENTENCE,
        num_threads=1,
        minloglevel=2,
    )
    return SentencePiece(model.getvalue())
