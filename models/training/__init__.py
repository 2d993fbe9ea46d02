"""The training loop.

Reading order: ``config`` (the knobs, in slices), ``loop`` (a run), ``step`` (an update)
with ``optimizers/``; then ``sampler``, ``schedule`` and ``averaging``, pure functions
of the step; ``prefetcher``, ``strategy``, ``validation``, ``checkpoint``, ``state``;
``monitor`` with ``tensorboard``, ``samples`` and ``ceiling``, which change no result.
"""
