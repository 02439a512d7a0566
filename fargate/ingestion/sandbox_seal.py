"""How a child gives up what it does not need: limits on its resources, then a filter on its system calls."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import platform
import resource
import signal
import struct
import sys

from fargate.ingestion.sandbox_wire import SandboxLimits

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 1, 22, 38, 2
_OPEN_FILES = 16
_ALARM_AFTER_S = 2

# What computing on memory and writing an answer takes, by name: (x86-64, AArch64). Everything else, first of all
# opening files, making sockets, starting or signalling processes, answers EPERM.
_SYSCALLS: dict[str, tuple[int, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "time": (201, None),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
}
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""How the kernel names a machine in a filter (AUDIT_ARCH_*), and its column above."""

# Classic BPF (linux/filter.h, linux/seccomp.h): load a word, jump if equal, return.
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_OFFSET_NUMBER, _OFFSET_MACHINE = 0, 4
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | 1

_LIBC = ctypes.CDLL(None)


def prepare() -> None:
    """
    Do in the process that forks what its children would otherwise each do for themselves, and give back free memory.

    Where memory is short, the kernel should kill this process or its children rather than the service; they inherit it.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as score:  # noqa: PTH123
        score.write(b"1000")
    with contextlib.suppress(AttributeError):  # not every C library has it
        _LIBC.malloc_trim(0)  # models that were tried once leave hundreds of megabytes behind
    _address_space()
    _filter()


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when *parent*, which forked it, ends; end now if it has ended already."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(limits: SandboxLimits) -> None:
    """Set hard limits: time, address space, processor time, open files, no file written, no core dumped."""
    signal.alarm(math.ceil(limits.wall_s) + _ALARM_AFTER_S)  # should nobody be left to watch the clock
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    with contextlib.suppress(ValueError, OSError):  # macOS knows the limit but does not let it be set.
        memory = _address_space() + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def filter_system_calls() -> bool:
    """Let through only the calls listed above, for good; False where this kernel or machine has no such filter."""
    prepared = _filter()
    if prepared is None or _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    program, _ = prepared
    return bool(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0) == 0)


@functools.cache
def _filter() -> tuple[bytes, ctypes.Array[ctypes.c_char]] | None:
    """Give the kernel's description of the filter, and what it points to, which must live as long."""
    code = _program()
    if code is None:
        return None
    buffer = ctypes.create_string_buffer(code, len(code))
    return struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)), buffer


def _program() -> bytes | None:
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return None
    machine, column = _MACHINES[platform.machine()]
    numbers = [number for pair in _SYSCALLS.values() if (number := pair[column]) is not None]
    steps = [
        (_LOAD, 0, 0, _OFFSET_MACHINE),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _DENY),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
        # A match jumps over the comparisons that are left, and the denial behind them.
        *((_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


@functools.cache
def _address_space() -> int:
    """Give the bytes of address space in use when this is first asked; 0 where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123
        return int(statm.read().split()[0]) * resource.getpagesize()
    return 0
