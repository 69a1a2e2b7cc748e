from pathlib import Path

import pytest

from step3_microservices.gateway.config import read_config
from step3_microservices.settings import ConfigError

IN_THE_FILE = "redis://:s3cret@redis:6379/0"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "redis_url"
    file.write_text(f"{IN_THE_FILE}\n")
    return file


def test_a_setting_may_come_from_a_file_as_secrets_do(secret: Path):
    assert read_config({"REDIS_URL_FILE": str(secret)}).redis_url == IN_THE_FILE


def test_the_variable_itself_comes_before_the_file(secret: Path):
    settings = {"REDIS_URL": "redis://elsewhere", "REDIS_URL_FILE": str(secret)}

    assert read_config(settings).redis_url == "redis://elsewhere"


def test_an_empty_variable_leaves_it_to_the_file(secret: Path):
    assert read_config({"REDIS_URL": "", "REDIS_URL_FILE": str(secret)}).redis_url == IN_THE_FILE


def test_a_file_that_is_not_there_is_told_by_its_name():
    with pytest.raises(ConfigError, match=r"REDIS_URL_FILE=/run/secrets/none cannot be read \(No such file"):
        read_config({"REDIS_URL_FILE": "/run/secrets/none"})


def test_what_a_file_holds_is_not_shown_when_it_is_wrong(secret: Path):
    secret.write_text("s3cret")

    with pytest.raises(ConfigError) as raised:
        read_config({"REDIS_URL_FILE": str(secret)})

    assert str(secret) in raised.value.detail
    assert "s3cret" not in raised.value.detail
