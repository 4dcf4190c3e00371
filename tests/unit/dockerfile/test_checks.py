"""What is better done otherwise, a rule of BuildKit's checks at a time.

What is right is what BuildKit's frontend/dockerfile (dockerfile2llb/validations.go and convert.go, linter/) says of the same
files. Bases here have the variables FROM_BASE and PATH, and no shell.
"""

from __future__ import annotations

from typing import Any

import pytest

from hermes.dockerfile.checks import findings
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import DeclaredFile, DeclaredFiles
from hermes.dockerfile.findings import Finding, tell
from hermes.dockerfile.instructions import Copy
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage
from hermes.dockerfile.parse import parse
from hermes.dockerfile.source import Span
from hermes.dockerfile.translate import check
from hermes.engine.action import FILE, Source
from hermes.errors import DockerfileError, UsageError
from hermes.image.platform import Platform
from tests.unit.dockerfile.graphs import PLATFORM, KnownBases, translated


def checked(text: str, **options: Any) -> tuple[list[Finding], DockerfileError | None]:
    dockerfile = parse("Dockerfile", text)
    names = {path for one in dockerfile.instructions if isinstance(one, Copy) for path in one.sources}
    files = dict.fromkeys((*names, "x"), DeclaredFile(FILE, Source("x"), "/dev/null"))
    context = Context(DeclaredFiles(files, "a context"))
    return check(dockerfile, context, KnownBases(), Options(**{"platform": PLATFORM, **options}))


CHECKS = [
    ("FROM a AS Build\n", "1:StageNameCasing"),
    ("FROM a as b\n", "1:FromAsCasing"),
    ("from a As b\n", "1:FromAsCasing"),
    ("From a AS b\n", "1:ConsistentInstructionCasing"),
    ("FROM a\nRUN b \\\n\n c\n", "3:NoEmptyContinuation"),
    ("FROM a\nrun b\nRUN c\n", "2:ConsistentInstructionCasing"),
    ("ARG x\nARG y\nfrom a\nrun b\n", ""),
    ("FROM a AS b\nFROM c AS b\n", "2:DuplicateStageName"),
    ("FROM a AS scratch\n", "1:ReservedStageName"),
    ("FROM a\nCMD b\n", "2:JSONArgsRecommended"),
    ('FROM a\nSHELL ["b"]\nCMD c\n', ""),
    ('FROM a\nCMD b\nSHELL ["b"]\n', "2:JSONArgsRecommended"),
    ('FROM a AS b\nSHELL ["c"]\nFROM b\nENTRYPOINT d\n', ""),
    ("FROM a\nHEALTHCHECK CMD b\n", ""),
    ('FROM a\nCMD ["b"]\nCMD ["c"]\n', "2:MultipleInstructionsDisallowed"),
    ('FROM a AS b\nCMD ["b"]\nFROM b\nCMD ["c"]\n', ""),
    ('FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD ["c"]\n', "2:MultipleInstructionsDisallowed"),
    ("FROM a\nMAINTAINER b\n", "2:MaintainerDeprecated"),
    ("FROM a\nWORKDIR b\n", "2:WorkdirRelativePath"),
    ("FROM a\nWORKDIR b\nWORKDIR c\n", "2:WorkdirRelativePath"),
    ("FROM a\nWORKDIR /b\nWORKDIR c\n", ""),
    ("FROM a AS x\nWORKDIR /b\nFROM x\nWORKDIR c\n", ""),
    ("FROM a\nARG w=b\nWORKDIR $w\n", "3:WorkdirRelativePath"),
    ('FROM a\nARG w=/b\nWORKDIR "$w"\n', ""),
    ("FROM a\nENV b c\n", "2:LegacyKeyValueFormat"),
    ("FROM a\nLABEL b c\n", "2:LegacyKeyValueFormat"),
    ("FROM a\nARG DB_PASSWORD\n", "2:SecretsUsedInArgOrEnv"),
    ("ARG DB_PASSWORD\nFROM a\n", ""),
    ("FROM a\nENV PUBLIC_KEY=1 MONKEY=2 KEY_FILE=3 TOKEN_VERSION=4\n", ""),
    ("FROM a\nENV GITHUB_TOKEN=1 AUTH=2\n", "2:SecretsUsedInArgOrEnv"),
    ("FROM a\nARG n=API\nENV ${n}_KEY=1\n", "3:SecretsUsedInArgOrEnv"),
    ("FROM --platform=linux/amd64 a\n", "1:FromPlatformFlagConstDisallowed"),
    ("FROM --platform=linux/amd64 a AS b-amd64\n", ""),
    ("FROM --platform=linux/x86_64 a AS linux-b\n", ""),
    ("FROM --platform=linux/$BUILDARCH a\n", ""),
    ("FROM --platform=$TARGETPLATFORM a\n", "1:RedundantTargetPlatform"),
    ("FROM --platform=${TARGETPLATFORM:-linux/amd64} a\n", "1:RedundantTargetPlatform"),
    ("FROM --platform=$BUILDPLATFORM a\n", ""),
    ("FROM --platform=$NONE$TARGETPLATFORM a\n", "1:UndefinedArgInFrom"),
    ("FROM a\nEXPOSE 80/TCP\n", "2:ExposeProtoCasing"),
    ("FROM a\nARG PORT=80 PROTO=TCP\nEXPOSE $PORT ${PORT}/${PROTO} ${PORT}/udp\n", "3:ExposeProtoCasing"),
    ("FROM a\nEXPOSE 127.0.0.1:80:80\n", "2:ExposeInvalidFormat"),
    ("FROM a\nARG p=80:80\nEXPOSE $p\n", "3:ExposeInvalidFormat"),
    ("FROM a\nEXPOSE 80${X:-80}\n", ""),
    ("FROM a\nENV X=${UID:-1000}\n", "2:UndefinedVar"),
    ("FROM a\nENV X=${UID-1000} Y=${PATH:-b} Z=${UID:+c}\n", "2:UndefinedVar"),
    ("FROM a\nENV FOO $FOO\n", "2:LegacyKeyValueFormat 2:UndefinedVar"),
    ("FROM a\nENV FOO=b BAR=$FOO\n", "2:UndefinedVar"),
    ("FROM a\nENV FOO=b\nENV BAR=$FOO\n", ""),
    ("FROM a\nARG FOO=$BAR\n", "2:UndefinedVar"),
    ("FROM a\nARG FOO=$FOO\n", "2:UndefinedVar"),
    ("FROM a\nARG FOO\nENV X=$FOO\n", ""),
    ("FROM a\nENV X=$FOO\nARG FOO\n", "2:UndefinedVar"),
    ("ARG FOO=1\nFROM a\nENV X=$FOO\n", "3:UndefinedVar"),
    ("ARG FOO=1\nFROM a\nARG FOO\nENV X=$FOO\n", ""),
    ("FROM a AS x\nARG FOO\nFROM x\nENV X=$FOO\n", ""),
    ("FROM a AS x\nARG FOO\nFROM a\nENV X=$FOO\n", "4:UndefinedVar"),
    ("FROM a\nLABEL x=$FOO $BAR=y\n", "2:UndefinedVar"),
    ("FROM a\nUSER ${U:-1}\n", "2:UndefinedVar"),
    ("FROM a\nVOLUME /x$V\n", "2:UndefinedVar"),
    ("FROM a\nSTOPSIGNAL ${S:-9}\n", "2:UndefinedVar"),
    ("FROM a\nRUN echo $FOO\n", ""),
    ("FROM a\nRUN --mount=type=cache,target=/x$FOO b\n", "2:UndefinedVar"),
    ("FROM a\nCOPY --chown=${U:-1} x$FOO /y$BAR\n", "2:UndefinedVar"),
    ("FROM a\nADD --chmod=${M:-755} x /y\n", "2:UndefinedVar"),
    ("FROM a\nCOPY <<E /x\n$FOO ${BAR:-1} \\$BAZ\nE\n", "2:UndefinedVar"),
    ('FROM a\nCOPY <<"E" /x\n$FOO\nE\n', ""),
    ("FROM a\nRUN <<E\n$FOO\nE\n", ""),
    ("FROM a\nENV X='$FOO' Y=\"$BAR\" Z=\\$BAZ\n", "2:UndefinedVar"),
    ("FROM a\nENV X=$FOO_BASE Y=$FROM_BASE\n", "2:UndefinedVar"),
    ("FROM ${B:-x}\n", "1:UndefinedArgInFrom"),
    ("FROM $B\n", "1:InvalidDefaultArgInFrom 1:UndefinedArgInFrom"),
    ("ARG B\nFROM $B\n", "2:InvalidDefaultArgInFrom"),
    ("ARG B\nFROM ${B:-x}\n", ""),
    ("ARG B=x\nFROM $B\n", ""),
    ("ARG B=X\nFROM $B\n", "2:InvalidDefaultArgInFrom"),
    ("ARG V\nFROM a:$V\n", "2:InvalidDefaultArgInFrom"),
    ("ARG V=1\nFROM a:${V}\n", ""),
    ("ARG V\nFROM a:${V:-1}\n", ""),
    ("ARG R\nFROM ${R}/a\n", "2:InvalidDefaultArgInFrom"),
    ("ARG R=r.io\nFROM ${R}/a:1@sha256:x\n", "2:InvalidDefaultArgInFrom"),
    ("ARG A=b\nARG B=$A\nFROM $B\n", ""),
    ("ARG B=$NONE\nFROM a\n", ""),
    ("FROM a\nFROM ${C:-x} AS d\n", "2:UndefinedArgInFrom"),
    ("# check=skip=all\nFROM a\nMAINTAINER b\n", ""),
    ("# check=skip=MaintainerDeprecated,JSONArgsRecommended\nFROM a\nMAINTAINER b\nCMD c\n", ""),
    ("FROM a\n# check=skip=JSONArgsRecommended\nCMD b\nENTRYPOINT c\n", "4:JSONArgsRecommended"),
    ("FROM a\n# check=skip=all\n# note\n\nCMD b\n", ""),
    ("FROM a\n# check=skip=all\n#\nCMD b\n", "4:JSONArgsRecommended"),
    ("FROM a\n# check=foo=bar\nCMD b\n", "3:JSONArgsRecommended"),
    ("FROM a\n# check=skip=JSONArgsRecommended,X;error=true note\nCMD b\n", ""),
    (
        'FROM a\n# check=skip=MultipleInstructionsDisallowed\nCMD ["a"]\nCMD ["b"]\n',
        "3:MultipleInstructionsDisallowed",
    ),
    ('FROM a\nCMD ["a"]\n# check=skip=MultipleInstructionsDisallowed\nCMD ["b"]\n', ""),
    ("#\n# check=skip=StageNameCasing\nFROM a AS B\n", ""),
    ("# check=skip=MaintainerDeprecated;error=true\nFROM a\nMAINTAINER b\nCMD c\n", "4:JSONArgsRecommended"),
    (
        "# check=experimental=InvalidDefinitionDescription\n\n# about\nFROM a AS b\n",
        "4:InvalidDefinitionDescription",
    ),
    (
        "# check=experimental=all\n\n# b is it\nFROM a AS b\n# d is it\nARG c d\n# x\nARG e\n",
        "8:InvalidDefinitionDescription",
    ),
    ("# about\nFROM a AS b\n", ""),
    ("FROM a\nONBUILD CMD b\n", ""),
    ("FROM a\nCMD\n", "2:JSONArgsRecommended"),
    ("FROM a\nENTRYPOINT []\n", ""),
    ("FROM a AS x\nENV SECRET=1\nFROM b\n", "2:SecretsUsedInArgOrEnv"),
    ("# foo=bar\n# check=skip=all\nFROM a\nMAINTAINER b\n", "4:MaintainerDeprecated"),
    ("# check=skip=A, MaintainerDeprecated\nFROM a\nMAINTAINER b\n", "3:MaintainerDeprecated"),
    ("# check=skip=A,MaintainerDeprecated\nFROM a\nMAINTAINER b\n", ""),
    ("#check=skip=maintainerdeprecated\nFROM a\nMAINTAINER b\n", "3:MaintainerDeprecated"),
    ("# CHECK = skip=all note\nFROM a\nMAINTAINER b\n", ""),
    ("\n# check=skip=all\nFROM a\nMAINTAINER b\n", "4:MaintainerDeprecated"),
    ("# escape=`\n# check=skip=all\nFROM a\nMAINTAINER b\n", ""),
    ("FROM a AS b\nONBUILD ARG X\nFROM b\nENV Y=$X\n", ""),
    ("FROM a\nARG A B=$A\n", ""),
    ("FROM scratch\nENV A=$PATH\n", ""),
    ("FROM a\nENV X=$TARGETARCH\n", "2:UndefinedVar"),
    ("FROM a\nARG TARGETARCH\nENV X=$TARGETARCH\n", ""),
    ("FROM --platform=$X scratch\n", "1:UndefinedArgInFrom"),
    ("FROM a\nWORKDIR $X\nCMD b\n", "2:UndefinedVar 2:WorkdirRelativePath 3:JSONArgsRecommended"),
    ("FROM a\nUSER $X\nWORKDIR /y$X\n", "2:UndefinedVar 3:UndefinedVar"),
    ("FROM a\nCOPY x $X\n", "2:UndefinedVar"),
    ("FROM a\nFROM REPLACE-ME\n", "2:InvalidDefaultArgInFrom"),
]
"""Dockerfiles, and the lines and rules that BuildKit's linter of August 2026 gives for them."""


@pytest.mark.parametrize(("text", "found"), CHECKS)
def test_checks_are_those_of_buildkit(text: str, found: str) -> None:
    assert {f"{one.span.first}:{one.rule}" for one in checked(text)[0]} == set(found.split())


def test_an_error_is_told_beside_what_was_found() -> None:
    found, error = checked("ARG B\nFROM $B\nRUN c\nFROM d\nCMD e\nCOPY --from=0 f /\n")
    assert [one.rule for one in found] == ["InvalidDefaultArgInFrom", "JSONArgsRecommended"]
    assert error is not None
    assert error.message.startswith("Dockerfile:2: $B is empty")


def test_all_stages_are_looked_at_and_errors_in_those_that_are_not_needed_are_none() -> None:
    text = "FROM a AS x\nCMD b\nRUN --mount=target=/ c\nFROM d\nENTRYPOINT e\n"
    found, error = checked(text)
    assert ([one.span.first for one in found], error) == ([2, 5], None)
    assert [one.span.first for one in checked(text, target="1")[0]] == [5]
    assert [one.span.first for one in translated(text).findings] == [5]


def test_an_image_by_a_transport_is_a_name_too() -> None:
    for name in ("oci:$B", "docker://${B}/x", "oci-archive:./$B.tar"):
        assert checked(f"ARG B=/x\nFROM {name}\n")[0] == []


def test_the_name_of_a_stage_is_a_name_in_any_case() -> None:
    """BuildKit looks for stages in small letters, and takes the name for that of an image."""
    assert checked("FROM a AS Builder\nFROM Builder\n")[0] == [
        Finding("StageNameCasing", "the stage Builder is better builder", Span(1, 1))
    ]


@pytest.mark.parametrize(
    "value", ["foo=bar", "skip", "error=maybe", "skip=all;x", "all", "error", "error=1;"]
)
def test_a_malformed_check_directive_is_an_error(value: str) -> None:
    with pytest.raises(DockerfileError, match=r"^Dockerfile:2: ") as raised:
        findings(parse("Dockerfile", f"# syntax=a/b\n# check={value}\nFROM a\n"))
    assert raised.value.hint is not None


@pytest.mark.parametrize(
    "value", ["skip=A, B;error=1", "experimental=all", "error=F;skip=all;experimental=X"]
)
def test_a_check_directive_of_known_options_is_taken(value: str) -> None:
    assert findings(parse("Dockerfile", f"# check={value}\nFROM a\n")) == []


class NoBases(KnownBases):
    """No image can be looked up, as on a machine without a network."""

    def image(self, name: str, platform: Platform) -> BaseImage:
        raise UsageError(f"there is no image {name}")


def test_what_needs_no_base_is_found_without_one() -> None:
    """An error hides nothing that does not depend on it: not of the same stage, and not of one that is built on it."""
    text = (
        "FROM gone AS Build\nCOPY missing /x\nRUN echo $JAVA_HOME\nMAINTAINER me\nENV token=a\nRUN --mount=type=bnd true\n"
        "FROM build\nCMD a b\nFROM scratch\nENV A=$UNSET\nADD http://h/f /f\nADD git://h/r#main /g\n"
    )
    context = Context(DeclaredFiles({}, "a context"))
    found, error = check(
        parse("Dockerfile", text), context, NoBases(), Options(platform=PLATFORM, target="2")
    )
    assert error is None
    assert [f"{one.span.first}:{one.rule}" for one in found if one.span.first > 9] == [
        "10:UndefinedVar",
        "11:UnpinnedSource",
        "12:UnpinnedSource",
    ]
    found, error = check(
        parse("Dockerfile", text), context, NoBases(), Options(platform=PLATFORM, target="1")
    )
    assert str(error).startswith("Dockerfile:1: there is no image gone")
    assert [f"{one.span.first}:{one.rule}" for one in found if one.span.first < 9] == [
        "1:StageNameCasing",
        "4:MaintainerDeprecated",
        "5:SecretsUsedInArgOrEnv",
        "8:JSONArgsRecommended",
    ]


def test_what_was_found_is_told_before_a_directive_makes_it_an_error() -> None:
    said: list[str] = []
    tell(
        parse("Dockerfile", "FROM a\nMAINTAINER b\n"),
        [Finding("Rule", "what it is", Span(2, 2))],
        said.append,
    )
    dockerfile = parse("Dockerfile", "# check=error=true\nFROM a\nMAINTAINER b\n")
    tell(dockerfile, [], said.append)
    with pytest.raises(UsageError, match="1 checks failed"):
        tell(dockerfile, [Finding("Rule", "what it is", Span(3, 3))], said.append)
    assert said == ["Dockerfile:2: what it is [Rule]", "Dockerfile:3: what it is [Rule]"]
