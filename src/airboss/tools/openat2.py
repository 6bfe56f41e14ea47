"""The Linux system call openat2(2), which Python does not wrap."""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache

# include/uapi/linux/openat2.h
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

MAX_ATTEMPTS = 16

_O_PATH: int = getattr(os, "O_PATH", 0)
_SYSCALL_NUMBER = 437
_MISSING = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL})
_TRANSIENT = frozenset({errno.EINTR, errno.EAGAIN})


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory: int, path: bytes, *, flags: int, resolve: int) -> int:
    """Open `path` below the descriptor `directory`; raise OSError as the kernel says it, ENOSYS off Linux."""
    if b"\0" in path:
        # C would read the path up to the NUL and open something else.
        raise ValueError("embedded null byte")
    how = _OpenHow(flags=flags, mode=0, resolve=resolve)
    error = errno.EAGAIN
    for _ in range(MAX_ATTEMPTS):
        descriptor = _system_call()(_SYSCALL_NUMBER, directory, path, ctypes.byref(how), ctypes.sizeof(how))
        if descriptor >= 0:
            return descriptor
        error = ctypes.get_errno()
        if error not in _TRANSIENT:
            break
    raise OSError(error, os.strerror(error))


def is_supported(directory: int) -> bool:
    """Whether openat2 works here, tried on `directory` itself."""
    try:
        probe = openat2(directory, b".", flags=os.O_RDONLY | os.O_CLOEXEC | _O_PATH, resolve=RESOLVE_BENEATH)
    except OSError as error:
        # EPERM is how older container runtimes' seccomp filters answer a call they do not know.
        if error.errno in _MISSING:
            return False
        raise
    os.close(probe)
    return True


@cache
def _system_call() -> Callable[..., int]:
    # Elsewhere the number 437 is free to mean another call.
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    function.argtypes = (
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.POINTER(_OpenHow),
        ctypes.c_size_t,
    )
    return function
