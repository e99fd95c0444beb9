"""What a child process that works on a stranger's file may take, as far as the system can limit it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from reconstruct.limits import Limits

_NEW_USERS = 0x10000000  # CLONE_NEWUSER and CLONE_NEWNET of Linux, sched.h; Python has them since 3.12
_NEW_NETWORK = 0x40000000
_confined = False


def confined() -> bool:
    """Whether this process is one that `confine` was called in."""
    return _confined


def confine(memory: int) -> None:
    """Limit this process and those it starts to `memory` bytes of their own, and to what the machine has, without core
    dumps and without network.

    To be called before there are other threads, since a process that has some cannot leave the network; a second call
    does nothing.
    """
    global _confined
    if _confined:
        return
    _confined = True
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        memory = min(memory, memory_of_machine() or memory)
        # Not RLIMIT_AS: frameworks map far more than they use
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "linux":
            # Root needs no namespace of users for it, in which it could not open the files of others
            ctypes.CDLL(None).unshare(_NEW_NETWORK if os.geteuid() == 0 else _NEW_USERS | _NEW_NETWORK)


def allow(seconds: int, written: int) -> None:
    """Let this process compute for so many seconds from now on, summed over its threads, and write files of at most
    `written` bytes; for more the system ends it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        for limit, value in ((resource.RLIMIT_CPU, used + seconds + 1), (resource.RLIMIT_FSIZE, written)):
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def allow_for(paths: Iterable[Path], limits: Limits) -> None:
    """Let this process compute for `recover_seconds` on each core, and write what may be packed in these files."""
    written = (1 << 30) + limits.expansion_ratio * sum(held(path) for path in paths)
    allow(limits.recover_seconds * (os.cpu_count() or 1), written)


def held(path: Path) -> int:
    """The bytes of a file, or of all files of a directory, by which what is allowed for it is measured."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def memory_of_machine() -> int | None:
    """The bytes of memory that this machine has, where the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
