#!/bin/sh
# ApplicationStart: starts the server in the background, in a session of its own, so that it outlives the deployment.
#
# INSTANCE_ROOT is empty on a real machine. Where several instances share one machine, it is the folder that
# stands for the instance's disk; BIND_ADDRESS and PORT, which server.py reads, are set there too.
set -eu

application="${INSTANCE_ROOT:-}/opt/mobile-web"
log="${INSTANCE_ROOT:-}/var/log/mobile-web.log"
pid_file="${INSTANCE_ROOT:-}/var/run/mobile-web.pid"

mkdir -p "$(dirname "$log")" "$(dirname "$pid_file")"
# Without -S and -E, Python looks through site packages that the server does not use.
setsid nohup python3 -S -E "$application/server.py" >>"$log" 2>&1 </dev/null &
echo $! >"$pid_file"
