"""Files of one stack that another gets, and nothing else of it."""

from __future__ import annotations

import pytest

from hermes.errors import HermesError
from tests.conftest import Sandbox

BUILD = """
files_layer(name = "etc", files = {"/etc/passwd": "passwd", "/etc/group": "group"}, symlinks = {"/opt": "/srv"})
run_layer(
    name = "made",
    base = ["//base:root"],
    cmd = "mkdir -p /out/lib && echo $(cat /in) > /out/app && echo > /out/log && echo b > /out/lib/b.so && cat /in > /out/log; chmod 750 /out/app; chown 33:33 /out/lib/b.so",
    srcs = {"/in": "in.txt"},
)
copy_layer(name = "app", root = ["//base:root", ":made"], paths = ["/out/app"], dest = "/usr/bin/tool")
copy_layer(name = "libs", root = [":made"], paths = ["/out/*"], exclude = ["log"], dest = "/srv/")
copy_layer(
    name = "owned",
    base = ["//base:root", ":etc"],
    root = [":made"],
    paths = ["/out/lib", "/out/./app"],
    dest = "/opt/own/",
    owner = "web",
    mode = "0700",
    parents = True,
)
image(name = "image", layers = ["//base:root", ":etc", ":app", ":owned"])
"""


@pytest.fixture
def app(based: Sandbox) -> Sandbox:
    based.write("app/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n")
    based.write("app/group", "root:x:0:\nwebs:x:34:\n")
    based.write("app/in.txt", "one  two\n")
    based.write("app/BUILD", BUILD)
    return based


def shown(app: Sandbox, command: str) -> str:
    done = app.run("run", "--user", "33:34", "--entrypoint", "/bin/sh", "//app:image", "--", "-c", command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_go_where_the_stack_below_has_their_place(app: Sandbox) -> None:
    assert shown(app, "stat -c '%a %u:%g %s' /usr/bin/tool") == "750 0:0 8\n"
    assert shown(app, "cd /srv/own; stat -c '%n %a %u:%g' app out/lib/b.so") == (
        "app 700 33:34\nout/lib/b.so 700 33:34\n"
    )


def test_what_is_left_out_is_not_there(app: Sandbox) -> None:
    app.write("app/BUILD", BUILD.replace('":app", ":owned"', '":libs"'))
    assert shown(app, "cd /srv; find . | sort") == ".\n./app\n./b.so\n"


def test_only_the_files_copied_count(app: Sandbox) -> None:
    app.build("//app:image")
    app.write("app/in.txt", "one two\n")
    assert "//app:image" not in app.build("//app:image").executed
    app.write("app/in.txt", "three\n")
    assert "//app:image" in app.build("//app:image").executed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('paths = ["/out/app"]', 'paths = ["/out/ap"]'), "/out/ap"),
        (('owner = "web"', 'owner = "wbe"'), "wbe"),
        (('dest = "/usr/bin/tool"', 'dest = "usr/bin/tool"'), "must be an absolute path"),
        (('paths = ["/out/app"]', "paths = []"), "must not be empty"),
        (('paths = ["/out/app"]', 'paths = [""]'), "paths has an empty path"),
        (('symlinks = {"/opt": "/srv"}', 'dir_modes = {"opt": "0700"}'), "dir_modes has the path"),
        (('root = ["//base:root", ":made"]', 'root = [":etc"]'), "is not there in //app:etc"),
    ],
)
def test_what_is_wrong(app: Sandbox, change: tuple[str, str], problem: str) -> None:
    app.write("app/BUILD", BUILD.replace(*change))
    with pytest.raises(HermesError) as caught:
        app.build("//app:image")
    assert problem in caught.value.render()
    assert "//app:" in caught.value.render()


def test_a_text_of_a_build_file_is_a_file(app: Sandbox) -> None:
    app.write(
        "app/BUILD",
        'write_file(name = "hello", filename = "hello.sh", content = "#!/bin/sh\\necho hello\\n", executable = True)\n'
        'files_layer(name = "files", srcs = [":hello"], dest = "/srv")\n'
        'image(name = "image", layers = ["//base:root", ":files"])\n',
    )
    assert shown(app, "/srv/hello.sh") == "hello\n"
