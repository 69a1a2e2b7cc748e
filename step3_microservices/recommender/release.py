"""From a fitted model to lists in their place: written whole, then published."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from shared.recommender.artifact import write_artifact
from shared.recommender.catalogue import Catalogue
from shared.recommender.interactions import NO_COUNTRY, Interactions
from shared.recommender.list_writing import NO_ITEM, Batch
from shared.recommender.manifest import Manifest
from shared.recommender.ranking import Learner, best, top_lists
from step3_microservices.recommender.artifact_stores import ArtifactStore
from step3_microservices.recommender.report import Report

_STRANGERS_LENGTH = 100  # longer than other lists, so that what somebody has already may be left out


@dataclass(frozen=True)
class Release:
    """What is released: a model fitted to interactions with the items of a catalogue, and what is known about it."""

    model: Learner
    interactions: Interactions
    catalogue: Catalogue
    report: Report

    def write(self, folder: Path, progress: Callable[[int], object] = lambda _: None) -> Manifest:
        """Write a list for each user, each country and for all as a new version; `progress` hears how many users.

        Raises ArtifactError.
        """
        codes = self.interactions.country_codes
        return write_artifact(
            folder,
            items=self.catalogue.items,
            lists=self._users_lists(progress),
            country_lists={code: its for place, code in enumerate(codes) if (its := _strangers_list(self.model, place))},
            global_list=_strangers_list(self.model, NO_COUNTRY),
            card=self.report.to_json(),
            trained_until=self.interactions.last_day,
        )

    def _users_lists(self, progress: Callable[[int], object]) -> Iterator[Batch]:
        rows = self.interactions
        users = np.flatnonzero(np.diff(rows.taken.indptr))
        for batch in top_lists(self.model, users, rows.user_countries[users], rows.taken):
            yield [rows.user_ids[user] for user in batch.users], batch.lists
            progress(len(batch.users))


def publish(folder: Path, artifacts: str) -> None:
    """Copy a version to where artifacts are kept, and let it be the one that is served. Raises ArtifactError."""
    store = ArtifactStore(artifacts)
    store.set_current(store.publish(folder).version)


def _strangers_list(model: Learner, country: int) -> list[int]:
    """Return the items for someone of whom at most the country is known."""
    items = model.items_for(country)
    nothing = csr_matrix((1, int(items.max(initial=0)) + 1), dtype=np.float32)
    chosen = best(model.scores_for(nothing, country, items), items, _STRANGERS_LENGTH)[0]
    return [int(item) for item in chosen if item != NO_ITEM]
