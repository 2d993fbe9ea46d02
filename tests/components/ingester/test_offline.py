"""Ingestion reaches for nothing beyond this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[3] / ".ci/typing"
PROGRAM = """
import sys
from pathlib import Path

def refuse(event, arguments):
    if event == "socket.getaddrinfo":
        raise ConnectionRefusedError(f"asked for the address of {arguments[0]}")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        if arguments[1][0] not in ("127.0.0.1", "::1", "localhost"):
            raise ConnectionRefusedError(f"connected to {arguments[1]}")

sys.addaudithook(refuse)

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.filters.language import LanguageConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig

clean = CleanConfig(
    markup="strip", privacy="mask", dedup="near",
    language=LanguageConfig(method="script"),
)
dataset = DatasetConfig(
    source=SourceConfig(jsonl=sys.argv[1]),
    clean=clean,
    split=SplitConfig(train=1, eval=0),
)
documents = Documents(Path(sys.argv[2]))
ingest(documents=documents, config=IngesterConfig(dataset=dataset), context=Context())
print(documents.facts["splits"])
"""


def test_with_connections_refused_documents_are_made_all_the_same(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        json.dumps({"text": f"Number {n} of http://example.org"}) for n in range(9)
    ]
    path.write_text("\n".join(lines))
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "documents")],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "{'train': 9}"
