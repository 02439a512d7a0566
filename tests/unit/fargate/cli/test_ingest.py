"""Folders go into an index once, completely, and with a reason for what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.contracts.documents import DocumentView
from chalicelib.domain.documents import DocumentStatus
from chalicelib.errors import Forbidden, Unavailable
from tests.fakes.platform import REJECTED, FakePlatform
from tests.unit.fargate.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with three documents and things that are none."""
    root = tmp_path / "docs"
    files = {"a.md": b"# A", "deep/b.txt": b"bee", "deep/er/c.md": b"sea", ".git/config": b"x", "deep/.hidden": b"x"}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "outside.md").write_bytes(b"secret")
    (root / "link.md").symlink_to(tmp_path / "outside.md")
    (root / "linked").symlink_to(tmp_path, target_is_directory=True)
    return root


def stored(platform: FakePlatform) -> dict[str | None, bytes]:
    """Give what arrived, by external id."""
    return {platform.documents[document_id].external_id: data for document_id, data in platform.stored.items()}


def change(platform: FakePlatform, external_id: str, status: DocumentStatus) -> DocumentView:
    """Put a document into another state."""
    (document,) = (each for each in platform.documents.values() if each.external_id == external_id)
    changed = document.model_copy(update={"status": status})
    platform.documents[document.document_id] = changed
    return changed


def test_a_folder_goes_in_by_relative_paths(run: Run, platform: FakePlatform, folder: Path) -> None:
    """All its files, but no hidden ones and nothing behind links."""
    result = run("ingest", str(folder), "--index", "handbook", "--acl", "hr")
    assert result.exit_code == 0
    assert stored(platform) == {"a.md": b"# A", "deep/b.txt": b"bee", "deep/er/c.md": b"sea"}
    assert result.stdout == "3 searchable, 0 unchanged, 0 failed.\n"
    assert all(document.acl == ["hr"] for document in platform.documents.values())


def test_single_files_go_in_by_name(run: Run, platform: FakePlatform, folder: Path) -> None:
    """Several at once."""
    result = run("ingest", str(folder / "a.md"), str(folder / "deep" / "b.txt"), "--index", "handbook")
    assert result.exit_code == 0
    assert set(stored(platform)) == {"a.md", "b.txt"}


def test_a_second_run_sends_only_what_changed(run: Run, platform: FakePlatform, folder: Path) -> None:
    """Unchanged files are known by their hash; a changed one becomes a new version."""
    run("ingest", str(folder), "--index", "handbook")
    platform.stored.clear()
    (folder / "a.md").write_bytes(b"# AA")
    result = run("ingest", str(folder), "--index", "handbook")
    assert result.stdout == "1 searchable, 2 unchanged, 0 failed.\n"
    assert stored(platform) == {"a.md": b"# AA"}
    assert sorted(len(versions) for versions in platform.versions.values()) == [1, 1, 2]


@pytest.mark.parametrize("status", [DocumentStatus.PENDING, DocumentStatus.FAILED])
def test_what_was_interrupted_or_failed_is_sent_again(
    run: Run, platform: FakePlatform, folder: Path, status: DocumentStatus
) -> None:
    """A run that was cut off between announcing a file and sending it is taken up by the next."""
    run("ingest", str(folder), "--index", "handbook")
    change(platform, "deep/b.txt", status)
    result = run("ingest", str(folder), "--index", "handbook")
    assert result.stdout == "1 searchable, 2 unchanged, 0 failed.\n"


def test_failures_are_listed_with_their_reasons(run: Run, platform: FakePlatform, folder: Path) -> None:
    """A file that fails stops no other, and the exit status tells of it."""
    (folder / "bad.pdf").write_bytes(REJECTED)
    (folder / "empty.md").write_bytes(b"")
    (folder / ("x" * 240 + ".a b")).write_bytes(b"fine")
    result = run("ingest", str(folder), "--index", "handbook")
    assert result.exit_code == 1
    assert result.stdout.startswith("4 searchable, 0 unchanged, 2 failed.")
    assert "unreadable: The file cannot be read." in result.stdout
    assert "the file is empty" in result.stdout


def test_a_batch_that_is_refused_says_why(run: Run, platform: FakePlatform, folder: Path) -> None:
    """Each of its files is listed."""
    run("status")
    platform.seen.clear()
    result = run("ingest", str(folder), "--index", "handbook", "--acl", "no such group!")
    assert result.exit_code == 1
    assert result.stdout.count("acl: String should match pattern") == 3


def test_a_platform_that_fails_stops_the_run(run: Run, platform: FakePlatform, folder: Path) -> None:
    """With one sentence, and not one for every file."""
    platform.failures.extend([(Forbidden("Your roles do not allow this."), {})])
    result = run("ingest", str(folder), "--index", "handbook")
    assert result.exit_code == 1
    assert result.stderr.count("Your roles do not allow this.") == 1


def test_an_index_is_made_only_when_asked_for(run: Run, platform: FakePlatform, folder: Path) -> None:
    """A typing error in a name must not make an index."""
    refused = run("ingest", str(folder), "--index", "handbok")
    assert refused.exit_code == 1
    assert "add --create" in refused.stderr
    assert run("ingest", str(folder), "--index", "other", "--create").exit_code == 0
    assert sorted(platform.indexes) == ["handbook", "other"]


def test_two_files_of_one_name_are_refused(run: Run, platform: FakePlatform, folder: Path, tmp_path: Path) -> None:
    """One would silently become a new version of the other."""
    (tmp_path / "docs2").mkdir()
    (tmp_path / "docs2" / "a.md").write_bytes(b"other")
    result = run("ingest", str(folder), str(tmp_path / "docs2"), "--index", "handbook")
    assert result.exit_code == 2
    assert "would both be 'a.md'" in result.stderr
    assert platform.stored == {}


def test_large_files_go_in_batches(run: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """120 files, three announcements, every byte in its place."""
    contents = {f"{number:03}.txt": b"%d " % number * 25_000 for number in range(120)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    result = run("ingest", str(tmp_path), "--index", "handbook")
    assert result.stdout == "120 searchable, 0 unchanged, 0 failed.\n"
    assert stored(platform) == contents
    assert len([seen for seen in platform.seen if seen.path == "/uploads"]) == 3


def test_small_files_go_together(run: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """Up to a thousand in one request, and none beyond the limit of one."""
    contents = {f"{number:04}.txt": b"text %d" % number for number in range(1_100)}
    contents |= {f"middling-{number}.txt": b"%d " % number * 20_000 for number in range(90)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    result = run("ingest", str(tmp_path), "--index", "handbook")
    assert result.stdout == "1190 searchable, 0 unchanged, 0 failed.\n"
    assert stored(platform) == contents
    sent = [seen for seen in platform.seen if seen.path == "/ingestions"]
    assert len(sent) == 3
    assert max(len(seen.body) for seen in sent) < 6 * 1024 * 1024
    assert [seen for seen in platform.seen if seen.path == "/uploads"] == []


def test_an_unavailable_platform_is_waited_for(run: Run, platform: FakePlatform, folder: Path) -> None:
    """What carries an idempotency key is tried again."""
    platform.failures.append((Unavailable("Restarting."), {"Retry-After": "0"}))
    assert run("ingest", str(folder), "--index", "handbook").exit_code == 0
