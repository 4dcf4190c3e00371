"""What an address of a repository means; see BuildKit's "Git URL query parameters" and Docker's reference of ADD."""

from __future__ import annotations

import pytest

from hermes.dockerfile.repositories import Repository, is_repository
from hermes.errors import UsageError

URL = "https://example.com/a.git"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("source", "ref", "folder"),
    [
        (URL, "", ""),
        (f"{URL}#main", "main", ""),
        (f"{URL}#main:sub/../docs/", "main", "docs"),
        (f"{URL}#:docs", "", "docs"),
        (f"{URL}?ref=main", "main", ""),
        (f"{URL}?branch=main", "refs/heads/main", ""),
        (f"{URL}?branch=refs/heads/main", "refs/heads/main", ""),
        (f"{URL}?tag=v1&subdir=docs", "refs/tags/v1", "docs"),
        (f"{URL}?ref=main#main", "main", ""),
    ],
)
def test_a_source_names_a_state_and_a_folder(source: str, ref: str, folder: str) -> None:
    assert is_repository(source)
    found = Repository.parse(source)
    assert (found.url, found.ref, found.folder, found.checksum) == (URL, ref, folder, "")
    assert (found.submodules, found.keep_git_dir) == (True, None)


def test_flags_and_commits() -> None:
    found = Repository.parse(f"{URL}?submodules=false&keep-git-dir=1&commit={COMMIT}")
    assert (found.submodules, found.keep_git_dir, found.checksum, found.commit) == (
        False,
        True,
        COMMIT,
        COMMIT,
    )
    assert Repository.parse(f"{URL}#{COMMIT}", COMMIT[:7]).commit == COMMIT
    assert Repository.parse(f"{URL}#main", COMMIT[:7]).commit == ""


@pytest.mark.parametrize(
    ("source", "checksum", "problem"),
    [
        (f"{URL}?rev=1", "", "unknown query parameter 'rev'"),
        (f"{URL}?ref=a&ref=b", "", "ref is given twice"),
        (f"{URL}?ref=a#b", "", "two values of its ref: b and a"),
        (f"{URL}?subdir=a#:b", "", "two values of its folder"),
        (f"{URL}?commit={COMMIT}", "1234567", "two values of its commit"),
        (f"{URL}?submodules=maybe", "", "submodules cannot be 'maybe'"),
        (URL, "main", "--checksum=main is not a commit"),
        (f"{URL}#{COMMIT}", "1234567", "is not the commit that --checksum names"),
    ],
)
def test_what_a_source_cannot_say(source: str, checksum: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Repository.parse(source, checksum)
