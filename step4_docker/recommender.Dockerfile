# Step 3's recommender, and, with another command, the consumer of its events. Built from the root of the repository:
# docker build -f step4_docker/recommender.Dockerfile .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY shared/constraints.txt shared/
COPY step3_microservices/gateway/requirements-postgresql.txt step3_microservices/gateway/
COPY step3_microservices/recommender/requirements.txt step3_microservices/recommender/
COPY step4_docker/slim.sh /usr/local/bin/
RUN python -m venv --without-pip /opt/venv \
    && pip --disable-pip-version-check --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        -r step3_microservices/recommender/requirements.txt \
        -r step3_microservices/gateway/requirements-postgresql.txt \
    && slim.sh /opt/venv
COPY shared shared
COPY step3_microservices step3_microservices
RUN /opt/venv/bin/python -c "import step3_microservices.recommender.serve, step3_microservices.recommender.app, step3_microservices.recommender.events_consumer, alembic.command, boto3, psycopg" \
    && mkdir -p /data/analytics /data/lists

FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="classifier recommender" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chown=10001:10001 /data /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 PORT=8010 ARTIFACTS=/data/lists CACHE=/tmp/lists \
    ANALYTICS_DATABASE=sqlite:////data/analytics/analytics.sqlite
USER 10001:10001
EXPOSE 8010
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
    CMD ["python", "-IS", "-c", "from http.client import *; c = HTTPConnection('127.0.0.1', 8010, timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m"]
CMD ["step3_microservices.recommender.serve"]
