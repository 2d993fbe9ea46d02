"""``textmill vocabulary``: shows tokens of texts, and exports the tokenizer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from textmill.pipeline.cli.commands import examples
from textmill.pipeline.cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Config,
    Overrides,
    Root,
    writing,
)

vocabulary_app = typer.Typer(
    epilog=examples("vocabulary"),
    no_args_is_help=True,
    help="Shows and exports the tokenizer of a file.",
)


@vocabulary_app.command(epilog=examples("vocabulary encode"))
def encode(
    config: Config,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Texts; from stdin if none is given."),
    ] = None,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Shows the tokens of texts, the same as in training rows and served models."""
    from textmill.pipeline.cli.predict import read_texts

    tokenizer = _load(config, overrides, root)
    for text in read_texts(texts):
        [ids] = tokenizer.tokenize_untrusted([text]).to_list()
        tokens = [tokenizer.tokens[number] for number in ids]
        if as_json:
            encoded = {"text": text, "tokens": tokens, "ids": ids}
            print(json.dumps(encoded, ensure_ascii=False))
        else:
            print(" ".join(json.dumps(t, ensure_ascii=False)[1:-1] for t in tokens))


@vocabulary_app.command(epilog=examples("vocabulary export"))
def export(
    config: Config,
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="The folder; created if missing.")
    ],
    format: Annotated[
        Literal["huggingface", "keras_hub"],
        typer.Option("--to", help="The library to write files for."),
    ] = "huggingface",
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
) -> None:
    """Writes the tokenizer as Hugging Face or KerasHub files."""
    tokenizer = _load(config, overrides, root)
    from textmill.models.tokenizers import export_tokenizer

    with writing(folder):
        files = export_tokenizer(tokenizer, folder, format)
    for file in files:
        print(file)
    print(
        f"textmill: {tokenizer.kind}, {tokenizer.size:,} tokens, for {format}",
        file=sys.stderr,
    )


def _load(config: Path, overrides: list[str] | None, root: Path) -> Any:
    from textmill.components.native_logs import silence_native_logs
    from textmill.pipeline.cli.published import find_vocabulary

    vocabulary = find_vocabulary(config, overrides, root)
    vocabulary.verify()
    with silence_native_logs():
        from textmill.models.tokenizers import load_tokenizer

        return load_tokenizer(vocabulary.path)
