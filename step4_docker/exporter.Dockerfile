# Exports the model with TensorFlow, so that the worker needs none: what is kept of this image is /artifacts.
# docker build -f step4_docker/exporter.Dockerfile --build-arg MODEL=inception_v3 .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY shared/constraints.txt shared/
COPY step3_microservices/worker/requirements*.txt step3_microservices/worker/
RUN python -m venv --without-pip /opt/venv \
    && pip --disable-pip-version-check --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        -r step3_microservices/worker/requirements-export.txt
COPY shared shared
COPY step3_microservices step3_microservices
# "auto" is InceptionV3 where its weights can be fetched, else the offline model; a release names one.
ARG MODEL=auto
RUN /opt/venv/bin/python -m step3_microservices.worker.export --model "${MODEL}" --artifacts /artifacts

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title="classifier exporter" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /artifacts /artifacts
