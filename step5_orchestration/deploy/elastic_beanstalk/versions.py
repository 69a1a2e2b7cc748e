"""Application versions: bundles in S3, what is known of them, and making room for more.

That a version has passed the smoke test of an environment is written on the version itself, as a tag: tags of an
environment would do for it too, but to change one is an update of the whole environment.
"""

from typing import Any

from botocore.exceptions import ClientError

from step5_orchestration.deploy.elastic_beanstalk.account import (
    Version,
    find_environments,
    find_version,
    find_versions,
    tags_of,
)
from step5_orchestration.deploy.elastic_beanstalk.bundle import Bundle, is_ours
from step5_orchestration.deploy.elastic_beanstalk.workplace import Workplace
from step5_orchestration.deploy.errors import UpdateFailedError

_VERIFIED = "verified-"
_PAUSE_S = 5
_LONGEST_S = 300
_KEPT = 10
_KEPT_FOR_EACH = 2  # environment: what runs there, and what it would go back to
_NOT_FOUND = "404"  # all that S3 says to a question for the head alone


def create_version(bundle: Bundle, at: Workplace) -> None:
    """Upload the bundle and make it a version, as far as that is not done yet; wait until Beanstalk has accepted it.

    Raises UpdateFailedError where it does not.
    """
    version = find_version(at.clients, at.application, bundle.label)
    if version and version.status == "FAILED":
        at.clients.beanstalk.delete_application_version(ApplicationName=at.application, VersionLabel=bundle.label)
        version = None
    if version is None:
        bucket, key = _upload(bundle, at)
        at.clients.beanstalk.create_application_version(
            ApplicationName=at.application,
            VersionLabel=bundle.label,
            Description=f"revision {bundle.revision}",
            SourceBundle={"S3Bucket": bucket, "S3Key": key},
            Process=True,
        )
        at.progress.say(f"Created the version {bundle.label}.")
    _wait_until_processed(bundle.label, at)


def mark_verified(label: str, at: Workplace) -> None:
    """Note on a version that it has just passed the smoke test of this environment."""
    version = find_version(at.clients, at.application, label)
    if version:
        tag = {"Key": _VERIFIED + at.environment, "Value": at.clock.now().isoformat(timespec="seconds")}
        at.clients.beanstalk.update_tags_for_resource(ResourceArn=version.arn, TagsToAdd=[tag])


def verified(at: Workplace) -> list[str]:
    """Return the versions that have passed the smoke test here, the last one first."""
    return _passed(at).get(_VERIFIED + at.environment, [])


def prune(at: Workplace) -> None:
    """Remove old versions that run nowhere, and that none would go back to: an account may have only so many."""
    kept = {environment.version_label for environment in find_environments(at.clients, at.application)}
    ours = [version for version in find_versions(at.clients, at.application) if is_ours(version.label)]
    if len(ours) <= _KEPT:
        return
    kept.update(label for labels in _passed(at).values() for label in labels[:_KEPT_FOR_EACH])
    for version in ours[_KEPT:]:
        if version.label not in kept:
            delete_version(version, at)
            at.progress.say(f"Removed the old version {version.label}.")


def delete_version(version: Version, at: Workplace) -> None:
    """Remove a version and its bundle."""
    at.clients.beanstalk.delete_application_version(
        ApplicationName=at.application, VersionLabel=version.label, DeleteSourceBundle=True
    )


def _passed(at: Workplace) -> dict[str, list[str]]:
    """Return by tag, one for each environment, the versions that have passed there, the last one first."""
    passed: dict[str, list[tuple[str, str]]] = {}
    for version in find_versions(at.clients, at.application):
        for tag, when in tags_of(at.clients, version.arn).items():
            if tag.startswith(_VERIFIED):
                passed.setdefault(tag, []).append((when, version.label))
    return {tag: [label for _, label in sorted(found, reverse=True)] for tag, found in passed.items()}


def _upload(bundle: Bundle, at: Workplace) -> tuple[str, str]:
    """Put the bundle where Beanstalk reads it, unless it is there; return bucket and key."""
    bucket = str(at.clients.beanstalk.create_storage_location()["S3Bucket"])  # makes one only where there is none
    key = f"{at.application}/{bundle.label}.zip"
    if not _is_uploaded(bundle, bucket, key, at):
        at.clients.s3.put_object(Bucket=bucket, Key=key, Body=bundle.contents, Metadata={"sha256": bundle.digest})
        at.progress.say(f"Uploaded {key}, {len(bundle.contents):,} bytes, to {bucket}.")
    return bucket, key


def _is_uploaded(bundle: Bundle, bucket: str, key: str, at: Workplace) -> bool:
    try:
        metadata: dict[str, Any] = at.clients.s3.head_object(Bucket=bucket, Key=key)["Metadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] == _NOT_FOUND:
            return False
        raise
    return metadata.get("sha256") == bundle.digest


def _wait_until_processed(label: str, at: Workplace) -> None:
    for _ in range(0, _LONGEST_S, _PAUSE_S):
        version = find_version(at.clients, at.application, label)
        if version and version.status == "PROCESSED":
            return
        if version and version.status == "FAILED":
            raise UpdateFailedError(
                f"Beanstalk does not accept the bundle of {label}.",
                "Look into it: python -m step5_orchestration.deploy eb bundle --output DIR.",
            )
        at.clock.sleep(_PAUSE_S)
    raise UpdateFailedError(f"Beanstalk has not looked at {label} within {_LONGEST_S} s.", "Apply again.")
