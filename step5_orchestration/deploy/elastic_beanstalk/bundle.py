"""The source bundle: a zip whose bytes depend on its contents alone, so that the same contents are the same version."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema_rs
import yaml

from step5_orchestration.deploy.container_images import ContainerImages
from step5_orchestration.deploy.elastic_beanstalk.compose import COMPOSE, bind_mounts, eb_compose, read_compose
from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment
from step5_orchestration.deploy.elastic_beanstalk.dockerrun import dockerrun
from step5_orchestration.deploy.errors import ConfigurationError

_FOLDER = Path(__file__).parents[2] / "elastic_beanstalk"
GIVEN = _FOLDER / "bundle"  # files for any bundle, or for one of a kind
_LARGEST = 512 * 1024 * 1024  # that Beanstalk takes
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell
_UNIX = 3
_FILE, _PROGRAM = 0o100644, 0o100755
_DIGITS = 8
_LABEL = re.compile(r"[0-9a-f]{12}-(docker|ecs)-[0-9a-f]{8}")


@dataclass(frozen=True)
class Bundle:
    """A zip, and the label of the version that it is."""

    revision: str
    label: str
    contents: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the zip."""
        return hashlib.sha256(self.contents).hexdigest()


def is_ours(label: str) -> bool:
    """Whether a version of that label was made here: an application may have others, which are left alone."""
    return _LABEL.fullmatch(label) is not None


def make_bundle(
    deployment: Deployment, images: ContainerImages, compose: Path = COMPOSE, given: Path = GIVEN
) -> Bundle:
    """Make the bundle from step 4's compose file and the pushed images. Raises ConfigurationError."""
    files = bundle_files(deployment, images, compose, given)
    contents = packed(files)
    digits = hashlib.sha256(contents).hexdigest()[:_DIGITS]
    return Bundle(images.revision, f"{images.revision}-{deployment.platform}-{digits}", contents)


def bundle_files(
    deployment: Deployment, images: ContainerImages, compose: Path = COMPOSE, given: Path = GIVEN
) -> dict[str, bytes]:
    """Return what is in the bundle, by its path there. Raises ConfigurationError."""
    services = eb_compose(read_compose(compose), images, deployment)
    files = dict(_given_files(deployment, given))
    for name in bind_mounts(services["services"]):
        if name not in files:
            files[name] = (compose.parent / name).read_bytes()
    if deployment.platform == "ecs":
        files["Dockerrun.aws.json"] = _json(_checked(dockerrun(services, deployment), "dockerrun-v2"))
    else:
        files["docker-compose.yml"] = _yaml(_checked(services, "docker-compose"))
    files[".ebextensions/deployment.config"] = _yaml(_deployment_options(deployment))
    refused = sorted(name for name in files if PurePosixPath(name).name == ".env")
    if refused:
        raise ConfigurationError(
            f"There is {refused[0]} for the bundle: Beanstalk would then not write the .env with its settings.",
            "Remove the file, and give settings by --set.",
        )
    return files


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of the files, the same for the same files. Raises ConfigurationError where it is too large."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (_PROGRAM if name.endswith(".sh") else _FILE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, files[name])
    contents = target.getvalue()
    if len(contents) > _LARGEST:
        raise ConfigurationError(f"The bundle has {len(contents):,} bytes.", f"Beanstalk takes {_LARGEST:,}.")
    return contents


def unpack(bundle: Bundle, folder: Path) -> list[Path]:
    """Write what is in the bundle into a folder that is empty or not there yet. Raises ConfigurationError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty.", "Name a new folder.")
        with zipfile.ZipFile(io.BytesIO(bundle.contents)) as packed_files:
            for entry in packed_files.infolist():
                path = Path(packed_files.extract(entry, folder))
                path.chmod(entry.external_attr >> 16 & 0o777)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error}.", "Name another folder.") from error
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _given_files(deployment: Deployment, given: Path) -> Iterator[tuple[str, bytes]]:
    folders = ["always"]
    folders += ["load_balanced"] * deployment.is_load_balanced
    folders += ["redis_elsewhere"] * (not deployment.has_own_redis)
    folders += ["ecs"] * (deployment.platform == "ecs")
    for folder in (given / name for name in folders):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path.read_bytes()


def _deployment_options(deployment: Deployment) -> dict[str, Any]:
    options: dict[str, Any] = {"DeploymentPolicy": deployment.policy, "Timeout": 900}
    if deployment.policy.startswith("Rolling"):
        options |= {"BatchSizeType": "Fixed", "BatchSize": 1}
    return {"option_settings": {"aws:elasticbeanstalk:command": options}}


def _checked(contents: dict[str, Any], schema: str) -> dict[str, Any]:
    """Hold contents to their schema. Raises ConfigurationError that names the first thing wrong."""
    rules = json.loads((_FOLDER / "schemas" / f"{schema}.schema.json").read_text(encoding="utf-8"))
    for error in jsonschema_rs.validator_for(rules).iter_errors(contents):
        where = "/".join(str(part) for part in error.instance_path)
        raise ConfigurationError(
            f"The bundle's {schema} is wrong at {where}: {error.message}.", "Look at step 4's compose.yaml."
        )
    return contents


def _json(contents: object) -> bytes:
    return (json.dumps(contents, indent=2) + "\n").encode()


class _Plainly(yaml.SafeDumper):
    """Writes what occurs twice out twice: a reference within the file saves bytes, not reading."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as PyYAML has it
        return True


def _yaml(contents: object) -> bytes:
    text: str = yaml.dump(contents, Dumper=_Plainly, sort_keys=False, width=120)
    return text.encode()
