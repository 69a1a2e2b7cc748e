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


class CredentialsError(DeployError):
    """The cloud does not know who is asking."""

    code = "credentials_missing"


class RightsError(DeployError):
    """The cloud knows who is asking, and says no."""

    code = "rights_missing"


class QuotaError(DeployError):
    """The account has as many of something as it may have."""

    code = "quota_reached"


class NameTakenError(DeployError):
    """Somebody else has this name."""

    code = "name_taken"


class CloudUnreachableError(DeployError):
    """The cloud gives no answer."""

    code = "cloud_unreachable"


class CloudBusyError(DeployError):
    """The cloud will do it later: it was asked too often, or is not done with what it was asked before."""

    code = "cloud_busy"


class ConfigurationError(DeployError):
    """What is asked for cannot work."""

    code = "configuration_invalid"


class OverBudgetError(DeployError):
    """It would cost more than was allowed."""

    code = "over_budget"


class UpdateFailedError(DeployError):
    """The platform could not bring up what it was given."""

    code = "update_failed"


class UpdateTimeoutError(UpdateFailedError):
    """It has not come up in the time given."""

    code = "update_timed_out"


class NothingToGoBackToError(DeployError):
    """There is no earlier version that was known to work."""

    code = "nothing_to_go_back_to"


class NotDestroyedError(DeployError):
    """Something is left that should be gone."""

    code = "not_destroyed"
