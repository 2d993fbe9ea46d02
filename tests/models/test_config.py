"""ModelConfig: dimensions that cannot work are a sentence."""

import pytest

from textmill.models.config import ModelConfig


@pytest.mark.parametrize("length", [1, 2])
def test_a_row_has_room_for_a_token_between_start_and_end(length):
    with pytest.raises(ValueError, match=f"sequence_length of 3 or more.*got {length}"):
        ModelConfig(sequence_length=length)
    assert ModelConfig(sequence_length=3).sequence_length == 3
