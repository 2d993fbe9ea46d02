"""Groups of commands: examples in every help, and hints for commands of other tools."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from textmill.pipeline.text_files import is_data

_INTERRUPTED = 130
_OTHER_NAMES = {
    "train": "run FILE.yaml",
    "start": "run FILE.yaml",
    "build": "run FILE.yaml",
    "evaluate": "run FILE.yaml",
    "eval": "run FILE.yaml",
    "export": "run FILE.yaml",
    "rollback": "push rollback STAGE",
    "new": "init FILE.csv",
    "create": "init FILE.csv",
    "quickstart": "init FILE.csv",
    "dry-run": "plan FILE.yaml",
    "explain": "plan FILE.yaml",
    "status": "runs list",
    "list": "runs list",
    "ls": "runs list",
    "history": "runs list",
    "show": "runs show",
    "diff": "runs diff",
    "compare": "runs diff",
    "check": "config check FILE.yaml",
    "validate": "config check FILE.yaml",
    "lint": "config check FILE.yaml",
    "schema": "config schema",
    "infer": "predict STAGE TEXT",
    "ask": "predict STAGE TEXT",
    "clean": "gc",
    "prune": "gc",
    "tokenize": "vocabulary encode FILE.yaml TEXT",
    "peek": "data peek FILE.yaml",
    "stats": "data stats FILE.yaml",
    "info": "doctor",
    "version": "--version",
    "help": "--help",
}
"""Names of commands elsewhere, and the command here."""

EXAMPLES = {
    "": (
        "textmill fit tickets.csv --label category",
        "textmill init tickets.csv",
        "textmill run tickets.yaml",
    ),
    "init": (
        "textmill init tickets.csv",
        "textmill init data/reviews.jsonl --text body --label stars -o reviews.yaml",
    ),
    "fit": (
        "textmill fit tickets.csv --label category",
        "textmill fit train.jsonl --label stars --test test.jsonl --budget 10m",
    ),
    "run": (
        "textmill run mail.yaml",
        "textmill run mail.yaml --set stages.topic.train.epochs=1 --until train.topic",
    ),
    "plan": (
        "textmill plan mail.yaml",
        "textmill plan mail.yaml --set model.width=256",
    ),
    "compile": (
        "textmill compile mail.yaml --to vertex --root gs://BUCKET/root -o mail.json",
        "textmill compile mail.yaml --to kubeflow --root /mnt/textmill/root -o -",
    ),
    "submit": (
        "textmill submit mail.yaml --to kubeflow --root /mnt/textmill/root --wait",
        "textmill submit mail.yaml --to vertex --root gs://BUCKET/root --cancel",
    ),
    "report": (
        "textmill report --open",
        "textmill report 20261123-021530-mail-4f2a",
    ),
    "predict": (
        'textmill predict topic "a text" --top 3',
        "textmill predict topic --input mails.csv --text body --output answers.csv",
    ),
    "serve": (
        "textmill serve topic",
        "textmill serve topic topic@stable=3 exports/spam/ --port 8502",
    ),
    "tensorboard": ("textmill tensorboard", "textmill tensorboard --port 0"),
    "gc": ("textmill gc", "textmill gc --keep 2 --yes"),
    "doctor": ("textmill doctor", "textmill doctor --root /mnt/textmill/root"),
    "push": ("textmill push list", "textmill push rollback topic"),
    "push list": ("textmill push list", "textmill push list topic --json"),
    "push rollback": (
        "textmill push rollback topic",
        "textmill push rollback topic --to 3",
    ),
    "push pin": ("textmill push pin topic", "textmill push pin topic --version 3"),
    "push unpin": ("textmill push unpin topic", "textmill push unpin topic --json"),
    "verify": (
        "textmill verify topic",
        "textmill verify models/topic/3 --key push.pub",
    ),
    "runs": ("textmill runs list", "textmill runs diff"),
    "runs list": ("textmill runs list", "textmill runs list --json"),
    "runs show": (
        "textmill runs show",
        "textmill runs show 20261123-021530-mail-4f2a",
    ),
    "runs diff": (
        "textmill runs diff",
        "textmill runs diff 20261123-021530-mail-4f2a 20261124-080000-mail-1b2c",
    ),
    "runs rebuild": (
        "textmill runs rebuild",
        "textmill runs rebuild --root /mnt/textmill/root",
    ),
    "config": ("textmill config check mail.yaml", "textmill config schema"),
    "config check": (
        "textmill config check mail.yaml",
        "textmill config check mail.yaml --set stages.topic.init=pretrain",
    ),
    "config show": (
        "textmill config show mail.yaml --changed",
        "textmill config show mail.yaml --all",
    ),
    "config schema": (
        "textmill config schema",
        "textmill config schema > schema.json",
    ),
    "data": ("textmill data peek mail.yaml", "textmill data stats mail.yaml"),
    "data peek": (
        "textmill data peek mail.yaml",
        "textmill data peek mail.yaml letters --grep refund -n 20 --json",
    ),
    "data stats": (
        "textmill data stats mail.yaml",
        "textmill data stats mail.yaml letters --json",
        "textmill data stats letters",
    ),
    "data schema": (
        "textmill data schema mail.yaml",
        "textmill data schema mail.yaml letters -o schema.yaml",
    ),
    "data diff": (
        "textmill data diff old/profile.json new/profile.json",
        "textmill data diff 20261123-021530-mail-4f2a:letters new/profile.json",
    ),
    "data dead": (
        "textmill data dead mail.yaml",
        "textmill data dead mail.yaml letters -n 100 --json",
    ),
    "vocabulary": (
        'textmill vocabulary encode mail.yaml "a text"',
        "textmill vocabulary export mail.yaml -o tokenizer",
    ),
    "vocabulary encode": (
        'textmill vocabulary encode mail.yaml "a text"',
        "textmill vocabulary encode mail.yaml --json",
    ),
    "vocabulary export": (
        "textmill vocabulary export mail.yaml -o tokenizer",
        "textmill vocabulary export mail.yaml -o tokenizer --to keras_hub",
    ),
}
"""Two command lines for the help of every command, by its name."""


def examples(command: str) -> str:
    """Returns the end of a command's help."""
    return "\n  ".join(["\b\nExamples:", *EXAMPLES[command]])


class CommandGroup(TyperGroup):
    """A group that leads from the names of other tools to its commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns the command of some arguments.

        Raises:
            UsageError: there is none of this name.
        """
        name = args[0]
        if name not in self.commands and ctx.parent is None:
            if is_data(name):
                _refuse(ctx, name, f"init {name}")
            if PurePath(name).suffix in (".yaml", ".yml"):
                _refuse(ctx, name, f"run {name}")
            if name in _OTHER_NAMES:
                _refuse(ctx, name, _OTHER_NAMES[name])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; Ctrl-C is exit code 130, where Click has 1.

        Raises:
            Exit: the command was interrupted.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("textmill: interrupted", file=sys.stderr)
            raise typer.Exit(_INTERRUPTED) from None


def _refuse(ctx: Any, name: str, command: str) -> NoReturn:
    ctx.fail(f"No such command {name!r}. Did you mean `textmill {command}`?")
    raise AssertionError("fail() raises")
