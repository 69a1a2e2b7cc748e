#!/bin/sh
# The same when only settings change.
exec "$(dirname "$0")/../../hooks/predeploy/secrets.sh"
