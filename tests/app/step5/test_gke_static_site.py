import re

import yaml

from step5_orchestration.deploy.gke.manifests import MANIFESTS
from tests.app.serving import ROOT

SITE = MANIFESTS / "static_site"
PAGE = (SITE / "page" / "index.html").read_text()


def test_the_page_has_everything_that_it_asks_for():
    asked = re.findall(r'(?:href|src)="([^":]+)"', PAGE)

    assert asked
    assert [name for name in asked if not (SITE / "page" / name).is_file()] == []


def test_the_page_needs_nothing_that_its_own_policy_forbids():
    policy = re.search(r'Content-Security-Policy "([^"]+)"', (SITE / "nginx.conf").read_text())[1]

    assert "default-src 'none'" in policy
    assert not re.search(r"<script|<style|style=|https?://", PAGE)


def test_it_stands_on_the_same_nginx_as_step_4():
    bases = [
        re.search(r"^ARG NGINX_IMAGE=(\S+)$", path.read_text(), re.MULTILINE)[1]
        for path in (SITE / "Dockerfile", ROOT / "step4_docker" / "frontend.Dockerfile")
    ]

    assert bases[0] == bases[1]


def test_nginx_listens_where_the_pod_is_asked():
    port = re.search(r"listen (\d+);", (SITE / "nginx.conf").read_text())[1]
    _, deployment, service = yaml.safe_load_all((SITE / "static-site.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert f"EXPOSE {port}\n" in (SITE / "Dockerfile").read_text()
    assert f"location = {container['readinessProbe']['httpGet']['path']} " in (SITE / "nginx.conf").read_text()
