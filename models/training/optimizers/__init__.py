"""Optimizers, which receive gradients and the learning rate of the step.

Reading order: ``config``; ``optimizer``, the rules by name; ``reduced_gradient``, the
base class; then one rule per file: ``lamb``, ``adafactor``, ``muon``.
"""
