"""Generation: control tokens stay out, and nothing follows the end."""

import pytest
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.generation import generate
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tokenizers import SpecialTokens

BERT = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
GPT2 = SpecialTokens(pad=7, unknown=None, start=7, end=7, mask=None)


@pytest.mark.parametrize("specials", [BERT, GPT2])
def test_no_control_token_is_written_and_nothing_follows_the_end(specials):
    shape = ModelConfig(family="gpt", layers=1, width=8, heads=2, sequence_length=8)
    task = CausalLM(shape, vocabulary_size=8, specials=specials, seed=1)
    prompts = tf.fill([16, 8], 5)
    written = tf.function(generate)(
        task, prompts, tf.fill([16], 2), num_tokens=24, temperature=2.0, seed=3
    )
    rows = written.numpy().tolist()
    ends = [row.index(specials.end) for row in rows if specials.end in row]
    assert len(ends) > 8
    for row in rows:
        end = row.index(specials.end) if specials.end in row else len(row)
        never = {specials.pad, specials.start, specials.mask, specials.end}
        assert not never & set(row[:end])
        assert set(row[end:]) <= {specials.end}
