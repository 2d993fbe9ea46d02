"""Prompt and response: rows whose loss is on the response alone."""

from __future__ import annotations

import numpy as np

from textmill.components.tokenizer.packing import PART, Batch, Packer, place
from textmill.models.errors import DataError, did_you_mean


class Response(Packer):
    """A prompt and its response a row, each tokenized by itself, as at serving.

    The end token stands before the prompt and after the response. Of what is too long,
    the response keeps its beginning and the prompt its end; the prompt never takes more
    than half of the row from the response.
    """

    def texts(self, batch: Batch) -> list[str]:
        """Returns prompts and responses in turn.

        Raises:
            DataError: a document has no such column.
        """
        name = self._config.prompt
        assert name is not None, "checked with the config"
        found = []
        for document in batch:
            if not isinstance(prompt := document.get(name), str):
                columns = [k for k, v in document.items() if isinstance(v, str)]
                raise DataError(
                    f"tokenize.prompt: expected text in column {name!r}, document "
                    f"{document['id']!r} has none; its columns with text are "
                    f"{', '.join(columns)}{did_you_mean(name, columns)}"
                )
            found += [prompt, document["text"]]
        return found

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs every prompt and its response to a row."""
        sizes = np.diff(splits).reshape(-1, 2)
        given, wanted = sizes[:, 0], sizes[:, 1] + 1
        room = self._config.sequence_length - 1
        prompt = np.minimum(given, np.maximum(room - wanted, room // 2))
        answer = np.minimum(wanted, room - prompt)
        whole = answer == wanted
        num = np.arange(len(sizes))
        buffer = self._buffer(len(sizes))
        source = splits[1::2] - prompt
        at = (num, np.ones_like(num))
        place(buffer, flat, at=at, source=source, count=prompt + answer - whole)
        length = 1 + prompt + answer
        buffer[num[whole], length[whole] - 1] = self._end
        buffer[:, 0] = self._end | PART
        buffer[num, 1 + prompt] |= PART
        kept, total = (prompt + answer).sum(), (given + wanted).sum()
        cut = (prompt < given) | ~whole
        self._count(in_=total, out=kept, dropped=total - kept)
        self._count(documents=len(sizes), truncated=cut.sum())
        return self._finish(buffer, length)
