# Step 3's worker, with its model. Built from the root of the repository, after the exporter:
# docker build -f step4_docker/worker.Dockerfile --build-arg EXPORTER_IMAGE=classifier/exporter:TAG .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
ARG EXPORTER_IMAGE=classifier/exporter:local

FROM ${EXPORTER_IMAGE} AS exporter

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY shared/constraints.txt shared/
COPY step3_microservices/worker/requirements.txt step3_microservices/worker/
COPY step4_docker/slim.sh /usr/local/bin/
RUN python -m venv --without-pip /opt/venv \
    && pip --disable-pip-version-check --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        -r step3_microservices/worker/requirements.txt \
    && slim.sh /opt/venv
COPY shared shared
COPY step3_microservices step3_microservices
RUN /opt/venv/bin/python -c "import step3_microservices.worker.serve, step3_microservices.worker.process, celery.bin.worker, boto3"

FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="classifier worker" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/venv /opt/venv
COPY --from=exporter /artifacts /artifacts
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OPENBLAS_NUM_THREADS=1 \
    ARTIFACTS=/artifacts ARTIFACT_CACHE=/tmp/artifacts METRICS_PORT=9100
USER 10001:10001
EXPOSE 9100
# Figures are served once the model is loaded.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s \
    CMD ["python", "-IS", "-c", "from http.client import *; c = HTTPConnection('127.0.0.1', 9100, timeout=4); c.request('GET', '/metrics'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "step3_microservices.worker.serve"]
