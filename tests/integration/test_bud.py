"""Dockerfiles: what is run again and what is not, and what comes out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from hermes import SecretSource
from hermes.engine.events import ActionFinished
from hermes.errors import BuildFailed, DockerfileError, SecretLeaked, UsageError
from tests.conftest import run_hermes
from tests.integration.conftest import OrdinaryUser, make_deep
from tests.integration.yard import Yard, archive, ran

# The graph.


def test_independent_stages_run_side_by_side(yard: Yard) -> None:
    built = yard.bud(
        "FROM base AS a\nRUN sleep 0.7; echo a > /a\nFROM base AS b\nRUN sleep 0.7; echo b > /b\n"
        "FROM base AS c\nRUN sleep 0.7; echo c > /c\nFROM base\n"
        "COPY --from=a /a /a\nCOPY --from=b /b /b\nCOPY --from=c /c /c\n",
        jobs=4,
    )
    assert ran(built) == ["copy 10", "copy 8", "copy 9", "run 2", "run 4", "run 6"]
    times = [
        (one.started, one.ended)
        for one in yard.events
        if isinstance(one, ActionFinished) and one.kind == "run"
    ]
    assert len(times) == 3
    assert max(start for start, _ in times) < min(end for _, end in times)


def test_stages_that_are_not_needed_are_not_built(yard: Yard) -> None:
    dockerfile = (
        "FROM base AS needed\nRUN echo 1 > /one\nFROM nowhere AS other\nRUN exit 3\nCOPY gone /\n"
        "FROM needed AS target\nRUN echo 2 > /two\nFROM target\nRUN exit 4\n"
    )
    assert ran(yard.bud(dockerfile, target="target")) == ["run 2", "run 7"]
    with pytest.raises(BuildFailed):
        yard.bud()


def test_a_copy_does_not_depend_on_the_layers_below(yard: Yard) -> None:
    yard.write("a.txt", "a")
    text = "FROM base\nRUN echo {} > /{}\nWORKDIR /app\nCOPY --chown=web a.txt /srv/link/\nADD a.txt b.txt\n"
    first = yard.bud(text.format(1, "one"))
    assert ran(first) == ["copy 3", "copy 4", "copy 5", "run 2"]
    assert ran(yard.bud(text.format(2, "one"))) == ["run 2"]
    assert ran(yard.bud(text.format(2, "two"))) == ["run 2"]


@pytest.mark.usefixtures("takes_deep_away")
def test_folders_of_a_context_may_be_of_any_depth(yard: Yard) -> None:
    folder = yard.root / "deep"
    make_deep(folder)
    yard.write(".dockerignore", "deep\n!deep/**/f\n")
    yard.bud(
        "FROM base\nCOPY deep /srv\n"
        "RUN --mount=type=bind,source=deep,target=/m find /m /srv -type f > /found\n",
        tags=["it"],
    )
    assert yard.shown("cut -d / -f 2,1001- /found").split() == ["m/d/d/f", "srv/d/d/f"]


def test_a_copy_depends_on_where_its_destination_is(yard: Yard) -> None:
    yard.write("a.txt", "a")
    text = "FROM base\nRUN {}\nCOPY a.txt /there/a\n"
    yard.bud(text.format("true"))
    assert ran(yard.bud(text.format("mkdir /there"))) == ["copy 3", "run 2"]
    yard.bud(text.format("ln -s /etc /there"), tags=["it"])
    assert yard.shown("cat /etc/a") == "a"
    text = "FROM base\nRUN sed -i s/33:34/{}/ /etc/passwd\nCOPY --chown=web a.txt /a\n"
    yard.bud(text.format("5:6"))
    assert ran(yard.bud(text.format("7:8"), tags=["it"])) == ["copy 3", "run 2"]
    assert yard.shown("stat -c %u:%g /a") == "7:8\n"


def test_of_twenty_copies_the_changed_one_is_repeated(yard: Yard) -> None:
    for number in range(20):
        yard.write(f"f{number}", str(number))
    dockerfile = "FROM base\n" + "".join(f"COPY f{number} /f{number}\n" for number in range(20))
    assert len(ran(yard.bud(dockerfile))) == 20
    yard.write("f0", "changed")
    assert ran(yard.bud()) == ["copy 2"]


def test_of_a_stage_only_the_files_that_are_copied_count(yard: Yard) -> None:
    text = (
        "FROM base AS build\nRUN mkdir /out; echo {} > /out/kept; echo {} > /other\n"
        "FROM base\nCOPY --from=build /out /got\nRUN cat /got/kept > /seen\n"
    )
    yard.bud(text.format("same", 1))
    assert ran(yard.bud(text.format("same", 2))) == ["run 2"]
    assert ran(yard.bud(text.format("different", 2))) == ["copy 4", "run 2", "run 5"]


def test_of_a_mounted_stage_only_what_is_mounted_counts(yard: Yard) -> None:
    text = (
        "FROM base AS build\nRUN mkdir /out; echo same > /out/kept; echo {} > /other\n"
        "FROM base\nRUN --mount=type=bind,from=build,source=/out,target=/in cat /in/kept > /seen\n"
    )
    yard.bud(text.format(1))
    assert ran(yard.bud(text.format(2))) == ["run 2"]


def test_a_second_build_has_nothing_to_do(yard: Yard) -> None:
    yard.write("a.txt", "a")
    first = yard.bud("FROM base\nCOPY . /all\nRUN ls /all > /list\n")
    second = yard.bud()
    assert (second.executed, second.digest) == ((), first.digest)
    assert ran(yard.bud(use_cache=False)) == ["copy 2", "run 3"]


def test_metadata_runs_no_command(yard: Yard) -> None:
    text = "FROM base\nRUN echo x > /x\nENV A={}\nLABEL a={}\nCMD echo {}\n"
    yard.bud(text.format(1, 1, 1))
    assert ran(yard.bud(text.format(2, 2, 2))) == []


# What comes out.


def test_the_same_digest_in_another_store_and_by_an_ordinary_user(
    yard: Yard, ordinary_user: OrdinaryUser
) -> None:
    yard.write("a.txt", "a", 0o640)
    dockerfile = (
        "FROM scratch\nCOPY busybox /bin/sh\nWORKDIR /w\nUSER 33:34\nCOPY --chown=5:6 a.txt b/\n"
        'USER 0\nRUN ["/bin/sh", "-c", "echo made > made; exec /bin/sh chown 7:8 made"]\n'
    )
    shutil.copy("/bin/busybox", yard.root / "busybox")
    dockerfile = dockerfile.replace("exec /bin/sh chown", "/bin/busybox chown").replace(
        "COPY busybox /bin/sh", "COPY busybox /bin/busybox\nCOPY busybox /bin/sh"
    )
    ours = yard.bud(dockerfile, seconds=1234567890)
    theirs = ordinary_user.workspace.root.parent / "context"
    shutil.copytree(yard.root, theirs)
    done = ordinary_user.run("bud", "-q", "--timestamp", "1234567890", str(theirs))
    assert done.stdout.strip() == ours.digest
    assert yard.config(ours)["created"] == "2009-02-13T23:31:30Z"


def test_heredocs(yard: Yard) -> None:
    yard.bud(
        "FROM base\nENV NAME=value\n"
        "RUN <<EOF\necho $NAME > /run1\necho two >> /run1\nEOF\n"
        "RUN cat <<A <<-B > /run2\nnot this\nA\n\tthis $NAME\n\tB\n"
        "RUN <<EOF\n#!/bin/cat\nscript\nEOF\n"
        'COPY <<one <<-"two" /etc/\n$NAME "quoted" \\$NAME\none\n\t$NAME\ntwo\n'
        "COPY <<EOF /named\ntext\nEOF\n",
        tags=["it"],
    )
    assert yard.shown("cat /run1 /run2 /etc/one /etc/two /named") == (
        'value\ntwo\nthis value\nvalue "quoted" $NAME\n$NAME\ntext\n'
    )


def test_triggers_of_a_base_run(yard: Yard) -> None:
    yard.write("a.txt", "a")
    yard.bud(
        "FROM base\nONBUILD COPY a.txt /a\nONBUILD RUN cat /a > /b\nONBUILD ENV TRIGGERED=yes\n",
        tags=["parent"],
    )
    built = yard.bud("FROM parent\nRUN cat /b > /c\n", tags=["it"])
    assert yard.shown("cat /c; echo $TRIGGERED") == "ayes\n"
    assert "OnBuild" not in yard.config(built)["config"]


def test_parents_and_excludes(yard: Yard) -> None:
    for path in ("x/a/one.txt", "x/b/two.txt", "x/b/two.md"):
        yard.write(path, path)
    yard.bud(
        "FROM base AS s\nRUN mkdir -p /p/q && echo 1 > /p/q/r && echo 2 > /p/q/s\nFROM base\n"
        "COPY --parents x/*/*.txt /one/\nCOPY --parents x/./b/two.md /two/\nCOPY --exclude=*/*.txt x /three\n"
        "COPY --from=s --parents /p/./q/r /four/\nCOPY --from=s --exclude=r /p/q /five\n",
        tags=["it"],
    )
    assert yard.shown("find /one /two /three /four /five -type f | sort").split() == [
        "/five/s",
        "/four/q/r",
        "/one/x/a/one.txt",
        "/one/x/b/two.txt",
        "/three/b/two.md",
        "/two/b/two.md",
    ]


def test_what_is_left_out_is_left_out_through_links_too(yard: Yard) -> None:
    for path in ("real/open", "real/closed", "other/file"):
        yard.write(path, path)
    (yard.root / "link").symlink_to("real")
    (yard.root / "left").symlink_to("other")
    yard.write(".dockerignore", "real/closed\nleft\nlink/open\n")
    yard.bud("FROM base\nCOPY link /one\nCOPY l*/* /two/\nCOPY left* /three/\n", tags=["it"])
    assert yard.shown("find /one /two /three 2>/dev/null; true").split() == [
        "/one",
        "/one/open",
        "/two",
        "/two/open",
    ]


def test_a_pattern_may_match_nothing(yard: Yard) -> None:
    yard.write("package.json", "{}")
    yard.write("yarn.lock", "")
    yard.write(".dockerignore", "yarn.lock\n")
    yard.bud(
        "FROM base AS s\nRUN mkdir /p && echo 1 > /p/q\nFROM base\nCOPY package.json yarn.lock* .npmrc* /one/\n"
        "COPY *.none /two\nCOPY --from=s /p/q /p/*.none /three/\nCOPY --from=s /p/*.none /four\n",
        tags=["it"],
    )
    assert yard.shown("ls -d /one/* /two* /three/* /four* 2>/dev/null; true").split() == [
        "/one/package.json",
        "/three/q",
    ]
    assert yard.said == ["warning: Dockerfile:5: *.none matches nothing, so that this COPY copies nothing"]


def test_permissions_in_letters(yard: Yard) -> None:
    yard.write("sub/plain", "", 0o640)
    yard.write("sub/run", "", 0o700)
    (yard.root / "sub").chmod(0o700)
    yard.bud(
        "FROM base AS s\nCOPY sub /s/sub\nFROM base\nCOPY --chmod=u=rwX,go=rX --parents sub /a/\n"
        "COPY --chmod=+x sub/plain /b\nCOPY --from=s --chmod=go=u-w --parents /s/./sub /c/\n",
        tags=["it"],
    )
    shown = yard.shown("stat -c '%a %n' /a/sub /a/sub/* /b /c/sub /c/sub/*")
    assert shown.splitlines() == [
        *("755 /a/sub", "644 /a/sub/plain", "755 /a/sub/run", "751 /b"),
        *("755 /c/sub", "644 /c/sub/plain", "755 /c/sub/run"),
    ]


def test_with_parents_two_stars_are_any_folders(yard: Yard) -> None:
    for path in ("p.json", "a/p.json", "a/b/c/p.json", "a/b/x.ts", "out/p.json", "out/deep/p.json"):
        yard.write(path, path)
    yard.write(".dockerignore", "out\n")
    (yard.root / "link").symlink_to("a")
    (yard.root / "a/up").symlink_to("..")
    yard.bud(
        "FROM base AS s\nCOPY . /s\nRUN ln -s /s/a /l\nFROM base\nCOPY --parents ./**/p.json /one/\n"
        "COPY --parents a/./**/*.ts link/**/p.json a/b/** /two/\nCOPY **/p.json /three/\n"
        "COPY --from=s --parents /s/./**/p.json /l/**/*.ts /four/\n",
        tags=["it"],
    )
    assert yard.shown("find /one /two /three /four -type f | sort").split() == [
        *("/four/a/b/c/p.json", "/four/a/p.json", "/four/l/b/x.ts", "/four/p.json"),
        *("/one/a/b/c/p.json", "/one/a/p.json", "/one/p.json", "/three/p.json"),
        *("/two/a/b/c/p.json", "/two/a/b/x.ts", "/two/b/x.ts", "/two/link/b/c/p.json", "/two/link/p.json"),
    ]


def test_the_network_is_on_unless_it_is_not_wanted(yard: Yard) -> None:
    text = "FROM base\nRUN {} tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' > /net\n"
    yard.bud(text.format(""), tags=["open"])
    yard.bud(text.format("--network=none"), tags=["closed"])
    assert ran(yard.bud(text.format(""), network="none", tags=["it"])) == []
    assert yard.shown("cat /net") == yard.shown("cat /net", "closed") == "lo\n"
    yard.bud(text.format("--network=host"), tags=["host"])
    machines = sorted(os.listdir("/sys/class/net"))
    assert sorted(yard.shown("cat /net", "host").split()) == machines
    # Where it cannot have one of its own, it has the machine's.
    assert sorted(yard.shown("cat /net", "open").split()) in (["lo", "tap0"], machines)


def test_mounts(yard: Yard) -> None:
    yard.write("sub/secret", "s", 0o600)
    yard.bud(
        "FROM base\n"
        "RUN --mount=target=/ctx stat -c %a /ctx/sub/secret > /mode; ! touch /ctx/x 2>/dev/null\n"
        "RUN --mount=target=/ctx,source=sub,rw touch /ctx/x && ls /ctx > /names\n"
        "RUN --mount=type=cache,target=/c,id=some/odd:id echo kept > /c/file\n"
        "RUN --mount=type=cache,target=/d,id=some/odd:id cat /d/file > /cached\n"
        "RUN --mount=type=cache,target=/e,id=some/odd:id,ro ! touch /e/file /e/more 2>/dev/null\n"
        "RUN --mount=type=tmpfs,target=/t,size=1m echo x > /t/x\n"
        "RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent\n",
        tags=["it"],
    )
    assert (
        yard.shown("cat /mode /names /cached; ls /ctx /c /d /e /t 2>/dev/null; true")
        == "600\nsecret\nx\nkept\n"
    )


def test_a_secret_is_in_no_layer_and_no_key(yard: Yard) -> None:
    text = (
        "FROM base\nRUN --mount=type=secret,id=token,required=true cat /run/secrets/token | wc -c > /size\n"
    )
    first = yard.bud(text, secrets=[SecretSource("token", value=b"correct horse battery")], tags=["it"])
    assert yard.shown("cat /size") == "21\n"
    again = yard.bud(secrets=[SecretSource("token", value=b"another staple entirely")])
    assert (again.digest, again.executed) == (first.digest, ())
    with pytest.raises(BuildFailed) as failed:
        yard.bud(
            text.replace("wc -c", "cat"), secrets=[SecretSource("token", value=b"correct horse battery")]
        )
    assert isinstance(failed.value.failures["Dockerfile:2"], SecretLeaked)
    assert "correct horse" not in str(failed.value)


def test_squash_formats_and_outputs(yard: Yard) -> None:
    yard.write("a.txt", "a")
    text = "FROM base\nRUN echo x > /x\nRUN rm /x\nCOPY a.txt /a\nHEALTHCHECK CMD true\n"
    built = yard.bud(text, squash=True, tags=["it"])
    assert len(yard.config(built)["rootfs"]["diff_ids"]) == 1
    assert yard.shown("cat /a; ls /x 2>&1 | wc -l") == "a1\n"
    done = yard.run(
        *("bud", "-q", "--format", "docker", "-t", "other/name:1", "--iidfile", "iid", "--label", "a=b"),
        *("-o", "docker-archive:out.tar", "."),
    )
    assert done.returncode == 0, done.stderr
    assert (yard.root / "iid").read_text() == done.stdout.strip()
    assert (yard.root / "out.tar").is_file()
    assert yard.shown("cat /a", "other/name:1") == "a"


def test_contexts_by_name(yard: Yard) -> None:
    yard.write("more/o.txt", "o")
    yard.write("more/.dockerignore", "*.md\n")
    yard.write("more/x.md", "x")
    contexts = {"more": str(yard.root / "more"), "image": "docker-image://base", "alpine:3": "base"}
    contexts["alpine:3"] = f"oci:{yard.sandbox.root}/layout"
    yard.bud(
        "FROM alpine:3 AS one\nRUN echo 1 > /one\nFROM image\nCOPY --from=more . /more/\nCOPY --from=one /one /one\n"
        "RUN --mount=from=more,target=/m cat /m/o.txt > /p\n",
        contexts=contexts,
        tags=["it"],
    )
    assert yard.shown("ls /more; cat /one /p") == "o.txt\n1\no"


def test_a_context_counts_before_a_stage_of_its_name(yard: Yard) -> None:
    folder = yard.root.parent / "more"
    folder.mkdir()
    (folder / "o.txt").write_text("o")
    yard.bud("FROM base\nRUN echo given > /from\n", tags=["given"])
    text = (
        "FROM base AS lower\nRUN exit 3\nFROM scratch AS More\nFROM lower\nCOPY --from=more o.txt /o\n"
        "RUN --mount=from=MORE,target=/m cat /m/o.txt /from > /p\n"
    )
    yard.bud(text, contexts={"more": str(folder), "Lower": "docker-image://given"}, tags=["it"])
    assert yard.shown("cat /o /p") == "oogiven\n"


def test_a_target_as_a_base(yard: Yard) -> None:
    yard.write("Dockerfile", "FROM debian AS one\nRUN echo 1 > /one\nFROM root\nCOPY --from=one /one /one\n")
    done = run_hermes(
        *(
            "bud",
            "-q",
            "-t",
            "it",
            "--build-context",
            "debian=//image:image",
            "--build-context",
            "root=//base:root",
        ),
        str(yard.root),
        cwd=yard.sandbox.root,
        home=yard.sandbox.home,
    )
    assert done.returncode == 0, done.stderr
    assert yard.shown("cat /one") == "1\n"


def test_a_command_line_of_its_own(yard: Yard) -> None:
    yard.write("Containerfile", "FROM base\nARG A\nRUN echo $A > /a\n")
    done = yard.run(
        "build-using-dockerfile", "-t", "it", "--build-arg", "A", ".", env={"A": "from the environment"}
    )
    assert done.returncode == 0, done.stderr
    assert yard.shown("cat /a") == "from the environment\n"
    assert "Containerfile:3 RUN echo $A > /a " in done.stderr
    done = yard.run("bud", "-f", "-", "-t", "it", ".", input="FROM base\nRUN echo in > /a\n")
    assert done.returncode == 0, done.stderr
    assert yard.shown("cat /a") == "in\n"


def test_downloads_are_known_by_their_digest(yard: Yard, served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "file").write_bytes(b"content")
    with tarfile.open(folder / "some.tar.gz", "w:gz") as archive:
        archive.add(folder / "file", "inside")
    files, unpacked = (
        hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("file", "some.tar.gz")
    )
    dockerfile = (
        f"FROM base\nADD --checksum=sha256:{files} {address}/file /to/\n"
        f"ADD --checksum=sha256:{files} --chmod=755 --chown=7:8 {address}/file /named\n"
        f"ADD --checksum=sha256:{unpacked} {address}/some.tar.gz /packed\n"
        f"ADD --checksum=sha256:{unpacked} --unpack {address}/some.tar.gz /unpacked\n"
    )
    yard.bud(dockerfile, tags=["it"])
    shown = yard.shown("stat -c '%a %u %n' /to/file /named; ls /packed; cat /unpacked/inside")
    assert shown == "600 0 /to/file\n755 7 /named\n/packed\ncontent"
    (folder / "file").write_bytes(b"changed")
    assert yard.bud().executed == ()
    with pytest.raises(BuildFailed) as failed:
        yard.bud(dockerfile.replace(files, "0" * 64))
    assert "was declared" in str(failed.value)


def test_an_archive_is_unpacked_through_links(yard: Yard) -> None:
    archive(yard.root / "a.tar", "lib/one", "into/two", "gone/three")
    archive(yard.root / "b.tar", "into->srv", "into/four")
    yard.bud(
        "FROM base\nRUN mkdir -p /usr/lib && echo kept > /usr/lib/kept && ln -s usr/lib lib && ln -s /lib /into && "
        "ln -s /nowhere /gone && ln -s loop /loop\nADD a.tar b.tar /\n",
        tags=["it"],
    )
    assert yard.shown("cd /usr/lib && echo * && cat /lib/one /into/four; ls -d /nowhere/* /srv/f*") == (
        "kept one two\nlib/oneinto/four/nowhere/three\n/srv/four\n"
    )


def test_a_base_for_another_platform_is_refused(yard: Yard) -> None:
    with pytest.raises(DockerfileError) as raised:
        yard.bud("FROM base\n", platform="linux/s390x")
    assert "there is no image for linux/s390x" in str(raised.value)
    built = yard.bud("FROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\n", platform="linux/s390x")
    config = yard.config(built)
    assert (config["architecture"], config["config"]["Labels"]) == ("s390x", {"for": "s390x"})


def test_variables_of_proxies_are_in_no_key_and_no_image(yard: Yard) -> None:
    text = 'FROM base\nRUN test -n "$http_proxy" && echo ok > /ok\n'
    first = yard.bud(text, arguments={"http_proxy": "http://user:word@proxy:1"})
    again = yard.bud(arguments={"http_proxy": "http://other:2"})
    assert (again.executed, again.digest) == ((), first.digest)
    assert "proxy" not in json.dumps(yard.config(first)).replace("$http_proxy", "")


def test_layers_that_are_the_same_are_stacked(yard: Yard) -> None:
    built = yard.bud(
        "FROM base\nRUN true\nRUN true\nRUN echo x > /x\nRUN rm /x\nRUN echo x > /x\n", tags=["it"]
    )
    assert yard.shown("cat /x") == "x\n"
    config = yard.config(built)
    assert [bool(row.get("empty_layer")) for row in config["history"][-5:]] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_bad_exec_form_is_a_line_for_the_shell(yard: Yard) -> None:
    built = yard.bud("FROM base\nCMD ['/bin/echo', 'x']\n")
    assert yard.config(built)["config"]["Cmd"] == ["/bin/sh", "-c", "['/bin/echo', 'x']"]


def test_bytes_that_are_no_text_leave_an_image_that_can_be_read(yard: Yard) -> None:
    (yard.root / "Dockerfile").write_bytes(
        b'FROM base\nRUN printf "\xff" > /f\nENV X="\xff"\nLABEL l="\xff"\n'
    )
    built = yard.bud(tags=["it"])
    config = yard.config(built)
    assert config["config"]["Labels"] == {"l": "\ufffd"}
    assert "\ufffd" in config["history"][-3]["created_by"]
    assert yard.run("inspect", "it").returncode == 0
    assert yard.run("copy", "it", "docker-archive:it.tar").returncode == 0


def test_a_long_chain_of_stages(yard: Yard) -> None:
    chain = "".join(f"FROM s{number} AS s{number + 1}\n" for number in range(1500))
    yard.bud(f"FROM base AS s0\n{chain}")
    copies = "".join(f"FROM base AS s{n + 1}\nCOPY --from=s{n} /bin/busybox /b\n" for n in range(300))
    yard.write("Dockerfile", f"FROM base AS s0\n{copies}")
    assert yard.run("bud", "--check", "--pull=never", ".").returncode == 0


def test_a_dockerfile_that_is_a_pipe_is_read_once(yard: Yard) -> None:
    yard.root.joinpath("Dockerfile").unlink(missing_ok=True)
    done = yard.run("bud", "-q", "--pull=never", "-f", "/dev/stdin", ".", input="FROM base\nLABEL a=b\n")
    assert done.returncode == 0, done.stderr


def test_a_store_whose_folders_are_gone_has_them_again(yard: Yard) -> None:
    yard.bud("FROM scratch\nCOPY <<E /f\ntext\nE\n")
    shutil.rmtree(yard.sandbox.home / "tmp")
    shutil.rmtree(yard.sandbox.home / "blobs")
    yard.bud("FROM scratch\nCOPY <<E /f\ntext\nE\n", tags=["it"])
    assert yard.run("copy", "it", "oci:out").returncode == 0


def test_a_group_alone_is_of_root(yard: Yard) -> None:
    yard.write("a.txt", "a")
    yard.bud(
        "FROM base\nRUN echo staff:x:50: > /etc/group && mkdir -m 777 /w\nCOPY --chown=:staff a.txt /a\n"
        "USER :50\nRUN echo b > /w/b\n",
        tags=["it"],
    )
    assert yard.shown("stat -c %u:%g /a /w/b").split() == ["0:50", "0:50"]


# What is as with BuildKit.


def test_an_argument_says_the_time_of_everything(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    text = "FROM base\nRUN touch /x; echo $SOURCE_DATE_EPOCH > /y\n"
    by_argument = yard.bud(text, arguments={"SOURCE_DATE_EPOCH": "777"}, tags=["it"])
    assert yard.said == []
    assert yard.shown("stat -c %Y /x; cat /y") == "777\n777\n"
    assert by_argument.digest == yard.bud(text, seconds=777).digest
    assert yard.config(by_argument)["created"] == "1970-01-01T00:12:57Z"
    assert by_argument.digest != yard.bud(text).digest
    assert yard.bud(text, seconds=777, arguments={"SOURCE_DATE_EPOCH": "9"}).digest == by_argument.digest
    with pytest.raises(UsageError, match="not a number of seconds"):
        yard.bud(text, arguments={"SOURCE_DATE_EPOCH": "yesterday"})


def test_words_after_a_list_in_json_are_for_the_shell(yard: Yard) -> None:
    yard.bud('FROM base\nRUN [ "true" ] && touch /x\nCMD ["sh"] -c\n', tags=["it"])
    assert yard.shown("ls /x") == "/x\n"


def test_of_sources_one_of_which_is_there_a_copy_is_made(yard: Yard) -> None:
    yard.write("a.txt", "a")
    stage = "FROM base AS s\nRUN echo s > /s.txt\nFROM base\n"
    yard.bud(
        f"{stage}COPY none* a.txt hello\nCOPY --from=s /none* /s.txt /named\nCOPY a.txt none* /srv\n",
        tags=["it"],
    )
    assert yard.shown("cat /hello /named; ls /srv") == "as\na.txt\nlink\n"


def test_an_image_is_given_for_every_spelling_of_its_name(yard: Yard) -> None:
    text = "FROM {}\nRUN echo x > /x\n"
    digests = {
        yard.bud(
            text.format(one), contexts={given: "docker-image://base", "gone": "docker-image://none"}
        ).digest
        for one in ("fake", "fake:latest", "docker.io/library/fake", "index.docker.io/library/fake:latest")
        for given in ("fake", "docker.io/library/fake:latest")
    }
    assert len(digests) == 1
    assert set(yard.said) == {"warning: Dockerfile: no FROM or --from names the context gone"}


def test_words_that_are_empty_after_expansion_mean_what_they_mean_to_docker_and_buildah(yard: Yard) -> None:
    """A WORKDIR stays, a USER is root, a destination is the working directory, and a source is all there is."""
    yard.write("sub/a.txt", "a")
    yard.bud(
        "FROM base AS s\nWORKDIR /w\nWORKDIR $X\nCOPY sub/a.txt $X\nUSER 5\nUSER $X\nRUN id -u > /who && pwd > /where\n"
        "COPY $X /all\nFROM scratch\nCOPY --from=s $X /\n",
        tags=["it"],
    )
    assert yard.shown("cat /who /where; ls /w /all/sub") == "0\n/w\n/all/sub:\na.txt\n\n/w:\na.txt\n"
    assert sum("which names all that is there" in one for one in yard.said) == 2
    assert sum("nothing sets the variable $X" in one for one in yard.said) == 5
