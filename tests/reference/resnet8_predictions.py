"""What ONNX Runtime says of the 200 pictures, for tests/tests/golden.rs.

    python tests/reference/resnet8_predictions.py ../shared/realdata > tests/reference/resnet8_predictions.txt

Needs numpy, onnxruntime and pillow.
"""
import csv
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

data = Path(sys.argv[1])
session = onnxruntime.InferenceSession(data / "mlperf_tiny_resnet8/resnet8.onnx", providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
pictures = data / "cifar10_test"

print(f"# Top-1 classes of mlperf_tiny_resnet8/resnet8.onnx by ONNX Runtime {onnxruntime.__version__}; made by resnet8_predictions.py")
with open(pictures / "labels.csv", newline="") as labels:
    for row in csv.DictReader(labels):
        pixels = np.asarray(Image.open(pictures / "images" / row["file"]).convert("RGB"), dtype=np.float32)
        (logits,) = session.run(None, {name: pixels.transpose(2, 0, 1)[None]})
        print(row["file"], int(np.argmax(logits)))
