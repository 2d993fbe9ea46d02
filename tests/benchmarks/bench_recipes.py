"""Both recipes of a small BERT, pretrained for the same time, then taught to classify.

    python tests/benchmarks/bench_recipes.py FOLDER ROOT [budget]

FOLDER holds specs_documents.jsonl.gz and specs.jsonl.gz, ROOT takes the runs. Data,
vocabulary, shape, batch, rate and masks are the same; the recipe is all that differs.
Bits per byte are those of masked tokens of documents that were held out. Every model
is fine-tuned at three rates; a fourth classifier learns from scratch. Prints the rows
of a table. The machine must be idle: the budget is wall time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
RATES = ("3e-4", "5e-4", "1e-3")
CONFIG = """\
name: recipes
datasets:
  documents:
    source: {{jsonl: {folder}/specs_documents.jsonl.gz, id: id}}
    clean: {{unicode: nfc, dedup: exact}}
    split: {{train: 0.98, eval: 0.02, by: id}}
  areas:
    source: {{jsonl: {folder}/specs.jsonl.gz, label: area, id: id}}
    clean: {{unicode: nfc, min_chars: 1}}
    split: {{train: 0.8, eval: 0.1, test: 0.1, by: document}}
vocabulary: {{kind: wordpiece, size: 8000, learn_from: documents}}
model:
  recipe: {recipe}
  layers: 4
  width: 128
  heads: 4
  sequence_length: 128
  dropout: 0
stages:
  pretrain:
    task: masked_lm
    dataset: documents
    train: {{budget: {budget}, global_batch: 64, learning_rate: 2e-3}}
"""
STAGE = """\
  {name}:
    task: classify
    {init}dataset: areas
    train: {{epochs: 4, learning_rate: {rate}, dropout: 0.1, length_buckets: true}}
"""


def run(recipe: str, folder: Path, root: Path, budget: str) -> dict[str, Any]:
    """Returns the summary of the whole line of one recipe."""
    text = CONFIG.format(folder=folder, recipe=recipe, budget=budget)
    for number, rate in enumerate(RATES):
        init = "init: pretrain\n    "
        text += STAGE.format(name=f"tuned_{number}", init=init, rate=rate)
    text += STAGE.format(name="scratch", init="", rate=RATES[1])
    config = root / f"{recipe}.yaml"
    config.write_text(text)
    command = [
        sys.executable,
        "-m",
        "textmill.pipeline.cli",
        "run",
        str(config),
        "--json",
    ]
    done = subprocess.run(
        [*command, "--root", str(root / recipe)],
        check=True,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    summary: dict[str, Any] = json.loads(done.stdout)
    logs = summary["nodes"]["train.pretrain"]["outputs"]["logs"]
    lines = (root / recipe / logs / "scalars.jsonl").read_text().splitlines()
    summary["steps"] = json.loads(lines[-1])["step"]
    return summary


def main() -> None:
    """Prints a table row a recipe."""
    folder, root = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    budget = sys.argv[3] if len(sys.argv) > 3 else "20m"
    root.mkdir(parents=True, exist_ok=True)
    print("| recipe | steps | bits per byte | masked tokens | from scratch | tuned |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for recipe in ("classic", "modern"):
        summary = run(recipe, folder, root, budget)
        stages = summary["stages"]
        found = stages["pretrain"]["metrics"]
        low, high = stages["pretrain"]["intervals"]["bits_per_byte"]
        tuned = [stages[f"tuned_{n}"]["metrics"]["accuracy"] for n in range(len(RATES))]
        print(
            f"| {recipe} | {summary['steps']:,} | {found['bits_per_byte']:.3f} "
            f"[{low:.3f}, {high:.3f}] | {found['accuracy']:.3f} "
            f"| {stages['scratch']['metrics']['accuracy']:.3f} "
            f"| {', '.join(f'{accuracy:.3f}' for accuracy in tuned)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
