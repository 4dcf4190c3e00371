"""Programs become images, and what a program needs must be in its image."""

from __future__ import annotations

import subprocess

import pytest

from hermes.errors import BuildFailed, BuildFileError
from tests.conftest import Sandbox
from tests.integration.test_python import digest_of
from tests.unit.python.wheels import make

BUILD = """\
load("@hermes//rules:programs.bzl", "binary_image")

image(name = "none")

binary_image(name = "alone", program = "static", args = ["Ada"])

binary_image(name = "lacking", program = "dynamic")

binary_image(name = "unchecked", program = "dynamic", check_libraries = False)

binary_image(name = "arm", program = "static", platform = "linux/arm64")

binary_image(name = "windows", program = ":mz")

binary_image(name = "script", program = "script.sh")

binary_image(name = "two", program = ":files")

filegroup(name = "files", srcs = ["static", "dynamic"])

write_file(name = "mz", content = "MZ")

files_layer(name = "libraries", srcs = glob(["lib/**"]), dest = "/opt")

binary_image(name = "library", program = "uses_library", layers = [":libraries", ":libc"])

files_layer(name = "libc", files = {"/lib64/ld-linux-x86-64.so.2": "ld.so", "/lib/x86_64-linux-gnu/libc.so.6": "libc.so"})

image(name = "checked", layers = [":libraries"], check_libraries = True)
"""


def failure(workspace: Sandbox, label: str) -> str:
    """The error of building a target, with its hint."""
    with pytest.raises(BuildFailed) as caught:
        workspace.build(label, platform="linux/arm64" if label.endswith("arm") else "linux/amd64")
    (error,) = caught.value.failures.values()
    return error.render()


def compile_programs(workspace: Sandbox) -> None:
    """Put a static program, a dynamic one and one with a library of its own into the package p."""
    folder = workspace.root / "p"
    workspace.write(
        "p/x.c", "int puts(const char *); int main(int c, char **v) { return puts(v[c - 1]) < 0; }"
    )
    workspace.write("p/lib.c", "int one(void) { return 1; }")
    workspace.write("p/uses.c", "int one(void); int main(void) { return one() - 1; }")
    (folder / "lib").mkdir()
    for command in (
        "gcc -static -o static x.c",
        "gcc -o dynamic x.c",
        "gcc -shared -fPIC -nostdlib -Wl,-soname,libone.so.1 -o lib/libone.so.1 lib.c",
        "gcc -o uses_library uses.c lib/libone.so.1 -Wl,-rpath,$ORIGIN/../../../opt/lib",
    ):
        subprocess.run(command.split(), cwd=folder, check=True)
    workspace.write("p/script.sh", "#!/bin/sh\necho hello\n", 0o755)
    for name, where in (
        ("ld.so", "/lib64/ld-linux-x86-64.so.2"),
        ("libc.so", "/lib/x86_64-linux-gnu/libc.so.6"),
    ):
        with open(where, "rb") as file:
            workspace.write(f"p/{name}", file.read(), 0o755)
    workspace.write("p/BUILD", BUILD)


def test_a_program_is_an_image_that_has_what_it_needs_or_an_error_that_says_what_to_add(
    workspace: Sandbox,
) -> None:
    compile_programs(workspace)
    ran = workspace.run("run", "-q", "//p:alone")
    assert ran.stdout == "Ada\n", ran.stderr
    assert workspace.run("run", "-q", "//p:library").returncode == 0
    workspace.build("//p:unchecked")
    for name, said, hint in (
        ("lacking", "/usr/local/bin/dynamic needs /lib64/ld-linux-x86-64.so.2", "package libc6 to the base"),
        ("arm", "/usr/local/bin/static is a program for amd64, and the image is for linux/arm64", "arm64"),
        ("windows", "/usr/local/bin/mz is a program for Windows", "linux/amd64"),
        ("script", "/usr/local/bin/script.sh needs /bin/sh", "package dash"),
    ):
        rendered = failure(workspace, f"//p:{name}")
        assert said in rendered
        assert hint in rendered
    with pytest.raises(BuildFileError, match="//p:files gives 2 files, and the image starts one"):
        workspace.build("//p:two")
    workspace.build("//p:checked")
    assert workspace.build("//p:alone").executed == ()


PYTHON = """\
load("@hermes//rules:python.bzl", "py_image", "py_layers")

files_layer(name = "root", files = {"/etc/os-release": "os-release"})

files_layer(name = "libraries", files = {"/usr/lib/libstdc++.so.6": "os-release", "/lib/libgcc_s.so.1": "os-release", "/lib/libc.so.6": "os-release"})

py_layers(name = "deps", lock = "requirements.txt", python = "3.12")

py_image(name = "app", base = ":root", deps = [":deps"], module = "demo", missing_libraries = ["libcuda.so.1"])

py_image(name = "whole", base = [":root", ":libraries"], deps = [":deps"], module = "demo", missing_libraries = ["libcuda.so.1"])
"""


def test_a_wheel_whose_libraries_the_base_lacks_is_an_error_when_the_image_is_built(
    workspace: Sandbox,
) -> None:
    """As numpy on a base without libstdc++."""
    workspace.write(
        "x.cpp", "#include <string>\nvoid cuda(void); std::string f() { return std::string(9, 'x'); }"
    )
    workspace.write("c.c", "void cuda(void) {}")
    for command in (
        "gcc -shared -fPIC -nostdlib -Wl,-soname,libcuda.so.1 -o libcuda.so.1 c.c",
        "gcc -shared -fPIC -o fast.so -x c++ x.cpp -x none -Wl,--no-as-needed libcuda.so.1 -l:libstdc++.so.6",
    ):
        subprocess.run(command.split(), cwd=workspace.root, check=True)
    wheels = workspace.root / "wheels"
    wheels.mkdir()
    wheel = make(wheels, {"demo/fast.so": (workspace.root / "fast.so").read_bytes()})
    workspace.write("hermes.yaml", "python: {find_links: [wheels]}\n")
    workspace.write("p/os-release", "ID=none\n")
    workspace.write("p/requirements.txt", f"demo==1.0 --hash=sha256:{digest_of(wheel)}\n")
    workspace.write("p/BUILD", PYTHON)
    rendered = failure(workspace, "//p:app")
    assert "/opt/venv/lib/python3.12/site-packages/demo/fast.so needs libstdc++.so.6" in rendered
    assert "libcuda" not in rendered
    assert "add the Debian packages libc6, libgcc-s1, libstdc++6 to the base" in rendered
    workspace.build("//p:whole", platform="linux/amd64")
