"""Zip containers of office formats, opened only after their directory was found to be sane."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from lxml import etree

from chalicelib.errors import DocumentRejected

_MAX_ENTRIES = 10_000
_MAX_UNPACKED = 1024 * 1024 * 1024
_MAX_RATIO = 200
_SMALL = 1024 * 1024
"""Members below this size may be packed as tightly as they like: a page of spaces is no attack."""
_ENCRYPTED = 0x1
_OUTSIDE = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:")
# An address, a share of a Windows network, or a file address with a host; `file:///C:/…` is the author's own disk.
_REMOTE = re.compile(r"(?:https?|ftp|smb)://|\\\\|//|file:/*\\\\|file://[^/\\]", re.IGNORECASE)


class Archive:
    """A checked zip file, read in memory; nothing is ever unpacked to disk."""

    def __init__(self, data: bytes, name: str) -> None:
        """
        Open *data*. Raises `DocumentRejected`: `unreadable` where it is no whole zip file, `encrypted`,
        or `suspicious_archive` where it would unpack to far more than it is, or outside of itself.
        """
        self._name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
            raise _broken(name) from error
        _check(self._zip.infolist(), name)
        self.names = frozenset(self._zip.namelist())

    def read(self, member: str) -> bytes:
        """Unpack one member. Raises `DocumentRejected` when it is damaged or is not what the directory says."""
        try:
            return self._zip.read(member)
        except (KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
            raise _broken(self._name) from error

    def xml(self, member: str) -> etree._Element | None:
        """Read a member as XML without entities, DTDs or any look outside; None where there is no such member."""
        if member not in self.names:
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
        try:
            root = etree.fromstring(self.read(member), parser)
        except etree.XMLSyntaxError as error:
            raise _broken(self._name) from error
        if root.getroottree().docinfo.internalDTD is not None:
            raise self._entities()
        return root

    def elements(self, member: str, *names: str) -> Iterator[etree._Element]:
        """
        Stream the elements of a member that bear one of the local *names*, as safely as `xml`.

        Each is emptied when the next is asked for, so that a member may be larger than memory.
        """
        wanted = [f"{{*}}{name}" for name in names]
        safely = {"resolve_entities": False, "no_network": True, "load_dtd": False, "remove_comments": True}
        try:
            with self._zip.open(member) as stream:
                for place, (_, element) in enumerate(etree.iterparse(stream, tag=wanted, **safely)):
                    if place == 0 and element.getroottree().docinfo.internalDTD is not None:
                        raise self._entities()
                    yield element
                    _forget(element)
        except (etree.XMLSyntaxError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
            raise _broken(self._name) from error

    def _entities(self) -> DocumentRejected:
        return DocumentRejected("suspicious_archive", f"{self._name} declares XML entities; no office program does.")


def _forget(element: etree._Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def refuse_remote(archive: Archive, relations: str, kind: str, name: str) -> None:
    """Raise `DocumentRejected` (`suspicious_archive`) when a part named *kind* is to be fetched from elsewhere."""
    root = archive.xml(relations)
    for relation in () if root is None else root.iterfind("{*}Relationship"):
        if relation.get("TargetMode") == "External" and relation.get("Type", "").endswith("/" + kind):
            refuse_remote_template(relation.get("Target", ""), name)


def refuse_remote_template(target: str, name: str) -> None:
    """Raise `DocumentRejected` (`suspicious_archive`) when the address *target* leads to another computer."""
    if _REMOTE.match(target):
        raise DocumentRejected(
            "suspicious_archive",
            f"{name} loads its template from another computer, a known way to attack. "
            "Save it with a local template, or as PDF.",
        )


def _check(members: list[zipfile.ZipInfo], name: str) -> None:
    if len(members) > _MAX_ENTRIES:
        raise _bomb(name, f"{len(members):,} files inside")
    if sum(member.file_size for member in members) > _MAX_UNPACKED:
        raise _bomb(name, f"more than {_MAX_UNPACKED >> 20} MiB inside")
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise DocumentRejected("encrypted", f"{name} is protected by a password. Upload it without one.")
        if _OUTSIDE.search(member.filename):
            raise DocumentRejected("suspicious_archive", f"{name} holds a file that would land outside of it.")
        if member.file_size > max(_SMALL, _MAX_RATIO * member.compress_size):
            raise _bomb(name, f"a file inside is more than {_MAX_RATIO} times as large as it looks")


def _bomb(name: str, what: str) -> DocumentRejected:
    return DocumentRejected("suspicious_archive", f"{name} unpacks to far more than a document needs: {what}.")


def _broken(name: str) -> DocumentRejected:
    return DocumentRejected("unreadable", f"{name} is damaged or incomplete. Open it in its program and save it again.")
