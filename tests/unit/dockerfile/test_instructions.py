"""Instructions as values, stages, mounts, and what is better done otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.dockerfile import instructions as ins
from hermes.dockerfile.checks import findings
from hermes.dockerfile.parse import parse
from hermes.dockerfile.stages import split_stages
from hermes.dockerfile.words import Pair
from hermes.errors import DockerfileError
from tests.properties import examples


def one(text: str) -> ins.Instruction:
    return parse("Dockerfile", text).instructions[0]


def test_flags_are_fields() -> None:
    copy = one(
        "COPY --from=a --chown=1:2 --chmod=644 --link --parents=false --exclude=*.md --exclude=x b c /d/\n"
    )
    assert isinstance(copy, ins.Copy)
    assert (copy.sources, copy.dest, copy.origin, copy.owner, copy.mode) == (
        ("b", "c"),
        "/d/",
        "a",
        "1:2",
        "644",
    )
    assert (copy.link, copy.parents, copy.exclude, copy.adds) == (True, False, ("*.md", "x"), False)
    add = one("ADD --unpack=false --keep-git-dir=true --checksum=sha256:1 b /d/\n")
    assert isinstance(add, ins.Copy)
    assert (add.adds, add.unpack, add.keep_git_dir, add.checksum) == (True, False, True, "sha256:1")
    run = one('RUN --mount=type=cache,target=/c --mount=target=/x --network=none ["a", "b"]\n')
    assert isinstance(run, ins.Run)
    assert run.mounts == ("type=cache,target=/c", "target=/x")
    assert (run.command, run.network) == (ins.Command(("a", "b"), for_shell=False), "none")


LISTS = [
    ('RUN [ "true" ] && touch /x', ins.Command(('[ "true" ] && touch /x',), for_shell=True)),
    ('CMD ["a"] b', ins.Command(('["a"] b',), for_shell=True)),
    ('ENTRYPOINT ["a"],', ins.Command(('["a"],',), for_shell=True)),
    ('HEALTHCHECK CMD ["a"] ["b"]', ins.Command(('["a"] ["b"]',), for_shell=True)),
    ('RUN  [ "a" , "b" ] \t', ins.Command(("a", "b"), for_shell=False)),
    ("CMD [NaN]", ins.Command(("[NaN]",), for_shell=True)),
    ("RUN [1] x", ins.Command(("[1] x",), for_shell=True)),
    (r'RUN ["\ud800\u00e9\ud83d\ude00"]', ins.Command(("\ufffdé😀",), for_shell=False)),
]


@pytest.mark.parametrize(("text", "command"), LISTS)
def test_a_list_in_json_stands_alone_or_is_none(text: str, command: ins.Command) -> None:
    """What BuildKit's json.Unmarshal makes of the same texts."""
    found = one(f"{text}\n")
    assert isinstance(found, ins.Run | ins.Cmd | ins.Entrypoint | ins.Healthcheck)
    assert found.command == command


def test_words_after_a_list_are_words_like_the_list() -> None:
    volume = one('VOLUME ["/a"] /b\n')
    assert isinstance(volume, ins.Volume)
    assert volume.paths == ('["/a"]', "/b")
    copy = one('COPY ["a","/x/"] /y\n')
    assert isinstance(copy, ins.Copy)
    assert (copy.sources, copy.dest) == (('["a","/x/"]',), "/y")
    with pytest.raises(DockerfileError, match="SHELL takes a list in JSON"):
        one('SHELL ["/bin/sh", "-c"] x\n')
    heredoc = one('RUN ["a"] <<E\nb\nE\n')
    assert isinstance(heredoc, ins.Run)
    assert heredoc.heredocs[0].content == "b\n"


@pytest.mark.parametrize("text", ["FROM a\rRUN b\r", "FROM a\rRUN b", "FROM a\rRUN b\r\n"])
def test_line_ends_of_cr_alone_are_named(text: str) -> None:
    with pytest.raises(DockerfileError, match="CR alone") as raised:
        parse("Dockerfile", text)
    assert raised.value.hint is not None


@pytest.mark.parametrize("text", ["FROM a\r", "FROM a\r\n", "FROM a\n\r", "FROM a\nRUN printf 'b\rc'\n"])
def test_other_cr_are_what_they_were(text: str) -> None:
    assert parse("Dockerfile", text).instructions[0].original == "FROM a"


def test_a_tab_may_follow_the_kind_of_a_healthcheck() -> None:
    check = one("HEALTHCHECK CMD\\\n\techo hi\n")
    assert isinstance(check, ins.Healthcheck)
    assert check.command == ins.Command(("echo hi",), for_shell=True)


def test_healthchecks_have_times_in_nanoseconds() -> None:
    check = one("HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD a b\n")
    assert isinstance(check, ins.Healthcheck)
    assert (check.interval, check.timeout, check.retries) == (90_000_000_000, 500_000_000, 3)
    assert check.command == ins.Command(("a b",), for_shell=True)


def test_pairs_keep_their_quotes() -> None:
    env = one("ENV a=1 b='2 3' c=d\\ e\n")
    assert isinstance(env, ins.Env)
    assert env.pairs == (Pair("a", "1"), Pair("b", "'2 3'"), Pair("c", "d\\ e"))
    old = one("ENV a  b   c\n")
    assert isinstance(old, ins.Env)
    assert old.pairs == (Pair("a", "b   c", equals=False),)


def test_triggers_are_parsed_and_kept_as_text() -> None:
    trigger = one("ONBUILD COPY <<E /x\ntext\nE\n")
    assert isinstance(trigger, ins.Onbuild)
    assert trigger.trigger == "COPY <<E /x\ntext\nE"
    assert isinstance(trigger.inner, ins.Copy)
    assert trigger.inner.heredocs[0].content == "text\n"


def test_every_instruction_knows_its_lines() -> None:
    found = parse("Dockerfile", "# note\nFROM a\n\nRUN b \\\n  c\nCOPY <<E /x\n1\n2\nE\nUSER d")
    assert [tuple(one.span) for one in found.instructions] == [(2, 2), (4, 5), (6, 9), (10, 10)]


def test_errors_show_the_lines_around() -> None:
    with pytest.raises(DockerfileError) as raised:
        parse("Dockerfile", "FROM a\n\nENV b=1 \\\n  c\nUSER d\nRUN e\nRUN f\n")
    assert str(raised.value) == (
        "Dockerfile:3: 'c' has no =\n  1 | FROM a\n  2 |\n> 3 | ENV b=1 \\\n> 4 |   c\n  5 | USER d\n  6 | RUN e\n"
        "hint: write ENV NAME=VALUE, with quotes where a value has spaces"
    )


def test_stages_are_found_by_name_and_number() -> None:
    stages = split_stages(parse("Dockerfile", "ARG x\nFROM a AS One\nRUN b\nFROM c\nFROM d AS one\n"))
    assert [(stage.number, stage.name) for stage in stages.stages] == [(0, "one"), (1, ""), (2, "one")]
    assert stages.find("ONE", 2) is stages.stages[0]
    assert stages.find("one", 3) is stages.stages[2]
    assert stages.find("1", 2) is stages.stages[1]
    assert stages.find("2", 2) is None


PIECES = st.sampled_from(
    [
        *ins.KEYWORDS,
        "\n",
        " ",
        "\\\n",
        "#",
        "<<E",
        "\nE\n",
        "--from=a",
        '["a"]',
        "$",
        "${a",
        "'",
        '"',
        "a=b",
        "é\udcff",
        "\0",
    ]
)


@examples(400)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_whatever_is_written_gives_instructions_or_one_message(text: str) -> None:
    try:
        found = parse("Dockerfile", text)
        findings(found)
    except DockerfileError as error:
        assert str(error).startswith("Dockerfile:")
    else:
        assert all(1 <= one.span.first <= one.span.last for one in found.instructions)


REFUSED = [
    ("HEALTHCHECK NONE x", "HEALTHCHECK NONE stands alone"),
    ("HEALTHCHECK --interval=1s NONE", "HEALTHCHECK NONE stands alone"),
    ("HEALTHCHECK TEST x", "HEALTHCHECK has no 'TEST'"),
    ("HEALTHCHECK CMD", "HEALTHCHECK CMD has no command"),
    ("HEALTHCHECK", "HEALTHCHECK has no command"),
    ("HEALTHCHECK --retries=-1 CMD x", "--retries cannot be '-1'"),
    ("HEALTHCHECK --retries=1.5 CMD x", "--retries cannot be '1.5'"),
    ("HEALTHCHECK --interval=soon CMD x", "--interval: invalid duration 'soon'"),
    ("HEALTHCHECK --timeout=999us CMD x", "--timeout cannot be shorter than a millisecond"),
    ("ONBUILD FROM a", "FROM cannot be a trigger of ONBUILD"),
    ("ONBUILD MAINTAINER a", "MAINTAINER cannot be a trigger of ONBUILD"),
    ("ONBUILD onbuild RUN a", "ONBUILD cannot be a trigger of ONBUILD"),
    ("ONBUILD", "ONBUILD has no instruction"),
    ("ONBUILD COPY a", "COPY has no destination"),
    ("COPY a", "COPY has no destination"),
    ('ADD ["a"]', "ADD has no destination"),
    ("COPY a <<E\nx\nE", "COPY cannot have a heredoc as its destination"),
    ("FROM", "FROM has no image"),
    ("FROM a b", "FROM has an image, and may have a name"),
    ("FROM a AS", "FROM has an image, and may have a name"),
    ("FROM a OF b", "FROM has an image, and may have a name"),
    ("RUN []", "RUN has an empty list"),
    ("VOLUME", "VOLUME has no path"),
    ('VOLUME ["a", " "]', "VOLUME has an empty path"),
    ("USER", "USER has no name"),
    ("WORKDIR", "WORKDIR has no path"),
    ("STOPSIGNAL", "STOPSIGNAL has no signal"),
    ("EXPOSE", "EXPOSE has no port"),
    ("ARG =x", "'=x' names no variable"),
    ("LABEL =x", "LABEL has a value without a name"),
    ("RUM a", "there is no instruction RUM"),
    ("COPY --from=a --from=b c /d", "--from is given twice"),
    ("COPY --from a /d", "--from has no value"),
    ("COPY --fron=a b /d", "COPY has no flag --fron"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_an_instruction_cannot_be_is_refused_at_its_line(text: str, problem: str) -> None:
    with pytest.raises(DockerfileError) as raised:
        parse("Dockerfile", f"ARG x\n{text}\n")
    assert raised.value.message.startswith(f"Dockerfile:2: {problem}")


@pytest.mark.parametrize("interval", ["0s", "1ms", "1000us"])
def test_a_time_of_a_healthcheck_is_a_millisecond_or_none(interval: str) -> None:
    check = one(f"HEALTHCHECK --interval={interval} --retries=0 cmd x\n")
    assert isinstance(check, ins.Healthcheck)
    assert (check.interval, check.retries) == (0 if interval == "0s" else 1_000_000, 0)


def test_the_escape_character_may_be_said_to_be_the_usual_one() -> None:
    run = one("# escape=\\\nRUN a \\\n b\n")
    assert isinstance(run, ins.Run)
    assert run.command == ins.Command(("a  b",), for_shell=True)
