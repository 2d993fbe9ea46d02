"""A graph with an op that the exporter does not write is refused, unloaded."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.export.graph_ops import CHECKPOINT_OPS, GRAPH_OPS, foreign_ops
from textmill.models.export.saved_model import SavedModel, SavedModelRuntime

TEXT = [tf.TensorSpec([None], tf.string, name="text")]


def write_file(text, target):
    with tf.control_dependencies([tf.io.write_file(target, "x")]):
        return tf.identity(text)


def print_to_file(text, target):
    tf.print("x", output_stream=f"file://{target}")
    return tf.identity(text)


def save_tensors(text, target):
    save = tf.raw_ops.SaveV2(
        prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[text]
    )
    with tf.control_dependencies([save]):
        return tf.identity(text)


def read_file_in_a_loop(text, target):
    def body(i, text):
        return i + 1, tf.fill(tf.shape(text), tf.io.read_file(target))

    shapes = (tf.TensorShape([]), tf.TensorShape([None]))
    return tf.while_loop(lambda i, _: i < 1, body, (0, text), shape_invariants=shapes)[
        1
    ]


def call_python(text, target):
    return tf.py_function(lambda x: x, [text], tf.string)


def call_numpy(text, target):
    return tf.numpy_function(lambda x: x, [text], tf.string)


def save(folder, answer, target="/no/such"):
    """Saves a SavedModel with the exporter's signatures."""
    module = tf.Module()
    signatures = {
        "serving_default": tf.function(
            lambda text: {"label": answer(text, str(target))}, input_signature=TEXT
        ),
        "labels": tf.function(
            lambda: {"labels": tf.constant(["a"])}, input_signature=[]
        ),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


@pytest.mark.parametrize(
    "answer, op",
    [
        (write_file, "WriteFile"),
        (print_to_file, "PrintV2"),
        (save_tensors, "SaveV2"),
        (read_file_in_a_loop, "ReadFile"),
        (call_python, "EagerPyFunc"),
        (call_numpy, "PyFunc"),
    ],
)
def test_an_op_that_reaches_files_or_python_is_refused_by_name(answer, op, tmp_path):
    save(tmp_path / "model", answer, tmp_path / "written")
    with pytest.raises(IntegrityError, match=f"its graph holds {op}, which no export"):
        SavedModelRuntime(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_every_listed_op_is_one_of_tensorflow():
    assert [
        op for op in GRAPH_OPS | CHECKPOINT_OPS if not op_def_registry.get(op)
    ] == []


def test_trust_loads_any_graph(tmp_path):
    save(tmp_path / "model", write_file, tmp_path / "written")
    model = SavedModelRuntime(tmp_path / "model", trust=True)
    assert model.answer(["b"]) == [{"label": "b"}]
    assert (tmp_path / "written").read_text() == "x"


def test_a_plain_graph_with_its_checkpoint_functions_is_loaded(tmp_path):
    save(tmp_path, lambda text, _: tf.strings.lower(text))
    assert foreign_ops(tmp_path) == []
    assert SavedModelRuntime(tmp_path).answer(["B"]) == [{"label": "b"}]


def test_a_signature_that_is_the_function_of_the_saver_is_refused(tmp_path):
    save(tmp_path, lambda text, _: tf.strings.lower(text))
    file = tmp_path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = model.meta_graphs[0]
    [saver] = [
        function.signature.name
        for function in graph.graph_def.library.function
        if "SaveV2" in {node.op for node in function.node_def}
    ]
    for node in graph.object_graph_def.nodes:
        if node.HasField("bare_concrete_function"):
            node.bare_concrete_function.concrete_function_name = saver
    file.write_bytes(model.SerializeToString())
    assert "SaveV2" in foreign_ops(tmp_path)


def test_a_graph_without_objects_is_refused(tmp_path):
    """TensorFlow 1 ran an op of such a graph when it loaded it."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "old"))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
    with pytest.raises(IntegrityError, match="expected one graph with objects"):
        SavedModelRuntime(tmp_path / "old")


def test_bytes_that_are_no_graph_are_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(IntegrityError, match="not a SavedModel of Textmill"):
        SavedModelRuntime(tmp_path)


def test_a_task_with_such_an_op_is_not_exported(tmp_path):
    class Server(tf.Module):
        num_texts = 1

        def rows(self, text):
            return text

        def answer(self, text):
            return {"label": write_file(text, "/no/such")}

        def signatures(self):
            return {}

        def graphs(self):
            return {}

    class Leaky:
        def serve(self, tokenizer, options):
            return Server()

    from textmill.models.tasks.server import ServingOptions

    with pytest.raises(ConfigError, match="Leaky: its graph holds WriteFile"):
        SavedModel().write(Leaky(), None, tmp_path / "model", ServingOptions())
