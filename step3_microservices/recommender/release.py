"""From a fitted model to lists in their place: written, then published."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from shared.recommender.artifact import write_artifact
from shared.recommender.catalogue import Catalogue
from shared.recommender.interactions import NO_COUNTRY, Interactions
from shared.recommender.lists import Batch
from shared.recommender.manifest import Manifest
from shared.recommender.ranking import Recommender, best, top_lists
from step3_microservices.recommender.report import Report

_STRANGERS_LENGTH = 100  # longer than other lists, so that what somebody has already may be left out


def write_lists(
    folder: Path,
    model: Recommender,
    catalogue: Catalogue,
    interactions: Interactions,
    report: Report,
    progress: Callable[[int], object],
) -> Manifest:
    """Write a list for each user, country and for all as a new version in a folder; `progress` hears how many users.

    Raises ArtifactError.
    """
    countries = {
        code: _strangers_list(model, country) for country, code in enumerate(interactions.country_codes)
    }
    return write_artifact(
        folder,
        items=catalogue.items,
        lists=_users_lists(model, interactions, progress),
        country_lists=countries,
        global_list=_strangers_list(model, NO_COUNTRY),
        card=report.to_json(),
        trained_until=interactions.last_day,
    )


def _users_lists(model: Recommender, interactions: Interactions, progress: Callable[[int], object]) -> Iterator[Batch]:
    users = np.arange(len(interactions.user_ids))
    for batch in top_lists(model, users, interactions.user_countries, interactions.taken):
        yield [interactions.user_ids[user] for user in batch.users], batch.lists
        progress(len(batch.users))


def _strangers_list(model: Recommender, country: int) -> list[int]:
    """Return the items for someone of whom nothing but the country is known."""
    items = model.items_for(country)
    scores = model.scores_for_strangers(country, items)
    ...
