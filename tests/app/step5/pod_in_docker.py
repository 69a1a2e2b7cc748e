"""A Pod's only container in Docker: its command line, its variables, its files, its rights and its memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from step5_orchestration.deploy.gke.cost import quantity

Pod = Mapping[str, Any]
HERE = "127.0.0.1"  # what a Pod is told of its own address


def in_docker(pod: Pod, folder: Path, config_maps: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Any]:
    """Return what `docker.containers.run` needs to know beside the container image; files are written to `folder`."""
    (container,) = pod["containers"]
    rights = {**pod["securityContext"], **container["securityContext"]}
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}, "which is what Docker does by itself"
    user, group = rights["runAsUser"], rights["runAsGroup"]
    memory = int(quantity(container["resources"]["limits"]["memory"]))
    volumes = {one["name"]: one for one in pod.get("volumes", ())}
    mounts = {one["mountPath"]: volumes[one["name"]] for one in container.get("volumeMounts", ())}
    return {
        "command": container.get("args"),
        "environment": {one["name"]: one.get("value", HERE) for one in container.get("env", ())},
        "user": f"{user}:{group}",
        "read_only": rights.get("readOnlyRootFilesystem", False),
        "cap_drop": rights["capabilities"]["drop"],
        "security_opt": [] if rights["allowPrivilegeEscalation"] else ["no-new-privileges"],
        "mem_limit": memory,
        "memswap_limit": memory,
        "tmpfs": {path: f"exec,uid={user},gid={group}" for path, one in mounts.items() if "emptyDir" in one},
        "volumes": {
            str(_written(one["configMap"], folder, config_maps or {})): {"bind": path, "mode": "ro"}
            for path, one in mounts.items()
            if "configMap" in one
        },
    }


def _written(source: Mapping[str, Any], folder: Path, config_maps: Mapping[str, Mapping[str, str]]) -> Path:
    target = folder / str(source["name"])
    target.mkdir()
    for item in source["items"]:
        (target / item["path"]).write_text(config_maps[source["name"]][item["key"]])
    return target
