#!/bin/sh
# ApplicationStart: runs the image with Docker Compose.
#
# INSTANCE_ROOT is empty on a real machine. Where several instances share one machine, it is the folder that stands for the
# instance's disk, and there is no Docker: server.py is started straight, as the image would start it.
set -eu

application="${INSTANCE_ROOT:-}/opt/shop"
# The deployment groups are named after the stages; all else is the same in each of them.
export STAGE="$DEPLOYMENT_GROUP_NAME"

if [ -z "${INSTANCE_ROOT:-}" ]; then
    cd "$application"
    exec docker compose --env-file image.env up --detach --quiet-pull --remove-orphans
fi

. "$application/image.env"
export IMAGE
echo "There is no Docker here: server.py is started straight, in the place of $IMAGE."
log="$INSTANCE_ROOT/var/log/shop.log"
mkdir -p "$(dirname "$log")"
setsid nohup python3 -S -E "$application/server.py" >>"$log" 2>&1 </dev/null &
