"""A toy export format: a zipped SavedModel; installed as a plug-in by tests."""

import shutil
import tempfile
from pathlib import Path

from textmill.models.export import FormatRow
from textmill.models.export.format import Format
from textmill.models.export.saved_model import SavedModel

ROW = FormatRow(path="toy_format:Zip")


class Zip(Format):
    """One file, ``model.zip``."""

    def write(self, task, tokenizer, folder, options):
        with tempfile.TemporaryDirectory() as unpacked:
            SavedModel().write(task, tokenizer, Path(unpacked), options)
            shutil.make_archive(str(folder / "model"), "zip", unpacked)

    def load(self, folder):
        with tempfile.TemporaryDirectory() as unpacked:
            shutil.unpack_archive(folder / "model.zip", unpacked)
            return SavedModel().load(Path(unpacked))
