"""The requests that start a job on EMR: a cluster that is made for it, or an application of EMR Serverless."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from step5_orchestration.deploy.spark.arguments import (
    PYTHON,
    archive_at,
    entry_at,
    environment_at,
    on_yarn,
    programs,
    settings,
    spark_submit,
)
from step5_orchestration.deploy.spark.parameters import Emr, EmrServerless, Job, Parameters
from step5_orchestration.deploy.spark.source import Source


@dataclass(frozen=True)
class AwsRequest:
    """One call of boto3."""

    service: str
    region: str
    operation: str
    request: Mapping[str, Any]
    watch: str
    """The command that shows how far the job is, with {id} for what the answer names."""

    def send(self, client: Any) -> str:  # noqa: ANN401 - boto3 has no types
        """Send it, and return the command that shows how far the job is."""
        answer = getattr(client, self.operation)(**self.request)
        return self.watch.format(id=answer.get("JobFlowId") or answer["jobRunId"])


def emr(parameters: Parameters, source: Source, to: Emr) -> AwsRequest:
    """Return the request for a cluster that runs the job and ends, whether that succeeds or fails."""
    job = parameters.job
    request = {
        "Name": job.name,
        "ReleaseLabel": to.release,
        "Applications": [{"Name": "Spark"}],
        "LogUri": f"{job.at(job.code)}/logs/",
        "ServiceRole": to.service_role,
        "JobFlowRole": to.instance_profile,
        "Instances": _instances(to),
        "Steps": [_step(parameters, source)],
        # Without the second a role with AmazonEMRServicePolicy_v2, as consoles make it, may not start it.
        "Tags": [
            {"Key": "owner", "Value": job.owner},
            {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"},
        ],
    }
    watch = f"aws emr describe-cluster --region {to.region} --cluster-id {{id}} --query Cluster.Status"
    return AwsRequest("emr", to.region, "run_job_flow", request, watch)


def emr_serverless(parameters: Parameters, source: Source, to: EmrServerless) -> AwsRequest:
    """Return the request for one run on an application that is there."""
    job = parameters.job
    submit = {
        "entryPoint": entry_at(job, source),
        "entryPointArguments": programs(parameters),
        "sparkSubmitParameters": shlex.join(settings(parameters, _of_serverless(job, source))),
    }
    logs = {"s3MonitoringConfiguration": {"logUri": f"{job.at(job.code)}/logs/"}}
    request = {
        "applicationId": to.application,
        "executionRoleArn": to.role,
        "name": job.name,
        "executionTimeoutMinutes": to.timeout_minutes,
        "jobDriver": {"sparkSubmit": submit},
        "configurationOverrides": {"monitoringConfiguration": logs},
        "tags": {"owner": job.owner},
    }
    watch = (
        f"aws emr-serverless get-job-run --region {to.region} --application-id {to.application} --job-run-id {{id}}"
        " --query jobRun.state"
    )
    return AwsRequest("emr-serverless", to.region, "start_job_run", request, watch)


def _instances(to: Emr) -> dict[str, Any]:
    return {
        "InstanceGroups": [
            {"InstanceRole": "MASTER", "InstanceType": to.primary_type, "InstanceCount": 1},
            {"InstanceRole": "CORE", "InstanceType": to.core_type, "InstanceCount": to.core_count},
        ],
        "Ec2SubnetId": to.subnet,
        "KeepJobFlowAliveWhenNoSteps": False,
    }


def _step(parameters: Parameters, source: Source) -> dict[str, Any]:
    options = ["--master", "yarn", *settings(parameters, on_yarn(parameters))]
    jar = {"Jar": "command-runner.jar", "Args": spark_submit(parameters, source, options)}
    return {"Name": parameters.job.name, "ActionOnFailure": "TERMINATE_CLUSTER", "HadoopJarStep": jar}


def _of_serverless(job: Job, source: Source) -> dict[str, str]:
    """Return the settings that tell Serverless where the programs and their packages are."""
    own = {"spark.submit.pyFiles": archive_at(job, source)}
    if packed := environment_at(job):
        driver = (
            "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON",
            "spark.emr-serverless.driverEnv.PYSPARK_PYTHON",
        )
        own |= {"spark.archives": packed} | dict.fromkeys((*driver, "spark.executorEnv.PYSPARK_PYTHON"), PYTHON)
    return own
