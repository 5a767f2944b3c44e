from pathlib import Path

import pytest

from mivla_ros.serving.credentials import (
    authorization,
    check_url,
    client_tls,
    is_authorized,
    is_loopback,
    read_api_key,
    server_tls,
)
from mivla_ros.serving.errors import ServingError


def test_a_key_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("  s3cret-key \nanything\n")
    assert read_api_key(str(file)) == "s3cret-key"


@pytest.mark.parametrize("text", ["", "\n\n", "short", "two words here", "schlüssel-lang", "a\x07bcdefgh"])
def test_keys_that_are_none_are_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ServingError, match="API key: the first line") as error:
        read_api_key(str(file))
    assert len(text) < 5 or text not in str(error.value)
    with pytest.raises(ServingError, match="No such file"):
        read_api_key(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (authorization("s3cret-key"), True),
        ("Api-Key s3cret-kez", False),
        ("Api-Key s3cret-key ", False),
        ("Bearer s3cret-key", False),
        ("s3cret-key", False),
        ("", False),
        ("Api-Key \udcff", False),
        (None, False),
    ],
)
def test_only_the_whole_key_is_accepted(header: str | None, good: bool) -> None:
    assert is_authorized(header, "s3cret-key") is good
    assert is_authorized(header, "")


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("0.0.0.0", False), ("robot", False)],
)
def test_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize("url", ["", "http://a:1", "ws://", "127.0.0.1:8000", "ws://a:99999", "ws://me:pw@a:1"])
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(ServingError) as error:
        check_url(url)
    assert "pw" not in str(error.value)


def test_tls_files_are_named_where_they_are_missing_or_wrong(tmp_path: Path) -> None:
    assert server_tls("", "") is None
    assert client_tls("ws://a:1", "") is None
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for certificate, key, words in (
        (str(bad), "", "TLS key is missing"),
        ("", str(bad), "TLS certificate is missing"),
        (str(tmp_path / "none"), str(bad), "none: TLS certificate: there is no such file"),
        (str(bad), str(bad), "cannot be used"),
    ):
        with pytest.raises(ServingError, match=words):
            server_tls(certificate, key)
    with pytest.raises(ServingError, match="cannot be read"):
        client_tls("wss://a:1", str(bad))
    with pytest.raises(ServingError, match="no such file"):
        client_tls("wss://a:1", str(tmp_path / "none"))
