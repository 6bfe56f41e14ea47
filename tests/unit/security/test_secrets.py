import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.security import SecretReference, SecretResolver, SecretUnavailable
from airboss.security.secrets import is_reference

REFERENCES = [
    ("secret://env/OPENAI_API_KEY", SecretReference("env", "OPENAI_API_KEY")),
    ("secret://file/run/key", SecretReference("file", "run/key")),
    ("secret://file//run/key", SecretReference("file", "/run/key")),
    ("secret://vault/kv/team/app#api_key", SecretReference("vault", "kv/team/app", "api_key")),
]


def reason(resolver: SecretResolver, text: str) -> str:
    with pytest.raises(SecretUnavailable) as caught:
        resolver.resolve(SecretReference.parse(text))
    assert str(caught.value.reference) == text
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(("text", "reference"), REFERENCES)
def test_a_reference_is_read_and_written_alike(text: str, reference: SecretReference) -> None:
    assert SecretReference.parse(text) == reference
    assert str(reference) == text
    assert is_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "",
        "secret://",
        "secret://env/",
        "secret://env/1X",
        "secret://env/A-B",
        "secret://file/",
        "secret://vault/kv",
        "secret://vault/kv/a",
        "secret://vault/kv#a",
        "secret://other/a",
        " secret://env/A",
        "secret://env/A\n",
    ],
)
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        SecretReference.parse(text)
    assert str(caught.value) == (
        "a secret is written as a reference: "
        "secret://env/NAME, secret://file/PATH or secret://vault/MOUNT/PATH#KEY"
    )
    assert not is_reference(text)


@given(st.text())
def test_any_text_that_parses_is_written_back_as_it_was(location: str) -> None:
    for store in ("env", "file", "vault"):
        text = f"secret://{store}/{location}"
        if is_reference(text):
            assert str(SecretReference.parse(text)) == text


def test_only_text_is_a_reference() -> None:
    assert not is_reference(None)
    assert not is_reference(5)


def test_a_variable_is_read_at_each_use(tmp_path: Path) -> None:
    environ = {"KEY": "one"}
    resolver = SecretResolver(environ, tmp_path)
    assert resolver.resolve(SecretReference("env", "KEY")) == "one"
    environ["KEY"] = "two"
    assert resolver.resolve(SecretReference("env", "KEY")) == "two"


def test_a_file_is_read_at_each_use_without_its_last_line_end(tmp_path: Path) -> None:
    resolver = SecretResolver({}, tmp_path)
    for content, value in (
        (b"one\n", "one"),
        (b"two\r\n", "two"),
        (b"three", "three"),
        (b" a\nb \n", " a\nb "),
    ):
        (tmp_path / "key").write_bytes(content)
        assert resolver.resolve(SecretReference("file", "key")) == value
        assert resolver.resolve(SecretReference("file", str(tmp_path / "key"))) == value


def test_what_cannot_be_had_is_named_with_what_to_do(tmp_path: Path) -> None:
    resolver = SecretResolver({"EMPTY": ""}, tmp_path)
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    assert reason(resolver, "secret://env/KEY") == (
        "secret://env/KEY: the environment variable KEY is not set; set it and start again"
    )
    assert reason(resolver, "secret://env/EMPTY") == "secret://env/EMPTY: it is empty; give it a value"
    assert reason(resolver, "secret://file/empty") == "secret://file/empty: it is empty; give it a value"
    assert reason(resolver, "secret://file/gone") == (
        f"secret://file/gone: {tmp_path}/gone cannot be read (No such file or directory); "
        "an absolute path is written secret://file//PATH"
    )
    assert reason(resolver, "secret://file/binary") == (
        f"secret://file/binary: {tmp_path}/binary is not UTF-8 text; store the secret as text"
    )
    assert reason(resolver, "secret://vault/kv/app#key") == (
        "secret://vault/kv/app#key: Vault is not read here; use secret://env/NAME or secret://file/PATH"
    )
