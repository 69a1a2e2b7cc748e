"""The command line, as a person uses it: real options, real output, an account that is a fake."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from datetime import timedelta

import pytest

from step5_orchestration.deploy.__main__ import main
from step5_orchestration.deploy.elastic_beanstalk import verbs
from step5_orchestration.deploy.elastic_beanstalk.status import fetch_logs, status_lines
from step5_orchestration.deploy.elastic_beanstalk.verbs import fetch
from step5_orchestration.deploy.errors import UpdateTimeoutError
from tests.app.step5.beanstalk_fake import ACCOUNT, CREDENTIALS, REGION
from tests.app.step5.eb_account import FIRST, SECOND, fake_account
from tests.repo.checkout import ROOT

NAMED = ("--environment", "staging", "--region", REGION)
LOG_LINE = '{"level":"error","message":"no model"}'


@pytest.fixture
def account(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name.upper(), value)
    with fake_account(monkeypatch) as account:
        yield account


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.json"
    path.write_text(json.dumps({"revision": FIRST.revision, "images": dict(FIRST.by_name)}))
    return path


@pytest.fixture
def run(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["eb", *(str(argument) for argument in arguments)])
        return code, *capsys.readouterr()

    return run


def test_plan_of_something_new_tells_what_will_be_made_and_what_it_costs(account, images, run):
    code, out, _ = run("plan", *NAMED, "--images", images, "--owner", "ann", "--set", "RATE_LIMIT=5/second")

    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "application  classifier: will be created"
    assert lines[1].startswith(f"version      {FIRST.revision}-docker-")
    assert "staging: will be created at http://staging.*, on 64bit Amazon Linux 2023 v4.6.0 running Docker" in lines[2]
    assert "  aws:elasticbeanstalk:application:environment RATE_LIMIT: nothing -> 5/second" in lines
    assert "Estimate for eu-central-1: $0.0551 an hour, $40.21 a month of 730 hours, for" in lines
    assert "An estimate:" in lines[-1]


def test_plan_changes_nothing(account, images, run):
    run("plan", *NAMED, "--images", images)

    assert account.beanstalk.applications == set()
    assert account.bundles() == []


def test_plan_of_what_runs_already_has_nothing_to_change(account, images, run):
    account.apply(FIRST)

    _, out, _ = run("plan", *NAMED, "--images", images, "--owner", "ann")

    assert "environment  staging: as it is wanted (Ready, health Green" in out
    assert "->" not in out


def test_plan_can_be_asked_while_options_are_on_their_way(account, images, run):
    account.apply(FIRST)
    account.clock.interrupted_after = 20
    with pytest.raises(KeyboardInterrupt):
        account.apply(FIRST, instance_type="t3.large")

    _, out, _ = run("plan", *NAMED, "--images", images, "--owner", "ann")

    assert "(Updating, health Green" in out
    assert "InstanceTypes" not in out, "what holds is what is wanted"


def test_plan_of_an_update_shows_before_and_after(account, images, run):
    account.apply(SECOND, settings={"THREADS": "8"})

    _, out, _ = run("plan", *NAMED, "--images", images, "--owner", "bob", "--instance-type", "t3.large")

    assert f"  version: {account.environment.label} -> {FIRST.revision}-docker-" in out
    assert "  aws:ec2:instances InstanceTypes: t3.medium -> t3.large" in out
    assert "  aws:elasticbeanstalk:application:environment THREADS: 8 -> nothing" in out
    assert "  tag owner: ann -> bob" in out


def test_plan_shows_no_secrets(account, images, run, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text("# ours\nREDIS_URL=rediss://:hush@cache.example:6379/0\n\nAPI_KEYS_SHA256=5ec4e7\n")

    code, out, err = run("plan", *NAMED, "--images", images, "--settings", secrets)

    assert code == 0
    assert "REDIS_URL: nothing -> rediss://:(hidden)@cache.example:6379/0" in out
    assert "API_KEYS_SHA256: nothing -> (hidden)" in out
    assert "hush" not in out + err
    assert "5ec4e7" not in out + err


def test_more_instances_need_one_redis_for_all_of_them(account, images, run):
    code, _, err = run("plan", *NAMED, "--images", images, "--instances", "2-4")

    assert code == 2
    assert "4 instances with a Redis on each are 4 queues" in err
    assert "--set REDIS_URL=rediss://HOST:6379/0" in err


def test_more_instances_with_one_redis_get_a_load_balancer(account, images, run):
    code, out, _ = run(
        "plan", *NAMED, "--images", images, "--instances", "2-4", "--set", "REDIS_URL=rediss://cache.example:6379/0"
    )

    assert code == 0
    assert "EnvironmentType: nothing -> LoadBalanced" in out
    assert "1 x load balancer" in out
    assert "4 x instance t3.medium" in out
    assert "Immutable; Redis elsewhere" in out
    assert "set ANALYTICS_DATABASE" in out


def test_images_that_are_not_in_the_registry_are_told_by_plan(account, run, tmp_path):
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    path = tmp_path / "images.json"
    names = {name: f"{registry}/{name}@sha256:{'ab' * 32}" for name in FIRST.by_name}
    path.write_text(json.dumps({"revision": FIRST.revision, "images": names}))

    code, _, err = run("plan", *NAMED, "--images", path)

    assert code == 2
    assert "is not in its registry" in err


def test_apply_over_budget_is_refused(account, images, run):
    code, _, err = run("apply", *NAMED, "--images", images, "--budget", "20")

    assert code == 2
    assert "It would cost $40.21 a month by estimate; the budget is $20.00.\nTake a smaller" in err


def test_plan_over_budget_is_shown_and_fails(account, images, run):
    code, out, err = run("plan", *NAMED, "--images", images, "--budget", "20")

    assert code == 2
    assert "$40.21 a month" in out
    assert "the budget is $20.00" in err


def test_plan_warns_of_what_goes_with_an_instance(account, images, run):
    _, out, _ = run("plan", *NAMED, "--images", images, "--deployment-policy", "Immutable")

    assert "Immutable replaces the instance, and with it Redis" in out


def test_apply_and_rollback_print_where_it_answers_and_nothing_else(account, images, run, monkeypatch):
    monkeypatch.setattr(verbs, "SystemClock", lambda: account.clock)
    monkeypatch.setattr(verbs, "smoke_test", lambda address, **_: account.smoke_test(address))
    account.apply(SECOND)

    code, out, err = run("apply", *NAMED, "--images", images, "--budget", "41")
    assert (code, out) == (0, "http://staging.eu-central-1.elasticbeanstalk.com\n")
    assert "Environment update completed." in err

    code, out, _ = run("rollback", *NAMED)
    assert (code, out) == (0, f"http://staging.eu-central-1.elasticbeanstalk.com runs {account.environment.label}\n")
    assert account.running == SECOND.revision


@pytest.mark.parametrize("verb", ["logs", "rollback"])
def test_what_is_not_there_has_no_logs_and_nothing_to_go_back_to(account, run, verb):
    code, _, err = run(verb, *NAMED)

    assert code == 2
    assert "There is no environment staging." in err
    assert "eb status" in err


def test_plan_tells_of_a_newer_platform_and_of_a_price_that_is_unknown(account, images, run):
    account.apply(FIRST)
    account.environment.stack = "64bit Amazon Linux 2023 v4.0.0 running Docker"

    code, out, _ = run("plan", *NAMED, "--images", images, "--instance-type", "x9.huge")

    assert code == 0
    assert "v4.0.0 running Docker -> 64bit Amazon Linux 2023 v4.6.0 running Docker" in out
    assert "No estimate" in out


def test_bundle_writes_what_would_be_uploaded(images, run, tmp_path):
    code, out, _ = run("bundle", "--images", images, "--output", tmp_path / "bundle")

    assert code == 0
    assert str(tmp_path / "bundle" / "docker-compose.yml") in out.splitlines()


def test_status_tells_everything_at_a_glance(account, run):
    account.apply(FIRST)

    code, out, _ = run("status", *NAMED)

    assert code == 0
    assert "environment  staging: Ready, health Green" in out
    assert "address      http://staging.eu-central-1.elasticbeanstalk.com" in out
    assert f"instance     i-0abc: Ok, runs {account.environment.label}" in out
    assert "owner        ann; expires 2026-12-04" in out
    assert "Environment update completed." in out


def test_status_tells_why_something_is_ill(account, run):
    account.apply(FIRST)
    account.environment.becomes("Ready", "Red", "Severe")

    _, out, _ = run("status", *NAMED)

    assert "100.0 % of the requests are failing with HTTP 5xx." in out


def test_status_of_nothing_says_so(account, run):
    code, out, _ = run("status", *NAMED)

    assert code == 0
    assert out == "There is no environment staging of classifier in eu-central-1.\n"


def test_what_has_expired_is_told(account):
    account.apply(FIRST)
    account.clock.time += timedelta(days=8)

    assert any("expires 2026-12-04, which is over: destroy it" in line for line in status_lines(account.at))


def test_destroy_asks_nobody_where_nobody_is_there(account, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    code, _, err = run("destroy", *NAMED)

    assert code == 2
    assert "Say --yes" in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_destroy_wants_the_name_typed(account, run, monkeypatch):
    account.apply(FIRST)
    monkeypatch.setattr(sys, "stdin", Terminal("stagnig\n"))

    code, _, err = run("destroy", *NAMED)

    assert code == 2
    assert "That is not its name.\nNothing was removed." in err
    assert account.running == FIRST.revision


def test_destroy_of_nothing_ends_well(account, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("staging\n"))

    code, out, _ = run("destroy", *NAMED)

    assert code == 0
    assert out == "Nothing of it is left.\n"


def test_without_credentials_the_remedy_is_to_log_in(account, run, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    code, _, err = run("status", *NAMED)

    assert code == 2
    assert "There are no AWS credentials" in err
    assert "aws sso login" in err


def test_an_unknown_profile_is_told(account, run, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    code, _, err = run("status", *NAMED, "--profile", "nobody")

    assert code == 2
    assert "nobody" in err


def test_without_a_region_the_remedy_is_to_name_one(account, run, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    code, _, err = run("status", "--environment", "staging")

    assert code == 2
    assert err.endswith("No AWS region is named.\nName one: --region eu-central-1.\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--instances", "many"], "--instances many is no number"),
        (["--instances", "4-2"], "cannot be 4 to 2 instances"),
        (["--instances", "0"], "cannot be 0 to 0 instances"),
        (["--set", "RATE_LIMIT"], "'RATE_LIMIT' has no value"),
        (["--set", "rate=1"], "'rate' is no setting"),
        (["--settings", "nowhere"], "nowhere cannot be read"),
        (["--environment", "x"], "'x' cannot be the name of an environment"),
        (["--cname", "-hyphen-"], "'-hyphen-' cannot be the name"),
        (["--instance-type", "large"], "'large' is no instance type"),
        (["--deployment-policy", "Rolling"], "A single instance cannot be updated in turns"),
        (["--certificate", "arn:aws:acm:x"], "a single instance has none"),
        (["--application", "a/b"], "'a/b' cannot be the name of an application"),
    ],
)
def test_options_that_cannot_work_are_explained(account, images, run, arguments, complaint):
    code, _, err = run("plan", *NAMED, "--images", images, *(f"{arguments[0]}={arguments[1]}",))

    assert code == 2
    assert complaint in err
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--budget", "--timeout-minutes"])
@pytest.mark.parametrize("number", ["nan", "inf", "-1", "0", "much"])
def test_nothing_can_be_held_to_what_is_no_number_above_zero(option, number, capsys):
    with pytest.raises(SystemExit) as end:
        main(["eb", "apply", f"{option}={number}"])

    assert end.value.code == 2
    assert f"{number} is no number between 0 and" in capsys.readouterr().err


def test_ctrl_c_ends_with_its_code_and_what_is_left():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        host, port = silent.getsockname()
        command = [sys.executable, "-m", "step5_orchestration.deploy", "eb", "destroy", "--yes", *NAMED]
        environment = {name.upper(): value for name, value in CREDENTIALS.items()}
        environment |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "PATH": os.environ["PATH"]}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        with silent.accept()[0]:  # it has asked, and waits
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err.startswith("Stopped.\nWhat was begun for staging in eu-central-1 goes on there.")
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--help"], ["eb", "--help"], ["eb", "apply", "--help"]])
def test_help_is_to_be_had_everywhere(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert end.value.code == 0
    assert "python -m step5_orchestration.deploy" in capsys.readouterr().out


def test_logs_are_those_that_were_asked_for_now_of_every_instance(account, web_folder):
    folder, address = web_folder
    (folder / "logs").write_text(LOG_LINE)
    account.apply(FIRST)
    account.beanstalk.logs_address = f"{address}/logs"
    account.beanstalk.logs_after = {"i-0def": 20, "i-0abc": 15}
    account.environment.info_at.append(account.clock.now() - timedelta(minutes=5))

    lines = list(fetch_logs(account.at, fetch))

    assert lines == ["==> i-0abc", LOG_LINE, "==> i-0def", LOG_LINE]


def test_instances_that_send_no_logs_are_given_up(account):
    account.apply(FIRST)
    account.beanstalk.logs_after = {}

    with pytest.raises(UpdateTimeoutError, match="within 120 s"):
        list(fetch_logs(account.at, fetch))


def test_logs_of_what_is_being_changed_have_to_wait(account, run):
    account.apply(FIRST)
    account.environment.becomes("Updating", "Green", "Info")

    code, _, err = run("logs", *NAMED)

    assert code == 2
    assert "Must be Ready" in err
    assert "the same command again" in err
