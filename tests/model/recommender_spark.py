"""Whether Spark can be started here, for tests that need it."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

JAVA = 17  # the oldest that Spark 4 runs in


def what_spark_lacks() -> str:
    """Return why Spark cannot be started, as a reason to skip a test; nothing where it can."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed: make spark"
    java = str(Path(os.environ["JAVA_HOME"], "bin/java")) if os.environ.get("JAVA_HOME") else "java"
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return f"Spark needs Java {JAVA}, and there is no java; once there is: make spark"
    version = re.search(r' version "(\d+)', told)
    return "" if version and int(version[1]) >= JAVA else f"Spark needs Java {JAVA}, and {java} is another one"
