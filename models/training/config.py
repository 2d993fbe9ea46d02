"""TrainingConfig: the options of a training run, grouped by the code that reads them.

Every group is a dataclass; ``train`` in YAML is flat. The optimizer's group is in
``optimizers/config.py``, those of tasks in ``models/tasks/config.py``. Standard library
only, so that configs are checked without NumPy and TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from textmill.models.checks import COUNT, NOT_NEGATIVE, Bounds, check_bounds
from textmill.models.methods import METHODS, method_config
from textmill.models.registry import NameIn
from textmill.models.training.optimizers.config import OptimizerConfig

StrategyName = Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"]
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: str) -> int:
    """Returns the seconds of ``20m``, ``90s`` or ``1h30m``.

    Raises:
        ValueError: it has another form, or is zero.
    """
    match = _DURATION.fullmatch(text)
    parts = match.groups(default="0") if match else ("0", "0", "0")
    hours, minutes, seconds = (int(part) for part in parts)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise ValueError(f"a time such as 20m, 90s or 1h30m, got {text!r}")
    return total


@dataclass(frozen=True, kw_only=True)
class ProfileWindowConfig:
    """Steps for the profiler to record."""

    first: Annotated[int, NOT_NEGATIVE] = 100
    """First step to record."""
    steps: Annotated[int, Bounds(at_least=1, at_most=10_000)] = 10
    """Number of steps to record."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The length of a run and its learning rates: ``schedule.py``."""

    steps: Annotated[int, COUNT] | None = None
    """Optimizer updates."""
    epochs: Annotated[float, Bounds(above=0, at_most=1_000_000)] | None = None
    """Passes over the training rows, instead of steps."""
    budget: str | None = None
    """Wall time (20m, 90s, 1h30m), instead of steps: the schedule follows the elapsed
    time, which checkpoints include. The number of steps depends on the machine, so such
    a run is not reproducible bit by bit."""
    learning_rate: Annotated[float, NOT_NEGATIVE] = 1e-3
    """Peak learning rate."""
    schedule: Literal["linear", "cosine", "one_cycle", "wsd", "constant"] = "linear"
    """Decay of the learning rate after the warm-up. one_cycle also warms up by a
    cosine; wsd stays at the peak and decays at the end."""
    warmup: Annotated[float, NOT_NEGATIVE] = 0.1
    """Warm-up from 0: a share of the run if below 1, else a number of steps."""
    cooldown: Annotated[float, Bounds(above=0, below=1)] = 0.2
    """wsd: share of the run over which the rate decays."""
    final_learning_rate: Annotated[float, NOT_NEGATIVE] = 0.0
    """Final learning rate, as a share of the peak."""

    def __post_init__(self) -> None:
        lengths = ("steps", "epochs", "budget")
        given = [name for name in lengths if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"one of steps, epochs and budget, got {got}")
        check_bounds(self)
        if self.seconds is not None and self.warmup >= 1:
            raise ValueError(f"warmup below 1 with budget, got {self.warmup}")
        if self.steps is not None or self.warmup < 1:
            self.check_phases(self.steps or 1)

    def check_phases(self, num_steps: int) -> None:
        """Checks that the warm-up, and the cool-down of wsd, fit into the run.

        Raises:
            ValueError: they do not.
        """
        share = self.warmup / num_steps if self.warmup >= 1 else self.warmup
        if share >= 1:
            raise ValueError(f"warmup below steps, got {self.warmup:g} of {num_steps}")
        if self.schedule == "wsd" and share + self.cooldown > 1:
            raise ValueError(
                "warmup and cooldown of 1 or less together for wsd, got "
                f"{share:g} and {self.cooldown:g}"
            )

    @property
    def seconds(self) -> int | None:
        """The budget in seconds, or None."""
        return None if self.budget is None else parse_duration(self.budget)


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """The rows of every update: ``sampler.py``."""

    RENAMED: ClassVar[Mapping[str, str]] = {"batch_start": "initial_batch"}
    """Former keys, for hints."""

    global_batch: Annotated[int, Bounds(at_least=1, at_most=10_000_000)] = 32
    """Rows per update, over all replicas."""
    initial_batch: Annotated[int, COUNT] | None = None
    """Rows of the first updates, doubled step by step up to ``global_batch``. Not
    set: ``global_batch``."""
    batch_ramp: Annotated[int, NOT_NEGATIVE] = 0
    """Number of steps until the batch reaches ``global_batch``."""
    length_buckets: bool = False
    """Batch rows of similar length, and truncate their padding: faster on padded rows,
    with the same tokens, each of the same weight in the run."""
    bucket_width: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] = 32
    """length_buckets: padded lengths are multiples of it; a smaller one pads short rows
    less and compiles the step for more lengths."""

    def __post_init__(self) -> None:
        check_bounds(self)
        start, full = self.initial_batch, self.global_batch
        if (start is None) != (self.batch_ramp == 0):
            raise ValueError("both or neither of initial_batch and batch_ramp, got one")
        if start is not None:
            doublings = full // start if start > 0 else 0
            is_power = doublings > 1 and doublings & (doublings - 1) == 0
            if not is_power or start * doublings != full:
                raise ValueError(
                    f"initial_batch that doubles to global_batch {full}, got {start}"
                )
            if self.batch_ramp < doublings.bit_length() - 1:
                raise ValueError(
                    f"batch_ramp of a step per doubling or more, got {self.batch_ramp}"
                )


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """The computation of an update: ``step.py``."""

    accumulate: Annotated[int, Bounds(at_least=1, at_most=1_000_000)] = 1
    """Gradient accumulation: number of parts of a replica's rows, so that larger
    batches fit; the update is the same as for all rows at once."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Number format of activations; mixed_float16 scales the loss, and its first
    updates (usually 2 to 6) are skipped until the scale is low enough."""
    xla: bool = True
    """Compile the step by XLA; with several replicas, only its gradient."""
    clip_norm: Annotated[float, NOT_NEGATIVE] = 1.0
    """Largest global norm of the gradient; 0 turns clipping off."""
    no_clip: tuple[str, ...] = ()
    """Weights excluded from that norm and from clipping, by parts of their paths."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class AveragingConfig:
    """An average of the weights: ``averaging.py``."""

    average: Literal["ema", "swa"] | None = None
    """Use an average of the weights as the model: an exponential moving one, or the
    mean over the last part of the run. Evaluations measure the average."""
    average_decay: Annotated[float, Bounds(at_least=0, below=1)] = 0.999
    """ema: decay of the average per step."""
    average_from: Annotated[float, Bounds(at_least=0, below=1)] = 0.75
    """swa: share of the run before the average starts."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """Evaluations during training, and early stopping: ``validation.py``."""

    RENAMED: ClassVar[Mapping[str, str]] = {"best": "best_metric"}
    """Former keys, for hints."""

    eval_every: Annotated[int, COUNT] | None = None
    """Steps between evaluations on the eval split. Not set: a tenth of the run, or more
    where the evaluations would take more than a tenth of the training; the last step is
    always evaluated."""
    best_metric: Literal["loss", "accuracy"] | None = None
    """Metric of the eval split that selects the best model. Not set: the last model."""
    patience: Annotated[int, COUNT] | None = None
    """Early stopping: number of evaluations in a row without a better ``best_metric``
    (not set: loss)."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.patience is not None and self.eval_every is None:
            raise ValueError("eval_every with patience, got none")


@dataclass(frozen=True, kw_only=True)
class RecoveryConfig:
    """Losses that are not finite: ``recovery.py``."""

    on_nan: Literal["stop", "rollback"] = "stop"
    """Reaction to a NaN or infinite loss or gradient: stop the run, or return to the
    last checkpoint and skip that step and its rows."""
    max_rollbacks: Annotated[int, NOT_NEGATIVE] = 3
    """Largest number of rollbacks; the next one stops the run."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Steps between checkpoints and points of the curves, and profiles: ``loop.py``."""

    log_every: Annotated[int, COUNT] | None = None
    """Steps between two points of the curves, and most steps per call of the loop. Not
    set: a fiftieth of the run, at most 50 steps. The last point takes in a short
    rest."""
    checkpoint_every: Annotated[int, COUNT] = 200
    """Steps between checkpoints; a killed run loses at most this many."""
    profile: ProfileWindowConfig | None = None
    """Steps for TensorFlow's profiler to record for TensorBoard."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(
    LoopConfig,
    RecoveryConfig,
    ValidationConfig,
    AveragingConfig,
    StepConfig,
    OptimizerConfig,
    BatchConfig,
    ScheduleConfig,
):
    """One training run. Give one of ``steps``, ``epochs`` and ``budget``."""

    # The fields of the last base come first.
    dropout: Annotated[float, Bounds(at_least=0, below=1)] | None = None
    """Dropout in this stage. Not set: the model's."""
    methods: Mapping[Annotated[str, NameIn(METHODS)], Mapping[str, Any]] = field(
        default_factory=dict
    )
    """Training methods and their options, by name: ``{freeze: {weights: [backbone/]}}``
    trains only the head."""

    def __post_init__(self) -> None:
        # A stage's own class also has the knobs of its task as a base.
        for config_slice in type(self).__mro__:
            check = vars(config_slice).get("__post_init__")
            if check not in (None, TrainingConfig.__post_init__):
                check(self)
        check_bounds(self)
        for name, knobs in self.methods.items():
            method_config(name, knobs)
