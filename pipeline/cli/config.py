"""``textmill config``: what a config says."""

from __future__ import annotations

import typer

from textmill.pipeline.cli.options import Config, Overrides, print_json

config_app = typer.Typer(no_args_is_help=True, help="What a config says.")


@config_app.command("check")
def check_config(config: Config, overrides: Overrides = None) -> None:
    """Reports every mistake at once."""
    from textmill.pipeline.config.load import load_config

    loaded = load_config(config, overrides or ()).config
    datasets, stages = len(loaded.datasets), len(loaded.stages)
    print(
        f"{config}: fine; {datasets} data set{'s' * (datasets != 1)},"
        f" {stages} stage{'s' * (stages != 1)}"
    )


@config_app.command("show")
def show_config(config: Config, overrides: Overrides = None) -> None:
    """Prints the config with every default filled in, as YAML."""
    from textmill.pipeline.config.load import load_config
    from textmill.pipeline.config.schema import render_config

    print(render_config(load_config(config, overrides or ()).config), end="")


@config_app.command("schema")
def show_schema() -> None:
    """Prints the JSON schema of configs, for editors."""
    from textmill.pipeline.config.schema import config_schema

    print_json(config_schema())
