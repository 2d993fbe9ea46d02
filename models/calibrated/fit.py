"""Fits a calibrated classifier to held-out predictions of its parts.

Two weights suffice: a sum of log probabilities is a product of experts, and their scale
is a temperature (Guo et al., 2017, "On Calibration of Modern Neural Networks"). The
weights of answers to compare two models are fitted on other documents than those that
they answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

LOWEST_LOG_PROBABILITY = -69.0
"""Lower bound of log probabilities: float32 holds exp(-69)."""
_LARGEST_WEIGHT = 20.0
NUM_SHARES = 21
PARTS = 5
"""Parts of held-out documents, each of which is answered by weights of the others."""
_THRESHOLD_STEPS = 10_000


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The fitted weights and the threshold of confidence.

    Attributes:
        encoder: weight of the encoder's log probabilities; 0.0 without an encoder.
        linear: weight of the linear model's; 0.0 without one.
        threshold: lowest probability of a confident answer; None if no answer is.
        risk: highest share of errors among confident answers.
    """

    encoder: float
    linear: float
    threshold: float | None
    risk: float

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return asdict(self)

    def probabilities(
        self, encoder: np.ndarray | None, linear: np.ndarray | None
    ) -> np.ndarray:
        """Joins the probabilities of the parts, float32 ``[rows, labels]``."""
        parts = {"encoder": encoder, "linear": linear}
        given = {name: p for name, p in parts.items() if p is not None}
        weights = np.array([getattr(self, name) for name in given])
        return _join(log_probabilities(list(given.values())), weights)

    def outputs(
        self, encoder: np.ndarray | None, linear: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns the columns of predictions: ``probabilities`` and ``confident``."""
        joined = self.probabilities(encoder, linear)
        return {"probabilities": joined, "confident": self.is_confident(joined)}

    def is_confident(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns bool ``[rows]`` for probabilities ``[rows, labels]``."""
        if self.threshold is None:
            return np.zeros(len(probabilities), bool)
        is_above: np.ndarray = probabilities.max(axis=1) >= np.float32(self.threshold)
        return is_above


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Compares held-out loss of the joint model and of the linear model alone.

    Attributes:
        gain: the linear model's mean loss minus the joint model's.
        error: standard error of ``gain`` over documents.
        rows: number of documents.
        accuracy: of the joint model; None for numbers.
        linear_accuracy: of the linear model; None for numbers.
        measure: name of the loss: ``log loss``, in nats, or ``squared error``.
    """

    gain: float
    error: float
    rows: int
    accuracy: float | None = None
    linear_accuracy: float | None = None
    measure: str = "log loss"

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes and the decision as JSON values."""
        return {**asdict(self), "sentence": self.sentence}

    @property
    def joint_is_better(self) -> bool:
        """True if the gain exceeds its standard error."""
        return self.gain > self.error

    @property
    def sentence(self) -> str:
        """The decision in a sentence."""
        who = "encoder and linear model answer together"
        if not self.joint_is_better:
            who = "the linear model answers alone"
        change = f"lowers its {self.measure} by {self.gain:.4f}"
        if self.gain <= 0:
            change = f"does not lower its {self.measure} ({abs(self.gain):.4f} more)"
        return (
            f"{who}: the encoder {change}, standard error {self.error:.4f}, on "
            f"{self.rows:,} held-out documents"
        )


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Outputs of the parts for documents that they have not learned from.

    Attributes:
        parts: ``encoder``, ``linear``, or both, in this order: ``[rows, ...]``.
        targets: of the same documents ``[rows, ...]``.
        groups: numbers ``[rows]`` of the groups of documents that belong together;
            None if each stands for itself.
    """

    parts: Mapping[str, np.ndarray]
    targets: np.ndarray
    groups: np.ndarray | None = None
    _cross_fitted: dict[tuple[str, ...], np.ndarray] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def of(
        cls,
        encoder: np.ndarray | None,
        linear: np.ndarray | None,
        targets: np.ndarray,
        groups: np.ndarray | None = None,
    ) -> HeldOut:
        """Returns the outputs of one or both parts, without those that are None."""
        given = {"encoder": encoder, "linear": linear}
        parts = {name: value for name, value in given.items() if value is not None}
        return cls(parts=parts, targets=targets, groups=groups)

    @property
    def encoder(self) -> np.ndarray | None:
        """Outputs of the encoder, if it is a part."""
        return self.parts.get("encoder")

    @property
    def linear(self) -> np.ndarray | None:
        """Outputs of the linear model, if it is a part."""
        return self.parts.get("linear")

    def only(self, *names: str) -> HeldOut:
        """Returns the outputs of some parts, with the answers of both computed once."""
        return replace(self, parts={name: self.parts[name] for name in names})

    def cross_fitted(self) -> np.ndarray:
        """Returns joint probabilities, of each document by weights of other groups.

        Kind label alone; float32 ``[rows, labels]``.
        """
        names = tuple(self.parts)
        if names not in self._cross_fitted:
            logs = log_probabilities(list(self.parts.values()))
            self._cross_fitted[names] = cross_fitted(logs, self.targets, self.groups)
        return self._cross_fitted[names]


def log_probabilities(parts: list[np.ndarray]) -> np.ndarray:
    """Returns bounded float64 logarithms ``[parts, rows, labels]``."""
    stacked = np.stack(parts).astype(np.float64)
    smallest = math.exp(LOWEST_LOG_PROBABILITY)
    return np.log(np.maximum(stacked, smallest))


def compare(held_out: HeldOut) -> Comparison:
    """Compares the joint model with the linear model on held-out documents.

    Args:
        held_out: probabilities ``[rows, labels]`` of both parts, and label numbers
            ``[rows]``.
    """
    joint, alone = held_out.cross_fitted(), held_out.only("linear").cross_fitted()
    targets, groups = held_out.targets, held_out.groups
    rows = np.arange(len(targets))
    gains = np.log(joint[rows, targets]) - np.log(alone[rows, targets])
    return Comparison(
        gain=float(gains.mean()),
        error=standard_error(gains, groups),
        accuracy=float((joint.argmax(axis=1) == targets).mean()),
        linear_accuracy=float((alone.argmax(axis=1) == targets).mean()),
        rows=len(rows),
    )


def fit_calibration(held_out: HeldOut, *, risk: float) -> Calibration:
    """Fits weights and threshold to held-out probabilities of one or both parts.

    Args:
        held_out: probabilities ``[rows, labels]`` and label numbers ``[rows]``; without
            rows, the parts count alike and no answer is confident.
        risk: highest share of errors among confident answers.
    """
    weights, threshold = fit_weights(held_out), None
    if len(held_out.targets):
        fitted = Calibration(**weights, threshold=None, risk=risk)
        # The answers of the same documents would look more certain than they are.
        if len(held_out.targets) >= 2 * PARTS:
            probabilities = held_out.cross_fitted()
        else:
            probabilities = fitted.probabilities(held_out.encoder, held_out.linear)
        threshold = confidence_threshold(probabilities, held_out.targets, risk=risk)
    return Calibration(**weights, threshold=threshold, risk=risk)


def fit_weights(held_out: HeldOut) -> dict[str, float]:
    """Returns the weights of ``encoder`` and ``linear``; 0.0 for a missing part."""
    parts = held_out.parts
    weights = {"encoder": 0.0, "linear": 0.0}
    if not len(held_out.targets):
        return weights | dict.fromkeys(parts, 1.0 / len(parts))
    logs = log_probabilities(list(parts.values()))
    fitted = np.round(_fit_weights(logs, held_out.targets, held_out.groups), 4)
    return weights | dict(zip(parts, fitted.tolist(), strict=True))


def confidence_threshold(
    probabilities: np.ndarray, targets: np.ndarray, *, risk: float
) -> float | None:
    """Returns the lowest confidence above which the share of errors is within a risk.

    One more error than there are is counted, which bounds the expected risk of a new
    document (Angelopoulos et al., 2022, "Conformal Risk Control").

    Args:
        probabilities: ``[rows, labels]``.
        targets: label numbers ``[rows]``.
        risk: highest share of errors.

    Returns:
        A multiple of 0.0001, so that the last bits of a probability do not matter;
        None if no threshold meets the risk.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    is_wrong = (probabilities.argmax(axis=1) != targets)[order]
    counts = np.arange(1, len(order) + 1)
    bound = (np.cumsum(is_wrong) + 1) / (counts + 1)
    # Documents of one confidence are answered together or not at all.
    ends = np.append(np.diff(confidence[order]) != 0, True)
    within = np.flatnonzero((bound <= risk) & ends)
    if not len(within):
        return None
    lowest = float(confidence[order][within[-1]])
    return math.floor(lowest * _THRESHOLD_STEPS) / _THRESHOLD_STEPS


def _join(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns float32 ``[rows, labels]`` for logarithms ``[parts, rows, labels]``."""
    return softmax(np.tensordot(weights, logs, 1), axis=1).astype(np.float32)


def cross_fitted(
    logs: np.ndarray, targets: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """Returns probabilities of each document by weights fitted on other groups."""
    if groups is None or len(np.unique(groups)) < PARTS:
        groups = np.arange(len(targets))
    part_of = groups % PARTS
    probabilities = np.zeros(logs.shape[1:], np.float32)
    for part in range(PARTS):
        inside = part_of == part
        weights = _fit_weights(logs[:, ~inside], targets[~inside], groups[~inside])
        probabilities[inside] = _join(logs[:, inside], weights)
    smallest = np.float32(math.exp(LOWEST_LOG_PROBABILITY))
    return np.maximum(probabilities, smallest)


def _fit_weights(
    logs: np.ndarray, targets: np.ndarray, groups: np.ndarray | None
) -> np.ndarray:
    """Returns the weights ``[parts]`` of one part, or of encoder and linear model.

    The encoder has the smallest share with a log loss within one standard error of the
    lowest (Breiman et al., 1984). The lowest itself gives it too much: any second
    opinion lowers the loss of answers that are too certain, but a worse one also
    changes right answers into wrong ones.
    """
    shares = np.linspace(0.0, 1.0, NUM_SHARES)
    mixtures = np.stack([shares, 1.0 - shares], axis=1) if len(logs) > 1 else [[1.0]]
    candidates = [_scaled(np.asarray(m), logs, targets) for m in mixtures]
    losses = np.stack([_losses(w, logs, targets) for w in candidates])
    excess = losses - losses[losses.mean(axis=1).argmin()]  # [mixtures, rows]
    errors = [standard_error(row, groups) for row in excess]
    return candidates[int((excess.mean(axis=1) <= errors).argmax())]


def standard_error(values: np.ndarray, groups: np.ndarray | None) -> float:
    """Returns the standard error of the mean of values ``[rows]`` of some groups.

    The sums over groups are independent, the rows of a group are not (Liang and Zeger,
    1986).
    """
    deviations = values - values.mean()
    if groups is not None:
        deviations = np.bincount(groups, weights=deviations)
        deviations = deviations[np.bincount(groups) > 0]
    count = len(deviations)
    variance = (deviations**2).sum() * count / max(count - 1, 1)
    return float(math.sqrt(variance) / len(values))


def _scaled(mixture: np.ndarray, logs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns a mixture at the scale of the lowest log loss, a convex problem."""
    optimum = minimize_scalar(
        lambda scale: _losses(scale * mixture, logs, targets).mean(),
        bounds=(0.0, _LARGEST_WEIGHT),
        method="bounded",
        options={"xatol": 1e-4},
    )
    scaled: np.ndarray = optimum.x * mixture
    return scaled


def _losses(weights: np.ndarray, logs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the log loss of each row.

    One more document than there are is taken to be wrong (Platt, 1999), or answers
    without an error would be certain.
    """
    size, num_labels = logs.shape[1:]
    answers = log_softmax(np.tensordot(weights, logs, 1), axis=1)
    truth = np.full((size, num_labels), 1 / (size + 2) / max(num_labels - 1, 1))
    truth[np.arange(size), targets] = (size + 1) / (size + 2)
    losses: np.ndarray = -(truth * answers).sum(axis=1)
    return losses
