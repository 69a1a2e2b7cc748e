"""Celery's messages for the task: written by Celery once, at start, and from then on filled in for each picture.

So a task can be put into its queue in the same step of Redis that accepts the picture: either both happen or neither.
"""

import base64
import json
import secrets
from uuid import uuid4

from celery import Celery
from kombu.connection import Connection
from kombu.messaging import Producer

from step3_microservices.contract import TASK, Work

_ID = "the-task-id"


class TaskMessages:
    """The messages for one queue."""

    def __init__(self, app: Celery, queue: str) -> None:
        """Let Celery send one task into a queue of this process's memory, and keep its form."""
        with Connection("memory://") as connection:  # type: ignore[no-untyped-call]
            channel = connection.channel()
            producer = Producer(channel)  # type: ignore[no-untyped-call]
            app.send_task(TASK, producer=producer, queue=queue, task_id=_ID, argsrepr="", kwargsrepr="", retry=False)
            message = channel._queue_for(queue).get()
        self._about = json.loads(base64.b64decode(message["body"]))[2]
        self._tag = message["properties"]["delivery_tag"]
        self._body = message["body"]
        self._form = json.dumps(message)

    def of(self, work: Work) -> str:
        """Return the message that Celery would send of this work."""
        body = base64.b64encode(json.dumps([work, {}, self._about]).encode()).decode()
        filled = self._form.replace(_ID, str(uuid4())).replace(self._tag, secrets.token_hex(16))
        return filled.replace(self._body, body)
