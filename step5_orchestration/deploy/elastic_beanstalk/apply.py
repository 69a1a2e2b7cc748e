"""From a plan to an environment that answers, or back to the version before.

Every step looks first whether it is done already: what was interrupted is taken up by the same command again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from step5_orchestration.deploy.elastic_beanstalk.account import Environment, find_environment, options_of
from step5_orchestration.deploy.elastic_beanstalk.bundle import Bundle
from step5_orchestration.deploy.elastic_beanstalk.options import OptionChanges
from step5_orchestration.deploy.elastic_beanstalk.plan import Plan, as_tags
from step5_orchestration.deploy.elastic_beanstalk.versions import create_version, mark_verified, prune, verified
from step5_orchestration.deploy.elastic_beanstalk.watch import Watch
from step5_orchestration.deploy.elastic_beanstalk.workplace import Workplace
from step5_orchestration.deploy.errors import DeployError, NothingToGoBackToError


def settle(at: Workplace) -> None:
    """Wait for whatever an interrupted run, or somebody else, is still changing. Raises UpdateTimeoutError."""
    environment = find_environment(at.clients, at.environment, at.application)
    if environment is not None and not environment.is_settled:
        at.progress.say(f"{at.environment} is {environment.status}: waiting for that first.")
        with told_what_is_left(at):
            Watch(at).until_settled()


def apply(plan: Plan, bundle: Bundle, at: Workplace) -> Environment:
    """Bring about what the plan says and return the environment, smoke-tested.

    Raises UpdateFailedError or SmokeTestError after going back to the last version that was known to work; where there
    is none, what has failed is left to be looked at.
    """
    with told_what_is_left(at):
        if plan.application_arn is None:
            at.clients.beanstalk.create_application(ApplicationName=at.application, Tags=as_tags(plan.tags))
        create_version(bundle, at)
        watch = Watch(at)
        _change_environment(plan, at)
        try:
            environment = watch.until_serving(bundle.label)
            at.smoke_test(environment.address)
        except DeployError as failure:
            _go_back(plan, failure, at)
            raise
        mark_verified(bundle.label, at)
        _change_tags(plan, environment, at)
        prune(at)
        return environment


def roll_back(at: Workplace) -> Environment:
    """Deploy the version that passed the smoke test before the one that runs.

    Raises NothingToGoBackToError, UpdateFailedError or SmokeTestError.
    """
    settle(at)
    environment = find_environment(at.clients, at.environment, at.application)
    if environment is None:
        raise NothingToGoBackToError(f"There is no environment {at.environment}.", "See what there is: eb status.")
    label = _version_before(environment.version_label, verified(at))
    if label is None:
        raise NothingToGoBackToError(
            f"No version other than {environment.version_label} has passed the smoke test in {at.environment}.",
            "Apply what should run there.",
        )
    with told_what_is_left(at):
        at.progress.say(f"Going back from {environment.version_label} to {label}.")
        environment = _update(label, OptionChanges(), at)
        at.smoke_test(environment.address)
        mark_verified(label, at)
        return environment


@contextmanager
def told_what_is_left(at: Workplace) -> Iterator[None]:
    """Note on Ctrl-C what goes on without this program."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(
            f"What was begun for {at.environment} in {at.clients.region} goes on there. "
            "The same command again takes it up; eb status shows it, eb destroy removes it."
        )
        raise


def _version_before(running: str, passed: Sequence[str]) -> str | None:
    """Return what to go back to, of the versions that have passed, the last one first."""
    if running in passed[1:]:
        return running  # it passed long ago, and not since it runs again: going back to it was interrupted
    return next((label for label in passed if label != running), None)


def _change_environment(plan: Plan, at: Workplace) -> None:
    if plan.environment is None:
        at.clients.beanstalk.create_environment(
            ApplicationName=at.application,
            EnvironmentName=at.environment,
            CNAMEPrefix=plan.deployment.cname,
            SolutionStackName=plan.stack,
            VersionLabel=plan.version_label,
            Tags=as_tags(plan.tags),
            **plan.options.request,
        )
        at.progress.say(f"Creating the environment {at.environment}; that takes some minutes.")
    elif plan.updates_environment:
        # Version and options in one request: AWS's reference denies it still, the service has long done it.
        at.clients.beanstalk.update_environment(
            EnvironmentName=at.environment, VersionLabel=plan.version_label, **plan.options.request
        )
        at.progress.say(f"Updating the environment {at.environment}.")


def _change_tags(plan: Plan, environment: Environment, at: Workplace) -> None:
    """Give an environment that was there before its new tags, which is an update of its own, and its application."""
    if plan.environment is not None and plan.changed_tags:
        watch = Watch(at)
        for arn in (plan.application_arn, environment.arn):
            at.clients.beanstalk.update_tags_for_resource(ResourceArn=arn, TagsToAdd=as_tags(plan.changed_tags))
        watch.until_serving(environment.version_label)


def _go_back(plan: Plan, failure: DeployError, at: Workplace) -> None:
    """Put the last version that was known to work, and the options of before, in place of what has failed."""
    at.progress.say(f"Failed: {failure.detail}")
    there = plan.environment
    only_options = there is not None and there.version_label == plan.version_label and plan.options
    label = next((label for label in verified(at) if only_options or label != plan.version_label), None)
    if there is None or label is None:
        at.progress.say("There is no earlier version to go back to; it is left as it is, for you to look at.")
        return
    at.progress.say(f"Going back to {label}.")
    settle(at)
    now = options_of(at.clients, there)
    _update(label, plan.options.undone(plan.options_before, now), at)
    at.progress.say(f"{at.environment} runs {label} again.")


def _update(label: str, options: OptionChanges, at: Workplace) -> Environment:
    watch = Watch(at)
    at.clients.beanstalk.update_environment(EnvironmentName=at.environment, VersionLabel=label, **options.request)
    return watch.until_serving(label)
