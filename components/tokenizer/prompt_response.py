"""Prompt and response: rows with a loss on the response only."""

from __future__ import annotations

import numpy as np

from textmill.components.tokenizer.packing import PART, Batch, Packer, place
from textmill.models.errors import DataError, did_you_mean


class Response(Packer):
    """One prompt and its response per row, each tokenized separately, as in serving.

    The end token precedes the prompt and follows the response. A prompt that is too
    long loses its beginning, a response its end; with a long response, the prompt gets
    at most half of the row.
    """

    def texts(self, batch: Batch) -> list[str]:
        """Returns prompts and responses, alternating.

        Raises:
            DataError: a document has no text in the prompt column.
        """
        if self._config.target == "text":
            return [d[field] for d in batch for field in ("text", "target_text")]
        name = self._config.prompt
        assert name is not None, "checked with the config"
        texts = []
        for document in batch:
            if not isinstance(prompt := document.get(name), str):
                columns = [k for k, v in document.items() if isinstance(v, str)]
                raise DataError(
                    f"tokenize.prompt: expected text in column {name!r}, document "
                    f"{document['id']!r} has none; its columns with text are "
                    f"{', '.join(columns)}{did_you_mean(name, columns)}"
                )
            texts += [prompt, document["text"]]
        return texts

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs every prompt with its response into a row."""
        sizes = np.diff(splits).reshape(-1, 2)
        prompt_size, response_size = sizes[:, 0], sizes[:, 1] + 1
        room = self._config.sequence_length - 1
        prompt = np.minimum(prompt_size, np.maximum(room - response_size, room // 2))
        response = np.minimum(response_size, room - prompt)
        whole = response == response_size
        num = np.arange(len(sizes))
        buffer = self._buffer(len(sizes))
        source = splits[1::2] - prompt
        target = (num, np.ones_like(num))
        place(
            buffer, flat, target=target, source=source, count=prompt + response - whole
        )
        length = 1 + prompt + response
        buffer[num[whole], length[whole] - 1] = self._end
        buffer[:, 0] = self._end | PART
        buffer[num, 1 + prompt] |= PART
        written, total = (prompt + response).sum(), (prompt_size + response_size).sum()
        truncated = (prompt < prompt_size) | ~whole
        self._count(in_=total, out=written, dropped=total - written)
        self._count(documents=len(sizes), truncated=truncated.sum())
        field = "target_text" if self._config.target == "text" else "text"
        num_bytes = sum(len(document[field].encode()) for document in batch)
        self._count(answer_tokens=response_size.sum(), answer_bytes=num_bytes)
        return self._finish(buffer, length)
