"""``textmill vocabulary``: how texts are cut, and the tokenizer's files for others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from textmill.pipeline.cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Config,
    Overrides,
    Root,
)

vocabulary_app = typer.Typer(
    no_args_is_help=True, help="What the vocabulary of a file makes of texts."
)


@vocabulary_app.command()
def encode(
    config: Config,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Texts; from stdin without any."),
    ] = None,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Shows the tokens of texts, as rows and the served model have them."""
    from textmill.pipeline.cli.predict import read_texts

    tokenizer = _load(config, overrides, root)
    for text in read_texts(texts):
        [ids] = tokenizer.tokenize_untrusted([text]).to_list()
        tokens = [tokenizer.tokens[number] for number in ids]
        if as_json:
            found = {"text": text, "tokens": tokens, "ids": ids}
            print(json.dumps(found, ensure_ascii=False))
        else:
            print(" ".join(json.dumps(t, ensure_ascii=False)[1:-1] for t in tokens))


@vocabulary_app.command()
def export(
    config: Config,
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="The folder, made if need be.")
    ],
    format: Annotated[
        Literal["huggingface", "keras_hub"],
        typer.Option("--to", help="Whose files are written."),
    ] = "huggingface",
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
) -> None:
    """Writes the tokenizer's files as Hugging Face or KerasHub reads them."""
    tokenizer = _load(config, overrides, root)
    from textmill.models.tokenizers import export_tokenizer

    for file in export_tokenizer(tokenizer, folder, format):
        print(file)
    print(
        f"textmill: {tokenizer.kind}, {tokenizer.size:,} entries, for {format}",
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
