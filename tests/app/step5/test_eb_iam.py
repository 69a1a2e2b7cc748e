"""The policies have what the tool asks for, and the tool asks for nothing else of Beanstalk's."""

import json
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from botocore.loaders import Loader

from step4_docker.container_images.push import sign_in_to_ecr
from step5_orchestration.deploy.aws_errors import iam_action
from step5_orchestration.deploy.elastic_beanstalk.apply import roll_back
from step5_orchestration.deploy.elastic_beanstalk.destroy import destroy
from step5_orchestration.deploy.elastic_beanstalk.plan import make_plan
from step5_orchestration.deploy.elastic_beanstalk.registry import check_pushed
from step5_orchestration.deploy.elastic_beanstalk.status import fetch_logs, status_lines
from step5_orchestration.deploy.errors import DeployError
from tests.app.step5.beanstalk_fake import ACCOUNT, BUCKET, REGION
from tests.app.step5.eb_account import CALLS, FIRST, SECOND, THIRD, fake_account, wanted
from tests.repo.checkout import ROOT

IAM = ROOT / "step5_orchestration" / "elastic_beanstalk" / "iam"
POLICIES = sorted(IAM.glob("*.json"))
LONGEST = 6144  # characters that a policy of an account may have
TRUSTED = {"instances_trust.json": "ec2.amazonaws.com", "service_trust.json": "elasticbeanstalk.amazonaws.com"}


# Rights that IAM knows and no client asks for by that name.
NO_OPERATIONS = {"AddTags", "PassRole", "Poll", "PutInstanceStatistics", "StartTelemetrySession"}


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
        changing = CALLS.copy()
        CALLS.clear()
        make_plan(wanted(), "another", account.at.clients, cost=None, today=date(2027, 1, 1))
        with suppress(DeployError):
            check_pushed([image], account.at.clients)
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


def test_who_may_only_read_can_plan_and_see_status_and_logs(calls):
    assert "DescribeImages" in calls["read"], "the questions must be there"
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
    assert len(json.dumps(policy, separators=(",", ":"))) <= LONGEST


@pytest.mark.parametrize(("name", "service"), TRUSTED.items())
def test_a_role_is_trusted_to_one_service(name, service):
    (statement,) = statements(name)

    assert statement["Principal"] == {"Service": service}


def test_who_may_push_can_make_the_repositories_and_log_in_to_them(monkeypatch):
    with fake_account(monkeypatch) as account:
        registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/classifier"
        sign_in_to_ecr(registry, ["gateway"], lambda _: account.at.clients.ecr)

        assert {"CreateRepository", "GetAuthorizationToken"} == CALLS
        assert {f"ecr:{call}" for call in CALLS} <= allowed("push.json")


@pytest.mark.parametrize("name", ["deploy.json", "read_only.json"])
def test_other_services_than_those_asked_are_allowed_only_through_one(name):
    for statement in statements(name):
        others = {action.partition(":")[0] for action in statement["Action"]} & {"autoscaling", "cloudformation", "ec2"}
        assert not others or statement["Condition"] == {"Bool": {"aws:ViaAWSService": "true"}}


@pytest.mark.parametrize("service", ["ecr", "ecs", "elasticbeanstalk", "iam", "logs", "sts"])
def test_actions_are_spelled_as_operations_are(service):
    known = {*Loader().load_service_model(service, "service-2")["operations"]} | NO_OPERATIONS

    named = {action for path in POLICIES for s in statements(path.name) for action in [*s["Action"]]}
    spelled = {action.partition(":")[2] for action in named if action.startswith(f"{service}:")}
    assert {action for action in spelled if not any(fnmatchcase(one, action) for one in known)} == set()
