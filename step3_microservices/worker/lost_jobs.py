"""Accepted jobs whose tasks a killed worker took along: found, and sent again."""

import logging

from step3_microservices.job_store import JobStore

_log = logging.getLogger(__name__)


def send_lost_jobs_again(jobs: JobStore) -> None:
    """Send them; see `JobStore.lost` for how they are known."""
    for job in jobs.lost():
        jobs.send_again(job)
        _log.warning("sent again", extra={"fields": {"job_id": job.job_id}})
