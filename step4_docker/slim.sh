#!/bin/sh
# Take out of a virtual environment what no service of ours runs: tests, sources of extensions, type stubs, and what
# packages bring for clouds, devices and model formats that are not in use. Compiling or reading them is over by now.
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)

find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.hpp' \
    -o -name '*.a' -o -name '*.cmake' \) -delete

# boto3 describes every service of AWS; ours speak to S3, with credentials from STS or single sign-on.
if [ -d "$packages/botocore/data" ]; then
    find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name 'sso*' ! -name signin -exec rm -rf {} +
fi

# OpenVINO runs on the processor here, from its own format.
if [ -d "$packages/openvino/libs" ]; then
    cd "$packages/openvino/libs"
    rm -f libopenvino_intel_gpu_plugin.so libopenvino_intel_npu_plugin*.so cache.json
    for format in onnx tensorflow tensorflow_lite pytorch paddle gguf jax; do
        rm -f "libopenvino_${format}_frontend.so"*
    done
fi
