"""Why a deployment did not happen: what went wrong, and what to do next."""

from shared.errors import ExpectedError


class DeployError(ExpectedError):
    """A deployment cannot begin, or did not end well."""

    code = "deploy_failed"


class ContainerImagesError(DeployError):
    """It is not known which container images to deploy."""

    code = "container_images_unknown"


class SmokeTestError(DeployError):
    """What was deployed does not answer, or not rightly."""

    code = "smoke_test_failed"
