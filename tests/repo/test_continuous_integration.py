"""Two build services, one pipeline: neither does anything that the other does not, or that `make` cannot do here."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repo.checkout import ROOT

TRAVIS, GITHUB = ".travis.yml", ".github/workflows/pipeline.yml"
SCHEMAS = {TRAVIS: "vendor.travis", GITHUB: "vendor.github-workflows"}

# Travis's schema lets any key pass, so that a misspelled one is never heard of again.
TRAVIS_KEYS = {"version", "language", "os", "dist", "env", "cache", "install", "stages", "jobs"}
TRAVIS_JOB_KEYS = {"stage", "name", "if", "python", "env", "services", "addons", "script", "before_deploy", "deploy"}

per_file = pytest.mark.parametrize("path", [TRAVIS, GITHUB])


@dataclass(frozen=True)
class Job:
    """What a job does, said in the same way for both."""

    pythons: list[str]
    targets: list[str]
    behind: set[str]
    """The jobs that must have succeeded before."""
    only_from_main: bool
    only_where_set: str
    """The variable without which the job is left out."""


def read(path: str) -> dict[str, Any]:
    # Every value stays text: 3.10 is no number, and `on` is no truth.
    return yaml.load((ROOT / path).read_text(), yaml.BaseLoader)  # noqa: S506 - makes nothing but text


def targets_of(*commands: str) -> list[str]:
    for command in commands:
        assert command.startswith("make "), f"{command!r} is no make target: nobody can try it on their own machine"
    return [target for command in commands for target in command.split()[1:]]


def listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def variable_in(condition: str) -> str:
    found = re.search(r"env\((\w+)\) IS present|vars\.(\w+) != ''", condition)
    return found[found.lastindex] if found else ""


def travis_commands(job: dict[str, Any]) -> list[str]:
    deploy = job.get("deploy", {})
    return [*listed(job["script"]), *listed(job.get("before_deploy")), *listed(deploy.get("script"))]


def travis_jobs() -> dict[str, Job]:
    travis = read(TRAVIS)
    stages = [{"name": stage} if isinstance(stage, str) else stage for stage in travis["stages"]]
    order = [stage["name"] for stage in stages]
    conditions = {stage["name"]: stage.get("if", "") for stage in stages}
    described = travis["jobs"]["include"]
    jobs: dict[str, Job] = {}
    for job in described:
        before = order[: order.index(job["stage"])]
        now = Job(
            [*(jobs[job["name"]].pythons if job["name"] in jobs else []), job["python"]],
            targets_of(*travis_commands(job)),
            {other["name"] for other in described if other["stage"] in before},
            conditions[job["stage"]] == "branch = main AND type = push",
            variable_in(job.get("if", "")),
        )
        jobs[job["name"]] = now
    return jobs


def github_jobs() -> dict[str, Job]:
    described = read(GITHUB)["jobs"]

    def behind(name: str) -> set[str]:
        needs = listed(described[name].get("needs"))
        return {*needs}.union(*map(behind, needs))

    return {
        name: Job(
            job.get("strategy", {}).get("matrix", {}).get("python") or [github_python(job)],
            targets_of(*(step["run"] for step in job["steps"] if "run" in step)),
            behind(name),
            "github.event_name == 'push'" in job.get("if", ""),
            variable_in(job.get("if", "")),
        )
        for name, job in described.items()
    }


def github_python(job: dict[str, Any]) -> str:
    (version,) = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    return version


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def test_both_run_the_same_jobs_on_the_same_pythons_in_the_same_order():
    travis, github = travis_jobs(), github_jobs()

    assert travis == github


def test_both_deploy_from_main_alone_and_behind_everything_else():
    pushes = read(GITHUB)["on"]["push"]
    jobs = travis_jobs()
    deploying = {name for name, job in jobs.items() if any(target.startswith("deploy-") for target in job.targets)}

    assert pushes == {"branches": ["main"]}
    assert len(deploying) == 2
    for name, job in jobs.items():
        assert job.only_from_main == (name in deploying)
        assert name not in deploying or job.behind == {*jobs} - deploying
        assert name not in deploying or {"images", "push"} < {*job.targets}, "deploys what it has built and pushed"
        assert name not in deploying or job.only_where_set, "a fork without an account must still pass"


def test_both_call_only_make_targets_that_exist():
    known = {*re.findall(r"^([a-z0-9-]+):", makefile(), re.MULTILINE)}
    called = {target for jobs in (travis_jobs(), github_jobs()) for job in jobs.values() for target in job.targets}

    assert sorted(called - known) == []


def test_both_run_all_that_a_developer_runs():
    last_line = (ROOT / ".ci/run").read_text().splitlines()[-1]
    (parts,) = re.findall(r"^test: ([a-z ]+)  ##", makefile(), re.MULTILINE)
    called = {target for job in travis_jobs().values() for target in job.targets}

    assert last_line == "exec make test"
    assert {*parts.split()} <= called


def test_both_test_on_every_python_that_the_makefile_accepts():
    first, last = re.search(r"^SUITABLE :=.*\(3, (\d+)\) <=.*<= \(3, (\d+)\)", makefile(), re.MULTILINE).groups()
    accepted = [f"3.{minor}" for minor in range(int(first), int(last) + 1)]

    assert travis_jobs()["pytest"].pythons == accepted
    assert int(first) >= 11


@per_file
def test_it_keeps_to_the_schema_of_its_service(path: str):
    assert schema_errors(path, ROOT / path) == ""


@per_file
def test_its_schema_is_one_that_finds_mistakes(path: str, tmp_path: Path):
    broken = tmp_path / "broken.yml"
    broken.write_text((ROOT / path).read_text().replace("dist: jammy", "dist: jamy").replace("runs-on:", "runs-in:"))

    assert schema_errors(path, broken) != ""


def schema_errors(path: str, file: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[path], str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr if run.returncode else ""


def test_travis_is_told_nothing_under_a_key_that_it_does_not_know():
    travis = read(TRAVIS)

    assert {*travis} <= TRAVIS_KEYS
    assert {key for job in travis["jobs"]["include"] for key in job} <= TRAVIS_JOB_KEYS


def test_github_is_given_no_lasting_key_and_only_deploying_jobs_can_ask_for_a_passing_one():
    text, github = (ROOT / GITHUB).read_text(), read(GITHUB)
    asking = {name for name, job in github["jobs"].items() if "id-token" in job.get("permissions", {})}

    assert "secrets." not in text
    assert github["permissions"] == {"contents": "read"}
    assert asking == {name for name, job in github_jobs().items() if job.only_from_main}


def test_github_actions_are_named_by_a_release_or_a_commit():
    used = re.findall(r"uses: (\S+)", (ROOT / GITHUB).read_text())

    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", one)] == []
