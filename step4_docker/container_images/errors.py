"""What can go wrong on the way to container images that somebody can do something about."""

from shared.errors import ExpectedError


class DockerUnavailableError(ExpectedError):
    """No Docker answers."""

    code = "docker_unavailable"


class BuildError(ExpectedError):
    """A container image could not be built."""

    code = "build_failed"


class PushError(ExpectedError):
    """A container image could not be pushed."""

    code = "push_failed"


class AuditError(ExpectedError):
    """Nobody could be asked what is known about a package."""

    code = "audit_failed"
