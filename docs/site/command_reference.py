"""The command reference: Markdown from the commands and the help of their options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from textmill.pipeline.cli import app


def render() -> str:
    """Returns one section per command, in the order of ``textmill --help``."""
    root = typer.main.get_command(app)
    return "\n\n".join(_sections(root, "textmill"))


def _sections(command: Any, name: str) -> Iterator[str]:
    with command.make_context(name, [], resilient_parsing=True) as context:
        if subcommands := getattr(command, "commands", None):
            for subname, subcommand in subcommands.items():
                if not subcommand.hidden:
                    yield from _sections(subcommand, f"{name} {subname}")
            return
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        parts = [f"({name.replace(' ', '-')})=\n## `{name}`"]
        parts += [_paragraphs(command.help or ""), f"```text\n{usage}\n```"]
        records = (
            parameter.get_help_record(context)
            for parameter in command.params
            if parameter.name != "help"
        )
        parts += [f"`{key}`\n: {text}" for key, text in filter(None, records)]
        parts += _examples(command.epilog or "")
        yield "\n\n".join(parts)


def _examples(epilog: str) -> list[str]:
    """Returns a block of the command lines under ``Examples:``, if there are any."""
    lines = [line.strip() for line in epilog.partition("Examples:")[2].splitlines()]
    commands = "\n".join(f"$ {line}" for line in lines if line)
    return [f"```console\n{commands}\n```"] if commands else []


def _paragraphs(text: str) -> str:
    paragraphs = text.replace("\b\n", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
