"""What Schemathesis is told about pictures: loaded by it as `SCHEMATHESIS_HOOKS`.

A schema can say that a picture is a string of bytes, and not which bytes are one. So what is to be accepted is drawn
from real pictures; what is to be refused is left to Schemathesis's own imagination.
"""

import schemathesis
from hypothesis import strategies as st

from tests.app.http_contract import CAT, COFFEE, cat_as

TYPES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
PICTURES = st.sampled_from([CAT, COFFEE, *(cat_as(name) for name in TYPES)])

schemathesis.openapi.format("binary", PICTURES)
for name in (*TYPES, "HEIF"):
    schemathesis.openapi.media_type(f"image/{name.lower()}", PICTURES)
schemathesis.openapi.media_type("application/octet-stream", PICTURES)
