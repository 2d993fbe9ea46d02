"""Small real components, in a module of their own so that workers can import them."""

from __future__ import annotations

import errno
import glob
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.components.base import (
    Artifact,
    Component,
    Context,
    ExternalVersion,
    Input,
    Output,
)
from textmill.models.errors import DataError, Preempted
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.runners.local import LocalRunner


class Words(Artifact):
    """A text in ``words.txt``."""

    def read(self) -> str:
        return (self.path / "words.txt").read_text()

    def write(self, text: str) -> None:
        self.file("words.txt").write_text(text)


class Delivery(Words):
    """A text that was also written to another place."""

    def missing_reason(self) -> str | None:
        place = Path(self.facts["place"])
        return None if place.exists() else f"{place} is gone"


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    path: str
    limit: int = 1000


def read(*, words: Output[Words], config: ReadConfig) -> None:
    words.write(Path(config.path).read_text()[: config.limit])


class Reader(Component, executor=read):
    @classmethod
    def external_files(cls, config: ReadConfig) -> list[Path]:
        return [Path(config.path)]


def move_folder(*, words: Output[Words], config: ReadConfig) -> None:
    Path(config.path).rename(f"{config.path}.moved")
    words.write("moved")


class FolderMover(Component, executor=move_folder):
    """Renames a folder, for example the root that the run uses."""


@dataclass(frozen=True, kw_only=True)
class GatherConfig:
    globs: Mapping[str, str]


def gather(*, words: Output[Words], config: GatherConfig) -> None:
    words.write(" ".join(sorted(config.globs)))


class Gatherer(Component, executor=gather):
    @classmethod
    def external_files(cls, config: GatherConfig) -> list[Path | ExternalVersion]:
        files = []
        for pattern in config.globs.values():
            if "://" in pattern:
                files.append(ExternalVersion(pattern, "10 crc-7"))
            files += map(Path, glob.glob(pattern))
        return files


@dataclass(frozen=True, kw_only=True)
class SuffixConfig:
    suffix: str = "!"


def shout(*, words: Input[Words], loud: Output[Words], config: SuffixConfig) -> None:
    print(f"shouted by process {os.getpid()}")
    loud.write(words.read().upper() + config.suffix)


class Shouter(Component, executor=shout):
    pass


@dataclass(frozen=True, kw_only=True)
class CountConfig:
    steps: int
    seconds: float = 0.02


def count(
    *,
    words: Input[Words] | None = None,
    counted: Output[Words],
    config: CountConfig,
    context: Context,
) -> None:
    """Counts to ``steps``, going on from its checkpoint; notes where it began."""
    assert context.work_dir is not None
    checkpoint = context.work_dir / "step"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for step in range(first, config.steps):
        time.sleep(config.seconds)
        draft = context.work_dir / "draft"
        draft.write_text(str(step + 1))
        draft.replace(checkpoint)
        context.report(
            {"step": step + 1, "total": config.steps, "loss": 1 / (step + 1)}
        )
        if context.should_stop():
            raise Preempted(f"stopped at step {step + 1}")
    print(f"began at {first}")
    counted.write(f"{words.read() if words else ''}{config.steps}")


class Counter(Component, executor=count, resumable=True):
    pass


@dataclass(frozen=True, kw_only=True)
class TroubleConfig:
    kind: str
    note: str = ""


def trouble(*, words: Output[Words], config: TroubleConfig, context: Context) -> None:
    """Fails in one way or another; ``note`` is a file or a number."""
    if config.kind == "data":
        raise DataError("rows.csv:3: expected 2 columns, found 1; mend the line")
    if config.kind == "secret":
        print(f"reading {config.note}", file=sys.stderr)
        raise DataError(f"{config.note}: bad line")
    if config.kind == "defect":
        raise ValueError("unforeseen")
    if config.kind == "memory":
        raise MemoryError
    if config.kind == "disk":
        raise OSError(errno.EIO, os.strerror(errno.EIO), "trouble.bin")
    if config.kind == "silence":
        return
    if config.kind == "sleep":
        time.sleep(60)
    if config.kind == "edited":
        Path(config.note).write_text("edited meanwhile")
    if config.kind == "killed once" and not Path(config.note).exists():
        Path(config.note).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if config.kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if config.kind == "no memory":
        print("terminate called after throwing 'std::bad_alloc'", file=sys.stderr)
        os.abort()
    if config.kind == "big":
        with words.file("big").open("wb") as stream:
            for _ in range(64):
                stream.write(b"x" * 65536)
    words.write("survived")


class Troublemaker(Component, executor=trouble):
    @classmethod
    def external_files(cls, config: TroubleConfig) -> list[Path]:
        return [Path(config.note)] if config.kind == "edited" else []


@dataclass(frozen=True, kw_only=True)
class DeliverConfig:
    place: str


def deliver(
    *, words: Input[Words], delivery: Output[Delivery], config: DeliverConfig
) -> None:
    Path(config.place).write_text(words.read())
    delivery.facts = {"place": config.place}
    delivery.write(words.read())


class Deliverer(Component, executor=deliver):
    pass


@dataclass(frozen=True, kw_only=True)
class JoinConfig:
    separator: str = " "


def join(
    *, parts: dict[str, Input[Words]], joined: Output[Words], config: JoinConfig
) -> None:
    joined.write(config.separator.join(part.read() for part in parts.values()))


class Joiner(Component, executor=join):
    @classmethod
    def render_run(
        cls, summary: Mapping[str, Any], outputs: Mapping[str, Artifact]
    ) -> str:
        return f"<!doctype html> {summary['run_id']}: {sorted(outputs)}"


def chain(source: Path, *, limit: int = 1000, suffix: str = "!") -> Pipeline:
    """read -> shout -> join <- read"""
    config = ReadConfig(path=str(source), limit=limit)
    reader = Reader(config, id="read", config_paths={"": "source"})
    words = reader.outputs["words"]
    shouter = Shouter(SuffixConfig(suffix=suffix), id="shout.a", words=words)
    parts = {"loud": shouter.outputs["loud"], "plain": words}
    return Pipeline(
        "toy", [reader, shouter, Joiner(JoinConfig(), id="join", parts=parts)]
    )


def counting(source: Path, *, steps: int = 20, seconds: float = 0.02) -> Pipeline:
    """read -> count -> shout"""
    reader = Reader(ReadConfig(path=str(source)), id="read")
    counter = Counter(
        CountConfig(steps=steps, seconds=seconds),
        id="count",
        words=reader.outputs["words"],
    )
    loud = Shouter(SuffixConfig(), id="shout", words=counter.outputs["counted"])
    return Pipeline("toy", [reader, counter, loud])


def alone(component: Component) -> Pipeline:
    """One node."""
    return Pipeline("toy", [component])


def run_counting(root: str, source: str, steps: int, seconds: float) -> None:
    """Runs ``counting`` as a process of its own."""
    runner = LocalRunner(Path(root), progress=False)
    pipeline = counting(Path(source), steps=steps, seconds=seconds)
    raise SystemExit(runner.run(pipeline).exit_code)
