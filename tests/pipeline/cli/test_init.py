"""``textmill init`` on files of unlike shape: the values that it finds and says."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.pipeline import fit
from textmill.pipeline.config.load import load_config

LABELS = ("bill", "tech", "ship")
WORDS = ("invoice", "screen", "parcel", "refund", "courier")


def tickets(count):
    """Returns number, text and label of some rows; every text is different."""
    return [
        (n, f"the {WORDS[n % 5]} number {n} is not right", LABELS[n % 3])
        for n in range(count)
    ]


def table(rows, header, delimiter=","):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\r\n").writerows(
        [header, *rows]
    )
    return stream.getvalue()


def write_semicolons(folder):
    text = table(tickets(60), ("id", "message", "category"), ";")
    (folder / "a.csv").write_text(text)
    return "a.csv", {"csv": "a.csv", "delimiter": ";", "text": "message", "id": "id"}


def write_byte_order_mark(folder):
    text = table(tickets(60), ("n", "text", "topic"))
    (folder / "a.csv").write_text(text, encoding="utf-8-sig")
    return "a.csv", {"csv": "a.csv", "text": "text", "label": "topic"}


def write_cp1252(folder):
    rows = [(f"{text} für Äpfel", label) for _, text, label in tickets(60)]
    text = table(rows, ("nachricht", "thema"), ";")
    (folder / "a.csv").write_text(text, encoding="cp1252")
    found = {"csv": "a.csv", "encoding": "cp1252", "delimiter": ";"}
    return "a.csv", found | {"text": "nachricht", "label": "thema"}


def write_quoted_newlines(folder):
    rows = [
        (f'line one\n"{text}", he said', label, f"user {n % 25}")
        for n, text, label in tickets(60)
    ]
    (folder / "a.csv").write_text(table(rows, ("body", "label", "user")))
    return "a.csv", {"csv": "a.csv", "text": "body", "label": "label"}


def write_class_folders(folder):
    for n, text, label in tickets(60):
        (folder / "mail" / label).mkdir(parents=True, exist_ok=True)
        (folder / "mail" / label / f"{n}.txt").write_text(f"{text}\n\nand more\n")
    found = {"txt": "mail/*/*.txt", "document": "file", "label": "directory"}
    return "mail", found | {"text": "text"}


def write_unlabelled(folder):
    rows = [
        {"body": None if n == 7 else text, "topic": None if n % 4 == 0 else label}
        for n, text, label in tickets(80)
    ]
    text = "".join(json.dumps(row | {"meta": {"a": [1]}}) + "\n" for row in rows)
    (folder / "a.jsonl").write_text(text)
    return "a.jsonl", {"jsonl": "a.jsonl", "text": "body", "label": "topic"}


def write_numeric_labels(folder):
    rows = "".join(f"{text}\t{n % 5 + 1}\n" for n, text, _ in tickets(60))
    (folder / "a.tsv").write_text(f"review\tstars\n{rows}")
    return "a.tsv", {"tsv": "a.tsv", "text": "review", "label": "stars"}


def write_chinese(folder):
    rows = [
        {"内容": f"今天的{'球赛' if n % 2 else '股票'}第 {n} 条", "类别": "体财"[n % 2]}
        for n in range(60)
    ]
    (folder / "a.json").write_text(json.dumps(rows, ensure_ascii=False))
    return "a.json", {"json": "a.json", "text": "内容", "label": "类别"}


def write_giant_class(folder):
    texts = [text for _, text, _ in tickets(80)]
    columns = {"comment": texts, "complaint": [n == 9 for n in range(80)]}
    columns |= {"score": [n / 7 for n in range(80)]}
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return "a.parquet", {"parquet": "a.parquet", "text": "comment"}


def write_sixty_rows(folder):
    rows = [(text, "rare" if n == 3 else label) for n, text, label in tickets(60)]
    (folder / "a.csv").write_text(table(rows, ("message", "category")))
    return "a.csv", {"csv": "a.csv", "text": "message", "label": "category"}


SHAPES = {
    write_semicolons: ["60 rows, delimited by semicolons", "id: column 'id'"],
    write_byte_order_mark: ["text: column 'text', 33 characters on average, English"],
    write_cp1252: ["60 rows, delimited by semicolons, encoded as cp1252"],
    write_quoted_newlines: ["group: column 'user', 25 values: rows of one are never"],
    write_class_folders: ["60 rows, a text per file"],
    write_unlabelled: [
        "note: 1 row has no text, left out",
        "note: 20 rows have no label, left out",
    ],
    write_numeric_labels: ["label: column 'stars', 5 values: '1', '2', '3', '4', ..."],
    write_chinese: ["text: column '内容', 11 characters on average, Chinese"],
    write_giant_class: ["98.8% of the rows have the label 'false': judge by macro_f1"],
    write_sixty_rows: [
        "note: fewer than 10 rows have 'rare'",
        "note: 60 labelled texts are few: expect wide intervals",
    ],
}
OTHERS = {
    write_quoted_newlines: {"split": {"train": 0.7, "eval": 0.3, "by": "user"}},
    write_chinese: {"split": {"train": 0.7, "eval": 0.3}},
    write_sixty_rows: {"labels": {"rare": "train"}},
}
"""More values of the data set."""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_file_of_any_shape_gets_a_config_that_fits(shape, textmill, tmp_path):
    data, found = shape(tmp_path)
    out, err = textmill("init", data, "-o", "c.yaml")
    assert out == "c.yaml\n"
    for sentence in SHAPES[shape]:
        assert sentence in err
    dataset = load_config(tmp_path / "c.yaml").raw["datasets"]["texts"]
    assert found.items() <= dataset["source"].items()
    assert dict(OTHERS.get(shape, {})).items() <= dataset.items()


TICKETS = table(tickets(60), ("id", "message", "category"))


def test_the_file_has_comments_relative_paths_and_the_next_steps(textmill, tmp_path):
    (tmp_path / "tickets.csv").write_text(TICKETS)
    (tmp_path / "configs").mkdir()
    options = ("-o", "configs/c.yaml", "--budget", "90s", "--size", "base")
    _, err = textmill("init", "tickets.csv", *options)
    assert err.endswith(
        "textmill: next: textmill run configs/c.yaml\n"
        'textmill: then: textmill predict category "your text"\n'
    )
    text = (tmp_path / "configs" / "c.yaml").read_text()
    assert text.startswith("# data: tickets.csv: 60 rows\n# text: column 'message'")
    assert "\n# the tokens, learned from the texts\nvocabulary: " in text
    values = load_config(tmp_path / "configs" / "c.yaml").raw
    assert values["datasets"]["texts"]["source"]["csv"] == "../tickets.csv"
    assert values["model"]["layers"] == 4
    assert values["stages"]["category"]["train"]["budget"] == "90s"
    _, err = textmill("init", "tickets.csv", *options, code=2)
    assert "configs/c.yaml: exists already; -o names another file" in err


def test_the_columns_of_the_user_are_taken(textmill, tmp_path):
    (tmp_path / "tickets.csv").write_text(TICKETS)
    textmill("init", "tickets.csv", "--text", "category", "--label", "message")
    values = load_config(tmp_path / "tickets.yaml").raw
    source = values["datasets"]["texts"]["source"]
    assert (source["text"], source["label"]) == ("category", "message")
    assert list(values["stages"]) == ["message"]
    _, err = textmill("init", "tickets.csv", "--label", "categori", "-o", "b", code=2)
    assert err.endswith("the data has no such column; did you mean 'category'?\n")
    _, err = textmill("init", "tickets.csv", "--budget", "10", "-o", "b", code=2)
    assert "--budget: expected a time such as 20m, 90s or 1h30m, got '10'" in err


def test_texts_without_labels_are_for_a_language_model(textmill, tmp_path):
    (tmp_path / "notes.txt").write_text("one note\nanother note\n")
    textmill("init", "notes.txt")
    values = load_config(tmp_path / "notes.yaml").raw
    assert values["stages"]["notes"]["task"] == "masked_lm"
    assert values["datasets"]["texts"]["source"] == {"txt": "notes.txt", "text": "text"}


def test_data_without_texts_or_of_an_unknown_name_is_an_error(textmill, tmp_path):
    (tmp_path / "empty.csv").write_text("")
    assert "expected rows with texts" in textmill("init", "empty.csv", code=3)[1]
    (tmp_path / "a.docx").write_text("")
    assert "expected a file that ends in .jso" in textmill("init", "a.docx", code=2)[1]
    assert "no such file; did you mean" in textmill("init", "empt.csv", code=2)[1]
    (tmp_path / "folder").mkdir()
    assert "expected data files" in textmill("init", "folder", code=2)[1]


def test_ctrl_c_is_exit_code_130(textmill, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "read_table", interrupt)
    assert textmill("init", "t.csv", code=130)[1] == "textmill: interrupted\n"


SAMPLES = Path(__file__).parents[2] / "samples"
TASKS = {
    "multilabel": ("intents_multilabel.jsonl", ["text"], "intents", "labels"),
    "regress": ("ratings.csv", ["review"], "stars", "number"),
    "tag": ("entities.jsonl", ["text"], "tags", "tags"),
    "embed": ("similarity.jsonl", ["query", "passage"], None, None),
    "answer": ("answers.jsonl", ["passage", "question"], "answers", "answers"),
    "respond": ("replies.jsonl", ["message"], "reply", "target_text"),
    "seq2seq": ("translate.jsonl", ["english"], "german", "target_text"),
}
"""A sample of each task: its columns of texts and of the target, the target's key."""


def task_options(task):
    """Returns the sample's file, and the options that name its columns."""
    file, texts, target, _ = TASKS[task]
    options = [word for name in texts for word in ("--text", name)]
    return SAMPLES / file, [*options, *(["--label", target] if target else [])]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_first_config(task, textmill, tmp_path):
    file, options = task_options(task)
    path = tmp_path / "c.yaml"
    textmill("init", file, "--task", task, *options, "-o", path, code=0)
    config = load_config(path).config
    [stage] = config.stages.values()
    assert stage.task == task
    _, texts, target, key = TASKS[task]
    source = config.datasets["texts"].source
    assert source.text == (tuple(texts) if texts[1:] else texts[0])
    if key:
        assert getattr(source, key) == target


@pytest.mark.parametrize("task", [task for task in TASKS if task != "regress"])
def test_the_task_is_guessed_from_the_columns(task, textmill):
    file, options = task_options(task)
    textmill("init", file, "--task", task, *options, "-o", "a.yaml", code=0)
    _, err = textmill("init", file, "-o", "b.yaml", code=0)
    assert load_config(Path("a.yaml")).config == load_config(Path("b.yaml")).config
    assert f"task: {task}, columns '" in err


def test_a_conll_file_is_for_tagging(textmill):
    Path("a.conll").write_text("EU B-org\nrejects O\n\nPeter B-person\n", "utf-8")
    textmill("init", "a.conll", "-o", "c.yaml", code=0)
    config = load_config(Path("c.yaml")).config
    assert config.stages["tags"].task == "tag"
    source = config.datasets["texts"].source
    assert (source.text, source.tags) == ("text", "tags")


def test_a_pair_of_texts_with_a_label_is_a_classifier_of_pairs(textmill, tmp_path):
    lines = [
        json.dumps(
            {"claim": f"claim {n}", "source": f"text {n}", "verdict": "yn"[n % 2]}
        )
        for n in range(40)
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    path = tmp_path / "c.yaml"
    columns = ("--text", "source", "--text", "claim", "--label", "verdict")
    textmill("init", tmp_path / "pairs.jsonl", *columns, "-o", path, code=0)
    config = load_config(path).config
    assert config.stages["verdict"].task == "classify"
    assert config.datasets["texts"].source.text == ("source", "claim")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--task", "regres"), "got 'regres'; did you mean 'regress'?"),
        (("--task", "tag", "--text", "review"), "the column of tags, by --label"),
        (("--task", "embed", "--text", "review"), "expected 2 or 3 columns of texts"),
        (
            ("--task", "regress", "--text", "review", "--label", "star"),
            "--text or --label star: the data has no such column; did you mean 'stars'",
        ),
    ],
)
def test_a_task_without_its_columns_is_one_sentence(options, sentence, textmill):
    _, err = textmill("init", SAMPLES / "ratings.csv", *options, "-o", "x", code=2)
    assert sentence in err


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_fit_pushes_a_model_of_every_task(task, textmill, tmp_path):
    file, options = task_options(task)
    short = ["--set", "model.layers=1", "--set", "model.width=16", "--budget", "5s"]
    root = ("--root", tmp_path / "root")
    textmill("fit", file, "--task", task, *options, *short, *root, code=0)
    assert list((tmp_path / "root").glob("pushed/*/1/saved_model.pb"))
