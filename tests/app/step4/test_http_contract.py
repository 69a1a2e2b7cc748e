"""The contract of step 2, through the front end's nginx and four containers."""

import pytest

from tests.app.http_contract import HttpContract, answers_of_the_script, without_timings
from tests.app.step4.stack import Stack
from tests.conftest import SAMPLES


@pytest.fixture
def address(stack: Stack) -> str:
    return stack.address


class TestHttpContract(HttpContract):
    """The suite, but for what is not given away, and HEIC, whose decoder the container image leaves out."""

    test_requests_and_pictures_are_counted_exactly = None
    test_addresses_nobody_serves_do_not_make_figures_without_end = None
    test_methods_nobody_has_heard_of_do_not_make_figures_without_end = None

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
    def test_every_type_of_picture_is_answered(self, ask, file_format):
        super().test_every_type_of_picture_is_answered(ask, file_format)

    @pytest.mark.parametrize("name", ["cat.jpg", "coffee.jpg", "astronaut.jpg", "rocket.jpg"])
    def test_the_same_picture_gives_the_same_answer_as_the_script(self, ask, name):
        answer = without_timings(ask((SAMPLES / name).read_bytes()).json())

        expected = without_timings(answers_of_the_script()[name])
        # Another runtime rounds otherwise, in the fifth decimal, and says which it is.
        for one in (answer, expected):
            one["model_version"] = one["model_version"].replace("openvino-float32", "float32")
            for prediction in one["predictions"]:
                prediction["probability"] = pytest.approx(prediction["probability"], abs=2e-5)
        assert answer == expected
