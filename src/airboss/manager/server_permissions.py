"""What an admin may define by API: within what the operator's settings allow, and with no way around them."""

from collections.abc import Iterable, Mapping

from airboss.domain.json_spec import SpecProblem
from airboss.domain.mcp_policies import ServersPolicy
from airboss.domain.mcp_servers import ContainerSpec, ExternalSpec, ProcessSpec, ServerSpec

#: Variables by which another program than the allowed one would run.
_LOADER_VARIABLES = (
    "BASH_ENV",
    "DYLD_",
    "JAVA_TOOL_OPTIONS",
    "LD_",
    "NODE_OPTIONS",
    "PATH",
    "PERL5",
    "PYTHON",
    "RUBYOPT",
)
#: A file's content or this server's own keys would go to whatever address the caller names.
_FILE_REFERENCE, _OWN_REFERENCE = "secret://file/", "secret://env/AIRBOSS_"


def forbidden(spec: ServerSpec, policy: ServersPolicy) -> SpecProblem | None:
    """Return the first thing that only the settings may hold; None where an admin may define the server."""
    match spec:
        case ProcessSpec() if spec.command not in policy.allowed_commands:
            return SpecProblem(("command",), f"'{spec.command[:200]}' is not in mcp.allowed_commands")
        case ContainerSpec() if spec.image not in policy.allowed_images:
            return SpecProblem(("image",), f"'{spec.image[:200]}' is not in mcp.allowed_images")
        case ExternalSpec():
            return _forbidden_reference("headers", spec.headers)
        case ProcessSpec() | ContainerSpec():
            return _forbidden_variable(spec.env) or _forbidden_reference("env", spec.env)


def _forbidden_variable(names: Iterable[str]) -> SpecProblem | None:
    for name in names:
        if name.startswith(_LOADER_VARIABLES):
            return SpecProblem(("env", name), "decides which program runs: it may stand in the settings only")
    return None


def _forbidden_reference(group: str, values: Mapping[str, str]) -> SpecProblem | None:
    for name, reference in values.items():
        if reference.startswith((_FILE_REFERENCE, _OWN_REFERENCE)):
            text = "files, and variables that begin with AIRBOSS_, may be referred to in the settings only"
            return SpecProblem((group, name), text)
    return None
