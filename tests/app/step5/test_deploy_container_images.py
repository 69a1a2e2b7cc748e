import json

import pytest

from step5_orchestration.deploy.container_images import read_container_images
from step5_orchestration.deploy.errors import ContainerImagesError

DIGEST = "sha256:" + "ab" * 32
PUSHED = {"revision": "0123456789ab", "images": {"gateway": f"registry.example/gateway@{DIGEST}"}}


@pytest.fixture
def pushed(tmp_path):
    def write(contents: object) -> object:
        path = tmp_path / "images.json"
        path.write_text(contents if isinstance(contents, str) else json.dumps(contents))
        return path

    return write


def test_a_push_is_read(pushed):
    images = read_container_images(pushed(PUSHED))

    assert images.revision == "0123456789ab"
    assert images["gateway"] == f"registry.example/gateway@{DIGEST}"


def test_an_image_that_was_not_pushed_is_named(pushed):
    with pytest.raises(ContainerImagesError, match="no container image 'worker', only gateway") as failure:
        read_container_images(pushed(PUSHED))["worker"]

    assert "make push" in failure.value.remedy


def test_before_a_push_the_remedy_is_one(tmp_path):
    with pytest.raises(ContainerImagesError, match="is missing") as failure:
        read_container_images(tmp_path / "images.json")

    assert "make push" in failure.value.remedy


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ({"revision": "0123456789ab"}, "KeyError"),
        (PUSHED | {"images": {}}, "names no container image"),
        (PUSHED | {"revision": "main"}, "no git revision"),
        (PUSHED | {"revision": 12}, "TypeError"),
        (PUSHED | {"images": {"gateway": "gateway:latest"}}, "without a digest"),
        (PUSHED | {"images": {"gateway": f"gateway@{DIGEST[:-1]}"}}, "without a digest"),
    ],
)
def test_what_no_push_writes_is_refused(pushed, contents, complaint):
    with pytest.raises(ContainerImagesError, match=complaint):
        read_container_images(pushed(contents))


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(ContainerImagesError, match="cannot be read"):
        read_container_images(tmp_path)
