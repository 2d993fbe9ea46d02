"""Windows, spans and served places of answers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.models.conftest import TEXTS
from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.engine import PACKERS, schema_of
from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.rows import RowReader
from textmill.models.tasks.answer import Answer
from textmill.models.tasks.config import AnswerConfig
from textmill.models.tasks.passage_windows import reference_windows, windows
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character

TOKENIZER = Character([*SPECIAL_TOKENS, *" abc", "é", "京", "👍"])
PAIRS = [
    ("ab c" * 20, "a"),
    ("", ""),
    ("c 京 👍 é\r\nb", "b" * 50),
    ("a", "cab"),
    ("  abc  ", "a b"),
]


def make(*, threshold=None, **knobs):
    shape = ModelConfig(layers=1, width=8, heads=2, sequence_length=16, dropout=0.0)
    task = Answer(
        shape,
        vocabulary_size=TOKENIZER.size,
        specials=TOKENIZER.specials,
        seed=4,
        pair=True,
        task_config=AnswerConfig(**knobs),
    )
    if threshold is not None:
        task.threshold.assign(threshold)
    return task


def columns(pairs):
    return [tf.constant(list(column)) for column in zip(*pairs, strict=True)]


def check_equal(graph, reference):
    width = graph["ids"].shape[1]
    for name in ("ids", "types", "starts", "ends"):
        wanted = reference[name].numpy()
        np.testing.assert_array_equal(graph[name], wanted[:, :width], name)
        assert not np.any(reference["types"].numpy()[:, width:])
    for name in ("length", "document", "continues", "passage"):
        np.testing.assert_array_equal(graph[name], reference[name], name)


def test_windows_of_the_graph_are_those_packed_one_at_a_time():
    call = tf.function(lambda a, b: windows(TOKENIZER, a, b, length=16))
    passages, questions = zip(*PAIRS, strict=True)
    reference = reference_windows(TOKENIZER, passages, questions, length=16)
    check_equal(call(*columns(PAIRS)), reference)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_windows_hold_the_bytes_of_their_tokens(passage, question):
    rows = windows(TOKENIZER, *columns([(passage, question)]), length=10)
    check_equal(rows, reference_windows(TOKENIZER, [passage], [question], length=10))
    seen = set()
    starts, ends = rows["starts"].numpy(), rows["ends"].numpy()
    for start, end in zip(starts[ends > starts], ends[ends > starts], strict=True):
        seen.update(range(start, end))
    assert seen == set(range(len(passage.encode())))


def test_windows_are_the_rows_that_training_reads():
    config = RowLayout(sequence_length=16, packing="strides", target="answer", texts=2)
    schema = schema_of(config, vocabulary_size=TOKENIZER.size)
    packer = PACKERS["strides"](config, schema=schema, specials=TOKENIZER.specials)
    tokens = TOKENIZER(tf.constant([text for pair in PAIRS for text in pair]))
    flat, splits = tokens.flat_values.numpy(), tokens.row_splits.numpy()
    trained = schema.unpack(packer.add(flat, splits, [{}] * len(PAIRS)))
    served = reference_windows(TOKENIZER, *zip(*PAIRS, strict=True), length=16)
    for name in ("ids", "types", "length"):
        np.testing.assert_array_equal(served[name], trained[name], name)


def test_the_best_span_is_that_of_all_pairs_of_tokens():
    task = make(max_answer_tokens=3)
    rows = windows(TOKENIZER, *columns(PAIRS), length=16)
    features = task.features(
        {**rows, "span": tf.zeros([len(rows["ids"]), 2], tf.int32)}
    )
    features["continues"] = rows["continues"]
    ends = task.logits(features).numpy().astype(np.float64)
    first, last, score = (part.numpy() for part in task.best_spans(features))
    for i, (logits, types, length) in enumerate(
        zip(ends, rows["types"].numpy(), rows["length"].numpy(), strict=True)
    ):
        inside = [j for j in range(length - 1) if types[j]]
        before, after = rows["continues"].numpy()[i]
        inside = inside[int(before) : len(inside) - int(after)]
        scores = {
            (a, b): logits[a, 0] + logits[b, 1] - logits[0].sum()
            for a in inside
            for b in inside
            if a <= b < a + 3
        }
        if scores:
            best = max(scores, key=scores.__getitem__)
            assert (first[i], last[i]) == best
            assert score[i] == pytest.approx(scores[best], abs=1e-5)
        else:
            assert score[i] < -1e8


def test_a_loss_counts_both_ends_among_the_passage_and_the_start_token():
    task = make()
    rows = windows(TOKENIZER, *columns([("abc", "b")]), length=16)
    features = task.features({**rows, "span": tf.constant([[4, 5]])})
    ends = task.logits(features).numpy()[0].astype(np.float64)
    allowed = [0, 3, 4, 5]  # [CLS] b [SEP] a b c [SEP]
    wanted = [
        np.log(np.exp(ends[allowed, side]).sum()) - ends[place, side]
        for side, place in enumerate((4, 5))
    ]
    sums = task.loss_sums(features, training=False)
    assert sums["loss"].numpy() == pytest.approx([np.mean(wanted)], rel=1e-5)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder, task = tmp_path_factory.mktemp("served"), make()
    SavedModel().write(task, TOKENIZER, folder, ServingOptions())
    return SavedModel().load(folder), task


def test_the_saved_model_gives_the_trained_models_answers(served):
    runtime, task = served
    answers = runtime.answer(PAIRS)
    reference = task.serve(TOKENIZER, ServingOptions()).reference_answers(PAIRS)
    for answer, wanted in zip(answers, reference, strict=True):
        assert answer.pop("score") == pytest.approx(wanted.pop("score"), abs=1e-4)
        assert answer == wanted


def test_an_answer_is_the_part_of_the_callers_passage_at_its_place(served):
    runtime, _ = served
    for (passage, _), answer in zip(PAIRS, runtime.answer(PAIRS), strict=True):
        if answer["no_answer"]:
            places = (answer["answer_start"], answer["answer_end"])
            assert (answer["answer"], *places) == ("", -1, -1)
            continue
        part = passage[answer["answer_start"] : answer["answer_end"]]
        assert part == answer["answer"]
        assert part == part.strip()
    assert runtime.answer(PAIRS)[1]["no_answer"]


def test_an_answer_does_not_depend_on_its_batch(served):
    runtime, _ = served
    together = runtime.answer(PAIRS)
    for pair, answer in zip(PAIRS, together, strict=True):
        [alone] = runtime.answer([pair])
        assert alone.pop("score") == pytest.approx(answer.pop("score"), abs=1e-4)
        assert alone == answer


def test_below_the_threshold_there_is_no_answer():
    server = make(threshold=1e9).serve(TOKENIZER, ServingOptions())
    answers = server.reference_answers(PAIRS)
    assert all(answer["no_answer"] for answer in answers)
    assert {answer["answer"] for answer in answers} == {""}


def test_without_held_out_rows_the_threshold_stays():
    task = make(threshold=2.5)
    layout = RowLayout(sequence_length=16, packing="strides", target="answer", texts=2)
    task.tune(RowReader([], schema_of(layout, vocabulary_size=9)), seed=1)
    assert float(task.threshold) == 2.5
