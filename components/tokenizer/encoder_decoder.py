"""Source and target: two sequences in a row, for an encoder and a decoder."""

from __future__ import annotations

import numpy as np

from textmill.components.tokenizer.packing import ID, Batch, Packer, place


class EncoderDecoder(Packer):
    """The text framed and truncated as in serving, and the target for a decoder.

    A target begins with the start token; a whole one is followed by the end token, a
    longer one loses its end.
    """

    def texts(self, batch: Batch) -> list[str]:
        """Returns sources and targets, alternating."""
        return [d[field] for d in batch for field in ("text", "target_text")]

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs every source with its target into a row."""
        sizes = np.diff(splits).reshape(-1, 2)
        source = np.minimum(sizes[:, 0], self._config.sequence_length - 2)
        target = np.minimum(sizes[:, 1], self._config.target_length - 1)
        is_whole = sizes[:, 1] < self._config.target_length - 1
        num, ones = np.arange(len(sizes)), np.ones(len(sizes), np.int64)
        buffer = self._buffer(len(sizes))
        place(buffer, flat, target=(num, ones), source=splits[:-1:2], count=source)
        buffer[:, 0], buffer[num, source + 1] = self._start, self._end
        rows = self._finish(buffer, source + 2)
        written = np.full(
            (len(sizes), self._config.target_length), self._targets.pad, np.int32
        )
        place(written, flat, target=(num, ones), source=splits[1::2], count=target)
        written[:, 0] = self._targets.start
        written[num[is_whole], target[is_whole] + 1] = self._targets.end
        rows["target_ids"] = written & ID
        rows["target_length"] = 1 + target + is_whole
        out = source.sum() + target.sum()
        truncated = (source < sizes[:, 0]) | (target < sizes[:, 1])
        self._count(in_=sizes.sum(), out=out, dropped=sizes.sum() - out)
        self._count(documents=len(sizes), truncated=truncated.sum())
        self._count(answer_tokens=(sizes[:, 1] + 1).sum())
        num_bytes = sum(len(document["target_text"].encode()) for document in batch)
        self._count(answer_bytes=num_bytes)
        return rows
