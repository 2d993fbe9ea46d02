"""The steps that run on Beam, one after the other, for tests of where they run."""

from textmill.components.artifacts import Documents, Profile, TokenRows, Vocabulary
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.profiler import ProfilerConfig, profile
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.pipeline.publish import seal


def run_steps(folder, beam, *, jsonl, clean, num_shards, examples=False):
    """Runs the four steps; returns the bytes of every file but of the measured speed.

    Documents have an id and a label, and are ingested from ``jsonl``.
    """
    folder.mkdir()
    context = Context(beam=beam)
    documents = Documents(folder / "documents")
    vocabulary = Vocabulary(folder / "vocabulary")
    found, rows = Profile(folder / "profile"), TokenRows(folder / "rows")
    for artifact in (documents, vocabulary, found, rows):
        artifact.path.mkdir()
    dataset = DatasetConfig(
        source=SourceConfig(jsonl=jsonl, id="id", label="label"),
        clean=clean,
        num_shards=num_shards,
    )
    ingest(documents=documents, config=IngesterConfig(dataset=dataset), context=context)
    seal(documents)
    learn_vocabulary(
        documents=documents,
        vocabulary=vocabulary,
        config=VocabularyConfig(size=80, learn_from="lines"),
        context=context,
    )
    seal(vocabulary)
    profile(
        documents=documents,
        vocabulary=vocabulary,
        profile=found,
        config=ProfilerConfig(),
        context=context,
    )
    seal(found)
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=RowLayout(sequence_length=16, packing="concat", examples=examples),
        context=context,
    )
    seal(rows)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for artifact in (documents, vocabulary, found, rows)
        for path in artifact.files()
        if path.name != Profile.SPEED
    }
