"""The peers, set up in a folder of the benchmark's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.bench.timing import Command

POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


class Bazel:
    """Debian's Bazel, with a warm server; `stop` ends it."""

    def __init__(self, folder: Path) -> None:
        self._base = [str(_found("bazel", "bazel-bootstrap")), f"--output_user_root={folder}/bazel"]

    def build(self, cwd: Path) -> Command:
        return Command([*self._base, "build", "--noshow_progress", "//..."], cwd, {})

    def stop(self, cwd: Path) -> None:
        subprocess.run([*self._base, "shutdown"], cwd=cwd, check=False, capture_output=True)


class Buildah:
    """buildah with a store of its own, isolated by chroot, which is the only way that runs everywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "policy.json").write_text(POLICY)
        driver = "overlay" if os.geteuid() == 0 and _has_overlay(folder) else "vfs"
        self._base = [
            str(_found("buildah", "buildah")),
            f"--root={folder}/root",
            f"--runroot={folder}/run",
            f"--storage-driver={driver}",
        ]

    def argv(self, *arguments: str) -> list[str]:
        return [*self._base, *arguments]

    def bud(self, context: Path, *options: str) -> list[str]:
        policy = f"--signature-policy={self.folder}/policy.json"
        return self.argv("bud", "--isolation=chroot", policy, *options, str(context))

    def push(self, image: str, destination: str) -> list[str]:
        return self.argv("push", "-q", f"--signature-policy={self.folder}/policy.json", image, destination)

    def clear(self) -> None:
        subprocess.run(self.argv("rmi", "--all", "--force"), check=False, capture_output=True)

    def remove(self) -> None:
        self.clear()
        subprocess.run(["umount", str(self.folder / "root/overlay")], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Docker:
    """A dockerd of the benchmark's own with its BuildKit, and a client that can speak to that; `stop` ends it."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid():
            raise LookupError("dockerd needs root")
        folder.mkdir(parents=True)
        self._folder = folder
        self._log = (folder / "log").open("wb")
        self.env = {
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(folder),
            "DOCKER_HOST": f"unix://{folder}/socket",
        }
        for driver in ("overlay2", "vfs"):
            self._process = self._started(driver)
            if self._answers():
                break
        else:
            raise LookupError(f"dockerd cannot run here: {(folder / 'log').read_text()[-200:]}")
        self.client = self._client()

    def _started(self, driver: str) -> subprocess.Popen[bytes]:
        folder = self._folder
        places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        how = [f"--host={self.env['DOCKER_HOST']}", "--iptables=false", "--bridge=none"]
        argv = [_found("dockerd", "docker.io"), *places, *how, f"--storage-driver={driver}"]
        return subprocess.Popen(argv, stdout=self._log, stderr=self._log, start_new_session=True)

    def _answers(self) -> bool:
        while self._process.poll() is None:
            if self._run("docker", "version").returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def _client(self) -> str:
        trial = self._folder / "trial"
        trial.mkdir()
        (trial / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
        for folder in os.environ["PATH"].split(":"):
            client = f"{folder}/docker"
            if os.access(client, os.X_OK) and self._run(client, "build", "-q", str(trial)).returncode == 0:
                return client
        self.stop()
        raise LookupError("no docker client here can use BuildKit")

    def _run(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(argv, env={**os.environ, **self.env}, check=False, capture_output=True)

    def build(self, context: Path, *options: str) -> list[str]:
        return [self.client, "build", "-q", "--network=none", *options, str(context)]

    def clear(self) -> None:
        """Forget everything that was built without a name."""
        self._run(self.client, "builder", "prune", "--all", "--force")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


def available(name: str) -> bool:
    return shutil.which(name) is not None


def _found(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LookupError(f"{package} is not installed")
    return found


def _has_overlay(folder: Path) -> bool:
    for name in ("l", "u", "w", "m"):
        (folder / "try" / name).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={folder}/try/l,upperdir={folder}/try/u,workdir={folder}/try/w"
    target = str(folder / "try/m")
    done = subprocess.run(
        ["mount", "-t", "overlay", "-o", options, "none", target], check=False, capture_output=True
    )
    if done.returncode == 0:
        subprocess.run(["umount", target], check=False)
    shutil.rmtree(folder / "try", ignore_errors=True)
    return done.returncode == 0
