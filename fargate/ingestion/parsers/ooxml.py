"""What all Office Open XML packages share: how parts refer to each other, what they link to, what is never run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import dirname, join, normpath

from lxml.etree import _Element

from fargate.ingestion.parsers.archives import Archive, refuse_remote

MACROS, LINKS = "macros_left_out", "links_to_other_files_not_followed"
_MACRO_PARTS = ("vbaProject.bin", "vbaData.xml")
_LINK_PARTS = frozenset(("externalLinkPath", "externalLink", "oleObject", "package"))
# Parts that no office program ever keeps outside of its file.
_OWN_PARTS = ("attachedTemplate", "slideMaster", "slideLayout", "notesMaster", "theme", "worksheet", "vbaProject")


@dataclass(frozen=True, slots=True)
class Relation:
    """What one part says of another; *target* is the other's name in the archive, or an address outside of it."""

    identity: str
    kind: str
    target: str
    external: bool


def relations(archive: Archive, part: str) -> dict[str, Relation]:
    """Give what *part* refers to, by id; for the package itself *part* is empty."""
    folder, _, file = part.rpartition("/")
    root = archive.xml(join(folder, "_rels", f"{file}.rels"))
    found = () if root is None else root.iterfind("{*}Relationship")
    return {str(element.get("Id", "")): _relation(element, folder) for element in found}


def of_kind(archive: Archive, part: str, *kinds: str) -> list[Relation]:
    """Give the parts that *part* refers to as one of *kinds*, in the order written."""
    return [found for found in relations(archive, part).values() if found.kind in kinds and not found.external]


def main_part(archive: Archive, default: str) -> str | None:
    """Give the name of the part that everything else hangs on; None where there is none."""
    named = next((found.target for found in of_kind(archive, "", "officeDocument")), default)
    return named if named in archive.names else None


def title(archive: Archive) -> str | None:
    """Give the title that the author set."""
    core = archive.xml("docProps/core.xml")
    return None if core is None else core.findtext("{*}title")


def warnings(archive: Archive) -> list[str]:
    """Tell what the file holds that is not run and not followed."""
    found = []
    if any(name.endswith(_MACRO_PARTS) for name in archive.names):
        found.append(MACROS)
    if any(_links(archive)):
        found.append(LINKS)
    return found


def refuse_remote_parts(archive: Archive, name: str) -> None:
    """Raise `DocumentRejected` (`suspicious_archive`) when a part of the document is to be fetched from elsewhere."""
    for relations_part in _relation_parts(archive):
        for kind in _OWN_PARTS:
            refuse_remote(archive, relations_part, kind, name)


def reference(element: _Element, name: str = "id") -> str:
    """Give the relation that *element* names, be its namespace transitional or strict."""
    return next((str(value) for key, value in element.attrib.items() if str(key).endswith("}" + name)), "")


def local(element: _Element) -> str:
    """Give an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _relation(element: _Element, folder: str) -> Relation:
    target, external = str(element.get("Target", "")), element.get("TargetMode") == "External"
    if not external:
        target = normpath(target.lstrip("/") if target.startswith("/") else join(folder, target))
    kind = str(element.get("Type", "")).rpartition("/")[2]
    return Relation(str(element.get("Id", "")), kind, target, external)


def _links(archive: Archive) -> Iterator[bool]:
    for relations_part in _relation_parts(archive):
        folder = dirname(dirname(relations_part))
        part = join(folder, relations_part.rpartition("/")[2].removesuffix(".rels"))
        yield any(found.external and found.kind in _LINK_PARTS for found in relations(archive, part).values())


def _relation_parts(archive: Archive) -> list[str]:
    return sorted(name for name in archive.names if name.endswith(".rels"))
