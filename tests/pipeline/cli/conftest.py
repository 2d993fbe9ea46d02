"""The command line, called in this process."""

import sys

import pytest

from textmill.pipeline.cli import main


@pytest.fixture
def textmill(tmp_path, monkeypatch, capsys):
    """Calls a command in a folder of its own; returns stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["textmill", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capsys.readouterr()
        assert (exit.value.code or 0) == code, err
        return out, err

    return call
