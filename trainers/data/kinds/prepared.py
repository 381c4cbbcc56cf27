"""Large data in one file, prepared once a node: what a kind has made of it lies in the node's cache as arrays.

All workers map them into memory. What a worker writes into them is its own: it reaches neither the cache nor another
worker. Folders of images keep their pixels instead; see reading/cached_pixels.py.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.datasets.tables import is_path
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.kind import Loaded
from goodfit.trainers.data.reading import node
from goodfit.trainers.data.reading.functions import is_function
from goodfit.trainers.data_specs import AugmentSpec, DataSpec
from goodfit.trainers.node_cache import META, CacheProblem, Entry, NodeCache, Reserve, sealed

LARGE = 32 * 2**20  # bytes of a file: what has less is prepared anew by each worker
MADE_BY = ("goodfit", "numpy", "pandas", "scikit-learn")  # other versions may make other numbers of the same file
_ARRAYS = ("x", "y", "codes", "groups")
_NAMES = ("train", "validation", "test")


def prepared(spec: DataSpec, load: Callable[[], Loaded]) -> Loaded:
    """What `load` makes of a spec: from the node's cache where its file is large, and kept there if it is not yet."""
    cache = node.cache()
    if cache is None or not _is_kept(spec):
        return load()
    made: list[Loaded] = []

    def make(folder: Path, reserve: Reserve) -> None:
        made.append(load())
        _write(folder, reserve, made[0])

    try:
        before = node.state_of([Path(spec.source)])
        key = _key(cache, spec)
        for _ in range(2):
            entry = cache.entry(key, make)
            if node.state_of([Path(spec.source)]) != before:  # written meanwhile
                cache.drop(key)
                break
            try:
                return _read(entry)
            except (OSError, ValueError):  # damaged
                cache.drop(key)
    except CacheProblem as problem:
        node.not_kept(f"the data of {spec.source} are", problem, "each worker prepares its own")
    except FileNotFoundError:
        pass  # which `load` says better
    return made[-1] if made else load()


def _is_kept(spec: DataSpec) -> bool:
    """Whether what is made of a spec is of use again, and follows from it and its file alone."""
    if spec.is_added or is_function(spec.source) or not is_path(spec.source):
        return False
    augment = spec.augment
    if spec.reshuffle or any((augment.synonyms, augment.translate, augment.replace, augment.delete, augment.swap)):
        return False
    path = Path(spec.source)
    return path.is_file() and path.stat().st_size >= LARGE


def _key(cache: NodeCache, spec: DataSpec) -> str:
    usual = DataSpec(spec.source)
    alike = replace(spec, augment=AugmentSpec(), keep=usual.keep, labels=usual.labels)
    versions = " ".join(version(name) for name in MADE_BY)
    return node.name_of("prepared", versions, repr(alike), node.content_of(cache, [Path(spec.source)]))


def _write(folder: Path, reserve: Reserve, loaded: Loaded) -> None:
    """Keep what was loaded; CacheProblem where it cannot be had back as it is."""
    data, test = loaded
    facts = json.loads(json.dumps(data.facts.to_dict()))
    splits = dict(zip(_NAMES, (data.train, data.validation, test), strict=True))
    if data.texts is not None or Facts.from_dict(facts) != data.facts:
        raise CacheProblem("they have parts that it cannot keep")
    arrays = {
        f"{name}.{part}": np.ascontiguousarray(array)
        for name, split in splits.items()
        for part in _ARRAYS
        if (array := getattr(split, part)) is not None
    }
    reserve(sum(array.nbytes for array in arrays.values()))
    about: dict[str, Any] = {}
    for name, array in arrays.items():
        content = array.reshape(-1).view(np.uint8).data
        (folder / name).write_bytes(content)
        about[name] = [array.dtype.str, array.shape, zlib.crc32(content)]
    (folder / META).write_text(sealed({"facts": facts, "arrays": about}), encoding="utf-8")


def _read(entry: Entry) -> Loaded:
    """What was kept; ValueError where it is damaged."""
    meta = entry.meta()
    arrays: dict[str, np.ndarray] = {}
    for name, (dtype, shape, checksum) in meta["arrays"].items():
        array = entry.mapped(name, np.dtype(dtype), tuple(shape), own=True)
        if zlib.crc32(array.reshape(-1).view(np.uint8).data) != checksum:
            raise ValueError(f"{entry.folder / name} is damaged")
        arrays[name] = array
    splits = [Split(*(arrays.get(f"{name}.{part}") for part in _ARRAYS)) for name in _NAMES]  # type: ignore[arg-type]
    return Data(splits[0], splits[1], Facts.from_dict(meta["facts"])), splits[2]
