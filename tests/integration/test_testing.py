"""``hermes test``: tests of images in the sandbox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from hermes import Workspace
from hermes.build.options import BuildOptions
from hermes.build.test_options import TestOptions
from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.structures import BUILD, FILES, alone, large

SUITE = """\
files_layer(name = "httpd", symlinks = {"/bin/httpd": "busybox", "/bin/wget": "busybox"}, files = {"/www/index.html": "page", "/www/up": "page"})
image(name = "image", layers = ["//base:root", ":httpd"], entrypoint = ["sh", "-c"], env = {"A": "b"})
image(name = "checked", base = ":image", health_check = ["CMD-SHELL", "wget -q -O - http://127.0.0.1/index.html | grep is"])
image(name = "ill", base = ":image", health_check = ["CMD", "sh", "-c", "echo so ill; exit 1"])
image(name = "other", layers = ["//base:root"])
command_test(name = "fine", image = ":image", argv = ["cat", "/www/up"], expected_output = ["^it is "], size = "small")
command_test(name = "bad", image = ":image", argv = ["sh", "-c", "echo out; echo err >&2; exit 2"], expected_output = ["in"])
command_test(name = "slow", image = ":other", argv = ["sh", "-c", "sleep 50 & sleep 60"], timeout = 1, tags = ["manual"])
command_test(name = "missing", image = ":other", argv = ["ruby"], tags = ["manual"])
command_test(name = "hardened", image = ":other", argv = ["sh", "-c", "touch /x || ping -c 1 127.0.0.1"], exit_code = 1, tags = ["quick"])
command_test(name = "opened", image = ":other", argv = ["touch", "/x"], writable = True, tags = ["quick"])
command_test(name = "leaves", image = ":other", argv = ["sh", "-c", "sleep 70 & echo done"], size = "small", tags = ["manual"])
image_test(name = "machine", image = ":other", config = ["machine.yaml"], tags = ["exclusive"])
"""
HTTP = """\
package(default_visibility = ["//visibility:public"])
http_test(name = "served", image = "//suite:image", args = ["httpd -f -p 80 -h /www"], port = 80, ready = "/up",
    path = "/index.html", expected_output = ["^it is"], excluded_output = ["not"], expected_headers = {"Content-Type": "^text/"})
http_test(name = "checked", image = "//suite:checked", args = ["httpd -f -p 80 -h /www"], port = 80, health_check = True)
http_test(name = "ill", image = "//suite:ill", args = ["httpd -f -p 80 -h /www"], port = 80, health_check = True, start_timeout = 3)
http_test(name = "absent", image = "//suite:image", args = ["httpd -f -p 80 -h /www"], port = 80, path = "/none", status = 200)
http_test(name = "elsewhere", image = "//suite:image", args = ["httpd -f -p 8081 -h /www"], port = 80, start_timeout = 3)
http_test(name = "inside", image = "//suite:image", args = ["httpd -f -p 127.0.0.1:80 -h /www"], port = 80)
http_test(name = "taken", image = "//suite:image", args = ["httpd -p 80 -h /www; exec httpd -f -p 80 -h /www"], port = 81)
http_test(name = "nothing", image = "//suite:other", port = 80)
http_test(name = "ends", image = "//suite:image", args = ["echo cannot start; exit 4"], port = 80)
http_test(name = "stubborn", image = "//suite:image", args = ["httpd -p 80 -h /www; trap '' TERM; while true; do sleep 1; done"],
    port = 80, path = "/up", stop_timeout = 1)
"""
MACHINE = """\
schemaVersion: 2.0.0
containerRunOptions:
  envVars: [HERMES_SUITE]
commandTests:
- {name: variable, command: env, expectedOutput: [HERMES_SUITE=now]}
"""


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A workspace with images to test."""
    root = tmp_path_factory.mktemp("tested")
    sandbox = Sandbox(root / "workspace", root / "home")
    add_base(sandbox)
    sandbox.write("suite/BUILD", SUITE)
    sandbox.write("suite/page", "it is so\n")
    sandbox.write("suite/machine.yaml", MACHINE)
    yield sandbox
    shutil.rmtree(root, ignore_errors=True)


def run(sandbox: Sandbox, *arguments: str, status: int = 0) -> tuple[dict[str, str], str]:
    """What is said of each target, and the whole output."""
    done = sandbox.run("test", *arguments, env={"HERMES_SUITE": "now"})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return verdicts_in(done), done.stdout + done.stderr


def verdicts_in(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    rows = re.findall(r"^(//\S+) +(.*?)(?: in \d+\.\d+s)?$", done.stdout, re.MULTILINE)
    return {label.rpartition(":")[2]: verdict for label, verdict in rows}


def test_the_verdicts_are_those_of_container_structure_test(
    tested: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_CASE", "of the machine")
    for name, content in FILES.items():
        tested.write(f"case/{name}", content)
    tested.write("case/BUILD", BUILD)
    text, expected = large()
    files = {"large.yaml": (False, text), **alone()}
    targets = []
    for number, (name, (_, content)) in enumerate(files.items()):
        config = f"{number}.{name.rpartition('.')[2]}"
        tested.write(f"table/{config}", content)
        targets.append(
            f'image_test(name = "t{number}", image = "//case:image", config = ["{config}"], writable = True)'
        )
    tested.write("table/BUILD", "\n".join(targets))
    result = Workspace(tested.root, home=tested.home).test("//table/...", BuildOptions(keep_going=True))
    found = {one.label: one for one in result.tests}
    cases = {case.name: case.passed for run in found["//table:t0"].runs for case in run.report.cases}
    assert cases == expected
    verdicts = {name: found[f"//table:t{number}"].status == "passed" for number, name in enumerate(files)}
    assert verdicts == {name: verdict for name, (verdict, _) in files.items()}
    refused = str(result.error)
    assert "table/" in refused
    assert "unknown field 'permission' of a file existence test" in refused
    assert "did you mean 'permissions'?" in refused


def test_tests_run_once_and_again_when_something_has_changed(tested: Sandbox) -> None:
    verdicts, said = run(tested, "//suite/...", "--junit", "report.xml", status=3)
    assert verdicts == {
        "bad": "FAILED",
        "fine": "PASSED",
        "hardened": "PASSED",
        "machine": "PASSED",
        "opened": "PASSED",
    }
    assert "expected string 'in' not found in output 'out\\n'" in said
    assert "exited with status 2, expected 0" in said
    assert "  | err" in said
    assert re.search(r"exit 2 FAILED\n(.*\n)*\[\d+/\d+\] //suite:machine test", said), (
        "what is exclusive comes last"
    )
    suites = {one.get("name"): one for one in ET.parse(tested.root / "report.xml").getroot()}
    assert suites["//suite:bad"].get("failures") == "1"
    assert suites["//suite:fine"].find("testcase").get("name") == "Command Test: cat /www/up"
    again, _ = run(tested, "//suite/...", status=3)
    assert again == {
        "bad": "FAILED",
        "fine": "(cached) PASSED",
        "hardened": "(cached) PASSED",
        "machine": "PASSED",
        "opened": "(cached) PASSED",
    }
    tested.write("suite/page", "it is otherwise\n")
    verdicts, _ = run(tested, "//suite:fine", "//suite:hardened")
    assert verdicts == {"fine": "PASSED", "hardened": "(cached) PASSED"}
    verdicts, said = run(tested, "//suite:fine", "//suite:hardened")
    assert set(verdicts.values()) == {"(cached) PASSED"}
    assert "[" not in said, "nothing is even looked at"
    tested.write("suite/page", "it is so\n")
    verdicts, _ = run(tested, "//suite:fine")
    assert verdicts == {"fine": "(cached) PASSED"}


def test_what_is_run_and_how_often(tested: Sandbox) -> None:
    assert run(tested, "//suite/...", "--test-tag-filters=quick")[0].keys() == {"hardened", "opened"}
    assert run(tested, "//suite/...", "--test-size-filters=small")[0].keys() == {"fine"}
    verdicts, _ = run(tested, "//suite:opened", "--runs", "2")
    assert verdicts == {"opened": "PASSED 2 times"}
    verdicts, said = run(tested, "//suite:opened", "--no-cache", "--test-output=streamed")
    assert verdicts == {"opened": "PASSED"}
    assert "//suite:opened | PASS: Command Test: touch /x" in said
    _, said = run(tested, "//suite:fine", "--test-output=all")
    assert "  | it is so" in said
    _, said = run(tested, "//suite:opened", "--test-filter", "nothing", status=4)
    assert "--test-filter nothing matches no case" in said
    _, said = run(tested, "//suite:image", status=4)
    assert "//suite:image matches no test" in said
    _, said = run(tested, "//suite/...", "--test-filter", "(", status=2)
    assert "invalid pattern '('" in said


def test_a_test_that_hangs_or_has_no_program_says_so(tested: Sandbox) -> None:
    verdicts, said = run(tested, "//suite:slow", "//suite:missing", "//suite:leaves", status=3)
    assert verdicts == {"slow": "TIMED OUT", "missing": "FAILED", "leaves": "PASSED"}
    assert "raise its size or timeout" in said
    assert "there is no program 'ruby' in the root file system" in said
    here = os.listdir("/proc")
    assert not [
        pid for pid in here if pid.isdigit() and (_runs(pid, b"sleep\x0050") or _runs(pid, b"sleep\x0070"))
    ]


def _runs(pid: str, command: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().startswith(command)
    except OSError:
        return False


def test_a_server_is_started_asked_and_stopped(tested: Sandbox) -> None:
    suite = (tested.root / "suite/BUILD").read_text()
    if "visibility" not in suite:
        tested.write("suite/BUILD", f'package(default_visibility = ["//visibility:public"])\n{suite}')
    tested.write("http/BUILD", HTTP)
    verdicts, said = run(tested, "//http/...", status=3)
    assert {name for name, verdict in verdicts.items() if verdict == "PASSED"} == {"checked", "served"}
    assert "the status is 404, expected 200" in said
    assert "nothing listened on port 80 within 3 seconds, but on 8081" in said
    assert "the program listens on port 80 of 127.0.0.1 only" in said
    assert "the program was not ready within 3 seconds: the health check ended with status 1: so ill" in said
    assert "Address already in use" in said
    assert (
        "the program ended with status 4 before it listened on port 80\n    it printed: cannot start" in said
    )
    assert "there is no server to start\n    give the image an entrypoint, or the test args" in said
    assert "the program did not end within 1 seconds of SIGTERM" in said


def test_a_build_of_everything_builds_no_test(tested: Sandbox) -> None:
    result = tested.build("//suite/...")
    assert not any(one.kind == "test" for outputs in result.targets.values() for one in outputs)
    assert [one.kind for one in result.targets["//suite:fine"]] == ["tested"]
    assert result.targets == tested.build("//suite/...").targets
    done = tested.run("run", "//suite:fine")
    assert (done.returncode, "//suite:fine gives no image" in done.stderr) == (2, True)
    assert TestOptions(tags=("a", "-b")).means(("a",), "small")
    assert not TestOptions(tags=("a", "-b")).means(("a", "b"), "small")


def test_a_file_of_tests_may_have_files_and_a_terminal(tested: Sandbox) -> None:
    tested.write("given/env", "A=b c\nexport E='1'\n# x\nN=$A-$HOME\nEMPTY=\n")
    tested.write("given/data", "content\n")
    tested.write(
        "given/x.yaml",
        """\
schemaVersion: 2.0.0
containerRunOptions: {envFile: env, bindMounts: ["data:/srv/data", "./data:/srv/other:ro"], allocateTty: true}
commandTests:
- {name: environment, command: env, expectedOutput: ['(?m)^A=b c\\r?$', '(?m)^E=1\\r?$', '(?m)^N=b c-\\r?$'], excludedOutput: [EMPTY]}
- {name: mount, command: sh, args: [-c, "echo more >> /srv/data && cat /srv/data"], expectedOutput: ["content\\r?\\nmore"]}
- {name: terminal, command: sh, args: [-c, "test -t 0 && test -t 1 && test -t 2"]}
""",
    )
    tested.write(
        "given/BUILD",
        'image(name = "image", layers = ["//base:root"])\n'
        'image_test(name = "whole", image = ":image", config = ["x.yaml"], data = ["env", "data"])\n'
        'image_test(name = "lacking", image = ":image", config = ["x.yaml"], data = ["env"], tags = ["manual"])\n',
    )
    verdicts, said = run(tested, "//given:whole")
    assert verdicts == {"whole": "PASSED"}, said
    assert (tested.root / "given/data").read_text() == "content\n"
    _, said = run(tested, "//given:lacking", status=2)
    assert "given/x.yaml: data in bindMounts is not a file of the target" in said
