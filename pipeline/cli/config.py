"""``textmill config``: checks and prints configs."""

from __future__ import annotations

from typing import Annotated

import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.commands import examples
from textmill.pipeline.cli.options import Config, Overrides, print_json

config_app = typer.Typer(
    epilog=examples("config"), no_args_is_help=True, help="Checks and prints configs."
)


@config_app.command("check", epilog=examples("config check"))
def check_config(config: Config, overrides: Overrides = None) -> None:
    """Reports all mistakes at once, also columns that local files do not have."""
    from textmill.pipeline.config.data_checks import check_data
    from textmill.pipeline.config.load import load_config

    loaded = load_config(config, overrides or ())
    check_data(loaded)
    datasets = _count(len(loaded.config.datasets), "data set")
    stages = _count(len(loaded.config.stages), "stage")
    print(f"{config}: fine; {datasets}, {stages}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@config_app.command("show", epilog=examples("config show"))
def show_config(
    config: Config,
    overrides: Overrides = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only keys that differ from defaults.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also unset keys, and those without effect.")
    ] = False,
) -> None:
    """Prints the config with its defaults, as YAML: the keys that have an effect."""
    from textmill.pipeline.config.load import load_config
    from textmill.pipeline.config.schema import render_config
    from textmill.pipeline.config.show import render_part

    if changed and everything:
        raise ConfigError("config show: expected --changed or --all, got both")
    loaded = load_config(config, overrides or ()).config
    if everything:
        print(render_config(loaded), end="")
    else:
        print(render_part(loaded, "changed" if changed else "used"), end="")


@config_app.command("schema", epilog=examples("config schema"))
def show_schema() -> None:
    """Prints the JSON schema of configs, for editors."""
    from textmill.pipeline.config.schema import config_schema

    print_json(config_schema())
