"""One worker process: one model, one task at a time, until SIGTERM: `python -m step3_microservices.worker.process`."""

import logging
import logging.config
import os
import sys
import warnings

from celery import signals

from shared.errors import ExpectedError
from step3_microservices.allocator import set_allocator
from step3_microservices.broker import create_celery
from step3_microservices.contract import INTERACTIVE, JOBS
from step3_microservices.figures_server import serve_figures
from step3_microservices.job_store import JobStore
from step3_microservices.log_lines import json_lines
from step3_microservices.redis_client import connect
from step3_microservices.spans import export_spans
from step3_microservices.store import Store
from step3_microservices.task_messages import TaskMessages
from step3_microservices.worker.batching import Limits
from step3_microservices.worker.config import CANNOT_START, Config, read_config
from step3_microservices.worker.consumer import Consumer
from step3_microservices.worker.inference import Inference
from step3_microservices.worker.lifecycle import Lifecycle, load_model
from step3_microservices.worker.metrics import Metrics
from step3_microservices.worker.models import ServedModels
from step3_microservices.worker.tasks import register_task

_LOGGERS = {name: {"level": "WARNING"} for name in ("celery", "kombu", "amqp")}

_log = logging.getLogger(__name__)


def main() -> int:
    """Work until SIGTERM or Ctrl-C, then finish what is in work; return the exit code."""
    set_allocator()
    logging.config.dictConfig(json_lines(_LOGGERS))
    try:
        config = read_config(os.environ)
        models = ServedModels(load_model(config, config.artifact_version))
    except ExpectedError as error:
        _log.critical(error.detail, extra={"fields": {"code": error.code, "remedy": error.remedy}})
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr, flush=True)  # noqa: T201
        return CANNOT_START
    return work(config, models)


def work(config: Config, models: ServedModels) -> int:
    """Answer with those models; return the exit code."""
    redis = connect(config.redis_url)
    metrics = Metrics(redis)
    export_spans("worker", config.otlp_endpoint)
    store = Store(redis, answer_ttl_s=config.answer_ttl_s)
    app = create_celery(config.redis_url, visibility_timeout_s=config.visibility_timeout_s)
    missed_after_s = 3 * config.visibility_timeout_s
    jobs = JobStore(redis, TaskMessages(app, JOBS), ttl_s=config.job_ttl_s, missed_after_s=missed_after_s)
    inference = Inference(store, jobs, models, metrics)
    register_task(app, store, inference, Limits(config.max_batch_size, config.max_wait_ms, config.job_share))
    lifecycle = Lifecycle(config, redis, models, metrics, jobs)

    def begin(**_: object) -> None:
        lifecycle.start()
        _log.info("ready", extra={"fields": {"model_version": str(models.card.version), "worker": lifecycle.name}})

    signals.setup_logging.connect(_leave_logging_alone)
    signals.worker_ready.connect(begin, weak=False)
    if config.metrics_port:
        serve_figures(metrics.registry, config.metrics_port)
    warnings.filterwarnings("ignore", module="celery.platforms")  # running as root, which containers of ours do not
    worker = app.Worker(
        pool="solo",
        consumer_cls=Consumer,
        queues=[INTERACTIVE, JOBS],
        hostname=lifecycle.name,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    try:
        worker.start()
    finally:
        lifecycle.stop()
    return int(worker.exitcode or 0)


def _leave_logging_alone(**_: object) -> None:
    """Stand in for Celery's own logging set-up, which it leaves out where somebody answers this signal."""


if __name__ == "__main__":
    sys.exit(main())
