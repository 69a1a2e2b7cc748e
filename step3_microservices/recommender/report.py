"""What a training leaves for people: figures as JSON, plots, and a model card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from shared.recommender.behaviour import Finding
from shared.recommender.evaluation import Evaluation, Figures

_COLOURS = ("#8c959f", "#57606a", "#bc4c00", "#0969da", "#1a7f37")
_COLUMNS = ("recall@10", "recall@20", "NDCG@10", "coverage@10", "novelty@10")


@dataclass(frozen=True)
class Report:
    """All that is known about a model: the facts of its training, its figures, and the rules that it was held to."""

    candidate: str
    facts: Mapping[str, Any]
    evaluation: Evaluation
    findings: Sequence[Finding]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it, which is also what the artifact carries."""
        findings = [finding._asdict() for finding in self.findings]
        return {
            "candidate": self.candidate,
            "facts": dict(self.facts),
            "evaluation": self.evaluation.to_json(),
            "gate": findings,
        }


def write_report(report: Report, folder: Path) -> None:
    """Write `report.json`, `model_card.md` and the plots, each as SVG and PNG, into a folder; replace older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    (folder / "model_card.md").write_text(model_card(report), encoding="utf-8")
    models = report.evaluation.models
    groups: dict[str, dict[str, Mapping[str, Figures]]] = {
        "models": {name: {"known users": its.known} for name, its in models.items()},
        "activity": {name: its.by_activity for name, its in models.items()},
        "countries": {name: its.by_country for name, its in models.items()},
    }
    for name, figures in groups.items():
        plot = _bars(f"NDCG@10, by {name}", figures)
        for ending in ("svg", "png"):
            plot.savefig(folder / f"{name}.{ending}", bbox_inches="tight", dpi=120)


def table(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Return a heading and a row for each model: its figures for known users, as text."""
    rows: list[tuple[str, ...]] = [("model", *_COLUMNS)]
    for name, its in evaluation.models.items():
        values = (its.known.recall_at_10, its.known.recall_at_20, its.known.ndcg_at_10, its.coverage_at_10)
        rows.append((name, *(f"{value:.3f}" for value in values), f"{its.novelty_at_10:.2f}"))
    return rows


def model_card(report: Report) -> str:
    """Return what whoever uses the model should know, in Markdown."""
    evaluation = report.evaluation
    heading, *rows = table(evaluation)
    known = evaluation.models[report.candidate].known
    verdict = "released" if all(finding.kept for finding in report.findings) else "refused"
    lines = [
        f"# Model card: {report.candidate}",
        "",
        "Recommends apps to a user from what users with a similar history took, and to strangers what their country",
        "takes these days. It knows anonymous user ids, countries, items and days, and nothing else of anybody.",
        "",
        "## Training",
        "",
        *(f"* {name}: {value}" for name, value in report.facts.items()),
        "",
        "## Figures",
        "",
        f"Learnt from the days before {evaluation.cut}, asked for what {known.users} users took for the first time",
        f"from then to {evaluation.last_day}.",
        "",
        *_markdown([heading, *rows]),
        "",
        "![NDCG@10 of all models](models.svg)",
        "![NDCG@10 by activity](activity.svg)",
        "![NDCG@10 by country](countries.svg)",
        "",
        f"## Release gate: {verdict}",
        "",
        *_markdown(
            [("rule", "kept", "seen"), *((f.rule, "yes" if f.kept else "**no**", f.seen) for f in report.findings)]
        ),
        "",
        "## Limits",
        "",
        "* An item counts as available in a country once anybody at home there took it; before, nobody there is shown it.",
        "* Figures are those of the past: what people took when other lists were shown to them, or none.",
        "* Small countries and short histories get worse lists; the parts above say by how much.",
    ]
    return "\n".join(lines) + "\n"


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    heading, *others = rows
    return [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *others)]


def _bars(title: str, figures: Mapping[str, Mapping[str, Figures]]) -> Figure:
    """Draw a group of bars for each part of the users, and in it a bar for each model."""
    parts = list(dict.fromkeys(part for its in figures.values() for part in its))
    plot = Figure(figsize=(max(6.0, 1.2 + 0.22 * len(parts) * len(figures)), 3.6))
    axes = plot.subplots()
    width = 0.8 / len(figures)
    for number, (name, its) in enumerate(figures.items()):
        places = np.arange(len(parts)) + (number - (len(figures) - 1) / 2) * width
        heights = [its[part].ndcg_at_10 if part in its else 0.0 for part in parts]
        axes.bar(places, heights, width, label=name, color=_COLOURS[number % len(_COLOURS)])
    axes.set_title(title)
    axes.set_xticks(range(len(parts)), parts)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return plot
