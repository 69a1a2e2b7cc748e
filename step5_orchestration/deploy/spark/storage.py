"""Copies the program to where the cluster reads it: s3://, gs://, or a folder."""

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from step5_orchestration.deploy.errors import ConfigurationError
from step5_orchestration.deploy.spark.commands import Command


def upload(contents: bytes, address: str, s3: Any) -> None:  # noqa: ANN401 - boto3 has no types
    """Write a file; `s3` is a client of boto3, or None where it is not needed.

    Raises DeployError, and for S3 what botocore raises.
    """
    place = urlsplit(address)
    if place.scheme == "s3":
        s3.put_object(Bucket=place.netloc, Key=place.path.lstrip("/"), Body=contents)
    elif place.scheme == "gs":
        with tempfile.NamedTemporaryFile() as file:
            file.write(contents)
            file.flush()
            Command(["gcloud", "storage", "cp", file.name, address]).run()
    elif not place.scheme:
        Path(address).parent.mkdir(parents=True, exist_ok=True)
        Path(address).write_bytes(contents)
    else:
        raise ConfigurationError(f"Nothing can be copied to {address} from here.", "Name a place in s3:// or gs://.")
