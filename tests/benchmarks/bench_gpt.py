"""nanoGPT's CPU setting, from text to validation loss, compared with plain PyTorch.

    python tests/benchmarks/bench_gpt.py PEER_PYTHON TEXT [rounds] [--set A.B=V]...

Ours is ``textmill run configs/gpt_shakespeare.yaml`` up to the evaluation in a root of
its own; its seconds are those of the node ``train.plays``, imports and compilation
counted, its loss is that of the evaluation. The peer is ``shared/peers/gpt_torch.py``
as a whole command. ``--set`` changes ours, as it does for ``textmill run``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PEER = REPOSITORY.parent / "shared" / "peers" / "gpt_torch.py"
CONFIG = REPOSITORY / "configs" / "gpt_shakespeare.yaml"


def ours(text: Path, overrides: list[str]) -> tuple[float, float]:
    """Returns seconds of training and the validation loss in nats."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "-m", "textmill.pipeline.cli", "run", str(CONFIG)]
        command += ["--root", root, "--json", "--until", "evaluate.plays"]
        command += ["--set", f"datasets.plays.source.txt={text}", *overrides]
        done = subprocess.run(
            command,
            check=True,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        summary = json.loads(done.stdout)
        metric = summary["stages"]["plays"]["metrics"]["loss"]
        loss = metric["value"] if isinstance(metric, dict) else metric
        return summary["nodes"]["train.plays"]["seconds"], float(loss)


def peer(python: str, text: Path) -> tuple[float, float]:
    """Returns seconds of the whole command and the validation loss in nats."""
    began = time.perf_counter()
    done = subprocess.run(
        [python, str(PEER), str(text)], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    return seconds, float(done.stdout.rpartition("=")[2])


def main() -> None:
    """Prints a line a round, then the medians."""
    python, text = sys.argv[1], Path(sys.argv[2]).resolve()
    more = sys.argv[3:]
    rounds = int(more.pop(0)) if more and more[0].isdigit() else 3
    ratios = []
    for number in range(rounds):
        (mine, my_loss), (theirs, their_loss) = ours(text, more), peer(python, text)
        ratios.append(mine / theirs)
        print(
            f"round {number + 1}: ours {mine:.1f} s to {my_loss:.3f}, PyTorch "
            f"{theirs:.1f} s to {their_loss:.3f}, {ratios[-1]:.2f} of its time",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.2f} of its time")


if __name__ == "__main__":
    main()
