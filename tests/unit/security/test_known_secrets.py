"""Values that were read, and what is a credential by its form, are masked in every log line."""

import io
import json
import logging

import pytest
import structlog

from airboss.security.known_secrets import KnownSecrets
from airboss.security.redaction import without_credentials
from airboss.telemetry.logs import configure_logs


def test_a_value_is_masked_in_the_forms_a_line_may_hold() -> None:
    known = KnownSecrets()
    assert known.remember('pass"wörd/1') == 'pass"wörd/1'
    assert known.mask('a pass"wörd/1 b') == "a *** b"
    assert known.mask(json.dumps('pass"wörd/1', ensure_ascii=False)) == '"***"'
    assert known.mask("postgresql://app:pass%22w%C3%B6rd%2F1@db") == "postgresql://app:***@db"


def test_the_longer_of_two_values_is_masked_whole() -> None:
    known = KnownSecrets()
    known.remember("secret")
    known.remember("secret-and-more")
    assert known.mask("x secret-and-more y secret") == "x *** y ***"


def test_each_line_of_a_value_is_masked() -> None:
    known = KnownSecrets()
    known.remember("-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----\n")
    assert known.mask("at abcdefgh") == "at ***"


def test_a_value_as_short_as_a_word_is_left() -> None:
    known = KnownSecrets()
    known.remember("dev")
    assert known.mask("a developer") == "a developer"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef.123456", "Authorization: Bearer ***"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic ***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl here", "got *** here"),
        ("at redis://app:hunter22@cache:6379/0 now", "at redis://app:***@cache:6379/0 now"),
        ('{"api_key": "hunter22"}', '{"api_key": "***"}'),
        ('{\\"x-api-key\\": \\"hunter22\\"}', '{\\"x-api-key\\": \\"***\\"}'),
        ("password=hunter22&x=1", "password=***&x=1"),
        ("key sk-proj-0123456789abcdef", "key sk-***"),
        ("token hvs.CAESIJ0123456789abcd", "token hvs.***"),
        ('"api_key": "secret://env/OPENAI_API_KEY"', '"api_key": "secret://env/OPENAI_API_KEY"'),
        ("job 019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a ended", "job 019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a ended"),
        ("http://127.0.0.1:8700/v1 is ready", "http://127.0.0.1:8700/v1 is ready"),
        ("the bearer of bad news is basic", "the bearer of bad news is basic"),
    ],
)
def test_a_credential_is_known_by_its_form(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def _break(text: str) -> None:
    raise ValueError(f"broke on {text}")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_line_of_the_log_holds_a_value_that_was_read(log_format: str) -> None:
    known = KnownSecrets()
    known.remember("canary-of-the-log")
    stream = io.StringIO()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logs(log_format=log_format, level="debug", stream=stream, mask=known.mask)
        log = structlog.get_logger()
        log.info("said", text="x canary-of-the-log", nested={"a": ["canary-of-the-log"]})
        with pytest.raises(ValueError, match="canary") as caught:
            _break("canary-of-the-log")
        log.error("broke", error=caught.value)
        logging.getLogger("library").warning("a header: %s", {"Authorization": "Bearer canary-of-another"})
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    written = stream.getvalue()
    assert written.count("***") >= 5
    assert "Traceback" in written
    assert "canary" not in written
