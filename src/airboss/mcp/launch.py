"""From a spec to what is run or asked, with its secrets read."""

import asyncio
import secrets as random_words
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airboss.domain.mcp_servers import ContainerSpec, ProcessSpec, ServerOrigin
from airboss.ports.mcp import McpUnavailableError
from airboss.security.redaction import MASK
from airboss.security.secrets import SecretUnavailable, is_reference

#: Returns the value behind a secret reference; raises `SecretUnavailable`.
ReadSecret = Callable[[str], str]

_ENGINES = ("docker", "podman")
#: The engine's client has the container's variables in its own environment: not those that it obeys.
_ENGINE_VARIABLES = ("DOCKER_", "CONTAINER", "PODMAN_", "LD_", "XDG_")
#: A shorter value is found in innocent words, and is hardly a secret.
_MIN_SECRET_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Launch:
    """A command with its whole environment; `afterwards` ends what the command may leave behind when killed."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    afterwards: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """The values that were read for one server, so that they can be taken out of what it says."""

    values: tuple[str, ...] = ()

    def masked(self, text: str) -> str:
        for value in self.values:
            text = text.replace(value, MASK)
        return text


async def read_values(values: Mapping[str, str], read_secret: ReadSecret) -> tuple[dict[str, str], Secrets]:
    """Return the values with their references resolved, off the event loop.

    Raises `McpUnavailableError`, which names the reference.
    """
    found: dict[str, str] = {}
    read: list[str] = []
    for key, value in values.items():
        found[key] = value
        if is_reference(value):
            try:
                found[key] = await asyncio.to_thread(read_secret, value)
            except SecretUnavailable as error:
                raise McpUnavailableError(str(error)) from None
            if len(found[key]) >= _MIN_SECRET_CHARACTERS:
                read.append(found[key])
    return found, Secrets(tuple(sorted(read, key=len, reverse=True)))


def process_launch(
    spec: ProcessSpec, origin: ServerOrigin, own: Mapping[str, str], base: Mapping[str, str]
) -> Launch:
    """Return how a process is started; raises `McpUnavailableError` where there is no such command."""
    environment = {**base, **own}
    # What the API may start is known by name: its own PATH must not say what that name means.
    path = (base if origin is ServerOrigin.API else environment).get("PATH", "")
    command = shutil.which(spec.command, path=path)
    if command is None:
        raise McpUnavailableError(_why_not(spec.command, path))
    # It starts in a folder of its own: what is relative is meant from here.
    return Launch((str(Path(command).absolute()), *spec.args), environment)


def _why_not(command: str, path: str) -> str:
    if " " in command and not Path(command).exists():
        return f"the command '{command}' was not found: it holds a space; give the program alone, and the rest in args"
    if "/" not in command:
        return f"the command {command} was not found in {path}; install it there, or give its absolute path"
    file = Path(command)
    if file.is_dir():
        return f"the command {command} is a folder; give the program in it"
    if file.exists():
        reason = "is there, and the server's user may not run it; make it executable (chmod +x)"
        return f"the command {command} {reason}"
    return f"the command {command} was not found: there is no such file; check the path, or install it"


def container_launch(
    name: str, spec: ContainerSpec, own: Mapping[str, str], base: Mapping[str, str]
) -> Launch:
    """Return how a container is started. Its variables are named in the command and given in the environment.

    Raises `McpUnavailableError` where this machine has neither docker nor podman.
    """
    if steering := [key for key in own if key.startswith(_ENGINE_VARIABLES)]:
        raise McpUnavailableError(
            f"{', '.join(steering)} would steer the container engine, not the container"
        )
    path = base.get("PATH", "")
    engine = next((found for known in _ENGINES if (found := shutil.which(known, path=path))), None)
    if engine is None:
        raise McpUnavailableError(f"a container needs docker or podman, and neither is in {path}")
    container = f"airboss-{name}-{random_words.token_hex(4)}"
    variables = [word for key in sorted(own) for word in ("--env", key)]
    argv = (
        *(engine, "run", "--interactive", "--rm", "--init", "--name", container),
        *("--label", f"airboss.server={name}", *variables, spec.image),
    )
    return Launch(argv, {**base, **own}, afterwards=(engine, "rm", "--force", container))
