#!/bin/sh
# ApplicationStop: stops the server of the revision before this one, if it runs.
set -eu

pid_file="${INSTANCE_ROOT:-}/var/run/mobile-web.pid"

[ -f "$pid_file" ] || exit 0
pid=$(cat "$pid_file")
rm -f "$pid_file"
kill "$pid" 2>/dev/null || exit 0

# What has exited and was not waited for yet still has its process id: state Z.
running() {
    kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

tries=0
while running; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
        echo "process $pid did not stop within 10 seconds; it is killed"
        kill -KILL "$pid" 2>/dev/null || true
        exit 0
    fi
    sleep 0.1
done
