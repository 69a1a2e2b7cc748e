"""A small API server that the real kubectl speaks to: objects in memory, and controllers that act at once.

It knows what kubectl needs for apply, diff, get, patch, delete, logs and rollout status. What Pods become of a
Deployment is decided by its container image: one that is named in `broken` never comes up.
"""

import json
import re
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.app.step5.kubernetes_controllers import Broken, reconcile, set_defaults
from tests.app.step5.kubernetes_kinds import KINDS, Kind, by_plural

Object = dict[str, Any]
Key = tuple[str, str, str]  # plural, namespace or "", name
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
WATCHED_S = 1.2  # kubectl calls less a failure
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass
class Cluster:
    """What is in it, and how it behaves."""

    objects: dict[Key, Object] = field(default_factory=dict)
    missing_groups: set[str] = field(default_factory=set)  # extensions that were not installed
    broken: Broken = field(default_factory=dict)  # container images that do not come up, and why
    refusals: dict[str, str] = field(default_factory=dict)  # a verb and plural such as "patch deployments": message
    stuck_namespace: bool = False  # its contents never go
    kept_disks: bool = False  # volumes outlive their claims
    requests: list[str] = field(default_factory=list)
    load_balancer: str = "127.0.0.1:1"  # the address that a Gateway gets
    lock: threading.RLock = field(default_factory=threading.RLock)
    version: int = 1

    def known(self) -> list[Kind]:
        return [kind for kind in KINDS if kind.group not in self.missing_groups]

    def put(self, kind: Kind, namespace: str, name: str, wanted: Object) -> Object:
        """Server-side apply, as by the only owner: what is no longer wanted goes, what controllers set stays."""
        key = (kind.plural, namespace, name)
        before = self.objects.get(key)
        new = self.merged(before, wanted, kind, namespace)
        if kind.kind == "Secret" and "stringData" in new:
            new["data"] = new.pop("stringData")
        if before is None or new != before:
            self.version += 1
            new["metadata"]["resourceVersion"] = str(self.version)
            self.objects[key] = new
            reconcile(self, kind, new)
        return self.objects[key]

    def merged(self, before: Object | None, wanted: Object, kind: Kind, namespace: str) -> Object:
        """What an object would be; nothing is changed yet."""
        new = deepcopy(wanted)
        set_defaults(new, before)
        metadata = new.setdefault("metadata", {})
        if kind.is_namespaced:
            metadata["namespace"] = namespace
        metadata.pop("managedFields", None)
        if before is None:
            metadata |= {"uid": f"uid-{kind.plural}-{metadata['name']}-{self.version}", "generation": 1}
            metadata |= {"creationTimestamp": "2026-11-27T12:00:00Z", "resourceVersion": str(self.version)}
            return new
        kept = before["metadata"]
        for name in ("uid", "generation", "creationTimestamp", "resourceVersion"):
            metadata[name] = kept[name]
        if new.get("spec") != before.get("spec"):
            metadata["generation"] = kept["generation"] + 1
        if "status" in before:
            new["status"] = before["status"]
        return new

    def remove(self, key: Key) -> None:
        self.objects.pop(key, None)
        if key[0] == "persistentvolumeclaims" and not self.kept_disks:
            self.objects.pop(("persistentvolumes", "", f"pv-{key[2]}"), None)
        if key[0] == "namespaces":
            for one in [one for one in self.objects if one[1] == key[2]]:
                self.remove(one)
            if not self.kept_disks:
                for one in [one for one in self.objects if one[0] == "persistentvolumes"]:
                    self.objects.pop(one)
        if key[0] in {"deployments", "jobs"}:
            for one in [one for one in self.objects if one[0] in {"replicasets", "pods"} and one[2].startswith(key[2])]:
                self.objects.pop(one)


class Server(ThreadingHTTPServer):
    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cluster = cluster

    @property
    def kubeconfig(self) -> str:
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "fake",
                "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "somebody"}}],
                "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}}],
                "users": [{"name": "somebody", "user": {}}],
            }
        )


PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/.))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet, or each waits 40 ms for the acknowledgement of the one before

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, body: Object | str, status: int = 200, content_type: str = "application/json") -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, reason: str, message: str) -> None:
        self.answer(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": reason,
                "message": message,
                "code": status,
            },
            status,
        )

    def body(self) -> Object | list[Object]:
        found: Object | list[Object] = yaml.load(self.rfile.read(int(self.headers.get("Content-Length", 0))), LOADER)  # noqa: S506 - either is safe
        return found

    def do_GET(self) -> None:
        self.handle_one("get")

    def do_POST(self) -> None:
        self.handle_one("post")

    def do_PATCH(self) -> None:
        self.handle_one("patch")

    def do_DELETE(self) -> None:
        self.handle_one("delete")

    def handle_one(self, verb: str) -> None:
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        cluster = self.server.cluster
        if verb == "get" and (told := _discovery(cluster.known()).get(split.path)):
            self.answer(told)
            return
        found = PATH.match(split.path)
        kind = by_plural(cluster.known(), found["group"] or "", found["plural"]) if found else None
        if not found or not kind:
            self.refuse(404, "NotFound", "the server could not find the requested resource")
            return
        cluster.requests.append(f"{verb} {kind.plural} {found['name'] or ''}".strip())
        body = None if verb == "get" else self.body()
        asked = Asked(kind, found["namespace"] or "", found["name"] or "", found["sub"], query, body)
        if message := cluster.refusals.get(f"{verb} {kind.plural}"):
            self.refuse(403, "Forbidden", f'{kind.plural} "{asked.name}" is forbidden: {message}')
        elif query.get("watch"):
            self.watch(asked)
        else:
            with cluster.lock:
                getattr(self, verb)(asked)

    # --- verbs

    def get(self, asked: "Asked") -> None:
        cluster, kind, name = self.server.cluster, asked.kind, asked.name
        if not name:
            metadata = {"resourceVersion": str(cluster.version)}
            items = self.selected(asked)
            self.answer(
                {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": items}
            )
            return
        found = cluster.objects.get(asked.key)
        if found is None:
            self.refuse(404, "NotFound", f'{kind.name_of_resource} "{name}" not found')
            return
        if asked.sub == "log":
            self.answer(str(found["log"]), content_type="text/plain")
            return
        self.answer(found)
        is_going = kind.plural == "namespaces" and found.get("status", {}).get("phase") == "Terminating"
        if is_going and not cluster.stuck_namespace:
            cluster.remove(asked.key)

    def selected(self, asked: "Asked") -> list[Object]:
        labels = dict(part.split("=", 1) for part in asked.query.get("labelSelector", "").split(",") if part)
        wanted = asked.query.get("fieldSelector", "").partition("metadata.name=")[2]
        return [
            found
            for (plural, namespace, name), found in sorted(self.server.cluster.objects.items())
            if (plural, namespace) == (asked.kind.plural, asked.namespace)
            and wanted in {"", name}
            and labels.items() <= found["metadata"].get("labels", {}).items()
        ]

    def post(self, asked: "Asked") -> None:
        self.patch(replace(asked, name=asked.body["metadata"]["name"]))

    def patch(self, asked: "Asked") -> None:
        cluster, kind, wanted = self.server.cluster, asked.kind, asked.body
        before = cluster.objects.get(asked.key)
        if kind.is_namespaced and ("namespaces", "", asked.namespace) not in cluster.objects:
            self.refuse(404, "NotFound", f'namespaces "{asked.namespace}" not found')
        elif isinstance(wanted, list):
            self.answer(cluster.put(kind, asked.namespace, asked.name, _patched(cluster.objects[asked.key], wanted)))
        elif kind.kind == "Job" and before and before["spec"]["template"] != wanted["spec"]["template"]:
            self.refuse(422, "Invalid", f'Job.batch "{asked.name}" is invalid: spec.template: field is immutable')
        elif asked.query.get("dryRun"):
            self.answer(cluster.merged(before, wanted, kind, asked.namespace))
        else:
            self.answer(cluster.put(kind, asked.namespace, asked.name, wanted), 200 if before else 201)

    def delete(self, asked: "Asked") -> None:
        cluster, kind = self.server.cluster, asked.kind
        names = [asked.name] if asked.name else [one["metadata"]["name"] for one in self.selected(asked)]
        for name in names:
            key = (kind.plural, asked.namespace, name)
            if key not in cluster.objects:
                self.refuse(404, "NotFound", f'{kind.name_of_resource} "{name}" not found')
                return
            if kind.plural == "namespaces":
                remaining = {
                    "type": "NamespaceContentRemaining",
                    "status": "True",
                    "message": "gateways are remaining.",
                }
                cluster.objects[key]["status"] = {"phase": "Terminating", "conditions": [remaining]}
            else:
                cluster.remove(key)
        details = {"name": asked.name, "kind": kind.plural}
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details})

    def watch(self, asked: "Asked") -> None:
        """Tell what is there, and end: whoever wants to know more lists again."""
        cluster, kind = self.server.cluster, asked.kind
        with cluster.lock:
            events = [{"type": "ADDED", "object": one} for one in self.selected(asked)]
            if asked.query.get("sendInitialEvents") == "true":
                annotations = {"k8s.io/initial-events-end": "true"}
                metadata = {"resourceVersion": str(cluster.version), "annotations": annotations}
                last = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
                events.append({"type": "BOOKMARK", "object": last})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write("".join(f"{json.dumps(event)}\n" for event in events).encode())
        self.wfile.flush()
        time.sleep(WATCHED_S)


@dataclass(frozen=True)
class Asked:
    """What a request is about."""

    kind: Kind
    namespace: str
    name: str
    sub: str | None
    query: dict[str, str]
    body: Any

    @property
    def key(self) -> Key:
        return self.kind.plural, self.namespace, self.name


def _patched(before: Object, operations: list[Object]) -> Object:
    """A JSON patch of replacements."""
    wanted = deepcopy(before)
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        target: Any = wanted
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        target[last] = operation["value"]
    return wanted


def _discovery(kinds: list[Kind]) -> dict[str, Object]:
    """What a client is told of what there is, each under its path."""
    by_path: dict[str, list[Kind]] = {}
    for kind in kinds:
        by_path.setdefault(kind.path, []).append(kind)
    groups = [_group(known[0]) for known in by_path.values() if known[0].group]
    told: dict[str, Object] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.1"},
        "/openapi/v3": {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in by_path}},
    }
    for path, known in by_path.items():
        resources = [kind.resource(VERBS) for kind in known]
        about = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": known[0].api_version}
        told |= {f"/{path}": {**about, "resources": resources}, f"/openapi/v3/{path}": _openapi(known)}
    return told


def _group(kind: Kind) -> Object:
    one = {"groupVersion": kind.api_version, "version": kind.version}
    return {"name": kind.group, "versions": [one], "preferredVersion": one}


def _openapi(kinds: list[Kind]) -> Object:
    """What kubectl looks for: whether the server checks fields by itself."""
    operation = {"parameters": [{"name": "fieldValidation", "in": "query"}]}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.34.1"},
        "paths": {
            f"/{kind.plural}": {"patch": {**operation, "x-kubernetes-group-version-kind": kind.gvk}} for kind in kinds
        },
    }
