#!/bin/bash
# What a server of any stage runs at its first start: Docker with Compose, the registry's credentials, CodeDeploy's agent.
set -eu

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y docker.io docker-compose-v2 amazon-ecr-credential-helper python3 ruby-full wget

# The helper logs in by the server's role, each time anew: nothing is kept that could expire.
mkdir -p /root/.docker
echo '{"credsStore": "ecr-login"}' >/root/.docker/config.json

token=$(wget -qO- --method=PUT --header='X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
region=$(wget -qO- --header="X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/placement/region)
wget -qO /tmp/install "https://aws-codedeploy-$region.s3.$region.amazonaws.com/latest/install"
chmod +x /tmp/install
/tmp/install auto
