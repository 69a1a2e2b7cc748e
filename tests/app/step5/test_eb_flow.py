"""A deployment's whole life, against an account that is a fake."""

from datetime import date

import pytest

from step5_orchestration.deploy.aws_errors import explained
from step5_orchestration.deploy.elastic_beanstalk.apply import roll_back, settle
from step5_orchestration.deploy.elastic_beanstalk.deployment import ENVIRONMENT_SETTINGS
from step5_orchestration.deploy.elastic_beanstalk.destroy import destroy
from step5_orchestration.deploy.errors import (
    ConfigurationError,
    NameTakenError,
    NotDestroyedError,
    NothingToGoBackToError,
    OverBudgetError,
    QuotaError,
    RightsError,
    SmokeTestError,
    UpdateFailedError,
    UpdateTimeoutError,
)
from tests.app.step5.beanstalk_fake import BUCKET
from tests.app.step5.eb_account import CALLS, FIRST, SECOND, THIRD, fake_account, pushed


@pytest.fixture
def account(monkeypatch):
    with fake_account(monkeypatch) as account:
        yield account


def test_a_first_apply_makes_everything_and_tests_the_address(account):
    environment = account.apply(FIRST)

    assert environment.address == "http://staging.eu-central-1.elasticbeanstalk.com"
    assert account.running == FIRST.revision
    assert account.tested == [environment.address]
    assert account.beanstalk.applications == {"classifier"}
    assert account.bundles() == [f"classifier/{environment.version_label}.zip"]


def test_the_newest_stack_is_looked_up(account):
    account.apply(FIRST)

    assert account.environment.stack == "64bit Amazon Linux 2023 v4.6.0 running Docker"


def test_the_environment_tells_whose_it_is_and_until_when(account):
    account.apply(FIRST)

    assert account.environment.tags == {"owner": "ann", "expires": "2026-12-04"}
    assert account.beanstalk.application_tags == {"classifier": account.environment.tags}


def test_events_are_told_as_they_come_each_once(account):
    account.apply(FIRST)

    events = [line for line in account.told.lines if " INFO " in line]
    assert [event.partition("INFO  ")[2] for event in events] == [
        "createEnvironment is starting.",
        f"Deploying {account.environment.label} to instance(s).",
        "Environment update completed.",
    ]
    assert any("Launching" in wait for wait in account.told.waits)


def test_ready_is_not_enough_health_is_waited_for(account):
    account.apply(FIRST)

    assert any("Ready, health Warning" in wait for wait in account.told.waits)
    assert account.environment.health == "Green"


def test_applying_the_same_again_changes_nothing(account):
    account.apply(FIRST)
    CALLS.clear()

    account.apply(FIRST)

    changing = {"CreateEnvironment", "UpdateEnvironment", "CreateApplicationVersion", "PutObject", "CreateApplication"}
    assert changing & CALLS == set()
    assert len(account.tested) == 2


def test_another_revision_updates_the_environment(account):
    account.apply(FIRST)

    account.apply(SECOND)

    assert account.running == SECOND.revision
    assert len(account.bundles()) == 2


def test_a_setting_is_set_changed_and_removed(account):
    for settings in ({"RATE_LIMIT": "10/second"}, {"RATE_LIMIT": "20/second"}, {}):
        account.apply(FIRST, settings=settings)

        found = {
            name: value for (space, name), value in account.environment.options.items() if space == ENVIRONMENT_SETTINGS
        }
        assert found == settings


def test_a_new_expiry_is_an_update_of_its_own(account):
    account.apply(FIRST)

    account.apply(FIRST, expires=date(2027, 1, 31))

    assert account.environment.tags["expires"] == "2027-01-31"
    assert account.beanstalk.application_tags["classifier"]["expires"] == "2027-01-31"
    assert account.environment.status == "Ready"


@pytest.mark.parametrize("outcome", ["fails", "reverts", "sickens"])
def test_a_version_that_does_not_come_up_is_replaced_by_the_last_good_one(account, outcome):
    account.apply(FIRST)
    account.beanstalk.outcomes = [outcome]

    with pytest.raises(UpdateFailedError):
        account.apply(SECOND)

    assert account.running == FIRST.revision
    assert account.environment.health == "Green"


def test_what_beanstalk_said_of_the_failure_is_told(account):
    account.apply(FIRST)
    account.beanstalk.outcomes = ["fails"]

    with pytest.raises(UpdateFailedError, match="Command failed on instance") as failure:
        account.apply(SECOND)

    assert "eb logs" in failure.value.remedy


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        ("You have requested more vCPU capacity than your current vCPU limit of 0 allows.", "higher quota"),
        ("The maximum number of addresses has been reached. (Code: AddressLimitExceeded)", "higher quota"),
        ("User: aws-elasticbeanstalk-ec2-role is not authorized to perform: ecr:BatchGetImage", "Have it allowed"),
    ],
)
def test_what_failed_before_there_was_an_instance_is_not_looked_for_in_its_logs(account, told, remedy):
    account.beanstalk.outcomes, account.beanstalk.failure = ["fails"], told

    with pytest.raises(UpdateFailedError) as failure:
        account.apply(FIRST)

    assert told in failure.value.detail
    assert remedy in failure.value.remedy


def test_a_version_that_answers_wrongly_is_replaced_by_the_last_good_one(account):
    account.apply(FIRST)
    account.broken = {SECOND.revision}

    with pytest.raises(SmokeTestError):
        account.apply(SECOND)

    assert account.running == FIRST.revision


def test_going_back_restores_the_options_of_before(account):
    account.apply(FIRST, settings={"RATE_LIMIT": "10/second"}, instance_type="t3.small")
    before = dict(account.environment.options)
    account.broken = {SECOND.revision}

    with pytest.raises(SmokeTestError):
        account.apply(SECOND, settings={"THREADS": "8"}, instance_type="t3.large")

    assert account.environment.options == before


@pytest.mark.parametrize("outcome", ["fails", "reverts", "hangs"])
def test_options_that_beanstalk_could_not_deploy_are_not_taken_for_those_that_hold(account, outcome):
    account.apply(FIRST)
    before = dict(account.environment.options)
    account.beanstalk.outcomes = [outcome]
    with pytest.raises(UpdateFailedError):
        account.apply(FIRST, instance_type="t3.large")
    assert account.environment.options == before

    account.apply(FIRST, instance_type="t3.large")

    assert account.environment.options["aws:ec2:instances", "InstanceTypes"] == "t3.large"


def test_the_last_good_version_is_known_even_after_two_bad_ones(account):
    account.apply(FIRST)
    account.broken = {SECOND.revision, THIRD.revision}

    for images in (SECOND, THIRD):
        with pytest.raises(SmokeTestError):
            account.apply(images)

    assert account.running == FIRST.revision


def test_a_first_version_that_fails_is_left_to_be_looked_at(account):
    account.beanstalk.outcomes = ["fails"]

    with pytest.raises(UpdateFailedError):
        account.apply(FIRST)

    assert account.running == FIRST.revision
    assert "no earlier version to go back to" in account.told.text


def test_a_first_version_that_fails_can_be_followed_by_a_good_one(account):
    account.beanstalk.outcomes = ["fails"]
    with pytest.raises(UpdateFailedError):
        account.apply(FIRST)

    account.apply(SECOND)

    assert account.running == SECOND.revision


def test_a_version_that_never_passed_is_nothing_to_go_back_to_with_other_options_either(account):
    account.broken = {FIRST.revision}
    with pytest.raises(SmokeTestError):
        account.apply(FIRST)
    account.told.lines.clear()

    with pytest.raises(SmokeTestError):
        account.apply(FIRST, instance_type="t3.large")

    assert "no earlier version to go back to" in account.told.text


def test_options_alone_that_fail_are_undone_and_the_version_stays(account):
    account.apply(FIRST)
    account.apply(SECOND)
    account.beanstalk.outcomes = ["sickens"]

    with pytest.raises(UpdateTimeoutError):
        account.apply(SECOND, instance_type="t3.large")

    assert account.running == SECOND.revision
    assert account.environment.options["aws:ec2:instances", "InstanceTypes"] == "t3.medium"


def test_what_has_failed_is_deployed_anew_once_its_cause_is_mended(account):
    account.beanstalk.outcomes = ["fails"]
    with pytest.raises(UpdateFailedError):
        account.apply(FIRST)

    account.apply(FIRST)

    assert account.running == FIRST.revision
    assert account.environment.health == "Green"
    assert "  it is ill, so its version will be deployed anew" in account.told.lines


def test_an_update_that_hangs_is_aborted_and_undone(account):
    account.apply(FIRST)
    account.beanstalk.outcomes = ["hangs"]

    with pytest.raises(UpdateTimeoutError, match=r"after 10 minutes\. Its update was aborted"):
        account.apply(SECOND)

    assert account.running == FIRST.revision
    assert account.environment.status == "Ready"


@pytest.mark.parametrize("seconds", [5, 10, 20, 40, 50])
def test_an_interrupted_first_apply_is_taken_up_by_the_same_command(account, seconds):
    account.clock.interrupted_after = seconds
    with pytest.raises(KeyboardInterrupt) as stop:
        account.apply(FIRST)
    left = CALLS.copy()
    CALLS.clear()

    account.apply(FIRST)

    assert "takes it up" in stop.value.__notes__[0]
    assert account.running == FIRST.revision
    assert "CreateEnvironment" in left ^ CALLS, "exactly one of the two has created it"
    assert len(account.bundles()) == 1


@pytest.mark.parametrize("seconds", [5, 10, 20, 30, 40])
def test_an_interrupted_update_is_taken_up_by_the_same_command(account, seconds):
    account.apply(FIRST)
    account.clock.interrupted_after = seconds
    with pytest.raises(KeyboardInterrupt):
        account.apply(SECOND)

    account.apply(SECOND)

    assert account.running == SECOND.revision


def test_an_interrupted_update_that_fails_later_still_goes_back(account):
    account.apply(FIRST)
    account.broken = {SECOND.revision}
    account.clock.interrupted_after = 20
    with pytest.raises(KeyboardInterrupt):
        account.apply(SECOND)

    with pytest.raises(SmokeTestError):
        account.apply(SECOND)

    assert account.running == FIRST.revision


def test_rollback_goes_to_the_version_before_and_again_forth(account):
    account.apply(FIRST)
    account.apply(SECOND)

    roll_back(account.at)
    assert account.running == FIRST.revision

    roll_back(account.at)
    assert account.running == SECOND.revision


@pytest.mark.parametrize("seconds", [10, 20, 30, 40])
def test_an_interrupted_rollback_is_taken_up_by_the_same_command(account, seconds):
    account.apply(FIRST)
    account.apply(SECOND)
    account.clock.interrupted_after = seconds
    with pytest.raises(KeyboardInterrupt) as stop:
        roll_back(account.at)

    roll_back(account.at)

    assert "takes it up" in stop.value.__notes__[0]
    assert account.running == FIRST.revision


def test_rollback_never_goes_to_a_version_that_has_failed(account):
    account.apply(FIRST)
    account.apply(SECOND)
    account.broken = {THIRD.revision}
    with pytest.raises(SmokeTestError):
        account.apply(THIRD)

    roll_back(account.at)

    assert account.running == FIRST.revision


def test_rollback_without_an_earlier_version_says_so(account):
    account.apply(FIRST)

    with pytest.raises(NothingToGoBackToError, match="has passed the smoke test in staging"):
        roll_back(account.at)


def test_destroy_leaves_nothing(account):
    account.apply(FIRST)
    account.apply(SECOND)

    destroy(account.at)

    assert account.beanstalk.living() == []
    assert account.beanstalk.versions == {}
    assert account.beanstalk.applications == set()
    assert account.bundles() == []


def test_destroy_can_be_repeated_and_finds_nothing(account):
    account.apply(FIRST)
    destroy(account.at)

    destroy(account.at)

    assert (
        "There is no environment staging in eu-central-1 of 123456789012, or none that you may see."
        in account.told.lines
    )


def test_what_is_not_gone_after_destroy_is_named(account, monkeypatch):
    account.apply(FIRST)
    monkeypatch.setattr(account.beanstalk, "delete_application", lambda _: None)

    with pytest.raises(NotDestroyedError, match="Still there: the application classifier"):
        destroy(account.at)


def test_an_environment_that_cannot_be_removed_is_told_with_what_holds_it(account):
    account.apply(FIRST)
    account.beanstalk.outcomes = ["fails"]

    with pytest.raises(NotDestroyedError, match="sg-0abc has a dependent object") as failure:
        destroy(account.at)
    assert "security group" in failure.value.remedy
    assert account.beanstalk.versions != {}, "what runs is not taken from under it"

    destroy(account.at)

    assert account.beanstalk.applications == set()


def test_destroy_where_nothing_ever_was_finds_nothing(account):
    destroy(account.at)

    assert account.beanstalk.living() == []


@pytest.mark.parametrize("seconds", [10, 20])
def test_an_interrupted_destroy_is_taken_up_by_the_same_command(account, seconds):
    account.apply(FIRST)
    account.clock.interrupted_after = seconds
    with pytest.raises(KeyboardInterrupt):
        destroy(account.at)

    destroy(account.at)

    assert account.bundles() == []
    assert account.beanstalk.applications == set()


def test_destroy_waits_for_an_update_that_is_under_way(account):
    account.apply(FIRST)
    account.clock.interrupted_after = 20
    with pytest.raises(KeyboardInterrupt):
        account.apply(SECOND)

    destroy(account.at)

    assert account.beanstalk.living() == []


def test_destroy_removes_a_bundle_that_never_became_a_version(account):
    account.beanstalk.denied = {"CreateApplicationVersion": "elasticbeanstalk:CreateApplicationVersion"}
    with pytest.raises(RightsError):
        account.apply(FIRST)
    assert len(account.bundles()) == 1

    destroy(account.at)

    assert account.bundles() == []


def test_destroy_keeps_the_application_while_another_environment_runs_in_it(account):
    account.apply(FIRST)
    other = account.environment
    other.name, other.cname = "production", "production.eu-central-1.elasticbeanstalk.com"
    account.beanstalk.environments = {"production": other}
    account.apply(SECOND)

    destroy(account.at)

    assert [environment.name for environment in account.beanstalk.living()] == ["production"]
    assert account.beanstalk.applications == {"classifier"}
    assert len(account.bundles()) == 2


def test_versions_that_somebody_else_has_made_are_left_alone(account):
    account.apply(FIRST)
    account.at.clients.s3.put_object(Bucket=BUCKET, Key="classifier/app-1.zip", Body=b"theirs")
    account.beanstalk.create_version("classifier", "app-1", {"S3Bucket": BUCKET, "S3Key": "classifier/app-1.zip"})

    destroy(account.at)

    assert [label for _, label in account.beanstalk.versions] == ["app-1"]
    assert account.bundles() == ["classifier/app-1.zip"]
    assert "versions that were not made here" in account.told.text


def test_an_environment_keeps_its_kind_of_bundle(account):
    account.apply(FIRST)

    with pytest.raises(ConfigurationError, match="which takes another bundle"):
        account.apply(FIRST, platform="ecs")


def test_a_role_that_is_told_by_its_arn_is_no_difference(account):
    account.apply(FIRST)
    role = "aws:elasticbeanstalk:environment", "ServiceRole"
    account.environment.options[role] = "arn:aws:iam::123456789012:role/aws-elasticbeanstalk-service-role"
    CALLS.clear()

    account.apply(FIRST)

    assert "UpdateEnvironment" not in CALLS


def test_a_certificate_is_for_the_load_balancer(account):
    account.apply(FIRST, certificate="arn:aws:acm:x", max_instances=2, settings={"REDIS_URL": "rediss://cache:6379/0"})

    options = {name: value for (space, name), value in account.environment.options.items() if space.endswith(":443")}
    assert options == {"ListenerEnabled": "true", "Protocol": "HTTPS", "SSLCertificateArns": "arn:aws:acm:x"}


def test_after_destroy_all_of_it_can_be_made_anew(account):
    account.apply(FIRST)
    destroy(account.at)

    account.apply(FIRST)

    assert account.running == FIRST.revision


def test_what_is_just_being_removed_is_made_anew_once_it_is_gone(account):
    account.apply(FIRST)
    account.beanstalk.terminate("staging")

    account.apply(FIRST)

    assert "staging is Terminating: waiting for that first." in account.told.lines
    assert account.running == FIRST.revision


def test_a_version_that_cannot_be_gone_back_to_is_told(account):
    account.apply(FIRST)
    account.beanstalk.outcomes = ["fails", "fails"]

    with pytest.raises(UpdateFailedError, match=f"^{FIRST.revision}.* did not come up") as failure:
        account.apply(SECOND)

    assert SECOND.revision in failure.value.__context__.detail


def test_what_is_over_budget_is_refused_before_anything_is_made(account):
    with pytest.raises(OverBudgetError, match=r"\$40.21 a month by estimate; the budget is \$40.00"):
        account.apply(FIRST, budget=40)

    assert set() == CALLS


def test_what_is_within_budget_is_made(account):
    account.apply(FIRST, budget=41)

    assert account.running == FIRST.revision


def test_an_unknown_price_cannot_be_held_to_a_budget(account):
    with pytest.raises(OverBudgetError, match="no price on file"):
        account.apply(FIRST, budget=1000, instance_type="x9.huge")

    assert set() == CALLS


def test_an_address_that_somebody_else_has_is_told_before_anything_is_made(account):
    account.beanstalk.taken_cnames = {"staging"}

    with pytest.raises(NameTakenError, match="staging") as failure:
        account.apply(FIRST)

    assert "--cname" in failure.value.remedy
    assert account.bundles() == []


def test_an_address_that_is_taken_meanwhile_is_told(account):
    account.beanstalk.cnames_taken_meanwhile = {"staging"}

    with pytest.raises(NameTakenError, match="not available"):
        account.apply(FIRST)


def test_an_environment_of_another_application_is_not_touched(account):
    account.apply(FIRST)
    account.environment.application = "shop"

    with pytest.raises(NameTakenError, match="belongs to the application shop"):
        account.apply(FIRST)


@pytest.mark.parametrize("operation", ["CheckDNSAvailability", "CreateStorageLocation", "CreateEnvironment"])
def test_a_missing_right_is_named(account, operation):
    account.beanstalk.denied = {operation: f"elasticbeanstalk:{operation}"}

    with pytest.raises(RightsError, match=f"AWS refuses elasticbeanstalk:{operation}") as failure:
        account.apply(FIRST)

    assert "as deploy.json does" in failure.value.remedy


def test_an_environment_that_may_not_be_seen_is_told_as_such(account):
    account.beanstalk.denied = {"DescribeEnvironments": "elasticbeanstalk:DescribeEnvironments"}

    with pytest.raises(UpdateFailedError, match="you may not see it") as failure:
        account.apply(FIRST)

    assert "elasticbeanstalk:DescribeEnvironments" in failure.value.remedy


def test_a_right_that_beanstalk_lacks_on_behalf_of_the_caller_is_named(account):
    account.beanstalk.denied = {"CreateEnvironment": "autoscaling:CreateAutoScalingGroup"}

    with pytest.raises(RightsError, match="AWS refuses autoscaling:CreateAutoScalingGroup"):
        account.apply(FIRST)


def test_a_quota_is_named(account):
    account.beanstalk.most_environments = 0

    with pytest.raises(QuotaError, match="TooManyEnvironmentsException") as failure:
        account.apply(FIRST)

    assert "higher quota" in failure.value.remedy


def test_old_versions_make_room_but_not_the_one_that_runs_elsewhere(account):
    account.apply(pushed("000000000000"))
    other = account.environment
    other.name, other.cname = "production", "production.eu-central-1.elasticbeanstalk.com"
    account.beanstalk.environments = {"production": other}

    for number in range(1, 12):
        account.apply(pushed(f"{number:012x}"))

    kept = sorted(label.partition("-")[0] for _, label in account.beanstalk.versions)
    assert kept == ["000000000000", *(f"{number:012x}" for number in range(2, 12))]
    assert len(account.bundles()) == len(kept)


def test_old_versions_make_room_but_not_the_two_that_passed_last_elsewhere(account):
    elsewhere = [account.apply(pushed(f"{number:012x}")).version_label for number in range(3)]
    for day, label in enumerate(elsewhere, start=1):
        account.beanstalk.versions["classifier", label].tags["verified-production"] = f"2026-11-{day:02}T00:00:00+00:00"

    for number in range(3, 14):
        account.apply(pushed(f"{number:012x}"))

    kept = {label for _, label in account.beanstalk.versions}
    assert kept.intersection(elsewhere) == set(elsewhere[1:])


def test_a_bundle_that_beanstalk_does_not_accept_is_told_and_not_deployed(account, monkeypatch):
    monkeypatch.setattr(account.beanstalk, "is_bundle", lambda *_: False)

    with pytest.raises(UpdateFailedError, match="does not accept the bundle"):
        account.apply(FIRST)

    assert account.beanstalk.living() == []


def test_a_bundle_that_was_not_accepted_can_be_tried_again(account, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(account.beanstalk, "is_bundle", lambda *_: False)
        with pytest.raises(UpdateFailedError):
            account.apply(FIRST)

    account.apply(FIRST)

    assert account.running == FIRST.revision


def test_each_request_is_checked_before_it_is_sent(account):
    with pytest.raises(ConfigurationError, match="Parameter validation failed"), explained("deploy.json"):
        account.at.clients.beanstalk.update_environment(EnvironmentName="abc", VersionLabel="x")


def test_settling_where_nothing_moves_asks_only(account):
    account.apply(FIRST)
    account.told.lines.clear()

    settle(account.at)

    assert account.told.lines == []
