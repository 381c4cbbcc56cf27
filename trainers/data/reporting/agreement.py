"""The report on several annotators: how far they agree, and how far each is with what they say together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from goodfit.trainers.data.quality.annotators import dawid_skene, krippendorff_alpha
from goodfit.trainers.data.reading.annotations import Annotations

TENTATIVE, RELIABLE = 0.667, 0.8  # Krippendorff (2004): conclusions below the first are not to be drawn


def agreement_of(found: Annotations) -> dict[str, Any]:
    """alpha; of each annotator the labels given and how probably one is the consensus; rows on which they differ."""
    labelled = found.take(np.flatnonzero((found.given >= 0).any(axis=1)))
    alpha = krippendorff_alpha(found.given, len(found.classes))
    together = dawid_skene(labelled.given, len(found.classes))
    highest, lowest = labelled.given.max(axis=1), labelled.given.copy()
    lowest[lowest < 0] = len(found.classes)
    return {
        "alpha": None if math.isnan(alpha) else alpha,
        "annotators": {
            name: {"labels": int((found.given[:, place] >= 0).sum()), "agreement": float(together.accuracy[place])}
            for place, name in enumerate(found.annotators)
        },
        "rows": len(labelled.given),
        "differing": int((lowest.min(axis=1) != highest).sum()),
    }


def agreement_notes(facts: dict[str, Any]) -> list[str]:
    """What to look at, in sentences."""
    if facts["alpha"] is None:
        return ["no row has labels of two annotators: how far they agree is not known"]
    alpha, each = facts["alpha"], facts["annotators"]
    worth = (
        "they agree well"
        if alpha >= RELIABLE
        else f"below {RELIABLE}, labels are tentative"
        if alpha >= TENTATIVE
        else f"below {TENTATIVE}, there is little to build on: say more clearly what the classes are"
    )
    least = min(each, key=lambda name: each[name]["agreement"])
    return [
        f"{len(each)} annotators differ on {facts['differing']} of {facts['rows']} rows; Krippendorff's alpha is "
        f"{alpha:.2f} (1: agreement, 0: chance): {worth}",
        f"annotator {least} is with the consensus least often: {each[least]['agreement']:.0%} of the labels",
    ]
