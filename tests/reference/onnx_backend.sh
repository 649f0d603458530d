#!/bin/sh
# Installs the ONNX standard's own tests into target/onnx-backend, where `cargo test --test onnx_backend -- --ignored` finds them.
set -eu
cd "$(dirname "$0")/../.."
python3 -m pip install --quiet --no-deps --upgrade --target target/onnx-backend onnx==1.17.0
