"""The same for "ECS running on Amazon Linux 2023": a Dockerrun.aws.json of version 2, made from the compose file.

ECS knows no networks by name, so containers are linked; it does not look into `.env`, so what is set on Beanstalk is
left out here and reaches every container by itself.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from step5_orchestration.deploy.elastic_beanstalk.compose import SECRETS, Service
from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment
from step5_orchestration.deploy.errors import ConfigurationError

_VOLUMES = "/var/lib/classifier"
_BUNDLE = "/var/app/current"

_LINKED_GATEWAY = "./frontend/upstream.conf:/etc/nginx/upstream.conf:ro"

_DEFAULT = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(:?-(?P<default>[^}]*))?\}")
_MEMORY = re.compile(r"(?P<number>\d+)(?P<unit>[MG])B?", re.IGNORECASE)
_SECONDS = re.compile(r"(?P<number>\d+)s")


def dockerrun(compose: Mapping[str, Any], deployment: Deployment) -> dict[str, Any]:
    """Return the contents of Dockerrun.aws.json. Raises ConfigurationError where ECS lacks a thing that compose has."""
    services = {name: dict(service) for name, service in compose["services"].items()}
    services["frontend"]["volumes"] = [*services["frontend"]["volumes"], _LINKED_GATEWAY]
    mounts = {mount for service in services.values() for mount in _mounts(service)}
    return {
        "AWSEBDockerrunVersion": 2,
        "volumes": [{"name": name, "host": {"sourcePath": path}} for name, path in sorted({m[:2] for m in mounts})],
        "containerDefinitions": [_container(name, services, deployment) for name in services],
    }


def _container(name: str, services: Mapping[str, Service], deployment: Deployment) -> dict[str, Any]:
    service = services[name]
    container: dict[str, Any] = {
        "name": name,
        "image": service["image"],
        # One that ends takes all of them down, and all start anew: links hold the address of a container that is gone.
        "essential": True,
        "memory": _memory_mib(str(_filled(service["deploy"]["resources"]["limits"]["memory"], deployment))),
        "environment": list(_environment(service, deployment)),
        "links": sorted(_linked(name, services)),
        "dependsOn": [
            {"containerName": other, "condition": _condition(services[other])} for other in _linked(name, services)
        ],
        "mountPoints": [
            {"sourceVolume": volume, "containerPath": path, "readOnly": is_read_only}
            for volume, _, path, is_read_only in _mounts(service)
        ],
        "readonlyRootFilesystem": service["read_only"],
        "privileged": False,
        "dockerSecurityOptions": ["no-new-privileges"],
        "linuxParameters": {
            "capabilities": {"drop": service["cap_drop"]},
            "tmpfs": [_tmpfs(text) for text in service.get("tmpfs", ())],
        },
        "stopTimeout": _seconds(service.get("stop_grace_period", "30s")),
        "logConfiguration": {"logDriver": service["logging"]["driver"], "options": service["logging"]["options"]},
    }
    optional = {
        "command": service.get("command"),
        "user": service.get("user"),
        "portMappings": [_port(text) for text in service.get("ports", ())],
        "healthCheck": _health_check(service),
    }
    return container | {key: value for key, value in optional.items() if value}


def _environment(service: Service, deployment: Deployment) -> Iterator[dict[str, str]]:
    """Yield what has a value here; the rest comes from Beanstalk's settings, or stays as the service has it."""
    for name, value in service.get("environment", {}).items():
        if value is None or name in deployment.settings:
            continue
        filled = _filled(value, deployment)
        if filled:
            yield {"name": name, "value": filled}


def _filled(value: object, deployment: Deployment) -> str:
    """Put a setting, or else the default, in place of each ${NAME:-default}."""
    return _DEFAULT.sub(lambda found: deployment.settings.get(found["name"], found["default"] or ""), str(value))


def _linked(name: str, services: Mapping[str, Service]) -> Iterator[str]:
    """Yield whom a container asks: those it waits for, and those that its variables name."""
    service = services[name]
    asked = " ".join(str(value) for value in service.get("environment", {}).values())
    for other in services:
        if other in service.get("depends_on", {}) or f"://{other}:" in asked:
            yield other


def _condition(service: Service) -> str:
    """ECS knows only a health check of its own, not the one in an image."""
    return "HEALTHY" if _health_check(service) else "START"


def _health_check(service: Service) -> dict[str, Any] | None:
    check = service.get("healthcheck")
    if not check or check.get("disable"):
        return None
    return {
        "command": list(check["test"]),
        "interval": max(5, _seconds(check["interval"])),  # ECS asks no more often
        "timeout": max(2, _seconds(check["timeout"])),
        "startPeriod": _seconds(check.get("start_period", "0s")),
        "retries": check.get("retries", 3),
    }


def _mounts(service: Service) -> Iterator[tuple[str, str, str, bool]]:
    """Yield name, place on the instance, place in the container, and whether it may only be read."""
    for text in service.get("volumes", ()):
        source, path, *how = text.split(":")
        place = source if source.startswith("/") else f"{_VOLUMES}/{source}"
        if source.startswith("./"):
            place = f"{_BUNDLE}/{source.removeprefix('./')}"
        yield re.sub(r"\W+", "-", source).strip("-"), place, path, how == ["ro"]
    if service.get("secrets"):
        yield "secrets", SECRETS, "/run/secrets", True


def _tmpfs(text: str) -> dict[str, Any]:
    """Read `/tmp:uid=101,size=16m`."""
    path, _, options = text.partition(":")
    given = dict(option.split("=") for option in options.split(","))
    size = given.pop("size")
    return {
        "containerPath": path,
        "size": _memory_mib(size),
        "mountOptions": [f"{name}={value}" for name, value in given.items()],
    }


def _port(text: str) -> dict[str, int]:
    host, container = text.split(":")
    return {"hostPort": int(host), "containerPort": int(container)}


def _memory_mib(text: str) -> int:
    found = _MEMORY.fullmatch(text)
    if not found:
        raise ConfigurationError(f"{text!r} is no amount of memory for ECS.", "Write it like 128M or 1G.")
    return int(found["number"]) * (1024 if found["unit"] in "Gg" else 1)


def _seconds(text: str) -> int:
    found = _SECONDS.fullmatch(text)
    if not found:
        raise ConfigurationError(f"{text!r} is no time for ECS.", "Write it in seconds, like 30s.")
    return int(found["number"])
