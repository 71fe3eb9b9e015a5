#!/bin/sh
# Checks that an address answers with this version: check.sh URL VERSION. Your own tests belong here.
set -eu

# A switch takes some seconds to reach every node of a load balancer.
tries=${CHECK_TRIES:-15}
while found=$(curl --silent --show-error --fail --max-time 10 "$1/version" 2>&1) || :; do
    if [ "$found" = "$2" ]; then
        echo "$1 answers with $2"
        exit
    fi
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then
        echo "$1 does not answer with $2: $found" >&2
        exit 1
    fi
    sleep 2
done
