# The recommender's pipeline: cleans logs, trains, and publishes lists. Built from the root of the repository:
# docker build -f step4_docker/trainer.Dockerfile .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY shared/constraints.txt shared/
COPY step3_microservices/recommender/requirements.txt step3_microservices/recommender/requirements-train.txt step3_microservices/recommender/
COPY step4_docker/slim.sh /usr/local/bin/
RUN python -m venv --without-pip /opt/venv \
    && pip --disable-pip-version-check --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        -r step3_microservices/recommender/requirements-train.txt \
    && slim.sh /opt/venv \
    && mkdir -p /data/lists /data/training
COPY shared shared
COPY step3_microservices step3_microservices

FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="classifier trainer" \
      org.opencontainers.image.revision="${REVISION}"
# implicit computes in threads by GNU's OpenMP, which slim images lack.
RUN apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends libgomp1 >/dev/null \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build --chown=10001:10001 /data /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# What the pipeline writes on its way lies in the folder that it is started in.
WORKDIR /data/training
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 ARTIFACTS=/data/lists
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m"]
CMD ["step3_microservices.recommender.pipeline"]
