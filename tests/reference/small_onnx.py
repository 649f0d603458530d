"""Small networks as ONNX models, of made-up weights: what the scripts that write them share."""
import numpy as np
from onnx import checker, helper, numpy_helper


class Model:
    """A model in the making. The same seed and the same calls give the same bytes."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def op(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, name, *shape):
        bound = np.sqrt(6 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        self.weights.append(numpy_helper.from_array(self.rng.uniform(-bound, bound, shape).astype(np.float32), name))
        return name

    def write(self, path, name, inputs, outputs, producer):
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name=producer)
        checker.check_model(model)
        path.write_bytes(model.SerializeToString())
