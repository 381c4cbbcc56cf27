"""Resources of a node, or of a trial, in Goodfit's words and in Ray's: cpus and gpus are its CPU and GPU."""

from __future__ import annotations

from collections.abc import Mapping

Resources = Mapping[str, float]  # cpus, gpus, and any of the cluster's own by their names
_RAY = {"cpus": "CPU", "gpus": "GPU"}
_OURS = {theirs: ours for ours, theirs in _RAY.items()}


def from_ray(found: Mapping[str, float]) -> dict[str, float]:
    """What Ray says that a node has."""
    return {_OURS.get(name, name): amount for name, amount in found.items()}


def to_ray(resources: Resources) -> dict[str, float]:
    """Amounts as Ray takes them."""
    return {_RAY.get(name, name): amount for name, amount in resources.items()}
