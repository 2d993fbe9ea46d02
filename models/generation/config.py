"""GenerateConfig: how a model writes texts, read by evaluation and export alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.models.checks import SHARE, Bounds, check_bounds


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """A stage's ``generate`` section: how its model writes.

    The evaluation measures texts that are written so, and an export writes so where a
    call names nothing else.
    """

    max_tokens: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] = 64
    """Tokens of the longest text, its end counted."""
    temperature: Annotated[float, Bounds(at_least=0, at_most=100)] = 0.0
    """Divides the logits of the next token before one is drawn; 0 takes the most likely
    token, without chance. A prompt has the same text every time, whatever other prompts
    are answered with it; another ``seed`` of the file draws another one."""
    top_k: Annotated[int, Bounds(at_least=0, at_most=1_000_000)] = 0
    """Number of most likely tokens to draw from; 0 draws from all."""
    top_p: Annotated[float, Bounds(above=0, at_most=1)] = 1.0
    """Probability that the most likely tokens to draw from have together."""
    min_p: Annotated[float, SHARE] = 0.0
    """Lowest probability to draw, as a share of the highest."""
    repetition_penalty: Annotated[float, Bounds(above=0, at_most=100)] = 1.0
    """Divides the positive logits of tokens that prompt and text have already, and
    multiplies the negative ones; 1 changes nothing."""
    beams: Annotated[int, Bounds(at_least=1, at_most=100)] = 1
    """Number of hypotheses of beam search, which looks for a likely text instead of a
    likely next token; 1 searches none."""
    length_penalty: Annotated[float, Bounds(at_least=0, at_most=10)] = 0.6
    """Beam search: the log probability of a text is divided by ((5 + tokens) / 6) to
    this power; 0 prefers short texts."""
    stop: tuple[str, ...] = ()
    """Strings that end a text; the text is returned without them."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.beams > 1 and (self.temperature or self.repetition_penalty != 1):
            raise ValueError("either beams or temperature and penalty, got both")
        if "" in self.stop:
            raise ValueError("stop strings with a character or more, got an empty one")
