"""The policies have what the tool asks for, and the tool asks for nothing else of Beanstalk's."""

import json
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from botocore.loaders import Loader

from step5_orchestration.deploy.aws_errors import iam_action
from step5_orchestration.deploy.elastic_beanstalk.apply import roll_back
from step5_orchestration.deploy.elastic_beanstalk.destroy import destroy
from step5_orchestration.deploy.elastic_beanstalk.registry import check_pushed
from step5_orchestration.deploy.elastic_beanstalk.status import fetch_logs, status_lines
from step5_orchestration.deploy.errors import DeployError
from tests.app.step5.beanstalk_fake import ACCOUNT, BUCKET, REGION
from tests.app.step5.eb_account import CALLS, FIRST, SECOND, THIRD, fake_account
from tests.repo.checkout import ROOT

IAM = ROOT / "step5_orchestration" / "elastic_beanstalk" / "iam"
POLICIES = sorted(IAM.glob("*.json"))
TRUSTED = {"instances_trust.json": "ec2.amazonaws.com", "service_trust.json": "elasticbeanstalk.amazonaws.com"}


def statements(name: str) -> list[dict]:
    return json.loads((IAM / name).read_text())["Statement"]


def allowed(name: str) -> set[str]:
    return {action for statement in statements(name) for action in statement["Action"] if "Condition" not in statement}


def denied(calls: set[str], policy: str) -> set[str]:
    actions = allowed(policy)
    return {call for call in calls if not any(fnmatchcase(iam_action(call), pattern) for pattern in actions)}


@pytest.fixture(scope="module")
def calls() -> dict[str, set[str]]:
    """What is asked for by a life with everything in it: `read` by the verbs that only ask, `all` by all of them."""
    with pytest.MonkeyPatch.context() as patch, fake_account(patch) as account:
        account.apply(FIRST)
        account.apply(SECOND, expires=date(2027, 1, 1))
        account.beanstalk.outcomes = ["hangs"]
        with suppress(DeployError):
            account.apply(THIRD)
        roll_back(account.at)
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/gateway@sha256:{'ab' * 32}"
        with suppress(DeployError):
            check_pushed([image], account.at.clients)
        changing = CALLS.copy()
        CALLS.clear()
        list(status_lines(account.at))
        list(fetch_logs(account.at, str))
        reading = CALLS.copy()
        account.at.clients.s3.put_object(Bucket=BUCKET, Key=f"classifier/{'a' * 12}-docker-{'b' * 8}.zip", Body=b"")
        destroy(account.at)
        return {"read": reading, "all": changing | reading | CALLS}


def test_the_deploy_policy_allows_every_action_that_is_asked_for(calls):
    assert "AbortEnvironmentUpdate" in calls["all"], "the life must have everything in it"
    assert "DeleteObject" in calls["all"]
    assert denied(calls["all"], "deploy.json") == set()


def test_the_deploy_policy_allows_nothing_of_beanstalk_that_is_not_asked_for(calls):
    asked = {iam_action(call) for call in calls["all"]} | {"elasticbeanstalk:UpdateTagsForResource"}

    assert {action for action in allowed("deploy.json") if action.startswith("elasticbeanstalk:")} - asked == set()


def test_who_may_only_read_can_see_status_and_logs(calls):
    assert denied(calls["read"], "read_only.json") == set()
    assert "CreateEnvironment" in denied(calls["all"], "read_only.json")


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_a_policy_is_a_policy(path: Path):
    policy = json.loads(path.read_text())

    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert ("Principal" in statement) == (path.name in TRUSTED)
        assert "Resource" in statement or path.name in TRUSTED


@pytest.mark.parametrize(("name", "service"), TRUSTED.items())
def test_a_role_is_trusted_to_one_service(name, service):
    (statement,) = statements(name)

    assert statement["Principal"] == {"Service": service}


def test_whole_services_are_allowed_only_through_another_service():
    whole = [statement for statement in statements("deploy.json") if any(a.endswith(":*") for a in statement["Action"])]

    assert [statement["Condition"] for statement in whole] == [{"Bool": {"aws:ViaAWSService": "true"}}]


def test_actions_of_beanstalk_are_spelled_as_its_operations_are():
    model = Loader().load_service_model("elasticbeanstalk", "service-2")
    known = {f"elasticbeanstalk:{name}" for name in model["operations"]} | {
        "elasticbeanstalk:AddTags",
        "elasticbeanstalk:PutInstanceStatistics",
    }

    named = {action for path in POLICIES for s in statements(path.name) for action in [*s["Action"]]}
    assert {action for action in named if action.startswith("elasticbeanstalk:")} - known == set()
