"""Push container images to a registry, and write down by which digests they are found there."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

from step4_docker.container_images.build import Report
from step4_docker.container_images.catalogue import Revision, local_name
from step4_docker.container_images.errors import PushError

PUSHED = Path(".data/images.json")
"""What step 5 deploys: the git revision, and each container image by its digest."""

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(/(?P<folder>.+))?")


@dataclass(frozen=True)
class Pusher:
    """Pushes to `registry`, such as `europe-west1-docker.pkg.dev/project/repository`.

    Without `credentials` (username and password) those of `docker login` are used.
    """

    client: DockerClient
    revision: Revision
    registry: str
    credentials: Mapping[str, str] | None = None
    report: Report = lambda _: None

    def push_all(self, names: Sequence[str], pushed: Path = PUSHED) -> dict[str, str]:
        """Push container images, and write and return by which digest each is found.

        Raises PushError, also for source that git does not know: nobody could tell what was pushed.
        """
        if self.revision.is_dirty:
            detail = f"The source differs from its git revision ({self.revision.tag})."
            raise PushError(detail, "Commit it, build, and push again.")
        images = {name: self.push(name) for name in names}
        pushed.parent.mkdir(parents=True, exist_ok=True)
        written = {"revision": self.revision.digits, "images": images}
        pushed.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        return images

    def push(self, name: str) -> str:
        """Push one, and return its address with its digest. Raises PushError."""
        target, tag = f"{self.registry.rstrip('/')}/{name}", self.revision.tag
        self.report(f"==> {target}:{tag}")
        try:
            self.client.images.get(local_name(name, tag)).tag(target, tag)
            events = self.client.images.push(target, tag=tag, auth_config=self.credentials, stream=True, decode=True)
            return f"{target}@{_digest(events, target)}"
        except ImageNotFound as error:
            raise PushError(f"{local_name(name, tag)} was not built.", "Build it: make images.") from error
        except (DockerException, requests.RequestException) as error:
            raise PushError(f"{target} could not be pushed: {error}", "Look at what Docker says.") from error


def sign_in_to_ecr(registry: str, names: Sequence[str], client_of: Callable[[str], Any]) -> Mapping[str, str] | None:
    """Return credentials for a registry of AWS, after making the repositories that are missing; None for any other.

    `client_of` returns the boto3 client of ECR in a region. What it raises is botocore's.
    """
    found = _ECR.fullmatch(registry)
    if not found:
        return None
    ecr = client_of(found["region"])
    for name in names:
        try:
            ecr.create_repository(
                repositoryName="/".join(filter(None, (found["folder"], name))),
                imageTagMutability="IMMUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
            )
        except ecr.exceptions.RepositoryAlreadyExistsException:
            continue
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    username, _, password = base64.b64decode(token).decode().partition(":")
    return {"username": username, "password": password}


def _digest(events: Iterable[Mapping[str, Any]], target: str) -> str:
    """Wait for the end of a push, and return what the registry calls it."""
    digest = None
    for event in events:
        if error := event.get("error"):
            raise PushError(f"{target} could not be pushed: {error}", "Check the address, and docker login there.")
        digest = (event.get("aux") or {}).get("Digest", digest)
    if not digest:
        raise PushError(f"{target} was pushed, and its registry told no digest.", "Push it again.")
    return str(digest)
