"""The training loop.

Reading order: ``config`` (the knobs, in slices), ``loop`` (a run), ``step`` (an update)
with ``optimizers/``; then ``sampler``, ``schedule`` and ``averaging``, pure functions
of the step, ``row_weight`` and ``cadence``; ``prefetcher``, ``strategy``,
``validation``, ``state``, and ``recovery`` with ``checkpoint``; ``pace``, and
``monitor`` with ``tensorboard`` and ``ceiling``, which change no result.
"""
