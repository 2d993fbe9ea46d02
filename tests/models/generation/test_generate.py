"""Texts over a cache are those of the whole model, and independent of the batch."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.marks import slow_except
from textmill.models.config import ModelConfig
from textmill.models.generation.beam import beam_search
from textmill.models.generation.decoder import Rules
from textmill.models.generation.generate import generate
from textmill.models.generation.sampling import Sampling, choose, prompt_keys
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tokenizers import SpecialTokens

BERT = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
GPT2 = SpecialTokens(pad=7, unknown=None, start=7, end=7, mask=None)
WINDOW, SIZE = 12, 23
SHAPES = {
    "classic": {},
    "modern": {"recipe": "modern", "zero_outputs": False},
    "post-norm": {"norm": "post"},
    "untied": {"tied_embeddings": False, "positions": "rotary"},
}


def model(specials=BERT, *, vocabulary_size=SIZE, **knobs):
    shape = {"layers": 2, "width": 16, "heads": 2, "sequence_length": WINDOW}
    config = ModelConfig(family="gpt", **{**shape, **knobs})
    task = CausalLM(config, vocabulary_size=vocabulary_size, specials=specials, seed=3)
    for variable in task.model.weights:  # larger weights: less alike choices
        if "kernel" in variable.path or "embedding" in variable.path:
            noise = tf.random.stateless_normal(variable.shape, (1, 2))
            variable.assign(variable + 0.3 * noise)
    return task


def prompts(count, *, width=WINDOW):
    """Returns prompts of the lengths 1 to ``count``."""
    ids = np.zeros((count, width), np.int32)
    for row in range(count):
        ids[row, : row + 1] = 5 + (np.arange(row + 1) * 7 + row) % (SIZE - 5)
    return tf.constant(ids), tf.range(1, count + 1)


def by_whole_model(task, prompt, num_tokens):
    """Returns the most likely tokens, each by a pass over the whole text."""
    forbidden = task.rules.forbidden
    text = list(prompt)
    for _ in range(num_tokens):
        ids = tf.constant([text])
        logits = task.logits({"ids": ids, "mask": tf.ones_like(ids)})[0, -1]
        text.append(int(tf.argmax(logits + forbidden)))
        if text[-1] == task.specials.end:
            text += [task.specials.end] * num_tokens
    return text[len(prompt) : len(prompt) + num_tokens]


@pytest.mark.parametrize("recipe", slow_except(SHAPES, ["classic", "modern"]))
def test_a_cached_text_is_that_of_the_whole_model_at_every_prompt_length(recipe):
    task = model(**SHAPES[recipe])
    ids, length = prompts(WINDOW - 4)
    written = tf.function(task.generate, autograph=False)(ids, length, num_tokens=4)
    for row in range(len(written)):
        prompt = ids[row, : length[row]].numpy()
        assert written[row].numpy().tolist() == by_whole_model(task, prompt, 4)


def test_a_text_goes_on_with_the_later_half_of_a_full_window():
    task = model()
    ids, length = prompts(WINDOW)
    written = tf.function(task.generate, autograph=False)(
        ids, length, num_tokens=2 * WINDOW
    ).numpy()
    for row in (0, 6, WINDOW - 1):
        context = ids[row, : row + 1].numpy().tolist()
        for token in written[row].tolist():
            [expected] = by_whole_model(task, context, 1)
            assert token == expected
            if token == task.specials.end:
                break
            if len(context) == WINDOW:
                context = context[WINDOW // 2 :]
            context.append(token)


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_a_text_is_the_same_alone_and_among_others(temperature):
    task = model()
    ids, length = prompts(WINDOW)
    sampling = Sampling(temperature=temperature, top_k=9, top_p=0.95, seed=4)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int32)])
    def compiled(rows):
        chosen = (tf.gather(ids, rows), tf.gather(length, rows))
        return task.generate(*chosen, num_tokens=9, sampling=sampling)

    def write(rows):
        return compiled(tf.constant(rows)).numpy()

    together = write(list(range(WINDOW)))
    for row in (0, 4, WINDOW - 1):
        assert write([row]).tolist() == [together[row].tolist()]
        assert write([WINDOW - 1, row])[1].tolist() == together[row].tolist()


@pytest.mark.parametrize("specials", [BERT, GPT2])
def test_no_control_token_is_written_and_nothing_follows_the_end(specials):
    task = model(specials, vocabulary_size=8)
    written = tf.function(task.generate, autograph=False)(
        tf.fill([16, 2], 5),
        tf.fill([16], 2),
        num_tokens=24,
        sampling=Sampling(temperature=2.0, seed=3),
        keys=tf.range(16),
    )
    rows = written.numpy().tolist()
    ends = [row.index(specials.end) for row in rows if specials.end in row]
    assert len(ends) > 4
    assert len({tuple(row) for row in rows}) > 8
    for row in rows:
        end = row.index(specials.end) if specials.end in row else len(row)
        never = {specials.pad, specials.start, specials.mask, specials.end}
        assert not never & set(row[:end])
        assert set(row[end:]) <= {specials.end}


LOGITS = tf.math.log(tf.constant([[0.05, 0.4, 0.1, 0.25, 0.2]]))


def frequencies(**knobs):
    """Returns the shares of tokens among 4,000 samples of one distribution."""
    keys = tf.range(4000) * 7919
    tokens = choose(
        tf.tile(LOGITS, [4000, 1]),
        Sampling(temperature=1.0, seed=5, **knobs),
        keys=keys,
        number=tf.constant(3),
        seen=None,
    )
    return np.bincount(tokens.numpy(), minlength=5) / 4000


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, [0.05, 0.4, 0.1, 0.25, 0.2]),
        ({"top_k": 2}, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
        # 0.4 + 0.25 is below 0.7, so the third is among them.
        ({"top_p": 0.7}, [0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85]),
        ({"top_p": 0.0}, [0, 1, 0, 0, 0]),
        ({"min_p": 0.55}, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
        ({"top_k": 3, "top_p": 0.5}, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
        ({"top_k": tf.constant(2)}, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
    ],
)
def test_samples_have_the_shares_of_their_knobs(knobs, expected):
    assert frequencies(**knobs) == pytest.approx(expected, abs=0.03)


def test_a_penalty_lowers_the_tokens_of_the_text():
    logits = tf.constant([[2.0, 1.5, -1.0]])
    for seen, token in (([True, False, False], 1), ([False] * 3, 0)):
        chosen = choose(
            logits,
            Sampling(repetition_penalty=2.0),
            keys=tf.zeros([1], tf.int32),
            number=tf.constant(0),
            seen=tf.constant([seen]),
        )
        assert chosen.numpy().tolist() == [token]


def test_keys_depend_on_the_prompt_and_not_on_its_padding():
    ids, length = prompts(6, width=6)
    wide, _ = prompts(6, width=9)
    keys = prompt_keys(ids, length).numpy()
    assert keys.tolist() == prompt_keys(wide, length).numpy().tolist()
    assert len(set(keys.tolist())) == 6


class Table:
    """A model over 4 tokens whose logits depend on the last two."""

    END = 3

    def __init__(self, seed=0):
        table = np.random.default_rng(seed).normal(size=(5, 5, 4)) * 1.5
        self.table = tf.constant(table, tf.float32)
        self.rules = Rules(self.END, tf.zeros([4]))

    def step(self, tokens, state):
        last = tf.stack([state["last"][:, 1], tokens], axis=1)
        return tf.gather_nd(self.table, last), {"last": last}

    def start(self, rows):
        last = tf.fill([rows, 2], 4)
        return tf.gather_nd(self.table, last), {"last": last}

    def log_probability(self, text):
        before, total = (4, 4), 0.0
        for token in text:
            logits = self.table[before[0], before[1]]
            total += float(tf.nn.log_softmax(logits)[token])
            before = (before[1], token)
        return total


def texts(length):
    """Yields every text of 4 tokens, up to its end token or the full length."""
    for size in range(length):
        for head in itertools.product(range(3), repeat=size):
            yield (*head, Table.END)
    yield from itertools.product(range(3), repeat=length)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_beam_is_exhaustive_search(alpha, seed):
    table, length = Table(seed), 5

    def score(text):
        return table.log_probability(text) / ((5 + len(text)) / 6) ** alpha

    best = max(texts(length), key=score)
    found, value = tf.function(
        lambda: beam_search(
            table.step,
            *table.start(2),
            rules=table.rules,
            num_tokens=length,
            beams=256,
            alpha=alpha,
        ),
        autograph=False,
    )()
    expected = [*best, *[Table.END] * (length - len(best))]
    assert found.numpy().tolist() == [expected] * 2
    assert value.numpy() == pytest.approx([score(best)] * 2, rel=1e-5)


def test_the_length_penalty_by_hand():
    class Chain:
        """Ends with probability 0.5, else goes on with token 0."""

        rules = Rules(1, tf.zeros([2]))

        def step(self, tokens, state):
            number = state["number"] + 1
            # After three tokens the end is certain.
            late = number[:, None] >= 3
            logits = tf.where(late, tf.constant([-50.0, 0.0]), tf.constant([0.1, 0.0]))
            return logits, {"number": number}

    chain = Chain()
    first = tf.constant([[0.1, 0.0]])
    log_on, log_end = tf.nn.log_softmax([0.1, 0.0]).numpy()
    state = {"number": tf.zeros([1], tf.int32)}
    scores = {}
    for alpha in (0.0, 3.0):
        text, score = beam_search(
            chain.step,
            first,
            state,
            rules=chain.rules,
            num_tokens=6,
            beams=2,
            alpha=alpha,
        )
        scores[alpha] = (text.numpy()[0].tolist(), float(score[0]))
    # Without a penalty the shortest text wins: -0.744 for -1.932. With one, the
    # longest does: -0.744 / (6 / 6) ** 3 for -1.932 / (9 / 6) ** 3.
    assert scores[0.0][0] == [1] * 6
    assert scores[0.0][1] == pytest.approx(log_end, abs=1e-5)
    assert scores[3.0][0] == [0, 0, 0, 1, 1, 1]
    assert scores[3.0][1] == pytest.approx(3 * log_on / (9 / 6) ** 3, abs=1e-5)


def test_one_beam_without_a_penalty_is_the_most_likely_token_each_time():
    table = Table(9)
    greedy = generate(
        table.step, *table.start(1), rules=table.rules, num_tokens=7
    ).numpy()
    found, _ = beam_search(
        table.step, *table.start(1), rules=table.rules, num_tokens=7, beams=1, alpha=0.0
    )
    end = greedy[0].tolist().index(Table.END) if Table.END in greedy[0] else 7
    # One beam keeps one open hypothesis, so it ends where the greedy text ends.
    assert found.numpy()[0][:end].tolist() == greedy[0][:end].tolist()


def test_a_beam_over_the_cache_of_gpt_has_a_better_score_than_the_greedy_text():
    task = model()
    ids, length = prompts(6)
    tokens = 5

    def score(row, text):
        ids = tf.constant([[*row, *text]])
        logits = task.logits({"ids": ids, "mask": tf.ones_like(ids)})
        logits = tf.nn.log_softmax(tf.cast(logits, tf.float32) + task.rules.forbidden)
        total = 0.0
        for i, token in enumerate(text):
            total += float(logits[0, len(row) + i - 1, token])
            if token == task.specials.end:
                break
        return total

    greedy = task.generate(ids, length, num_tokens=tokens).numpy().tolist()
    rules = task.rules

    @tf.function(autograph=False)
    def search():
        start = task.start(ids, length, num_tokens=tokens)
        return beam_search(
            task.step, *start, rules=rules, num_tokens=tokens, beams=4, alpha=0.0
        )

    found, scores = search()
    for row in range(6):
        prompt = ids[row, : length[row]].numpy().tolist()
        text = found[row].numpy().tolist()
        assert score(prompt, text) == pytest.approx(float(scores[row]), abs=1e-3)
        assert score(prompt, text) >= score(prompt, greedy[row]) - 1e-4
