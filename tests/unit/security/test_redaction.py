"""Words that may be keys are masked, sentences stay readable."""

import pytest

from airboss.security.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-0123456789abcdef", "Incorrect API key provided: ***"),
        ('{"error": {"message": "model not found"}}', '{"error": {"message": "model not found"}}'),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl!", "Bearer ***!"),
        ("sk-short", "sk-short"),
        ("", ""),
    ],
)
def test_long_words_are_masked(text: str, shown: str) -> None:
    assert redacted(text) == shown
