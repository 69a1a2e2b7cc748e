"""Passwords for the services of compose.yaml, in files that its `secrets` name; made once, at random."""

import secrets
from pathlib import Path

FOLDER = Path(".data/secrets")
_BYTES = 24
_ALONE = ("postgres_password", "grafana_password")


def make_passwords(folder: Path = FOLDER) -> bool:
    """Write what is missing in the folder, which only its owner may enter; return whether anything was.

    The files themselves can be read by everybody, as each container has a user of its own.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = secrets.token_urlsafe(_BYTES)
    # Both or neither: they have to agree.
    redis = {"redis_url": f"redis://:{password}@redis:6379/0", "redis_auth": f"requirepass {password}"}
    has_redis = all((folder / name).is_file() for name in redis)
    wanted: dict[str, str] = {} if has_redis else redis
    for name in _ALONE:
        if not (folder / name).is_file():
            wanted[name] = secrets.token_urlsafe(_BYTES)
    for name, text in wanted.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
        (folder / name).chmod(0o644)
    return bool(wanted)
