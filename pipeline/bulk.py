"""Bulk prediction of files: plans blocks of rows, and goes on where a call stopped."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.manifest import sha256_file
from textmill.models.errors import ConfigError, DataError
from textmill.pipeline.publish import write_atomically
from textmill.pipeline.text_files import fitting_encoding, read_text_rows

if TYPE_CHECKING:
    from textmill.components.predictor.bulk import Block, BulkJob

LEDGER = "predictions.json"
_PLAN, _BAD, _BLOCKS = ".plan.json", "bad.jsonl", ".blocks"
_BLOCK_ROWS = 2048
"""Rows of a block: seconds of work."""


def input_files(patterns: Sequence[str]) -> list[Path]:
    """Returns the files of paths and patterns, each once, in their order.

    Raises:
        ConfigError: a path or pattern has no file.
    """
    files: dict[Path, None] = {}
    for pattern in patterns:
        names = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
        matching = [Path(name) for name in names if Path(name).is_file()]
        if not matching:
            raise ConfigError(f"--input {pattern}: expected a file, found none")
        files |= dict.fromkeys(matching)
    return list(files)


def predict_files(
    files: Sequence[Path],
    output: Path,
    job: BulkJob,
    *,
    beam_options: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes predictions of files to a folder, and returns its ledger.

    ``part-00000.jsonl`` and so on have the rows in the order of the files;
    ``bad.jsonl`` the rows that have no text, with place and reason; the ledger, which
    is written last, counts them.

    Raises:
        ConfigError: the folder has predictions of another model, or of other files.
        DataError: no row has a text.
    """
    from textmill.components.predictor.bulk import predict_blocks

    output.mkdir(parents=True, exist_ok=True)
    plan = {"job": _identity(job), "inputs": [_described(file) for file in files]}
    _check_plan(output, plan)
    if (output / LEDGER).is_file():
        ledger: dict[str, Any] = json.loads((output / LEDGER).read_bytes())
        return ledger
    blocks_dir = output / _BLOCKS
    shutil.rmtree(blocks_dir, ignore_errors=True)
    blocks_dir.mkdir()
    blocks, counts = _write_blocks(files, output, job)
    if not counts["rows"]:
        raise DataError(
            f"{files[0]}: expected rows with a text, found none; {output / _BAD} has "
            "the reasons"
        )
    pending = [block for block in blocks if not Path(block.predictions).exists()]
    if pending:
        predict_blocks(pending, job, beam_options=beam_options)
    shutil.rmtree(blocks_dir)
    ledger = {**counts, "parts": [Path(block.predictions).name for block in blocks]}
    write_atomically(output / LEDGER, json.dumps(ledger, indent=1).encode() + b"\n")
    return ledger


def _identity(job: BulkJob) -> dict[str, Any]:
    """Returns the job, with the content of its model in place of its folder."""
    model = Path(job.model)
    digests = {
        path.relative_to(model).as_posix(): sha256_file(path)
        for path in sorted(model.rglob("*"))
        if path.is_file()
    }
    content = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    return {**asdict(replace(job, model=content)), "columns": list(job.columns)}


def _described(file: Path) -> dict[str, Any]:
    return {"file": str(file), "sha256": sha256_file(file)}


def _check_plan(output: Path, plan: Mapping[str, Any]) -> None:
    """Compares the call with an earlier one into the same folder."""
    path = output / _PLAN
    if not path.is_file():
        others = [name.name for name in output.iterdir() if name.name != _BLOCKS]
        if others:
            raise ConfigError(
                f"--output {output}: expected an empty folder, found {others[0]}; name "
                "another one"
            )
        write_atomically(path, json.dumps(plan).encode())
        return
    before = json.loads(path.read_bytes())
    for name, what in (("job", "another model or options"), ("inputs", "other files")):
        if before[name] != plan[name]:
            raise ConfigError(
                f"--output {output}: has predictions with {what}; name another folder, "
                "or delete this one"
            )


def _write_blocks(
    files: Sequence[Path], output: Path, job: BulkJob
) -> tuple[list[Block], dict[str, int]]:
    """Writes the rows of blocks that have no predictions yet; counts all rows."""
    from textmill.components.predictor.bulk import Block, write_block

    blocks, bad = list[Block](), list[dict[str, Any]]()
    counts = {"rows": 0, "bad": 0}
    rows = (
        row
        for file in files
        for row in read_text_rows(
            file, job.columns, encoding=fitting_encoding(file), bad=bad
        )
    )
    while block_rows := list(islice(rows, _BLOCK_ROWS)):
        number = len(blocks)
        block = Block(
            rows=str(output / _BLOCKS / f"{number:05}.jsonl.zst"),
            predictions=str(output / f"part-{number:05}.{job.format}"),
        )
        if not Path(block.predictions).exists():
            write_block(block_rows, block)
        blocks.append(block)
        counts["rows"] += len(block_rows)
    counts["bad"] = len(bad)
    lines = [json.dumps(letter, ensure_ascii=False) + "\n" for letter in bad]
    write_atomically(output / _BAD, "".join(lines).encode())
    return blocks, counts
