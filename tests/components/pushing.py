"""A push of small artifacts: in this process, or as a program that kills itself.

    python pushing.py ROOT NUMBER

pushes with SIGKILL at the NUMBERth change of a file or folder.
"""

import json
import os
import signal
import sys
from pathlib import Path

from textmill.components.artifacts import (
    Evaluation,
    PushedModel,
    ServingModel,
    Validation,
)
from textmill.components.base import Context
from textmill.components.pusher import PusherConfig, push
from textmill.pipeline.publish import seal

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate"}


def inputs(folder: Path, model: str = "m1", size: int = 2000):
    """Returns a blessed serving model with its evaluation and validation."""
    serving = ServingModel(folder / "serving")
    serving.facts = {"model": model, "formats": ["saved_model"]}
    for name in ("saved_model.pb", "variables/variables.index", "assets/vocabulary"):
        path = serving.file(f"{serving.SAVED_MODEL}/{name}")
        path.write_bytes(f"{model} {name} ".encode() * size)
    seal(serving)
    evaluation = Evaluation(folder / "evaluation")
    card = {"task": "classify", "split": "test", "metrics": {}, "thresholds": []}
    evaluation.file(evaluation.FILE).write_text(json.dumps(card))
    evaluation.facts = {"model": model, "documents": "d", "blessed": True}
    seal(evaluation)
    validation = Validation(folder / "validation")
    validation.facts = {"serving": serving.seal}
    validation.file("validation.json").write_text("{}")
    seal(validation)
    return {"serving": serving, "evaluation": evaluation, "validation": validation}


def pushed(artifacts, root: Path, **knobs) -> PushedModel:
    """Pushes to ``root/pushed/topic`` and, if given, to other places."""
    result = PushedModel(root / "result")
    result.path.mkdir(parents=True, exist_ok=True)
    places = (str(root / "pushed/topic"), *knobs.pop("to", ()))
    push(
        **artifacts,
        pushed=result,
        config=PusherConfig(destinations=places, **knobs),
        context=Context(),
    )
    return result


def kill_at(number: int) -> None:
    """Ends this process by SIGKILL at the given change of the disk."""
    count = 0

    def hook(event, arguments):
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int)
        is_write = is_write and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in CHANGES or is_write:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    root, number = Path(sys.argv[1]), int(sys.argv[2])
    names = {
        "serving": ServingModel,
        "evaluation": Evaluation,
        "validation": Validation,
    }
    artifacts = {name: kind(root / "in" / name) for name, kind in names.items()}
    import cryptography.hazmat.primitives.serialization  # noqa: F401

    kill_at(number)
    pushed(artifacts, root, keep=2)
