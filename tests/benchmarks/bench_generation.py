"""Generation: milliseconds a token with a cache and without, and tokens/s of a peer.

    python tests/benchmarks/bench_generation.py cost [rounds]
    python tests/benchmarks/bench_generation.py peer PEER_PYTHON [rounds] [tokens]

``cost`` writes the last 16 tokens of texts of 64 to 512 tokens with the classic GPT of
4 layers and width 128, over a cache and by the whole window for every token. ``peer``
writes texts with the dimensions of GPT-2 (124M, random weights) at batch 1 and 8, and
has ``generate`` of Hugging Face transformers do the same in its own process; the two
take turns in every round. Both are greedy, on two threads and in float32.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

THREADS = 2
PROMPT = 32
BATCHES = (1, 8)
LENGTHS = (64, 128, 256, 512)
_PEER = """
import sys, time
import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
model = GPT2LMHeadModel(GPT2Config()).eval()
for line in sys.stdin:
    batch, prompt, tokens = map(int, line.split())
    ids = torch.randint(0, 50000, (batch, prompt))
    mask = torch.ones_like(ids)
    began = time.perf_counter()
    with torch.no_grad():
        model.generate(
            ids, attention_mask=mask, do_sample=False, pad_token_id=50256,
            min_new_tokens=tokens, max_new_tokens=tokens,
        )
    print("seconds", time.perf_counter() - began, flush=True)
"""


def causal_lm(**dimensions: int):
    """Returns a new language model without an end, so that every text is full."""
    import tensorflow as tf

    from textmill.models.config import ModelConfig
    from textmill.models.tasks.causal_lm import CausalLM
    from textmill.models.tokenizers import SpecialTokens

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    vocabulary_size = dimensions.pop("vocabulary_size")
    last = vocabulary_size - 1
    specials = SpecialTokens(pad=last, unknown=None, start=last, end=last, mask=None)
    shape = ModelConfig(family="gpt", dropout=0.0, **dimensions)
    return CausalLM(shape, vocabulary_size=vocabulary_size, specials=specials, seed=1)


def timed(call: Callable[[], Any]) -> float:
    """Returns the seconds until a call's tensor is there."""
    began = time.perf_counter()
    call().numpy()
    return time.perf_counter() - began


def cost(rounds: int) -> None:
    """Prints a row of the table for each length."""
    import tensorflow as tf

    task = causal_lm(
        vocabulary_size=8192, layers=4, width=128, heads=4, sequence_length=512
    )
    count = 16

    @tf.function(autograph=False)
    def cached(ids: tf.Tensor, num_tokens: tf.Tensor) -> tf.Tensor:
        length = tf.fill([tf.shape(ids)[0]], tf.shape(ids)[1])
        return task.generate(ids, length, num_tokens=num_tokens)

    @tf.function(autograph=False)
    def whole(ids: tf.Tensor) -> tf.Tensor:
        logits = task.logits({"ids": ids, "mask": tf.ones_like(ids)})
        return tf.argmax(logits[:, -1], -1, tf.int32)

    print("| length | with a cache | whole window |\n| --- | --- | --- |")
    for length in LENGTHS:
        ids = tf.random.stateless_uniform([1, length], [1, 2], 0, 8000, tf.int32)
        head = ids[:, : length - count]
        cached(head, tf.constant(1)), whole(ids)  # traces
        ours, before = [], []
        for _ in range(rounds):
            reading = timed(partial(cached, head, tf.constant(1)))
            writing = timed(partial(cached, head, tf.constant(1 + count)))
            ours.append((writing - reading) / count)
            before.append(statistics.median(timed(partial(whole, ids)) for _ in "1234"))
        a, b = (1000 * statistics.median(times) for times in (ours, before))
        print(f"| {length} | {a:.2f} ms | {b:.2f} ms |", flush=True)


def peer(python: str, rounds: int, tokens: int) -> None:
    """Prints tokens/s of both, and the ratio of their medians, for each batch."""
    import tensorflow as tf

    process = subprocess.Popen(
        [python, "-c", _PEER, str(THREADS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    task = causal_lm(
        vocabulary_size=50257, layers=12, width=768, heads=12, sequence_length=1024
    )
    write = tf.function(task.generate, autograph=False)

    def theirs(batch: int) -> float:
        process.stdin.write(f"{batch} {PROMPT} {tokens}\n")
        process.stdin.flush()
        while not (line := process.stdout.readline()).startswith("seconds"):
            assert line, "the peer has ended"
        return float(line.split()[1])

    for batch in BATCHES:
        ids = tf.random.stateless_uniform([batch, PROMPT], [1, 2], 0, 50000, tf.int32)
        length = tf.fill([batch], PROMPT)

        def ours(ids: tf.Tensor = ids, length: tf.Tensor = length) -> float:
            return timed(partial(write, ids, length, num_tokens=tokens))

        ours(), theirs(batch)
        pairs = [(ours(), theirs(batch)) for _ in range(rounds)]
        mine, other = (statistics.median(times) for times in zip(*pairs, strict=True))
        count = batch * tokens
        load = os.getloadavg()[0]
        print(
            f"batch {batch}: ours {count / mine:.1f} tokens/s, transformers "
            f"{count / other:.1f}, ratio {other / mine:.2f}, load {load:.1f}",
            flush=True,
        )
    process.stdin.close()
    process.wait()


def main() -> None:
    """Runs the comparison that the arguments name."""
    how, *more = sys.argv[1:]
    if how == "cost":
        cost(int(more[0]) if more else 5)
    else:
        python, *numbers = more
        rounds, tokens = (*map(int, numbers), *(3, 32)[len(numbers) :])
        peer(python, rounds, tokens)


if __name__ == "__main__":
    main()
