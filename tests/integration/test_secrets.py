"""Secrets of commands: they are there, and there is no way out for them."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hermes
from hermes.build.secrets import SecretSource
from hermes.container.stack import StackEntry
from hermes.container.task import Secret, Task
from hermes.digest import Digest
from hermes.errors import BuildFailed, HermesError, SecretError, SecretLeaked, UsageError
from hermes.layer import toc
from hermes.store import Store
from tests.conftest import Sandbox

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

VALUE = "Tr0ub4dor&3/of?the+North"
SECOND = "second-line-of-the-file"
LINES = f"machine example.org\n{SECOND}\nx\n"
SECRETS = [SecretSource("npm", value=VALUE.encode()), SecretSource("netrc", value=LINES.encode())]
RULE = 'run_layer(name = "run", base = "//base:root", cmd = """{}\n""", secrets = ["npm", "netrc"], {})\n'
FORMS = {
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 inside": base64.b64encode(f"u:{VALUE}!".encode()).decode(),
    "base64 inside two": base64.b64encode(f"u{VALUE}".encode()).decode(),
    "base64 url": base64.urlsafe_b64encode(f"?{VALUE}".encode()).decode(),
    "hex": VALUE.encode().hex(),
    "HEX": VALUE.encode().hex().upper(),
    "url": urllib.parse.quote(VALUE, safe=""),
    "url path": urllib.parse.quote(VALUE),
}


def printed(text: str) -> str:
    """A command that prints a text without saying it."""
    return f"printf '%s%s' '{text[:9]}' '{text[9:]}'"


def build(workspace: Sandbox, command: str, more: str = "", *, given: bool = True) -> str:
    workspace.write("run/BUILD", RULE.format(command, more))
    return workspace.digest("//run", secrets=SECRETS if given else [])


def leak(workspace: Sandbox, command: str, more: str = "") -> SecretLeaked:
    with pytest.raises(BuildFailed) as caught:
        build(workspace, command, more)
    (error,) = caught.value.failures.values()
    assert isinstance(error, SecretLeaked), error
    check_clean(workspace.home)
    for text in (VALUE, SECOND, *FORMS.values()):
        assert text not in str(caught.value)
    return error


def check_clean(home: Path) -> None:
    """Read the whole store: no file holds a secret, in any form, and no name does."""
    wanted = [one.encode() for one in (VALUE, SECOND, *FORMS.values())]
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            assert not any(one.decode() in name for one in wanted)
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                assert not any(one.decode() in os.readlink(path) for one in wanted)
            else:
                data = Path(path).read_bytes()
                assert not any(one in data for one in wanted), path


def files_of(workspace: Sandbox, diff_id: str) -> list[str]:
    store = Store.open(workspace.home)
    try:
        return [entry.path for entry in toc.load(store, diff_id).entries]
    finally:
        store.close()


def test_a_command_reads_its_secret_and_leaves_no_trace(based: Sandbox) -> None:
    digest = build(
        based,
        "cd /run/secrets; test $(wc -c < npm) = 24 && test $(sed -n 2p netrc | wc -c) = 24 && "
        "test $(stat -c %a-%u-%g-%Y npm) = 400-0-0-0 && ! rm npm 2>&1 && ! echo x > npm; echo done > /srv/f",
    )
    assert files_of(based, digest) == ["srv", "srv/f"]
    check_clean(based.home)


def test_a_secret_may_be_elsewhere_and_somebody_elses(based: Sandbox) -> None:
    based.write(
        "run/BUILD",
        'run_layer(name = "run", base = "//base:root", user = "7", cmd = "test $(stat -c %a-%u-%g /root/.netrc) = '
        '640-7-8 && test -r /root/.netrc && test -r /run/secrets/npm", secrets = ["npm", '
        'secret("netrc", path = "/root/.netrc", mode = "0640", owner = "7:8")])',
    )
    assert files_of(based, based.digest("//run", secrets=SECRETS)) == []


CP = "cp /run/secrets/npm {0}"
FILE = 'V="$(cat /run/secrets/npm)"; '


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("cp /run/secrets/npm /srv/f", "/srv/f: the content has the secret 'npm'"),
        ("cp /run/secrets/npm /srv/f; mv /srv/f /srv/g; mkdir /srv/d; mv /srv/g /srv/d", "/srv/d/g"),
        ("(yes | head -c 1048570; cat /run/secrets/npm; yes | head -c 99) > /srv/big", "/srv/big"),
        ("cp /run/secrets/npm /srv/f; ln /srv/f /srv/a; rm /srv/f", "/srv/a"),
        (f'{FILE}mkdir -p "/srv/$V"', "/srv/***: the name"),
        (f'{FILE}mkdir -p "/srv/a$V" && echo x > "/srv/a$V/f"', "/srv/a***: the name"),
        (f'{FILE}ln -s "to $V" /srv/link', "/srv/link: the target of the link"),
        ("sed -n 2p /run/secrets/netrc > /srv/f", "line 2 of the secret 'netrc'"),
        ("cat /run/secrets/netrc >> /bin/new", "/bin/new"),
        *((f"{printed(form)} > /srv/f", "/srv/f: the content") for form in FORMS.values()),
    ],
)
def test_what_a_command_leaves_of_a_secret_fails_it(based: Sandbox, command: str, path: str) -> None:
    error = leak(based, command)
    assert path in error.message
    assert error.message.startswith("//run:run: the command left the secret")


def test_an_extended_attribute_is_searched(based: Sandbox) -> None:
    if not Path("/usr/bin/setfattr").exists():
        pytest.skip("the Debian package attr is not installed")
    based.write("run/setfattr", Path("/usr/bin/setfattr").read_bytes(), mode=0o755)
    loader = [Path(one) for one in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6")]
    libraries = [*loader, Path("/lib/x86_64-linux-gnu/libattr.so.1")]
    if not all(one.exists() for one in libraries):
        pytest.skip("this machine keeps its libraries elsewhere")
    srcs = {"/tool/setfattr": "setfattr"}
    for one in libraries:
        based.write(f"run/{one.name}", one.read_bytes(), mode=0o755)
        srcs[f"/tool/{one.name}"] = one.name
    tool = "/tool/ld-linux-x86-64.so.2 --library-path /tool /tool/setfattr"
    command = f'{FILE}echo x > /srv/f; {tool} -n user.token -v "$V" /srv/f'
    assert "/srv/f: an extended attribute" in leak(based, command, f"srcs = {srcs!r}").message


def test_a_file_that_is_gone_at_the_end_is_no_leak(based: Sandbox) -> None:
    assert build(based, "cp /run/secrets/npm /srv/f; cp /srv/f /tmp/g; rm /srv/f; cat /tmp/g > /dev/null")
    check_clean(based.home)


def test_what_a_lower_layer_has_is_not_the_commands(based: Sandbox) -> None:
    based.write("low/f", VALUE)
    based.write(
        "low/BUILD",
        'files_layer(name = "low", srcs = ["f"], dest = "/srv", visibility = ["//visibility:public"])',
    )
    based.build("//low")
    based.write(
        "run/BUILD",
        RULE.format("cat /srv/f > /dev/null", "").replace('"//base:root"', '["//base:root", "//low"]'),
    )
    assert based.digest("//run", secrets=SECRETS)


def test_a_kept_file_is_searched(based: Sandbox) -> None:
    assert "/srv/o" in leak(based, "cp /run/secrets/npm /srv/o", 'outs = ["/srv/o"]').message
    based.write(
        "run/BUILD",
        'genrule(name = "run", root = "//base:root", outs = ["o"], cmd = "cp /run/secrets/npm o", secrets = ["npm"])',
    )
    with pytest.raises(BuildFailed, match="/build/o: the content has the secret 'npm'"):
        based.build("//run", secrets=SECRETS)
    check_clean(based.home)


def test_a_log_has_no_secret(based: Sandbox) -> None:
    command = (
        f"{FILE}echo out $V; echo err $V >&2; cat /run/secrets/netrc; "
        'printf %s "$(head -c 9 /run/secrets/npm)"; sleep 0.2; tail -c +10 /run/secrets/npm; echo; '
        f"{printed(FORMS['base64 inside'])}; {printed(FORMS['hex'])}; exit 3"
    )
    with pytest.raises(BuildFailed) as caught:
        build(based, command)
    (error,) = caught.value.failures.values()
    log = Path(error.log).read_text()  # type: ignore[attr-defined]
    assert log.splitlines()[:5] == ["out ***", "err ***", "***", "***", "x"]
    assert log.splitlines()[5] == "***"
    for text in (VALUE, SECOND, FORMS["hex"], FORMS["base64"]):
        assert text not in log
        assert not any(text in line for line in error.tail)  # type: ignore[attr-defined]
    check_clean(based.home)


def test_a_secret_in_an_error_about_a_file_is_masked(based: Sandbox) -> None:
    with pytest.raises(BuildFailed) as caught:
        build(
            based,
            f'{FILE}mkfifo /srv/f; : > "/srv/.wh.q"; mkdir /srv/x; : > "/srv/x/.wh.${{V%%/*}}${{V#*/}}"',
        )
    assert VALUE not in str(caught.value)


def test_it_is_in_no_environment_and_no_core(based: Sandbox) -> None:
    based.write(
        "run/BUILD",
        'run_layer(name = "run", base = "//base:root", secrets = ["npm"], '
        'cmd = "test $(ulimit -c) = 0 && ! env | grep -q NPM_TOKEN && ! grep -q NPM_TOKEN /proc/*/environ && '
        "sh -c 'kill -SEGV $$'; true; ls > /srv/list\")",
    )
    told = ["--events", "told/events", "--profile", "told/profile"]
    (based.root / "told").mkdir()
    done = based.run("build", "//run", *told, "--secret", "id=npm,env=NPM_TOKEN", env={"NPM_TOKEN": VALUE})
    assert done.returncode == 0, done.stderr
    assert VALUE not in done.stdout + done.stderr + based.run("explain", "//run").stdout
    check_clean(based.root / "told")
    check_clean(based.home)


def test_it_is_in_no_arguments_and_no_environment_of_the_machine(based: Sandbox) -> None:
    value = f"{VALUE}{os.getpid()}"
    based.write("secret.txt", value)
    based.write(
        "run/BUILD",
        'run_layer(name = "run", base = "//base:root", secrets = ["npm"], cmd = "cat /run/secrets/npm > /tmp/x; sleep 1.5")',
    )
    seen: list[str] = []

    def watch() -> None:
        deadline = time.monotonic() + 20
        while not done and time.monotonic() < deadline:
            for name in ("cmdline", "environ"):
                for path in Path("/proc").glob(f"[0-9]*/{name}"):
                    try:
                        if value.encode() in path.read_bytes():
                            seen.append(str(path))
                    except OSError:
                        continue

    done: list[int] = []
    watching = threading.Thread(target=watch)
    watching.start()
    result = based.run("build", "//run", "--secret", "id=npm,src=secret.txt")
    done.append(1)
    watching.join()
    assert result.returncode == 0, result.stderr
    assert not seen


def test_the_processes_of_a_build_do_not_inherit_the_variable(based: Sandbox) -> None:
    from hermes.container.calls.layers import REMOVE, Removal
    from hermes.sandbox.namespace import Namespace

    os.environ["NPM_TOKEN_OF_TEST"] = VALUE
    namespace = Namespace(["NPM_TOKEN_OF_TEST"])
    try:
        namespace.call(REMOVE, Removal(()))
        environ = Path(f"/proc/{namespace._pid}/environ").read_bytes()
        assert b"PATH=" in environ
        assert VALUE.encode() not in environ
    finally:
        namespace.close()
        del os.environ["NPM_TOKEN_OF_TEST"]


@pytest.mark.parametrize(
    "attribute",
    [
        'env = {{"TOKEN": "{0}"}}',
        'labels = {{"token": "{0}"}}',
        'annotations = {{"token": "{0}"}}',
        'entrypoint = ["/bin/x", "--token={0}"]',
        'cmd = ["{0}"]',
        'labels = {{"{0}": ""}}',
    ],
)
@pytest.mark.parametrize("form", [VALUE, FORMS["base64 inside"]])
def test_an_image_says_no_secret(based: Sandbox, attribute: str, form: str) -> None:
    based.write("app/BUILD", f'image(name = "app", base = "//base:root", {attribute.format(form)})')
    with pytest.raises(HermesError, match="the secret 'npm'") as caught:
        based.build("//app", secrets=SECRETS)
    assert form not in str(caught.value)
    check_clean(based.home / "blobs")
    check_clean(based.home / "results")


def test_an_inherited_configuration_is_searched(based: Sandbox) -> None:
    based.write(
        "app/BUILD",
        f'image(name = "low", base = "//base:root", env = {{"A": "{VALUE[:9]}"}})\n'
        f'image(name = "app", base = ":low", env = {{"B": "$A{VALUE[9:]}"}})',
    )
    with pytest.raises(BuildFailed, match=r"//app:app: the image's configuration has the secret 'npm'"):
        based.build("//app", secrets=SECRETS)


def test_the_history_says_who_made_a_layer_and_not_how(based: Sandbox) -> None:
    based.write(
        "run/BUILD",
        RULE.format("echo x > /srv/f", "") + 'image(name = "app", base = ["//base:root"], layers = [":run"])',
    )
    based.build("//run:app", secrets=SECRETS)
    check_clean(based.home)


def test_a_value_that_came_by_another_way_into_a_command_is_refused(based: Sandbox) -> None:
    based.write("run/BUILD", RULE.format(f"echo '{VALUE}' > /dev/null", ""))
    with pytest.raises(SecretLeaked, match="//run:run: what the target says has the secret 'npm'"):
        based.build("//run", secrets=SECRETS)
    for folder in ("blobs", "index", "logs", "results", "trees"):
        check_clean(based.home / folder)


CACHED = 'mounts = [cache("kept", "/var/kept")]'


def test_a_cache_is_rid_of_what_has_a_secret(based: Sandbox) -> None:
    error = leak(
        based, "cp /run/secrets/npm /var/kept/bad; echo fine > /var/kept/good; mkdir /var/kept/d", CACHED
    )
    assert "/var/kept/bad: the content has the secret 'npm'" in error.message
    kept = based.home / "caches/kept/0/data"
    assert sorted(os.listdir(kept)) == ["d", "good"]
    error = leak(based, f'{FILE}mkdir -p "/var/kept/a$V" && ln -s "$V" /var/kept/d/l; exit 1', CACHED)
    assert sorted(os.listdir(kept)) == ["d", "good"]
    assert not os.listdir(kept / "d")
    assert os.listdir(kept.parent) == ["data"]


def test_a_cache_that_a_killed_build_was_using_with_secrets_is_emptied(based: Sandbox) -> None:
    based.write("secret.txt", VALUE)
    based.write("netrc.txt", LINES)
    based.write("run/BUILD", RULE.format("cp /run/secrets/npm /var/kept/bad; echo go; sleep 60", CACHED))
    given = ["--secret", "id=npm,src=secret.txt", "--secret", "id=netrc,src=netrc.txt"]
    environment = {**os.environ, "HERMES_HOME": str(based.home)}
    running = subprocess.Popen(
        [sys.executable, "-m", "hermes", "build", "//run", *given],
        cwd=based.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    bad = based.home / "caches/kept/0/data/bad"
    deadline = time.monotonic() + 30
    while not bad.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.kill()
    running.wait()
    assert bad.exists()
    based.write(
        "run/BUILD",
        f'run_layer(name = "run", base = "//base:root", cmd = "test ! -e /var/kept/bad", {CACHED})',
    )
    assert based.digest("//run")
    check_clean(based.home)


def test_a_cached_result_needs_no_secret(based: Sandbox) -> None:
    digest = build(based, "wc -c < /run/secrets/npm > /srv/f")
    based.write("run/BUILD", "# touched\n" + RULE.format("wc -c < /run/secrets/npm > /srv/f", ""))
    assert based.digest("//run") == digest
    assert based.build("//run", secrets=[SecretSource("npm", value=b"another value")]).executed == ()


def test_another_version_of_a_secret_runs_the_command_again(based: Sandbox) -> None:
    build(based, "wc -c < /run/secrets/npm > /srv/f", 'secret_version = "1"')
    based.write("run/BUILD", RULE.format("wc -c < /run/secrets/npm > /srv/f", 'secret_version = "2"'))
    assert based.build("//run", secrets=SECRETS).executed == ("//run:run",)


def test_a_secret_that_is_needed_and_not_given_is_named_with_what_to_do(based: Sandbox) -> None:
    with pytest.raises(BuildFailed) as caught:
        build(based, "true", given=False)
    (error,) = caught.value.failures.values()
    assert isinstance(error, SecretError)
    assert "//run:run: the command needs the secret 'npm', which was not given" in error.message
    assert "--secret id=npm,src=FILE" in str(error.hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id=npm", "from the file npm: No such file"),
        ("id=npm,type=env", "from the variable npm, which is not set"),
        ("id=npm,type=x", "type cannot be 'x'"),
        ("src=secret.txt", "takes an id="),
        ("npm", "not id=, src= or env="),
        ("id=npm,src=a,src=b", "src= twice"),
        ("id=npm,src=secret.txt,env=A", "either src= or env="),
        ("id=a/b,src=secret.txt", "cannot be a name"),
        ("id=npm,src=missing.txt", "missing.txt: No such file"),
        ("id=npm,env=NOT_SET_AT_ALL", "NOT_SET_AT_ALL, which is not set"),
        ("id=npm,src=empty.txt", "'npm' is empty"),
        ("id=npm,src=short.txt", "too short"),
    ],
)
def test_a_wrong_option_is_one_clear_error(based: Sandbox, text: str, said: str) -> None:
    based.write("secret.txt", VALUE)
    based.write("empty.txt", "\n")
    based.write("short.txt", "abc")
    done = based.run("build", "//base:root", "--secret", text)
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_one_secret_twice_is_an_error(based: Sandbox) -> None:
    with pytest.raises(UsageError, match="'npm' is given twice"):
        based.build("//base:root", secrets=[SECRETS[0], SECRETS[0]])


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ('secrets = "npm"', "must be a list of secrets"),
        ("secrets = [1]", "must be a name or secret"),
        ('secrets = ["a/b"]', "cannot be its name"),
        ('secrets = ["a", "a"]', 'names "a" twice'),
        ('secrets = [secret("a", path = "x")]', "absolute path"),
        ('secrets = [secret("a", owner = "root")]', "numeric ids"),
    ],
)
def test_a_wrong_declaration_is_placed(based: Sandbox, attribute: str, said: str) -> None:
    based.write("run/BUILD", f'run_layer(name = "run", base = "//base:root", cmd = "x", {attribute})')
    with pytest.raises(HermesError, match=said) as caught:
        based.build("//run")
    assert "run/BUILD:1" in str(caught.value)


def test_a_source_file_with_a_secret_is_kept_out_of_layers(based: Sandbox) -> None:
    based.write("app/.npmrc", f"token={VALUE}")
    based.write("app/BUILD", 'files_layer(name = "app", srcs = glob(["**"]), dest = "/srv")')
    with pytest.raises(BuildFailed, match=r"//app:app: .*/app/.npmrc has the secret 'npm'"):
        based.build("//app", secrets=SECRETS)


def test_an_image_is_run_after_a_build_with_secrets(based: Sandbox) -> None:
    based.write("secret.txt", VALUE)
    based.write(
        "app/BUILD",
        'run_layer(name = "l", base = "//base:root", cmd = "wc -c < /run/secrets/npm > /srv/f", secrets = ["npm"])\n'
        'image(name = "app", base = ["//base:root"], layers = [":l"], entrypoint = ["/bin/cat", "/srv/f"])',
    )
    missing = based.run("run", "//app")
    assert missing.returncode == 1
    assert "pass --secret id=npm,src=FILE" in missing.stderr
    assert based.run("run", "--secret", "id=npm,src=secret.txt", "//app").stdout == "24\n"
    assert based.run("run", "//app", "--", "/run/secrets/npm").returncode == 1


@pytest.mark.parametrize("mounted", [False, True])
def test_a_working_container_is_rid_of_what_has_a_secret(based: Sandbox, mounted: bool) -> None:
    if mounted and os.geteuid() != 0:
        pytest.skip("only root can mount a container where others see it")
    containers = hermes.Containers(home=based.home)
    name = containers.create("scratch").name
    below = StackEntry(Digest(based.digest("//base:root")), "base")
    with containers._opened() as (_, _, working):
        state = working.get(name)
        working._states.update(state, lambda one: replace(one, stack=(below,)))
    if mounted:
        containers.mount(name)
    with containers._opened() as (_, _, working):
        command = f'{FILE}echo kept > /srv/kept; cp /run/secrets/npm /srv/bad; mkdir -p "/srv/a$V/d"; ln -s "$V" /srv/l'
        task = Task((), ("/bin/sh", "-c", command), secrets=(Secret("npm", value=VALUE.encode()),))
        with pytest.raises(SecretLeaked, match="/srv/bad: the content") as caught:
            working.run(name, task, (0, 1, 2), "run")
        assert VALUE not in str(caught.value)
        shown = replace(
            task, argv=("/bin/sh", "-c", 'test "$(echo /srv/*)" = /srv/kept; cat /run/secrets/npm')
        )
        source, target = os.pipe()
        assert working.run(name, shown, (0, target, target), "run").status == 0
        os.close(target)
        with os.fdopen(source) as output:
            assert output.read() == "***"
    if mounted:
        containers.umount(name)
    check_clean(based.home)
    containers.remove(name)


def test_a_crash_leaves_no_core(based: Sandbox) -> None:
    assert build(based, "cd /srv; ulimit -c unlimited; sh -c 'kill -SEGV $$'; ls > /tmp/l; test ! -s /tmp/l")


def test_a_user_without_subordinate_ids_has_secrets(based: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from hermes.sandbox import namespace
    from hermes.sandbox.idmap import IdMap, IdRange

    only = (IdRange(0, os.geteuid(), 1),)
    monkeypatch.setattr(namespace, "current_map", lambda: IdMap(only, only, needs_tools=False, whole=False))
    assert build(based, "wc -c < /run/secrets/npm > /var/kept/n", CACHED)
    assert "/srv/f" in leak(based, "cp /run/secrets/npm /srv/f").message


def test_an_ordinary_users_secrets_are_as_safe(ordinary_user: OrdinaryUser) -> None:
    from tests.integration.conftest import add_base

    workspace = ordinary_user.workspace
    add_base(workspace)
    workspace.write("secret.txt", VALUE)
    given = ("--secret", "id=npm,src=secret.txt")
    rule = 'run_layer(name = "run", base = "//base:root", user = "7", cmd = "{}", secrets = ["npm"], {})'
    workspace.write("run/BUILD", rule.format("wc -c < /run/secrets/npm; cat /run/secrets/npm", CACHED))
    assert ordinary_user.run("build", "//run", *given).returncode == 0
    check_clean(ordinary_user.home)
    bad = rule.format("cp /run/secrets/npm /var/kept/bad", CACHED.replace('kept")', 'kept", owner = "7:7")'))
    workspace.write("run/BUILD", bad)
    failed = ordinary_user.run("build", "//run", *given, check=False)
    assert "/var/kept/bad: the content has the secret 'npm'" in failed.stderr
    assert VALUE not in failed.stderr
    check_clean(ordinary_user.home)
    cleared = ordinary_user.run("cache", "clear", "kept")
    assert cleared.returncode == 0
    assert not (ordinary_user.home / "caches/kept").exists()
