"""Taking what may be a secret out of text."""

import re

#: Keys, tokens and hashes are long words of these characters; the words of a sentence are not.
_TOKEN = re.compile(r"[A-Za-z0-9_+/=.~-]{16,}")
MASK = "***"

#: What is a secret by its form, wherever it stands: a credential behind its scheme, a JSON Web Token, the
#: password of an address, the value of what is called a key, and keys that name their vendor.
_FORMS = (
    (re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1\2{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), MASK),
    (re.compile(r"(?<=://)([^\s:@/?#\"']*):[^\s@/\"']+@"), rf"\1:{MASK}@"),
    (
        re.compile(
            r"\b((?:x-)?(?:api[_-]?key|authorization|access[_-]?token|client[_-]?secret|password|secret[_-]?id))"
            r"(\\?[\"']?\s*[:=]\s*\\?[\"']?)(?!bearer\b|basic\b|secret://)[^\s\"',;&\\]{6,}",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"\b(sk|hvs|hvb|ghp|gho|xox[abp])([-_.])[A-Za-z0-9_-]{12,}"), rf"\1\2{MASK}"),
)
#: Each form holds one of these, in any case: most lines hold none. Looked for one by one, they take 2 µs
#: in a line of 200 characters; as one pattern they took 20.
_HINTS = (
    *("bearer", "basic", "eyj", "://", "key", "authorization", "access", "secret", "password"),
    *("sk", "hv", "gh", "xox"),
)


def redacted(text: str) -> str:
    """Mask every word that is long enough to be a key, whatever it is."""
    return _TOKEN.sub(MASK, text)


def without_credentials(text: str) -> str:
    """Mask what is a credential by its form; sentences, ids and addresses stay as they are."""
    lowered = text.lower()
    for hint in _HINTS:
        if hint in lowered:
            break
    else:
        return text
    for pattern, replacement in _FORMS:
        text = pattern.sub(replacement, text)
    return text
