"""Removing an environment and, with the last one, the application with its versions and bundles.

What an application has that was not made here is left alone.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from step5_orchestration.deploy.elastic_beanstalk.account import (
    Version,
    find_application,
    find_environment,
    find_environments,
    find_versions,
)
from step5_orchestration.deploy.elastic_beanstalk.apply import settle, told_what_is_left
from step5_orchestration.deploy.elastic_beanstalk.bundle import is_ours
from step5_orchestration.deploy.elastic_beanstalk.versions import delete_version
from step5_orchestration.deploy.elastic_beanstalk.watch import Watch
from step5_orchestration.deploy.elastic_beanstalk.workplace import Workplace
from step5_orchestration.deploy.errors import NotDestroyedError


def destroy(at: Workplace) -> None:
    """Remove all that `apply` has made, and look whether it is gone. Raises NotDestroyedError, UpdateTimeoutError."""
    with told_what_is_left(at):
        _terminate(at)
        others = [one.name for one in find_environments(at.clients, at.application) if one.name != at.environment]
        if others:
            at.progress.say(f"The application {at.application} stays: {', '.join(others)} runs in it.")
        else:
            _remove_application(at)
        left = list(_what_is_left(at, with_application=not others))
    if left:
        raise NotDestroyedError(f"Still there: {', '.join(left)}.", "Destroy again; it goes on from there.")


def _terminate(at: Workplace) -> None:
    settle(at)
    if find_environment(at.clients, at.environment, at.application) is None:
        # Beanstalk shows nothing, and says nothing, to who may not look: the account may be the wrong one.
        where = f"{at.clients.region} of {_account(at)}"
        at.progress.say(f"There is no environment {at.environment} in {where}, or none that you may see.")
        return
    watch = Watch(at)
    at.clients.beanstalk.terminate_environment(EnvironmentName=at.environment, TerminateResources=True)
    at.progress.say(f"Terminating {at.environment}; that takes some minutes.")
    watch.until_gone()


def _remove_application(at: Workplace) -> None:
    if find_application(at.clients, at.application):
        ours, others = _versions(at)
        for version in ours:
            delete_version(version, at)
            at.progress.say(f"Removed the version {version.label} and its bundle.")
        if others:
            at.progress.say(f"The application {at.application} stays: it has versions that were not made here.")
        else:
            at.clients.beanstalk.delete_application(ApplicationName=at.application)
            at.progress.say(f"Removed the application {at.application}.")
    bucket = _bucket(at)
    for key in _bundles(bucket, at):  # of an upload that never became a version
        at.clients.s3.delete_object(Bucket=bucket, Key=key)
        at.progress.say(f"Removed {key} from {bucket}.")


def _what_is_left(at: Workplace, *, with_application: bool) -> Iterator[str]:
    if find_environment(at.clients, at.environment, at.application) is not None:
        yield f"the environment {at.environment}"
    if with_application:
        yield from (f"the bundle {key}" for key in _bundles(_bucket(at), at))
        if find_application(at.clients, at.application):
            ours, others = _versions(at)
            yield from (f"the version {version.label}" for version in ours)
            if not others:
                yield f"the application {at.application}"


def _versions(at: Workplace) -> tuple[list[Version], list[Version]]:
    """Return the versions that were made here, and the others."""
    versions = find_versions(at.clients, at.application)
    ours = [version for version in versions if is_ours(version.label)]
    return ours, [version for version in versions if version not in ours]


def _account(at: Workplace) -> str:
    return str(at.clients.sts.get_caller_identity()["Account"])


def _bucket(at: Workplace) -> str:
    """Return the bucket of all bundles of this account and region, by the name that Beanstalk gives it."""
    return f"elasticbeanstalk-{at.clients.region}-{_account(at)}"


def _bundles(bucket: str, at: Workplace) -> Iterator[str]:
    try:
        pages = list(
            at.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{at.application}/")
        )
    except at.clients.s3.exceptions.NoSuchBucket:
        return
    for page in pages:
        yield from (one["Key"] for one in page.get("Contents", ()) if is_ours(PurePosixPath(one["Key"]).stem))
