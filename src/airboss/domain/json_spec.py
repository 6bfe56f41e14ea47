"""From a json_spec to what it describes: what a server is follows from the keys that are there."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import parse_qsl, urlsplit

from airboss.domain.mcp_servers import ContainerSpec, ExternalSpec, ProcessSpec, ServerSpec
from airboss.domain.nearest_name import suggestion

#: Names of servers; the first parts of the built-in tools' names are taken.
SERVER_NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
RESERVED_NAMES = ("files", "mcp", "web")

#: The key that makes a form, and the keys that may stand beside it.
FORMS: dict[str, tuple[str, ...]] = {
    "endpoint_url": ("headers",),
    "command": ("args", "env"),
    "image": ("env",),
}
_KEYS = {key for form, rest in FORMS.items() for key in (form, *rest)}
MAX_TEXT_CHARACTERS = 4096
MAX_ITEMS = 256

_URL = re.compile(r"https?://[^\s/?#@]+([/?][^\s#]*)?", re.IGNORECASE)
#: It stands among the options of `docker run`: what begins with a dash would be one of them.
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET_NAME = re.compile(
    r"key|token|secret|passw|pwd|credential|signature|cookie|session|private|cert|auth(?!or)", re.IGNORECASE
)
#: Schemes of credentials, URLs with a password, and long words of letters and digits such as keys are.
_SECRET_VALUE = re.compile(
    r"(bearer|basic|digest|token)\s|://[^/\s]*@|(?=\S*[0-9])(?=\S*[A-Za-z])[A-Za-z0-9+_=.~-]{20,}",
    re.IGNORECASE,
)
#: What the connection itself sends; two of one name would be read as one or the other.
_OWN_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "mcp-protocol-version",
        "mcp-session-id",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

#: Tells whether a value is a reference to a secret.
IsReference = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One thing that is wrong: where in the spec, and what must be there. It never repeats a value."""

    path: tuple[str, ...]
    text: str


class JsonSpecError(Exception):
    """A json_spec that describes no server, with everything that is wrong with it."""

    def __init__(self, problems: tuple[SpecProblem, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(each.path) or 'json_spec'}: {each.text}" for each in problems))
        self.problems = problems


def parse_json_spec(given: object, is_reference: IsReference, reference_forms: str) -> ServerSpec:
    """Read a json_spec; raises `JsonSpecError`."""
    problems = tuple(_problems(given, is_reference, reference_forms))
    if problems or not isinstance(given, Mapping):
        raise JsonSpecError(problems)
    if "endpoint_url" in given:
        return ExternalSpec(given["endpoint_url"], dict(given.get("headers", {})))
    if "command" in given:
        return ProcessSpec(given["command"], tuple(given.get("args", ())), dict(given.get("env", {})))
    return ContainerSpec(given["image"], dict(given.get("env", {})))


def to_json_spec(spec: ServerSpec) -> dict[str, Any]:
    """Write a spec as it is kept and shown: every key of its form, secrets as references."""
    match spec:
        case ExternalSpec():
            return {"endpoint_url": spec.endpoint_url, "headers": dict(spec.headers)}
        case ProcessSpec():
            return {"command": spec.command, "args": list(spec.args), "env": dict(spec.env)}
        case ContainerSpec():
            return {"image": spec.image, "env": dict(spec.env)}


def name_problem(name: str) -> str | None:
    """Say what is wrong with a server's name, which stands before the dot of its tools' names."""
    if re.fullmatch(SERVER_NAME_PATTERN, name) is None:
        return "must be 1 to 63 of a-z, 0-9, _ and -, starting with a letter or a digit"
    if name in RESERVED_NAMES:
        return f"{name} is taken by the built-in tools {name}.*; choose another name"
    return None


def _problems(given: object, is_reference: IsReference, reference_forms: str) -> Iterator[SpecProblem]:
    if not isinstance(given, Mapping):
        yield SpecProblem((), "must be a mapping")
        return
    forms = [form for form in FORMS if form in given]
    if len(forms) != 1:
        yield SpecProblem((), "must have exactly one of endpoint_url, command and image")
    known = {key for form in forms for key in (form, *FORMS[form])} or _KEYS
    for key in given:
        if key not in known:
            yield SpecProblem((str(key)[:64],), _unknown(str(key), sorted(known)))
    for form in forms:
        yield from _FORM_CHECKS[form](given[form])
    yield from _args(given.get("args", []))
    for group, pattern in (("headers", _HEADER_NAME), ("env", _VARIABLE_NAME)):
        yield from _values(group, given.get(group, {}), pattern, is_reference, reference_forms)


def _unknown(key: str, known: list[str]) -> str:
    return f"is not known here; {suggestion(key, known)}"


def _endpoint_url(value: object) -> Iterator[SpecProblem]:
    path = ("endpoint_url",)
    if not _is_text(value) or _URL.fullmatch(value) is None or not _has_host(value):
        yield SpecProblem(path, "must be an http:// or https:// URL without user, password and fragment")
    elif any(_SECRET_NAME.search(key) for key, _ in parse_qsl(urlsplit(value).query)):
        yield SpecProblem(path, "must hold no secret; put it into headers, as a reference")


def _has_host(url: str) -> bool:
    try:
        split = urlsplit(url)
        return bool(split.hostname) and split.port != 0
    except ValueError:
        return False


def _command(value: object) -> Iterator[SpecProblem]:
    if not _is_text(value):
        yield SpecProblem(("command",), f"must be text of 1 to {MAX_TEXT_CHARACTERS} characters")


def _image(value: object) -> Iterator[SpecProblem]:
    if not _is_text(value) or _IMAGE.fullmatch(value) is None:
        yield SpecProblem(("image",), "must be the name of an image, such as registry.example/name:tag")


_FORM_CHECKS: dict[str, Callable[[object], Iterator[SpecProblem]]] = {
    "endpoint_url": _endpoint_url,
    "command": _command,
    "image": _image,
}


def _is_text(value: object, *, may_be_empty: bool = False) -> TypeGuard[str]:
    """Tell whether a value can be handed to a process: no NUL, no half characters, not endless."""
    if not isinstance(value, str) or "\0" in value or len(value) > MAX_TEXT_CHARACTERS:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return may_be_empty or bool(value.strip())


def _args(value: object) -> Iterator[SpecProblem]:
    if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
        yield SpecProblem(("args",), f"must be a list of at most {MAX_ITEMS} texts")
        return
    for index, argument in enumerate(value):
        if not _is_text(argument, may_be_empty=True):
            yield SpecProblem(
                ("args", str(index)), f"must be text of at most {MAX_TEXT_CHARACTERS} characters"
            )


def _values(
    group: str, value: object, pattern: re.Pattern[str], is_reference: IsReference, reference_forms: str
) -> Iterator[SpecProblem]:
    if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
        yield SpecProblem((group,), "must be a mapping of names to texts, secrets as references")
        return
    seen: set[str] = set()
    for name, given in value.items():
        path = (group, str(name)[:128])
        if pattern.fullmatch(str(name)) is None:
            yield SpecProblem(path, f"is no name for {'a header' if group == 'headers' else 'a variable'}")
        elif group == "headers" and str(name).lower() in _OWN_HEADERS:
            yield SpecProblem(path, "is set by the connection itself; leave it out")
        elif group == "headers" and str(name).lower() in seen:
            yield SpecProblem(path, "stands twice: upper and lower case are the same in headers")
        if not is_reference(given):
            yield from _plain(path, str(name), given, reference_forms)
        seen.add(str(name).lower())


def _plain(path: tuple[str, ...], name: str, value: object, reference_forms: str) -> Iterator[SpecProblem]:
    """Refuse a literal that cannot be sent, or that may be a secret by its name or its look."""
    if not _is_text(value, may_be_empty=True) or not value.isprintable():
        yield SpecProblem(path, f"must be text of at most {MAX_TEXT_CHARACTERS} printable characters")
    elif value.startswith("secret://") or _SECRET_NAME.search(name) or _SECRET_VALUE.search(value):
        yield SpecProblem(path, f"must be a reference to the secret, not the secret: {reference_forms}")
