"""Make an API key: `python -m step2_webapp.api_keys` prints it, and the hash for the service."""

import hashlib
import secrets


def main() -> None:
    """Print a new key once; nothing keeps it."""
    key = secrets.token_urlsafe(32)  # 256 random bits need no slow hash: there is nothing to guess
    print(f"key, for the client:          {key}")  # noqa: T201
    print(f"API_KEYS_SHA256, for the service: {hashlib.sha256(key.encode()).hexdigest()}")  # noqa: T201


if __name__ == "__main__":
    main()
