"""Artifact types, each owning its file names.

Reading order: ``data`` (documents to token rows), ``models``, ``predictions``,
``evaluation``, ``pushed``; ``splits`` and ``json_files`` are shared. Readers here
return plain Python values; the heavy readers of token rows and weights are in
``textmill.models``.
"""

from textmill.components.artifacts.data import Documents, Profile, TokenRows, Vocabulary
from textmill.components.artifacts.evaluation import Evaluation, Report
from textmill.components.artifacts.json_files import read_json, write_json
from textmill.components.artifacts.models import (
    ServingModel,
    TrainedModel,
    TrainingLogs,
    Validation,
)
from textmill.components.artifacts.predictions import Predictions
from textmill.components.artifacts.pushed import PushedModel, PushedVersion
from textmill.components.artifacts.splits import (
    OUT_OF_FOLD,
    SPLITS,
    fold_name,
    order_splits,
    shard_name,
)

__all__ = [
    "OUT_OF_FOLD",
    "SPLITS",
    "Documents",
    "Evaluation",
    "Predictions",
    "Profile",
    "PushedModel",
    "PushedVersion",
    "Report",
    "ServingModel",
    "TokenRows",
    "TrainedModel",
    "TrainingLogs",
    "Validation",
    "Vocabulary",
    "fold_name",
    "order_splits",
    "read_json",
    "shard_name",
    "write_json",
]
