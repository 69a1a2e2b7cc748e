# Step 3's gateway. Built from the root of the repository: docker build -f step4_docker/gateway.Dockerfile .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY shared/constraints.txt shared/
COPY step3_microservices/gateway/requirements*.txt step3_microservices/gateway/
COPY step4_docker/slim.sh /usr/local/bin/
# The environment gets no pip of its own: whoever breaks into the container finds none to install with.
RUN python -m venv --without-pip /opt/venv \
    && pip --disable-pip-version-check --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        -r step3_microservices/gateway/requirements.txt \
        -r step3_microservices/gateway/requirements-postgresql.txt \
    && slim.sh /opt/venv
COPY shared shared
COPY step3_microservices step3_microservices
# Bytecode is written now, of what the service imports and of nothing else: at run time the file system is read-only.
RUN /opt/venv/bin/python -c "import step3_microservices.gateway.serve, step3_microservices.gateway.app, alembic.command, psycopg" \
    && mkdir -p /data/analytics

FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="classifier gateway" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chown=10001:10001 /data /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
# One thread of linear algebra: what the gateway does is too small for more, and each keeps memory.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OPENBLAS_NUM_THREADS=1 \
    HOST=0.0.0.0 PORT=8000 ANALYTICS_DATABASE=sqlite:////data/analytics/analytics.sqlite
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
    CMD ["python", "-IS", "-c", "from http.client import *; c = HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "step3_microservices.gateway.serve"]
