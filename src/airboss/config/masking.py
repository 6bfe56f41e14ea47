"""What may be shown of a value that can hold a secret."""

import re

from airboss.config.paths import KeyPath
from airboss.security.secrets import is_reference

MASK = "***"

# Greedy up to the last @: a password may itself hold what would end a well-formed one.
_PASSWORD_BEFORE_HOST = re.compile(r"(?<=://)([^:@/?#\s]*):.*@", re.DOTALL)
_PASSWORD_IN_QUERY = re.compile(r"([?&](?:ssl)?password=)[^&#]*", re.IGNORECASE)
_SECRET_GROUPS = ("headers", "env")
_GROUP_DEPTH = 3  # mcp.servers.NAME.headers


def masked(path: KeyPath, value: object) -> object:
    """Return the value as it may be shown: references stay, passwords in URLs and literal headers do not."""
    if isinstance(value, list):
        return [masked(path, item) for item in value]
    if not isinstance(value, str):
        return MASK if _is_in_secret_group(path) and value is not None else value
    if _is_in_secret_group(path) and not is_reference(value):
        return MASK
    return without_password(value)


def without_password(text: str) -> str:
    """Mask the password of every `scheme://user:password@host` and of `?password=`."""
    return _PASSWORD_IN_QUERY.sub(rf"\1{MASK}", _PASSWORD_BEFORE_HOST.sub(rf"\1:{MASK}@", text))


def _is_in_secret_group(path: KeyPath) -> bool:
    is_inside = path[:2] == ("mcp", "servers") and len(path) > _GROUP_DEPTH + 1
    return is_inside and path[_GROUP_DEPTH] in _SECRET_GROUPS
