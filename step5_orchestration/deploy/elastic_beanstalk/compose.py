"""Step 4's compose.yaml as Beanstalk's "Docker running on Amazon Linux 2023" runs it: the same services and limits.

What differs is where things come from: container images by digest, the front end on port 80, secrets from files that a
hook writes on the instance, and the variables from Beanstalk's settings, which it lays beside the file as `.env`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from step5_orchestration.deploy.container_images import ContainerImages
from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment
from step5_orchestration.deploy.errors import ConfigurationError

COMPOSE = Path(__file__).parents[3] / "step4_docker" / "compose.yaml"
SECRETS = "/var/lib/classifier/secrets"
HEALTHD_LOG = "/var/log/nginx/healthd"

Service: TypeAlias = dict[str, Any]

_OURS = re.compile(r"^\$\{IMAGE_PREFIX:-[^}]*\}(?P<name>[a-z]+):")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)")
_PROXIES_BEFORE_GATEWAY = {False: "1", True: "2"}  # nginx alone, or a load balancer before it


def read_compose(path: Path = COMPOSE) -> dict[str, Any]:
    """Read step 4's file, its variables left as they stand. Raises ConfigurationError."""
    try:
        compose: dict[str, Any] = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", "Step 5 needs step 4 beside it.") from error
    return compose


def eb_compose(step4: Mapping[str, Any], images: ContainerImages, deployment: Deployment) -> dict[str, Any]:
    """Return the contents of the bundle's docker-compose.yml. Raises ConfigurationError or ContainerImagesError."""
    kept = {name: one for name, one in step4["services"].items() if _is_kept(name, one, deployment)}
    services = {name: _service(one, kept, images) for name, one in kept.items()}
    _stand_in_front(services["frontend"])
    services["gateway"]["environment"]["TRUSTED_PROXIES"] = _PROXIES_BEFORE_GATEWAY[deployment.is_load_balanced]
    _check_settings(deployment, services)
    return {
        "name": step4["name"],
        "services": services,
        "networks": {"front": None, "back": {"internal": not _reaches_out(deployment)}},
        "volumes": dict.fromkeys(sorted({name for one in services.values() for name in _named_volumes(one)})),
        "secrets": {
            name: {"file": f"{SECRETS}/{name}"}
            for name in sorted({name for one in services.values() for name in one.get("secrets", ())})
        },
    }


def bind_mounts(services: Mapping[str, Service]) -> Iterator[str]:
    """Yield the files beside the compose file that its services mount, such as redis.conf."""
    for service in services.values():
        for volume in service.get("volumes", ()):
            if volume.startswith("./"):
                yield volume.split(":")[0].removeprefix("./")


def _is_kept(name: str, service: Service, deployment: Deployment) -> bool:
    """Whether the service runs on Beanstalk: not what is optional, nor a Redis where there is one elsewhere."""
    return "profiles" not in service and (name != "redis" or deployment.has_own_redis)


def _service(step4: Service, kept: Mapping[str, Service], images: ContainerImages) -> Service:
    service = {**step4, "image": _image(step4["image"], images)}
    if "environment" in service:
        service["environment"] = dict(service["environment"])
    if "depends_on" in service:
        service["depends_on"] = {name: how for name, how in service["depends_on"].items() if name in kept}
    return service


def _image(named: str, images: ContainerImages) -> str:
    """Return ours by digest, and another's by the name that step 4 gives it."""
    ours = _OURS.match(named)
    return images[ours["name"]] if ours else re.sub(r"^\$\{\w+:-([^}]+)\}$", r"\1", named)


def _stand_in_front(frontend: Service) -> None:
    """Have it take port 80 of the instance, and write the log that Beanstalk's health agent reads."""
    frontend["ports"] = ["80:8080"]
    frontend["volumes"] = [
        *frontend.get("volumes", ()),
        "./frontend/healthd.conf:/etc/nginx/logs/healthd.conf:ro",
        f"{HEALTHD_LOG}:{HEALTHD_LOG}",
    ]


def _reaches_out(deployment: Deployment) -> bool:
    """Whether those behind the gateway have something to ask outside of the instance."""
    return not deployment.has_own_redis or any(value.startswith("s3://") for value in deployment.settings.values())


def _named_volumes(service: Service) -> Iterator[str]:
    for volume in service.get("volumes", ()):
        if volume[0] not in "./":
            yield volume.split(":")[0]


def _check_settings(deployment: Deployment, services: Mapping[str, Service]) -> None:
    known = {*_variables(services), "REDIS_URL"}
    unknown = sorted({*deployment.settings} - known)
    if unknown:
        raise ConfigurationError(
            f"No service has a setting {', '.join(unknown)}.", f"There are: {', '.join(sorted(known))}."
        )


def _variables(services: Mapping[str, Service]) -> Iterator[str]:
    """Yield what can be set: variables that are passed on as they are, and those in a value."""
    for service in services.values():
        yield from (name for name, value in service.get("environment", {}).items() if value is None)
        yield from (found["name"] for found in _VARIABLE.finditer(str({**service, "image": ""})))
