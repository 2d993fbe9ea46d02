"""Artifacts of delivery: the record of a push, and the pushed versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textmill.components.artifacts.json_files import read_json
from textmill.components.base import Artifact
from textmill.models.errors import IntegrityError


class PushedModel(Artifact):
    """The destination of a pushed model, or the reason for none: ``push.json``.

    Facts: ``pushed`` (bool), ``version``, ``reason`` and ``destination``, which is
    relative to this folder, so that a project can be moved; ``previous``, the newest
    version of a different model at that time: ``version``, ``metrics``, ``model`` (a
    digest) and ``same_documents``.
    """

    FILE = "push.json"

    @property
    def destination(self) -> Path:
        """The folder of the pushed version."""
        return (self.path / self.facts["destination"]).resolve()

    def stage_summary(self) -> dict[str, Any]:
        """Returns the folder of the pushed version, if there is one."""
        return {"pushed": self.destination if self.facts["pushed"] else None}

    def missing_reason(self) -> str | None:
        """Returns the reason if the pushed version is gone or damaged."""
        if not self.facts["pushed"]:
            return None
        if not (self.destination / PushedVersion.MODEL).exists():
            return f"{self.destination / PushedVersion.MODEL} is gone"
        try:
            PushedVersion(self.destination).verify()
        except IntegrityError as error:
            return str(error)
        return None


class PushedVersion(Artifact):
    """A SavedModel below ``pushed/<stage>/<version>/``, with its evaluation.

    Facts: ``serving`` (the seal of the serving model).
    """

    MODEL = "saved_model.pb"
    CARD = "assets.extra/evaluation.json"
    """The model's digest and evaluation."""
    VALIDATION = "assets.extra/validation.json"
    """The comparison of its formats with the trained model; older versions have none.
    """
    ROWS = "assets.extra/evaluation_rows.parquet"
    """``rows.parquet`` of its evaluation; older versions have none."""

    @classmethod
    def all(cls, folder: Path) -> list[Path]:
        """Returns the folders of the versions below a folder, newest first."""
        versions = [
            version
            for version in folder.glob("*")
            if version.name.isdecimal() and (version / cls.MODEL).is_file()
        ]
        return sorted(versions, key=lambda version: int(version.name), reverse=True)

    @classmethod
    def latest_other(
        cls, folder: Path, model: str
    ) -> tuple[int, dict[str, Any]] | None:
        """Returns number and card of the newest version with a different model.

        Versions without a card were not pushed by Textmill, and do not count.

        Raises:
            IntegrityError: a version's card was altered.
        """
        for path in cls.all(folder):
            if (path / cls.CARD).is_file():
                card = cls(path).read_card()
                if card["model"] != model:
                    return int(path.name), card
        return None

    def read_card(self) -> dict[str, Any]:
        """Returns the verified evaluation card.

        Raises:
            IntegrityError: the card or the manifest was altered, or is missing.
        """
        card: dict[str, Any] = read_json(self.verify_file(self.CARD))
        return card
