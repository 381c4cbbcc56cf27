"""The data of a study as Croissant JSON-LD, that mlcroissant validates.

Of a table its columns with their types, of a folder of images the image and the class of each. A file is named as it
lies beside the card: put it there, or write its address in place of `contentUrl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from goodfit.service.cards.facts import CardFacts, DataFacts, DataFile

CONFORMS = "http://mlcommons.org/croissant/1.1"
IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".bmp": "image/bmp"}
FORMATS = {
    ".csv": "text/csv",
    ".tsv": "text/tsv",
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".txt": "text/plain",
    ".npz": "application/octet-stream",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
COLUMNS = (".csv", ".parquet", ".jsonl")  # whose columns Croissant reads by their names
MOST_FILES = 20  # named one by one
TYPES = {"number": "sc:Float", "boolean": "sc:Boolean", "date": "sc:Date"}
# The context of the specification, whole: readers compare it.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def data_card(facts: CardFacts) -> dict[str, Any] | None:
    """The data in plain JSON values; None where nothing can be said of them as the study had them."""
    data = facts.data
    if data is None or (data.problem and data.report is None):
        return None
    card: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": _named(data.name),
        "description": _description(facts, data),
        "conformsTo": CONFORMS,
        "version": "1.0.0" + (f"+{re.sub('[^0-9A-Za-z.-]+', '-', data.digest)}" if data.digest else ""),
    }
    distribution = list(_distribution(data))
    records = list(_records(data, distribution))
    return {
        **card,
        **({"distribution": distribution} if distribution else {}),
        **({"recordSet": records} if records else {}),
    }


def _description(facts: CardFacts, data: DataFacts) -> str:
    report = data.report or {}
    parts = [f"The data of the Goodfit study {facts.name}"]
    if report.get("rows"):
        parts.append(f"{report['rows']:,} rows")
    if data.target:
        parts.append(f"the target is {data.target}")
    splits = ", ".join(f"{name} {count:,}" for name, count in (report.get("splits") or {}).items())
    parts.append(f"split into {splits}" if splits else "")
    if data.built_in:
        parts.append("built into Goodfit: no file belongs to it")
    return "; ".join(filter(None, parts)) + "."


def _distribution(data: DataFacts) -> Iterator[dict[str, Any]]:
    if data.folder:
        suffixes = {PurePath(file.name).suffix.lower() for file in data.files}
        for suffix in sorted(suffixes & IMAGES.keys()) or [""]:
            name = f"images-{suffix[1:]}" if suffix else "files"
            yield {
                "@type": "cr:FileSet",
                "@id": name,
                "name": name,
                "includes": f"{data.name}/**/*{suffix}",
                "encodingFormat": IMAGES.get(suffix, "application/octet-stream"),
            }
        return
    files = data.files[:MOST_FILES]
    for own, file in zip(_ids([file.name for file in files]), files, strict=True):
        yield _file(own, file)


def _file(own: str, file: DataFile) -> dict[str, Any]:
    suffix = PurePath(file.name).suffix.lower()
    return {
        "@type": "cr:FileObject",
        "@id": own,
        "name": _named(file.name),
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": FORMATS.get(suffix, "application/octet-stream"),
        "sha256": file.sha256,
    }


def _records(data: DataFacts, distribution: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if data.folder:
        for place in distribution:
            if place["@id"] != "files":
                yield _set(place["@id"], f"rows-{place['@id']}", _image_fields(place["@id"]))
        return
    report = data.report or {}
    columns = [(str(one["name"]), TYPES.get(one["type"], "sc:Text")) for one in report.get("columns") or ()]
    suffix = PurePath(data.files[0].name).suffix.lower() if data.files else ""
    if not (columns and len(data.files) == 1 and suffix in COLUMNS and data.columns_readable):
        return
    if data.target and data.target not in dict(columns):
        columns.append((data.target, "sc:Float" if report.get("task") == "regression" else "sc:Text"))
    file = distribution[0]["@id"]
    fields = [(name, kind, {"fileObject": {"@id": file}, "extract": {"column": name}}) for name, kind in columns]
    yield _set(file, "rows", fields)


def _image_fields(place: str) -> list[tuple[str, str, dict[str, Any]]]:
    files = {"fileSet": {"@id": place}}
    label = {**files, "extract": {"fileProperty": "fullpath"}, "transform": {"regex": "([^/]+)/[^/]+$"}}
    return [("image", "sc:ImageObject", {**files, "extract": {"fileProperty": "content"}}), ("label", "sc:Text", label)]


def _set(source: str, name: str, fields: list[tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
    ids = _ids([column for column, *_ in fields])
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The rows of {source}.",
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{own}", "name": _named(column), "dataType": kind, "source": of}
            for own, (column, kind, of) in zip(ids, fields, strict=True)
        ],
    }


def _ids(names: Sequence[str]) -> list[str]:
    """Names as ids, which have no spaces; no two alike."""
    found: list[str] = []
    for place, name in enumerate(names):
        own = re.sub(r"[^\w.-]+", "_", _named(name))
        found.append(f"{own}_{place}" if own in found else own)
    return found


def _named(text: str) -> str:
    """A name as Croissant takes it: printable, without what its ids are divided by."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    found = "".join(char if char.isprintable() and char not in '/\\<>:"|?*' else "_" for char in text).strip()
    return found[:255] or "unnamed"
