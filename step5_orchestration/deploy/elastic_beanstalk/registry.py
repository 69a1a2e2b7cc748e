"""Whether the container images are where the instances will look for them, asked before anything is changed."""

import re
from collections.abc import Iterable

from botocore.exceptions import ClientError

from step5_orchestration.deploy.elastic_beanstalk.workplace import Clients
from step5_orchestration.deploy.errors import ContainerImagesError

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})"
)
_NOT_THERE = {"ImageNotFoundException", "RepositoryNotFoundException"}


def check_pushed(images: Iterable[str], clients: Clients) -> None:
    """Ask the registry for each container image, where it is ECR in this region. Raises ContainerImagesError."""
    for image in images:
        found = _ECR.fullmatch(image)
        if not found or found["region"] != clients.region:
            continue  # another registry has its own ways to ask; the instances will say
        try:
            clients.ecr.describe_images(
                registryId=found["account"], repositoryName=found["name"], imageIds=[{"imageDigest": found["digest"]}]
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _NOT_THERE:
                raise
            raise ContainerImagesError(f"{image} is not in its registry.", "Push it again: make push.") from error
