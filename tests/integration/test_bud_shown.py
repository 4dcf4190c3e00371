"""What ``hermes bud`` shows and explains: what commands print, findings of checks, why a line was built again."""

from __future__ import annotations

from tests.integration.yard import Yard

# The graph.


def test_each_rebuild_of_a_line_can_be_explained(yard: Yard) -> None:
    yard.write("a.txt", "one")
    yard.bud("FROM base\nCOPY a.txt /srv/\nRUN cat /srv/a.txt > /b\nRUN --network=none true\n")
    assert "ran for the first time" in yard.run("explain", "--dockerfile", ".").stdout
    yard.write("a.txt", "two")
    yard.bud()
    shown = yard.run("explain", "--dockerfile", str(yard.root), "--all").stdout
    copied = shown.partition("Dockerfile/copy.2 (copy)\n")[2].partition("\nDockerfile/")[0]
    assert "  src a.txt: sha256:" in copied
    first, second = (
        shown.partition(f"Dockerfile/run.{line} (run)\n")[2].partition("\nDockerfile/")[0] for line in (3, 4)
    )
    assert "  root Dockerfile:2: sha256:" in first
    assert "network = true" in first
    assert "network = false" in second
    other = yard.run("explain", "--dockerfile", ".", "-f", "Other")
    assert (other.returncode, "Other" in other.stderr) == (2, True)
    assert yard.run("explain").returncode == 2


def test_a_check_tells_what_it_found_before_the_error_that_ends_it(yard: Yard) -> None:
    yard.write("Dockerfile", "ARG B\nFROM base AS x\nCMD a\nFROM $B\n")
    done = yard.run("bud", "--check", "--pull=never", ".")
    assert done.returncode == 2
    assert [line.partition(": ")[0] for line in done.stdout.splitlines() if line.endswith("]")] == [
        "Dockerfile:3",
        "Dockerfile:4",
    ]
    assert "error: Dockerfile:4: $B is empty" in done.stderr
    yard.write("Dockerfile", "FROM base AS x\nCMD a\nFROM base\n")
    assert yard.run("bud", "--check", "--pull=never", ".").returncode == 1


def test_plain_progress_shows_what_commands_print_by_step(yard: Yard) -> None:
    yard.write("Dockerfile", "FROM base\nRUN echo one; printf 'half\\rwhole\\n'; echo two >&2; printf rest\n")
    done = yard.run("bud", "--pull=never", "--progress=plain", ".")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    told = [line for line in lines if line.startswith("Dockerfile:2 | ")]
    assert told == [f"Dockerfile:2 | {one}" for one in ("one", "whole", "two", "rest")]
    assert lines.index(told[-1]) < max(at for at, line in enumerate(lines) if "Dockerfile:2 RUN" in line)
    again = yard.run("bud", "--pull=never", "--progress=plain", ".")
    assert "Dockerfile:2 | " not in again.stderr


def test_what_is_shown_of_a_command_has_no_secret_and_no_control_characters(yard: Yard) -> None:
    yard.write("token", "s3cret-of-the-test")
    yard.write(
        "Dockerfile",
        "FROM base\nRUN --mount=type=secret,id=t cat /run/secrets/t; printf '\\033[2J\\033[31mred\\033[0m\\n'\n",
    )
    done = yard.run("bud", "--pull=never", "--secret", "id=t,src=token", "--progress=plain", ".")
    assert "s3cret" not in done.stderr
    assert "Dockerfile:2 | " in done.stderr
    assert "red" in done.stderr
    assert "\x1b" not in done.stderr
