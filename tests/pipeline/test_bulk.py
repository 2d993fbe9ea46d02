"""Bulk prediction: files in, parts out, and the same bytes after a stop."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pyarrow.parquet as pq
import pytest

from textmill.components.predictor.bulk import BulkJob, encode
from textmill.components.predictor.saved_model import load_saved_model, predict_texts
from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, DataError
from textmill.models.export.saved_model import SavedModel
from textmill.models.tasks.classify import Classify
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character
from textmill.pipeline import bulk
from textmill.pipeline.bulk import LEDGER, input_files, predict_files

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An exported classifier of two labels."""
    keras.utils.clear_session()
    tokenizer = Character([*SPECIAL_TOKENS, *" abcdefgh"])
    task = Classify(
        ModelConfig(layers=1, width=16, heads=2, sequence_length=12),
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        num_labels=2,
        seed=3,
    )
    folder = tmp_path_factory.mktemp("model") / "1"
    SavedModel().write(task, tokenizer, folder, ServingOptions(labels=("no", "yes")))
    return folder


def job(model, **knobs):
    options = {"columns": ("text",), "format": "jsonl", "trust": True, **knobs}
    return BulkJob(model=str(model), **options)


def predict(files, output, job):
    return predict_files(files, output, job, beam_options={})


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Five rows of csv, one of them bad, then two of JSON lines; blocks of two."""
    monkeypatch.setattr(bulk, "_BLOCK_ROWS", 2)
    first, second = tmp_path / "a.csv", tmp_path / "b.jsonl"
    first.write_text('id,text\n1,a cab\n2,"b\nb"\n3,hhhh,4\n4,\n5,d\n')
    second.write_text('{"text": "e", "label": 7}\n{"text": "f fa"}\n{"no": "text"}\n')
    return [first, second]


def test_parts_have_the_rows_in_order_with_the_answers_of_the_model(
    model, files, tmp_path
):
    ledger = predict(files, tmp_path / "out", job(model))
    parts = [f"part-0000{n}.jsonl" for n in range(3)]
    assert ledger == {"rows": 6, "bad": 2, "parts": parts}
    assert json.loads((tmp_path / "out" / LEDGER).read_bytes()) == ledger
    rows = [
        json.loads(line)
        for name in parts
        for line in (tmp_path / "out" / name).read_text().splitlines()
    ]
    texts = ["a cab", "b\nb", "", "d", "e", "f fa"]
    assert [row["text"] for row in rows] == texts
    assert [row.get("id") for row in rows] == ["1", "2", "4", "5", None, None]
    expected = predict_texts(load_saved_model(model, trust=True), texts)
    assert rows[4]["label"] == 7
    assert rows[4]["predicted_label"] == expected[4]["label"]
    for row, answer in zip(rows, expected, strict=True):
        assert row["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)
    bad = (tmp_path / "out" / "bad.jsonl").read_text().splitlines()
    reasons = [json.loads(line)["reason"] for line in bad]
    assert "a.csv, " in reasons[0] and "b.jsonl, row 3" in reasons[1]


def test_a_stopped_call_goes_on_to_the_same_bytes(model, files, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    predict(files, whole, job(model))
    predict(files, stopped, job(model))
    # As a kill leaves it: no ledger, a part missing, another as a draft.
    (stopped / LEDGER).unlink()
    (stopped / "part-00001.jsonl").rename(stopped / ".part-00001.jsonl")
    finished = (stopped / "part-00000.jsonl").stat().st_ino
    predict(files, stopped, job(model))
    assert contents(stopped) == contents(whole)
    assert (stopped / "part-00000.jsonl").stat().st_ino == finished


def test_a_folder_belongs_to_one_model_and_its_inputs(model, files, tmp_path):
    output = tmp_path / "out"
    predict(files, output, job(model))
    with pytest.raises(ConfigError, match="with another model or options; name"):
        predict(files, output, job(model, format="csv"))
    files[1].write_text('{"text": "changed"}\n')
    with pytest.raises(ConfigError, match="has predictions with other files"):
        predict(files, output, job(model))
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"an empty folder, found notes\.txt"):
        predict(files, other, job(model))


def test_files_without_a_text_are_an_error(model, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": 3}\n')
    with pytest.raises(DataError, match="expected rows with a text, found none"):
        predict([tmp_path / "a.jsonl"], tmp_path / "out", job(model))
    with pytest.raises(ConfigError, match="expected a file, found none"):
        input_files([str(tmp_path / "*.csv")])


def test_tables_have_a_column_for_every_label(tmp_path):
    answer = {"label": "yes", "probabilities": {"yes": 0.75, "no": 0.25}}
    rows = [({"text": "a"}, answer), ({"text": "b"}, answer)]
    header = b"text,label,probability,p_no,p_yes\n"
    assert encode(rows, "csv").startswith(header + b"a,yes,0.75,0.25,0.75\n")
    (tmp_path / "a.parquet").write_bytes(encode(rows, "parquet"))
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == header.decode().strip().split(",")
    assert table["p_yes"].to_pylist() == [0.75, 0.75]
    with pytest.raises(DataError, match="write jsonl, whose rows may differ"):
        encode([rows[0], ({"text": "b", "more": 1}, answer)], "csv")


@pytest.mark.slow
def test_killed_calls_end_in_the_bytes_of_an_uninterrupted_one(model, tmp_path):
    lines = [
        json.dumps({"id": n, "text": "abcdefgh "[n % 9] * 3}) for n in range(30000)
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))

    def start(output):
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "textmill.pipeline.cli", "predict"),
                *(f"{model}/", "--trust", "-i", "in.jsonl", "-o", output),
            ],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPO / ".ci/typing")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    whole = start("whole")
    assert whole.communicate()[1].endswith(b"30,000 predictions in 15 files\n")
    draw = random.Random(1)
    for _ in range(3):
        process = start("killed")
        time.sleep(draw.uniform(8, 14))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed").wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
