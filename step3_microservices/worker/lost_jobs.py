"""Accepted jobs whose tasks a killed worker took along: found, and sent again."""

import logging
from time import time

from celery import Celery
from kombu.exceptions import OperationalError

from step3_microservices.contract import JOBS, TASK, Work
from step3_microservices.job_store import JobStore

_log = logging.getLogger(__name__)


class LostJobs:
    """Looks for them; see `JobStore.lost` for how they are known."""

    def __init__(self, app: Celery, jobs: JobStore) -> None:
        """Look in that store, and send through that app."""
        self._app = app
        self._jobs = jobs

    def send_again(self) -> None:
        """Send the task of each lost job once more; one too many does no harm."""
        for job in self._jobs.lost(JOBS):
            asked = job.asked
            work = Work(
                job.digest, job.model_version, asked["explain"], job.deadline, time(), asked["traceparent"], job.job_id
            )
            try:
                self._app.send_task(TASK, args=work, queue=JOBS, retry=False, ignore_result=True)
            except (OperationalError, OSError):
                return  # they are looked for again
            _log.warning("sent again", extra={"fields": {"job_id": job.job_id}})
