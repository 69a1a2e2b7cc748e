"""What `apply` would change in the cluster."""

from collections.abc import Iterator

from step5_orchestration.deploy.gke.apply import check_kinds
from step5_orchestration.deploy.gke.manifests import Rendered, as_text
from step5_orchestration.deploy.gke.workplace import Cluster


def plan_lines(rendered: Rendered, cluster: Cluster) -> Iterator[str]:
    """Yield each object that would be made, or the difference to what is there. Raises DeployError."""
    check_kinds(rendered, cluster)
    if not cluster.kubectl.get("namespace", cluster.kubectl.namespace):
        yield f"The namespace {cluster.kubectl.namespace} is not there; made would be:"
        yield from (f"  {one['kind']}/{one['metadata']['name']}" for one in rendered.manifests)
    else:
        # A Job is made anew by each apply, and cannot be changed: asked about, the API server would refuse it.
        difference = cluster.kubectl.diff(as_text(rendered.without("Job")))
        yield difference.rstrip() or "Nothing would change but that the migrations run again."
    yield from ("Container images:", *(f"  {name}: {image}" for name, image in rendered.container_images.items()))
