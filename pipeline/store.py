"""MetadataStore: an SQLite index of runs, executions, artifacts and their lineage.

The source of truth is on disk: ``execution.json``, ``manifest.json`` and
``summary.json`` decide whether a node is up to date, and ``rebuild`` restores the index
from them. The store also caches digests of files and parsed source files.
"""

from __future__ import annotations

import json
import platform
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from textmill.components.manifest import MANIFEST, canonical_json
from textmill.models.errors import (
    ConfigError,
    IntegrityError,
    MachineError,
    did_you_mean,
)
from textmill.pipeline.publish import EXECUTION, find_drafts, write_atomically

STORE = "store.sqlite"
SUMMARY = "summary.json"
VERSION = 1
_BUSY_SECONDS = 30

_SCHEMA = """
CREATE TABLE runs(
    id TEXT PRIMARY KEY, status TEXT NOT NULL, exit_code INTEGER,
    started REAL NOT NULL, seconds REAL, summary TEXT NOT NULL);
CREATE TABLE executions(
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, key TEXT, component TEXT NOT NULL,
    run_id TEXT NOT NULL, state TEXT NOT NULL, exit_code INTEGER, error TEXT,
    started REAL NOT NULL, seconds REAL NOT NULL, UNIQUE(node, run_id));
CREATE TABLE artifacts(
    path TEXT PRIMARY KEY, node TEXT NOT NULL, key TEXT NOT NULL, output TEXT NOT NULL,
    type TEXT NOT NULL, digest TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX artifacts_by_digest ON artifacts(digest);
CREATE TABLE events(
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,
    direction TEXT NOT NULL CHECK (direction IN ('input', 'output')),
    name TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (execution, direction, name)) WITHOUT ROWID;
CREATE TABLE file_digests(
    path TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources(content TEXT PRIMARY KEY, says TEXT NOT NULL) WITHOUT ROWID;
"""


class MetadataStore:
    """The metadata index of one root folder.

    Raises:
        IntegrityError: the file is damaged.
        ConfigError: a newer Textmill wrote it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / STORE
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineError(
                f"{root}: cannot be created ({error.strerror}); give another --root"
            ) from error
        with self._faults():
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None
            )
        try:
            with self._faults():
                self._open()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> MetadataStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def runs(self) -> list[dict[str, Any]]:
        """Returns every run: run_id, status, exit_code, started, ...

        The newest is first, by the order of recording: a clock may be set back.
        """
        rows = self._rows(
            "SELECT id AS run_id, status, exit_code, started, seconds"
            " FROM runs ORDER BY rowid DESC"
        )
        return [dict(row) for row in rows]

    def summaries(self) -> list[dict[str, Any]]:
        """Returns the summary of every run, in the order of ``runs``."""
        rows = self._rows("SELECT summary FROM runs ORDER BY rowid DESC")
        return [self._parse(row["summary"]) for row in rows]

    def run(self, id: str) -> dict[str, Any]:
        """Returns the summary of a run, plus its ``executions``.

        Raises:
            ConfigError: the run is unknown.
        """
        rows = self._rows("SELECT summary FROM runs WHERE id = ?", id)
        if not rows:
            hint = did_you_mean(id, [run["run_id"] for run in self.runs()])
            raise ConfigError(f"{self.root}: has no run {id!r}{hint}")
        executions = self._rows(
            "SELECT node, key, component, state, exit_code, error, started, seconds"
            " FROM executions WHERE run_id = ? ORDER BY started, id",
            id,
        )
        summary = self._parse(rows[0]["summary"])
        return summary | {"executions": [dict(row) for row in executions]}

    def lineage(self, digest: str) -> list[dict[str, Any]]:
        """Returns the executions that read or wrote an artifact of this digest."""
        rows = self._rows(
            "SELECT node, key, run_id, direction, name FROM events"
            " JOIN executions ON executions.id = execution"
            " WHERE digest = ? ORDER BY started, direction DESC",
            digest,
        )
        return [dict(row) for row in rows]

    def folder_of(self, digest: str) -> Path | None:
        """Returns the folder of the newest result with an output of this digest."""
        rows = self._rows(
            "SELECT node, key FROM events"
            " JOIN executions ON executions.id = execution"
            " WHERE digest = ? AND direction = 'output'"
            " ORDER BY execution DESC LIMIT 1",
            digest,
        )
        return (
            self.root / "artifacts" / rows[0]["node"] / rows[0]["key"] if rows else None
        )

    def record_run(self, summary: Mapping[str, Any]) -> None:
        """Stores or updates the summary of a run."""
        with self._transaction():
            self._put_run(summary)

    def has_execution(self, node: str, run_id: str) -> bool:
        """Returns True if a run's execution of a node is stored."""
        query = "SELECT 1 FROM executions WHERE node = ? AND run_id = ?"
        return bool(self._rows(query, node, run_id))

    def record_execution(self, execution: Mapping[str, Any]) -> None:
        """Stores an execution: its result, inputs and outputs.

        Args:
            execution: as in ``execution.json``, with ``state``, and for a failed one
                ``exit_code`` and ``error``.
        """
        with self._transaction():
            self._put_execution(execution)

    def abandon_dead_runs(self) -> list[str]:
        """Marks runs as abandoned whose process has ended; returns their ids."""
        abandoned = []
        running = self._rows("SELECT id, summary FROM runs WHERE status = 'running'")
        for row in running:
            summary = self._parse(row["summary"])
            if not is_running(summary["process"]):
                summary["status"] = "abandoned"
                folder = self.root / "runs" / row["id"]
                if folder.is_dir():
                    for draft in find_drafts(folder):
                        draft.unlink()
                    write_summary(folder, summary)
                self.record_run(summary)
                abandoned.append(row["id"])
        return abandoned

    def forget(self, runs: Iterable[str], results: Iterable[tuple[str, str]]) -> None:
        """Removes runs, and results that were deleted.

        Args:
            runs: ids of runs.
            results: node and key of deleted results.
        """
        with self._transaction():
            for run_id in runs:
                self._connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))
                self._connection.execute(
                    "DELETE FROM executions WHERE run_id = ? AND state != 'ran'",
                    (run_id,),
                )
            for result in results:
                for table in ("executions", "artifacts"):
                    self._connection.execute(
                        f"DELETE FROM {table} WHERE node = ? AND key = ?", result
                    )

    def rebuild(self) -> dict[str, int]:
        """Fills an empty index from disk; returns the counts by kind.

        Raises:
            IntegrityError: a summary, history or manifest is damaged; the index has
                all others.
        """
        damaged: list[str] = []
        counts = {"runs": 0, "executions": 0}
        for kind, pattern, put in (
            ("runs", f"runs/*/{SUMMARY}", self._restore_run),
            ("executions", f"artifacts/*/*/{EXECUTION}", self._restore_execution),
        ):
            for path, record in _by_start(self.root.glob(pattern)):
                try:
                    with self._transaction():
                        put(record)
                    counts[kind] += 1
                except (ValueError, KeyError, TypeError, AttributeError, OSError):
                    damaged.append(str(path))
        if damaged:
            raise IntegrityError(
                f"{', '.join(damaged)}: damaged; delete their folders. The index has "
                f"the other {counts['runs']} runs and {counts['executions']} executions"
            )
        return counts

    def _restore_run(self, summary: dict[str, Any]) -> None:
        self._put_run(summary)
        for node, entry in summary["nodes"].items():
            if entry["state"] not in ("ran", "skipped"):
                self._put_execution(entry | {"node": node, "run_id": summary["run_id"]})

    def _restore_execution(self, history: dict[str, Any]) -> None:
        self._put_execution(history | {"state": "ran"})

    def file_digests(self) -> dict[str, tuple[str, str]]:
        """Returns the known (state, sha256) of files by path."""
        rows = self._rows("SELECT path, state, sha256 FROM file_digests")
        return {row["path"]: (row["state"], row["sha256"]) for row in rows}

    def remember_file_digests(self, known: Mapping[str, tuple[str, str]]) -> None:
        """Stores the (state, sha256) of files by path."""
        rows = [(path, *entry) for path, entry in known.items()]
        self._put_many("INSERT OR REPLACE INTO file_digests VALUES (?, ?, ?)", rows)

    def sources(self) -> dict[str, str]:
        """Returns the parsed source files by content key."""
        rows = self._rows("SELECT content, says FROM sources")
        return {row["content"]: row["says"] for row in rows}

    def remember_sources(self, known: Mapping[str, str]) -> None:
        """Stores parsed source files by content key."""
        rows = list(known.items())
        self._put_many("INSERT OR REPLACE INTO sources VALUES (?, ?)", rows)

    def _open(self) -> None:
        self._connection.row_factory = sqlite3.Row
        problem = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        if (version := self._version()) > VERSION:
            raise ConfigError(
                f"{self.path}: expected schema {VERSION}, found {version}, written by "
                "a newer Textmill; upgrade Textmill, or give another --root"
            )
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._version() == 0:
            with self._transaction():
                if self._version() == 0:
                    for statement in _SCHEMA.split(";\n"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.OperationalError as error:
            if str(error).startswith("Could not decode"):
                raise self._damage(error) from error
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_BUSY"):
                raise MachineError(
                    f"{self.path}: locked for {_BUSY_SECONDS} s; "
                    "end the process that holds it, then try again"
                ) from error
            raise MachineError(
                f"{self.path}: {error}; make the folder writable and leave room on "
                "its disk, then try again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> IntegrityError:
        return IntegrityError(
            f"{self.path}: damaged ({error}); run `textmill runs rebuild` to "
            "restore it from the manifests: nothing is lost"
        )

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise self._damage(error) from error
        return value

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._faults():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._faults():
            return self._connection.execute(query, values).fetchall()

    def _put_many(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        if rows:
            with self._transaction():
                self._connection.executemany(statement, rows)

    def _put_run(self, summary: Mapping[str, Any]) -> None:
        self._connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET"
            " status = excluded.status, exit_code = excluded.exit_code,"
            " started = excluded.started, seconds = excluded.seconds,"
            " summary = excluded.summary",
            (
                summary["run_id"],
                summary["status"],
                summary.get("exit_code"),
                summary["started"],
                summary.get("seconds"),
                canonical_json(summary).decode(),
            ),
        )

    def _put_execution(self, execution: Mapping[str, Any]) -> None:
        names = "node key component run_id state exit_code error started seconds"
        columns = names.split()
        cursor = self._connection.execute(
            f"INSERT OR REPLACE INTO executions({', '.join(columns)})"
            f" VALUES ({', '.join('?' * len(columns))})",
            [execution.get(column) for column in columns],
        )
        if execution["state"] != "ran":
            return
        events = [
            (cursor.lastrowid, direction, name, digest)
            for direction in ("input", "output")
            for name, digest in _flat(execution[direction + "s"])
        ]
        self._connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", events)
        for output in execution["outputs"]:
            self._put_artifact(execution["node"], execution["key"], output)

    def _put_artifact(self, node: str, key: str, output: str) -> None:
        path = Path("artifacts") / node / key / output
        manifest = json.loads((self.root / path / MANIFEST).read_bytes())
        size = sum(file["size"] for file in manifest["files"])
        content = (manifest["type"], manifest["digest"], size)
        self._connection.execute(
            "INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (path.as_posix(), node, key, output, *content),
        )


def rebuild(root: Path) -> dict[str, int]:
    """Replaces the index by a new one, made from disk; returns the counts by kind.

    Raises:
        IntegrityError: a history, a summary or a manifest on disk is damaged.
        ConfigError: a newer Textmill wrote the index.
    """
    with suppress(IntegrityError):
        MetadataStore(root).close()
    for ending in ("", "-wal", "-shm"):
        (root / (STORE + ending)).unlink(missing_ok=True)
    with MetadataStore(root) as store:
        try:
            return store.rebuild()
        finally:
            store.abandon_dead_runs()


def process_identity(pid: int | None = None) -> dict[str, Any]:
    """Returns host, process id and start time: together they identify a process."""
    process = psutil.Process(pid)
    seconds_after_boot = round(process.create_time() - psutil.boot_time(), 2)
    return {"host": platform.node(), "pid": process.pid, "start": seconds_after_boot}


def is_running(process: Mapping[str, Any]) -> bool:
    """Returns True if the process runs, or is on another host."""
    if process["host"] != platform.node():
        return True
    try:
        is_zombie = psutil.Process(process["pid"]).status() == psutil.STATUS_ZOMBIE
        return not is_zombie and process_identity(process["pid"]) == dict(process)
    except psutil.NoSuchProcess:
        return False


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Writes a run's ``summary.json`` atomically."""
    text = json.dumps(summary, indent=1, ensure_ascii=False)
    write_atomically(folder / SUMMARY, text.encode() + b"\n")


def _by_start(paths: Iterable[Path]) -> list[tuple[Path, Any]]:
    """Reads the records in the order in which they were started; damaged ones first.

    Names of runs cannot tell: two runs of one second differ in their random ends.
    """
    records: list[tuple[float, Path, Any]] = []
    for path in paths:
        if path.parent.suffix:
            continue  # .staging and the like are no executions
        try:
            record = json.loads(path.read_bytes())
            records.append((float(record["started"]), path, record))
        except (ValueError, KeyError, TypeError, OSError):
            records.append((0.0, path, None))
    return [(path, record) for _, path, record in sorted(records, key=lambda r: r[:2])]


def _flat(digests: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in digests.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", digest) for inner, digest in value.items())
        else:
            yield name, value
