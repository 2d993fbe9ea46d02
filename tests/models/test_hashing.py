"""Hashes and stateless random choices: published values and one arithmetic."""

from hashlib import blake2b

import numpy as np

from textmill.models.hashing import GOLDEN, StatelessRandom, mix64, splitmix64

# The first outputs of the reference implementation for the seed 1234567.
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_splitmix64_gives_the_published_numbers():
    states = np.uint64(1234567) + np.arange(5, dtype=np.uint64) * np.uint64(GOLDEN)
    assert splitmix64(states).tolist() == PUBLISHED
    assert mix64(np.zeros(1, np.uint64)).tolist() == [0]


def test_a_splitmix_stream_continues_with_the_array_function_of_its_state():
    seed = int.from_bytes(blake2b(b"name\x003", digest_size=8).digest())
    states = np.array([seed], np.uint64) + np.arange(3, dtype=np.uint64) * np.uint64(
        GOLDEN
    )
    random = StatelessRandom.splitmix("name", 3)
    assert splitmix64(states).tolist() == [random.bits() for _ in range(3)]


def test_integers_choices_and_samples_stay_in_range():
    random = StatelessRandom(1, "a")
    assert all(0 <= random.integer(7) < 7 for _ in range(100))
    assert random.choice("x") == "x"
    assert random.sample(5, 5) == [0, 1, 2, 3, 4]
