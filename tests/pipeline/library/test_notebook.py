"""The notebook runs from its first cell to its last, and its values are right."""

import ast
import json
from pathlib import Path

import pandas as pd
import pytest

import textmill as tm
from textmill.models.errors import ConfigError
from textmill.pipeline.cli import main
from textmill.pipeline.config.yaml import read_yaml

FIVE_STEPS = (
    'overrides=["stages.category.train.epochs=null", "stages.category.train.steps=5", '
    '"stages.category.train.xla=false"]'
)
NOTEBOOKS = Path(__file__).parents[3] / "docs" / "notebooks"


def run_cells(path, replaced):
    """Executes the code cells in order; returns their names, and each last value."""
    names, values = {}, []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            for old, new in replaced.items():
                code = code.replace(old, new)
            *body, last = ast.parse(code).body
            exec(compile(ast.Module(body, []), path.name, "exec"), names)
            is_value = isinstance(last, ast.Expr)
            values.append(eval(ast.unparse(last), names) if is_value else None)
    return names, values


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names, values = run_cells(
            NOTEBOOKS / "classify_a_table.ipynb", {'budget="30s"': FIVE_STEPS}
        )
    return folder, names, values


def test_fit_pushes_a_model_that_is_measured_on_unseen_rows(cells):
    _, names, _ = cells
    run = names["run"]
    assert run.status == "succeeded"
    assert run.stages["category"].pushed.name == "1"
    assert set(run.metrics["split"]) == {"test"}
    accuracy = run.metrics.set_index("metric").loc["accuracy"]
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert accuracy.rows == 62
    assert {"train/loss", "eval/loss"} <= set(run.curves()["name"])


def test_answers_for_a_table_have_its_index_and_sum_to_one(cells):
    _, names, _ = cells
    answers = names["run"].predict(names["new"])
    assert list(answers.index) == ["a", "b"]
    labels = ["p_billing", "p_delivery", "p_technical"]
    assert list(answers.columns) == ["label", "probability", *labels, "confident"]
    assert answers[labels].sum(axis=1).tolist() == pytest.approx([1, 1])
    assert answers[labels].max(axis=1).tolist() == answers["probability"].tolist()
    with pytest.raises(ConfigError, match="a column 'message', got msg"):
        names["run"].predict(pd.DataFrame({"msg": ["a text"]}))


def test_the_config_of_a_fit_is_a_file_of_few_lines_that_does_the_same(cells):
    folder, names, _ = cells
    run = names["run"]
    file = folder / "saved.yaml"
    file.write_text(run.config)
    assert len(run.config.splitlines()) < 30
    source = read_yaml(run.config, "saved.yaml").value["datasets"]["texts"]["source"]
    assert (source["text"], source["label"]) == ("message", "category")
    again = tm.run(file, root=folder / "tickets", progress=False)
    assert {node["state"] for node in again.summary["nodes"].values()} == {"cached"}


def test_the_command_does_the_same(cells, monkeypatch, capsys):
    folder, _, _ = cells
    monkeypatch.chdir(folder)
    [table] = (folder / "tickets" / "rows").iterdir()
    overrides = [f"--set={text}" for text in ast.literal_eval(FIVE_STEPS[10:])]
    options = ["--label=category", "--root=tickets", "--output=fit.yaml", *overrides]
    monkeypatch.setattr("sys.argv", ["textmill", "fit", str(table), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    assert "textmill: label: column 'category', 3 values: 'billing'" in err
    assert "train.category: cached" in err
    assert "linear baseline: accuracy" in out
    assert 'textmill predict --root tickets category "your text"' in out
    of_command, of_call = (
        tm.load_config(folder / name).config for name in ("fit.yaml", "saved.yaml")
    )
    assert of_command.datasets == of_call.datasets
    assert of_command.stages == of_call.stages


def test_the_report_is_a_page_that_a_notebook_shows_in_a_frame(cells):
    _, names, _ = cells
    page = names["run"].report()
    assert str(page).endswith("report.html")
    assert page._repr_html_().startswith("<iframe title=")
    assert "<html" not in page._repr_html_()


def test_the_notebook_ends_with_an_answer_of_the_loaded_model(cells):
    assert cells[2][-1] in ("billing", "delivery", "technical")
