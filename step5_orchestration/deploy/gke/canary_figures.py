"""What a Prometheus knows of a canary and of those that it stands beside: requests, errors, the slowest hundredth."""

import math
from dataclasses import dataclass
from typing import Any

import requests

from step5_orchestration.deploy.errors import DeployError

_ANSWER_S = 15
# Probes and Prometheus itself ask often, cost nothing, and would make everything look quick.
_ASKED = 'namespace="{namespace}",track="{track}",endpoint!~".*(livez|readyz|metrics)"'
_REQUESTS = "sum(increase(http_requests_total{{{asked}}}[{window_s}s]))"
_ERRORS = 'sum(increase(http_requests_total{{{asked},status=~"5.."}}[{window_s}s]))'
_P99 = "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{{{asked}}}[{window_s}s])))"


class PrometheusError(DeployError):
    """Prometheus gives no figures."""

    code = "prometheus_unusable"


@dataclass(frozen=True)
class Figures:
    """Of the last minutes."""

    requests: float
    error_ratio: float  # of requests that were answered with 5xx
    p99_s: float

    def __str__(self) -> str:
        return f"{self.requests:.0f} requests, {self.error_ratio:.2%} errors, p99 {self.p99_s:.2f} s"


class Prometheus:
    """Figures by the HTTP API of a Prometheus, or of what speaks as one."""

    def __init__(self, address: str, namespace: str, token: str | None = None) -> None:
        """Ask there; the token is shown to it."""
        self._address = address.rstrip("/")
        self._namespace = namespace
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def figures(self, track: str, window_s: int) -> Figures:
        """Return the figures of `stable` or `canary` over the last seconds. Raises PrometheusError."""
        asked = _ASKED.format(namespace=self._namespace, track=track)
        count, errors, p99_s = (
            self._ask(query.format(asked=asked, window_s=window_s)) for query in (_REQUESTS, _ERRORS, _P99)
        )
        return Figures(count, errors / count if count else 0.0, p99_s)

    def _ask(self, query: str) -> float:
        """Return the one number that a query comes to; none, as before the first request, counts as 0."""
        try:
            reply = self._session.get(f"{self._address}/api/v1/query", params={"query": query}, timeout=_ANSWER_S)
            answer: dict[str, Any] = reply.json()
            found = answer["data"]["result"]
            value = float(found[0]["value"][1]) if found else 0.0
        except (requests.RequestException, KeyError, IndexError, TypeError, ValueError) as error:
            raise PrometheusError(
                f"{self._address} gives no figures: {error}.",
                "Check --prometheus; Google's wants PROMETHEUS_TOKEN from `gcloud auth print-access-token`.",
            ) from error
        return 0.0 if math.isnan(value) else value
