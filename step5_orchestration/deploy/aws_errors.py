"""What AWS complains about, in words that say what to do next."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore calls it so
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from step5_orchestration.deploy.errors import (
    CloudBusyError,
    CloudUnreachableError,
    ConfigurationError,
    CredentialsError,
    DeployError,
    NameTakenError,
    QuotaError,
    RightsError,
)

QUOTA_REMEDY = "Remove what is not needed any more, or ask for a higher quota."

_WHO = "Log in (aws sso login, aws configure) or set AWS_PROFILE, then try: aws sts get-caller-identity."
_SERVER_ERROR = 500

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound)
_LOGGED_OUT = (LoginError, SSOError, TokenRetrievalError)
_NOT_KNOWN = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch"}
_NOT_KNOWN |= {"UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"}
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException", "InsufficientPrivilegesException", "UnauthorizedOperation"}
_NOT_ALLOWED |= {"403"}  # all that S3 says where an answer has no body
_LATER = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|OperationInProgress|invalid state for this operation"
)
_QUOTA = re.compile(r"TooMany|LimitExceeded|QuotaExceeded")
# Where IAM's action has another name than boto3's operation, or another service than Elastic Beanstalk.
_IAM_ACTIONS = {
    "DeleteObject": "s3:DeleteObject",
    "DescribeImages": "ecr:DescribeImages",
    "GetCallerIdentity": "sts:GetCallerIdentity",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "RunJobFlow": "elasticmapreduce:RunJobFlow",
    "StartJobRun": "emr-serverless:StartJobRun",
    "UpdateTagsForResource": "elasticbeanstalk:AddTags",
}
# "not authorized to perform: s3:PutObject", or, as Beanstalk has it, "permission to perform the 's3:PutObject' action"
_ACTION = re.compile(r"to perform:? (the ')?(?P<action>[a-z0-9-]+:\w+)")


def iam_action(operation: str) -> str:
    """Return what IAM calls an operation of boto3, such as s3:ListBucket for ListObjectsV2."""
    return _IAM_ACTIONS.get(operation, f"elasticbeanstalk:{operation}")


@contextmanager
def explained(policy: str) -> Iterator[None]:
    """Turn botocore's exceptions into a DeployError each; `policy` is the file that allows what is asked for here."""
    try:
        yield
    except ClientError as error:
        raise _explained(error, policy) from error
    except (*_NO_CREDENTIALS, *_LOGGED_OUT) as error:
        raise CredentialsError(f"There are no AWS credentials to use: {error}", _WHO) from error
    except NoRegionError as error:
        raise ConfigurationError("No AWS region is named.", "Name one: --region eu-central-1.") from error
    except (ConnectionError, HTTPClientError) as error:
        raise CloudUnreachableError(f"AWS cannot be reached: {error}", "Check the network and the region.") from error
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS cannot be asked that: {error}", "Check the options.") from error


def _explained(error: ClientError, policy: str) -> DeployError:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    denied = _ACTION.search(message)
    if code in _NOT_KNOWN:
        return CredentialsError(f"AWS does not accept the credentials ({code}): {message}", _WHO)
    if denied or code in _NOT_ALLOWED:
        action = denied["action"] if denied else iam_action(error.operation_name)
        return RightsError(f"AWS refuses {action}: {message}", f"Have it allowed, as {policy} does.")
    if status >= _SERVER_ERROR or _LATER.search(f"{code} {message}"):
        return CloudBusyError(f"AWS is busy ({code}): {message}", "Wait a minute, then give the same command again.")
    if _QUOTA.search(code):
        return QuotaError(f"AWS allows no more ({code}): {message}", QUOTA_REMEDY)
    if error.operation_name == "CreateEnvironment" and re.search("already exists|not available", message):
        return NameTakenError(f"The name is taken: {message}", "Choose another: --environment or --cname.")
    return DeployError(
        f"AWS refuses {error.operation_name} ({code}): {message}", "Correct what it names, and try again."
    )
