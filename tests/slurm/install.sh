#!/bin/sh
# SLURM from Debian, for the tests of `make test-slurm`; nothing is started by it.
set -e
if command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "SLURM is missing: install slurmctld, slurmd, slurm-client and munge, or run this as root on Debian" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurmctld slurmd slurm-client munge
