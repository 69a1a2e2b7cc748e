"""Each complaint of AWS, as it is worded there, is told with what helps against it."""

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError, EndpointConnectionError, LoginRefreshRequired

from step5_orchestration.deploy.aws_errors import explained
from step5_orchestration.deploy.errors import (
    CloudBusyError,
    CloudUnreachableError,
    CredentialsError,
    DeployError,
    NameTakenError,
    QuotaError,
    RightsError,
)


def told(raised: Exception) -> DeployError:
    with pytest.raises(DeployError) as failure, explained("policy.json"):
        raise raised
    return failure.value


def complaint(operation: str, code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


@pytest.mark.parametrize(
    ("operation", "code", "message", "action"),
    [
        ("HeadObject", "403", "Forbidden", "s3:GetObject"),
        ("PutObject", "AccessDenied", "Access Denied", "s3:PutObject"),
        ("DescribeImages", "AccessDeniedException", "You may not", "ecr:DescribeImages"),
        ("UpdateTagsForResource", "AccessDenied", "No", "elasticbeanstalk:AddTags"),
        (
            "CreateApplicationVersion",
            "InsufficientPrivilegesException",
            "You do not have permission to perform the 's3:GetObjectAcl' action. Verify your S3 policies.",
            "s3:GetObjectAcl",
        ),
        (
            "UpdateEnvironment",
            "InvalidParameterValue",
            "User: arn:aws:iam::1:user/ci is not authorized to perform: cloudformation:UpdateStack on resource: x",
            "cloudformation:UpdateStack",
        ),
        ("RunJobFlow", "AccessDeniedException", "", "elasticmapreduce:RunJobFlow"),
        ("StartJobRun", "AccessDeniedException", "", "emr-serverless:StartJobRun"),
    ],
)
def test_a_right_that_is_missing_is_called_as_iam_calls_it(operation, code, message, action):
    failure = told(complaint(operation, code, message, 403))

    assert isinstance(failure, RightsError)
    assert failure.detail.startswith(f"AWS refuses {action}:")
    assert failure.remedy == "Have it allowed, as policy.json does."


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("Throttling", "Rate exceeded", 400),
        ("RequestLimitExceeded", "Request limit exceeded.", 503),
        ("SlowDown", "Please reduce your request rate.", 503),
        ("InternalFailure", "", 500),
        ("OperationInProgressException", "An operation is in progress.", 400),
        ("InvalidParameterValue", "Environment named x is in an invalid state for this operation. Must be Ready.", 400),
    ],
)
def test_what_passes_by_itself_is_waited_for(code, message, status):
    failure = told(complaint("DescribeEvents", code, message, status))

    assert isinstance(failure, CloudBusyError)
    assert "the same command again" in failure.remedy


def test_a_network_that_is_down_is_no_fault_of_the_options():
    failure = told(EndpointConnectionError(endpoint_url="https://elasticbeanstalk.eu-central-1.amazonaws.com/"))

    assert isinstance(failure, CloudUnreachableError)
    assert failure.remedy == "Check the network and the region."


@pytest.mark.parametrize("code", ["TooManyApplicationVersionsException", "TooManyBuckets", "VcpuLimitExceeded"])
def test_a_quota_is_no_matter_of_waiting(code):
    failure = told(complaint("CreateApplicationVersion", code, "You have reached the number of them."))

    assert isinstance(failure, QuotaError)
    assert "higher quota" in failure.remedy


def test_only_an_environments_name_is_answered_with_another_name():
    message = "Environment staging already exists."

    assert isinstance(told(complaint("CreateEnvironment", "InvalidParameterValue", message)), NameTakenError)
    assert not isinstance(told(complaint("CreateApplication", "InvalidParameterValue", message)), NameTakenError)


@pytest.mark.parametrize(
    "raised",
    [
        LoginRefreshRequired(),
        CredentialRetrievalError(provider="custom-process", error_msg="exit code 1"),
        complaint("GetCallerIdentity", "ExpiredToken", "The security token included in the request is expired", 403),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_who_is_not_logged_in_any_more_is_told_to(raised):
    failure = told(raised)

    assert isinstance(failure, CredentialsError)
    assert "aws sso login" in failure.remedy
