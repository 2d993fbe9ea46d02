"""The ops that an exported graph may hold: no files, no processes, no network.

Loading a SavedModel runs ops of its graph, and answering a text runs more; TensorFlow
has ops that read and write any file of the user. So a graph is parsed and compared with
this list before it is loaded, and after it was written. The list holds the ops of all
tasks, families and tokenizers, and harmless ones that the task of a plug-in may need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_MATH = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin BatchMatMulV2 BatchMatMulV3 BiasAdd
    BiasAddV1 Bincount BitwiseAnd BitwiseOr BitwiseXor Ceil ClipByValue Cos Cumprod
    Cumsum DenseBincount Div DivNoNan Einsum Elu Equal Erf Erfc Exp Expm1 Floor
    FloorDiv FloorMod Greater GreaterEqual InTopKV2 IsFinite IsInf IsNan L2Loss
    LeakyRelu Less LessEqual LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot
    LogicalOr LowerBound MatMul Max Maximum Mean Min Minimum Mod Mul MulNoNan Neg
    NotEqual Pow Prod RealDiv Reciprocal Relu Relu6 RightShift Round Rsqrt SegmentMax
    SegmentMean SegmentSum Selu Sigmoid Sign Sin Softmax Softplus Softsign Sqrt Square
    SquaredDifference Sub Sum Tanh TopKV2 UnsortedSegmentMax UnsortedSegmentMin
    UnsortedSegmentProd UnsortedSegmentSum UpperBound Xdivy Xlogy
"""
_ARRAYS = """
    Bitcast BroadcastArgs BroadcastTo Cast ConcatV2 Const DynamicPartition
    DynamicStitch EmptyTensorList EnsureShape ExpandDims Fill GatherNd GatherV2
    Identity IdentityN InvertPermutation MatrixBandPart MirrorPad OneHot OnesLike Pack
    Pad PadV2 PreventGradient RaggedGather RaggedRange RaggedTensorToTensor Range Rank
    Reshape ReverseSequence ReverseV2 Roll ScatterNd Select SelectV2 Shape ShapeN Size
    Slice Snapshot Split SplitV Squeeze StopGradient StridedSlice TensorListConcatV2
    TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve
    TensorListResize TensorListSetItem TensorListStack TensorScatterAdd
    TensorScatterUpdate Tile Transpose Unique UniqueV2 UniqueWithCounts Unpack Where
    ZerosLike
"""
_TEXT = """
    AsString DecodeRaw FastBertNormalize FastWordpieceTokenizeWithOffsets
    NormalizeUTF8 ReduceJoin RegexFullMatch RegexReplace SentencepieceOp
    SentencepieceTokenizeOp SentencepieceTokenizeWithOffsetsOp StaticRegexFullMatch
    StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplitV2
    StringStrip
    StringToHashBucketFast StringToNumber StringUpper Substr
    TFText>FastSentencepieceDetokenize TFText>FastSentencepieceTokenize
    TFText>FastWordpieceDetokenize UnicodeDecode UnicodeDecodeWithOffsets
    UnicodeEncode UnicodeScript UnicodeTranscode UnsortedSegmentJoin
"""
_CONTROL = """
    Assert Case DisableCopyOnRead FakeParam If NoOp PartitionedCall Placeholder
    PlaceholderWithDefault StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile While
"""
_LAYERS = "CudnnRNNV3 StatelessRandomGetKeyCounter StatelessRandomUniformV2"
_VARIABLES = """
    AssignVariableOp ReadVariableOp ResourceGather ResourceGatherNd VarHandleOp
    VarIsInitializedOp VariableShape
"""
GRAPH_OPS = frozenset(
    (_MATH + _ARRAYS + _TEXT + _CONTROL + _LAYERS + _VARIABLES).split()
)
"""The ops that a graph may hold anywhere."""
CHECKPOINT_OPS = frozenset(
    ("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename")
)
"""Ops with files: the saver's functions hold them, which a loaded model has not."""


def foreign_ops(folder: Path) -> list[str]:
    """Returns the sorted ops of a SavedModel that a graph may not hold, unloaded.

    Raises:
        ValueError: the file is not a SavedModel of one graph with objects, the only
            kind that ``tf.saved_model.save`` writes.
    """
    graph = _read(folder / "saved_model.pb")
    functions = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    served = _reachable(_served(graph.object_graph_def), functions)
    saver = _reachable(_saver(graph), functions) - served
    foreign = {node.op for node in graph.graph_def.node} - GRAPH_OPS
    for name, nodes in functions.items():
        allowed = GRAPH_OPS | CHECKPOINT_OPS if name in saver else GRAPH_OPS
        foreign |= {node.op for node in nodes} - allowed
    for nodes in (graph.graph_def.node, *functions.values()):
        foreign |= set(_callees(nodes)) - functions.keys()
    return sorted(foreign)


def default_inputs(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns the values of inputs that a call may leave out, by signature and name."""
    from tensorflow import make_ndarray

    signatures = _read(folder / "saved_model.pb").signature_def
    return {
        name: {key: make_ndarray(value) for key, value in each.defaults.items()}
        for name, each in signatures.items()
    }


def _read(file: Path) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise ValueError(str(error)) from None
    graphs = saved_model.meta_graphs
    # Without objects, TensorFlow would run the graph's own initialization.
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise ValueError(f"expected one graph with objects, got {len(graphs)} graphs")
    return graphs[0]


def _served(objects: Any) -> Iterator[str]:
    """Yields the names of the functions that a loaded model has."""
    yield from objects.concrete_functions
    for node in objects.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name


def _saver(graph: Any) -> Iterator[str]:
    """Yields the names of the functions that write and read a checkpoint."""
    saver = graph.saver_def
    names = (saver.save_tensor_name.partition(":")[0], saver.restore_op_name)
    return _callees(node for node in graph.graph_def.node if node.name in names)


def _callees(nodes: Iterable[Any]) -> Iterator[str]:
    """Yields the names of the functions that nodes call."""
    for node in nodes:
        for value in node.attr.values():
            if value.HasField("func"):
                yield value.func.name
            yield from (function.name for function in value.list.func)


def _reachable(names: Iterable[str], functions: dict[str, Any]) -> set[str]:
    """Returns functions, and all that they call."""
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= set(_callees(functions.get(name, ()))) - reached
    return reached
