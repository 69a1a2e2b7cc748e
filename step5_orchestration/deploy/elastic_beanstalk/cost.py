"""What an environment will cost, as an estimate: list prices from a file, without traffic, for the hours of a month."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from step5_orchestration.deploy.elastic_beanstalk.deployment import ROOT_VOLUME_GB, Deployment
from step5_orchestration.deploy.errors import OverBudgetError

PRICES = Path(__file__).parents[2] / "elastic_beanstalk" / "prices.json"

# A load balancer stands in two zones at least, with an address in each; of its units one is enough for 25 new
# connections a second.
_LOAD_BALANCER_ADDRESSES = 2


@dataclass(frozen=True)
class Cost:
    """One thing that is paid for."""

    what: str
    quantity: int
    hourly: float  # for all of them


@dataclass(frozen=True)
class Estimate:
    """What it costs with as many instances as there may be at most."""

    region: str
    costs: tuple[Cost, ...]
    hours_per_month: int
    noted: str
    source: str

    @property
    def hourly(self) -> float:
        """Dollars an hour."""
        return sum(cost.hourly for cost in self.costs)

    @property
    def monthly(self) -> float:
        """Dollars a month."""
        return self.hourly * self.hours_per_month

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield (
            f"Estimate for {self.region}: ${self.hourly:.4f} an hour, ${self.monthly:.2f} a month "
            f"of {self.hours_per_month} hours, for"
        )
        for cost in self.costs:
            yield f"  {cost.quantity} x {cost.what}: ${cost.hourly:.4f} an hour"
        yield f"An estimate: {self.source}; noted {self.noted}. Traffic, logs and a Redis elsewhere come on top."


def read_prices(path: Path = PRICES) -> dict[str, Any]:
    """Read the price file."""
    prices: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return prices


def estimate(deployment: Deployment, region: str, prices: dict[str, Any]) -> Estimate | None:
    """Return what it will cost, or None where the file has no price for this region or instance type."""
    here = prices["regions"].get(region, {})
    instance_hour = here.get("instance_hour", {}).get(deployment.instance_type)
    if instance_hour is None:
        return None
    hours, instances = prices["hours_per_month"], deployment.max_instances
    volume_hour = here["volume_gb_month"] * ROOT_VOLUME_GB / hours
    addresses = instances + (_LOAD_BALANCER_ADDRESSES if deployment.is_load_balanced else 0)
    costs = [
        Cost(f"instance {deployment.instance_type}", instances, instances * instance_hour),
        Cost(f"disk of {ROOT_VOLUME_GB} GB", instances, instances * volume_hour),
        Cost("public IPv4 address", addresses, addresses * here["public_address_hour"]),
    ]
    if deployment.is_load_balanced:
        balancer_hour = here["load_balancer_hour"] + here["load_balancer_unit_hour"]
        costs.append(Cost("load balancer with one unit of capacity", 1, balancer_hour))
    return Estimate(region, tuple(costs), hours, prices["noted"], prices["source"])


def check_budget(cost: Estimate | None, budget: float | None) -> None:
    """Hold the estimate to a budget, in dollars a month. Raises OverBudgetError."""
    if budget is None:
        return
    if cost is None:
        raise OverBudgetError(
            "There is no price on file for this region or instance type, so the budget cannot be held.",
            f"Add it to {PRICES.parent.name}/{PRICES.name}, or leave --budget out.",
        )
    if cost.monthly > budget:
        raise OverBudgetError(
            f"It would cost ${cost.monthly:.2f} a month by estimate; the budget is ${budget:.2f}.",
            "Take a smaller --instance-type or fewer instances, or raise --budget.",
        )
