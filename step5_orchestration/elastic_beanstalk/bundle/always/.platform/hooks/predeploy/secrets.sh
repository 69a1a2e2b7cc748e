#!/bin/sh
# Runs on the instance before the containers start. Each secret is a file that only its container's user can read. The
# password of a Redis on the instance is made here, once: it never leaves the instance.
set -eu
umask 077
secrets=${SECRETS:-/var/lib/classifier/secrets}
get_config=${GET_CONFIG:-/opt/elasticbeanstalk/bin/get-config}

write() {  # NAME OWNER, contents on standard input
    cat > "$secrets/.$1"
    [ "$(id -u)" != 0 ] || chown "$2:$2" "$secrets/.$1"
    mv "$secrets/.$1" "$secrets/$1"
}

mkdir -p "$secrets"
url=$("$get_config" environment -k REDIS_URL 2>/dev/null) || url=
if [ -z "$url" ]; then
    [ -s "$secrets/redis_auth" ] ||
        printf 'requirepass %s\n' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" | write redis_auth 999
    url="redis://:$(sed 's/^requirepass //' "$secrets/redis_auth")@redis:6379/0"
fi
printf %s "$url" | write redis_url 10001
