"""Texts that are sent while they grow, by the signatures ``start`` and ``continue``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from textmill.components.server.errors import invalid
from textmill.components.server.served_model import ServedModel

_START, _CONTINUE = "start", "continue"
_TOKENS, _ENDED = "tokens", "has_ended"
_TOKENS_A_CALL = 4
_INCOMPLETE = "\ufffd"
"""The end of a text whose last character has bytes to come."""


def write_parts(
    model: ServedModel,
    text: Any,
    knobs: Mapping[str, Any],
    is_cancelled: Callable[[], bool],
) -> Iterator[dict[str, Any]]:
    """Yields the parts of a text: ``delta`` continues the text so far.

    Where a later token changes it, a part has ``text``, the whole, instead.
    The last part has ``done``, ``text`` and ``tokens``.

    Raises:
        RequestError: the model does not write, or a knob does not fit.
    """
    num_tokens, choices = _choices(model, knobs)
    state = model.call_tensors(_START, model.tensors(_START, {"text": [text]}))
    sent, whole, written = "", "", 0
    while written < num_tokens and not is_cancelled():
        size = min(_TOKENS_A_CALL if written else 1, num_tokens - written)
        step = model.tensors(_CONTINUE, {"max_tokens": size})["max_tokens"]
        outputs = model.call_tensors(
            _CONTINUE, {**choices, **state, "max_tokens": step}
        )
        state = {name: outputs.pop(name) for name in state}
        [answer] = outputs.values()
        whole = answer.numpy()[0].decode(errors="replace")
        written = state[_TOKENS].shape[1]
        if bool(state[_ENDED].numpy().all()):
            break
        shown = whole.rstrip(_INCOMPLETE)
        if shown != sent:
            yield _part(sent, shown)
            sent = shown
    if whole != sent:
        yield _part(sent, whole)
    yield {"done": True, "text": whole, "tokens": written}


def _choices(
    model: ServedModel, knobs: Mapping[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Returns the longest text in tokens, and the inputs of drawing.

    Raises:
        RequestError: the model does not write, or a knob does not fit.
    """
    if _CONTINUE not in model.functions:
        raise invalid("generate: expected a model that writes texts, got another one")
    given = dict(knobs)
    num_tokens = given.pop("max_tokens", model.defaults["generate"]["max_tokens"])
    if unknown := given.keys() - model.defaults[_CONTINUE].keys():
        known = ", ".join(sorted({*model.defaults[_CONTINUE], "max_tokens"}))
        raise invalid(f"generate: expected {known}, got {min(unknown)[:100]!r}")
    longest = model.tensors(_CONTINUE, {"max_tokens": num_tokens})["max_tokens"]
    return int(longest), model.tensors(_CONTINUE, given)


def _part(sent: str, text: str) -> dict[str, Any]:
    if text.startswith(sent):
        return {"delta": text[len(sent) :]}
    return {"text": text}
