#!/bin/sh
# Makes the passwords that compose.yaml and cluster.yaml take, in compose/secrets; those that are there stay.
# Nobody but you may enter the folder; the files in it are readable, since a container reads them as another user.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 0700 secrets
for name in admin shop stock operator topology webhook erp cookie; do
    [ -e "secrets/$name" ] || od -An -N 24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
    chmod 0444 "secrets/$name"
done
