"""Hosts that have only each other, by packets that take their time and get lost: what veth and ``tc netem`` give, without netem's module.

Each host is a network namespace with a TUN device, and a thread carries IP packets from device to device: each waits for
``delay`` seconds, and one in so many is dropped, at random. Senders leave segmentation to their devices, as with veth, so one packet is up
to 64 KiB, and netem too would drop it as a whole. All else is the kernel's: handshakes, retransmits, congestion control.
"""

from __future__ import annotations

import fcntl
import os
import random
import selectors
import struct
import subprocess
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Final, NamedTuple, Self

_TUN: Final = Path("/dev/net/tun")
_SET_INTERFACE, _SET_OFFLOADS = 0x400454CA, 0x400454D0
_FLAGS: Final = 0x0001 | 0x1000 | 0x4000
"""IFF_TUN, IFF_NO_PI and IFF_VNET_HDR of linux/if_tun.h."""
_OFFLOADS: Final = 1 | 2
"""TUN_F_CSUM and TUN_F_TSO4."""
_HEADER: Final = 10
"""Bytes of a ``virtio_net_hdr``, before each packet."""
_DESTINATION: Final = slice(_HEADER + 16, _HEADER + 20)
_LARGEST: Final = _HEADER + (1 << 16)
_MOST_WAITING: Final = 1000
"""Packets that wait for a host; more are dropped. As netem's ``limit``."""


class Waiting(NamedTuple):
    """A packet on its way: when it arrives, at which device, and what it is."""

    at: float
    device: int
    packet: bytes


class Count(NamedTuple):
    """What hosts have sent: packets, of which some were dropped, bytes of content by pair of hosts, and segments sent again."""

    packets: int
    dropped: int
    retransmits: int
    octets: Counter[tuple[str, str]]

    def __sub__(self, before: Count) -> Count:
        return Count(
            self.packets - before.packets,
            self.dropped - before.dropped,
            self.retransmits - before.retransmits,
            self.octets - before.octets,
        )

    def __str__(self) -> str:
        sent = ", ".join(
            f"{one} to {other} {count / 1e6:.1f} MB" for (one, other), count in sorted(self.octets.items())
        )
        return (
            f"{self.packets} packets, {self.dropped} dropped, {self.retransmits} segments sent again; {sent}"
        )


def reason_against() -> str:
    """Say why there can be no such network here; nothing if there can."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if not _TUN.exists():
        return "the kernel has no TUN devices"
    return ""


class Network:
    """See the module. Hosts are called by names.

    ``delay`` (seconds) and ``loss`` (a share) may be changed at any time.
    """

    def __init__(self, *names: str, delay: float = 0.0, loss: float = 0.0, seed: int = 17) -> None:
        self.delay, self.loss = delay, loss
        self._octets: Counter[tuple[str, str]] = Counter()
        self._packets = self._dropped = 0
        self.addresses = {name: f"10.17.0.{number}" for number, name in enumerate(names, 1)}
        self._chance = random.Random(seed)
        self._names: dict[int, str] = {}
        self._devices: dict[bytes, int] = {}
        self._held: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Self:
        try:
            for name, address in self.addresses.items():
                self._add(name, address)
        except BaseException:
            self._remove()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._remove()

    def on(self, name: str) -> list[str]:
        """Return what comes before a command that a host executes."""
        return ["nsenter", f"--net=/proc/{self._held[name].pid}/ns/net"]

    def count(self) -> Count:
        """Return what was sent until now."""
        again = sum(map(self._retransmits, self.addresses))
        return Count(self._packets, self._dropped, again, self._octets.copy())

    def _retransmits(self, name: str) -> int:
        with open(f"/proc/{self._held[name].pid}/net/snmp", encoding="ascii") as file:
            names, values = (line.split() for line in file if line.startswith("Tcp:"))
        return int(values[names.index("RetransSegs")])

    def _add(self, name: str, address: str) -> None:
        # a namespace lasts as long as a process in it, here one that waits for the end of its input
        held = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert held.stdout is not None
        held.stdout.readline()
        self._held[name] = held
        device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        called = f"hx{os.getpid()}.{len(self._names)}"
        self._names[device] = name
        self._devices[bytes(int(part) for part in address.split("."))] = device
        fcntl.ioctl(device, _SET_INTERFACE, struct.pack("16sH14x", called.encode(), _FLAGS))
        fcntl.ioctl(device, _SET_OFFLOADS, _OFFLOADS)
        subprocess.run(["ip", "link", "set", called, "netns", str(held.pid)], check=True)
        for arguments in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", called),
            ("link", "set", called, "up"),
        ):
            subprocess.run([*self.on(name), "ip", *arguments], check=True)

    def _remove(self) -> None:
        for device in self._names:
            os.close(device)
        for one in self._held.values():
            assert one.stdin is not None
            one.stdin.close()
            one.wait()

    def _carry(self) -> None:
        waiting: deque[Waiting] = deque()
        with selectors.DefaultSelector() as ready:
            for device in self._names:
                ready.register(device, selectors.EVENT_READ)
            while not self._stopping.is_set():
                now = time.monotonic()
                while waiting and waiting[0].at <= now:
                    one = waiting.popleft()
                    self._give(one.device, one.packet)
                for key, _ in ready.select(max(0, waiting[0].at - now) if waiting else 0.1):
                    self._take(key.fd, waiting)

    def _take(self, device: int, waiting: deque[Waiting]) -> None:
        try:
            packet = os.read(device, _LARGEST)
        except OSError:
            return
        to = self._devices.get(packet[_DESTINATION])
        if packet[_HEADER] >> 4 != 4 or to is None:
            return
        pair = self._names[device], self._names[to]
        self._packets += 1
        self._octets[pair] += len(packet) - _HEADER
        if self._chance.random() < self.loss or len(waiting) >= _MOST_WAITING * len(self._names):
            self._dropped += 1
        else:
            waiting.append(Waiting(time.monotonic() + self.delay, to, packet))

    def _give(self, device: int, packet: bytes) -> None:
        try:
            os.write(device, packet)
        except OSError:  # its queue is full, or it is down
            self._dropped += 1
