"""``textmill data``: shows documents, their profile, schema and bad records."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from textmill.pipeline.cli.commands import examples
from textmill.pipeline.cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Config,
    Overrides,
    Root,
    print_json,
    writing,
)

data_app = typer.Typer(
    epilog=examples("data"),
    no_args_is_help=True,
    help="Shows the documents of a data set.",
)

Dataset = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATASET]",
        help="The data set's name in the file; not needed if there is only one.",
        show_default=False,
    ),
]
Number = Annotated[
    int, typer.Option("-n", min=0, max=1_000_000_000, help="Number to show.")
]
_PROFILES = "A profile.json, its folder, or RUN:DATASET."


@data_app.command(epilog=examples("data peek"))
def peek(
    config: Config,
    name: Dataset = None,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="train, eval or test.")] = "train",
    number: Number = 5,
    grep: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Only documents with this text, in any case."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints one JSON object per document.")
    ] = False,
) -> None:
    """Shows the first documents, in the order of the shards."""
    from textmill.pipeline.cli.data_display import render_document
    from textmill.pipeline.cli.published import (
        RejectedDocuments,
        find_documents,
        first_documents,
        load_dataset,
    )

    loaded, dataset = load_dataset(config, overrides, name)
    documents = find_documents(loaded, root, dataset)
    num_shown = 0
    for document in first_documents(documents, split, number, containing=grep):
        num_shown += 1
        if as_json:
            print(json.dumps(document, ensure_ascii=False))
        else:
            print(render_document(document, around=grep))
    if isinstance(documents, RejectedDocuments):
        bad = sum(documents.ledger["bad"].values())
        summary = f"{num_shown:,} documents that could be read; {bad:,} bad records"
    else:
        total = documents.splits[split]
        summary = f"{num_shown:,} of {total:,} documents of {split}"
    if grep is not None and num_shown < number:
        summary += f"; no other document contains {grep!r}"
    print(f"textmill: {summary}", file=sys.stderr)


@data_app.command(epilog=examples("data stats"))
def stats(
    config: Annotated[
        Path,
        typer.Argument(
            help="The YAML file, or the name of a data set of an earlier run.",
            show_default=False,
        ),
    ],
    name: Dataset = None,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Shows the profile: counts, lengths, labels, tokens, losses, anomalies."""
    from textmill.pipeline.cli.data_display import render_profile
    from textmill.pipeline.cli.published import (
        find_profile,
        find_profile_by_name,
        load_dataset,
    )

    if name is None and not config.suffix and not config.exists():
        dataset = str(config)
        profile, speed = find_profile_by_name(dataset, root)
    else:
        loaded, dataset = load_dataset(config, overrides, name)
        profile, speed = find_profile(loaded, root, dataset)
    if as_json:
        print_json(profile)
        return
    print(render_profile(profile, dataset))
    if speed.get("seconds"):
        rate = speed["bytes"] / 1e6 / speed["seconds"]
        print(f"textmill: tokenized at {rate:.1f} MB/s, one thread", file=sys.stderr)


@data_app.command(epilog=examples("data schema"))
def schema(
    config: Config,
    name: Dataset = None,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The file to write, .yaml or .json; stdout if none is given.",
        ),
    ] = None,
) -> None:
    """Writes the inferred schema of the documents, for editing."""
    from textmill.components.profiler.schema import render
    from textmill.pipeline.cli.published import find_profile, load_dataset
    from textmill.pipeline.publish import write_atomically

    loaded, dataset = load_dataset(config, overrides, name)
    inferred = find_profile(loaded, root, dataset)[0]["schema"]
    is_json = output is not None and output.suffix == ".json"
    text = json.dumps(inferred, indent=1, ensure_ascii=False) + "\n"
    text = text if is_json else render(inferred, dataset)
    if output is None:
        print(text, end="")
        return
    with writing(output):
        write_atomically(output, text.encode())
    print(f"{output}: name it in datasets.{dataset}.profile.schema", file=sys.stderr)


@data_app.command(epilog=examples("data diff"))
def diff(
    old: Annotated[str, typer.Argument(help=_PROFILES, show_default=False)],
    new: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Shows the changes between two profiles, and their drift."""
    from dataclasses import asdict

    from textmill.components.profiler.drift import compare
    from textmill.pipeline.cli.data_display import render_difference
    from textmill.pipeline.cli.published import named_profile

    before, after = named_profile(old, root), named_profile(new, root)
    measures = {
        name: list(compare(split, before["splits"][name]))
        for name, split in after["splits"].items()
        if name in before["splits"]
    }
    if as_json:
        print_json(
            {name: [asdict(one) for one in some] for name, some in measures.items()}
        )
    else:
        print(render_difference(before, after, measures))


@data_app.command(epilog=examples("data dead"))
def dead(
    config: Config,
    name: Dataset = None,
    root: Root = DEFAULT_ROOT,
    overrides: Overrides = None,
    number: Number = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints one JSON object per record.")
    ] = False,
) -> None:
    """Shows the records that could not be read, and the reasons."""
    from textmill.pipeline.cli.data_display import render_dead_letters
    from textmill.pipeline.cli.published import (
        dead_letters,
        find_documents,
        load_dataset,
    )

    loaded, dataset = load_dataset(config, overrides, name)
    documents = find_documents(loaded, root, dataset)
    letters = dead_letters(documents, number)
    if as_json:
        for letter in letters:
            print(json.dumps(letter, ensure_ascii=False))
    else:
        print(render_dead_letters(letters, documents.ledger["bad"]))
