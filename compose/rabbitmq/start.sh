#!/bin/sh
# Starts RabbitMQ's image with what it takes from no environment variable: the administrator's password, and the cookie
# by which the nodes of a cluster, and its own tools, know each other. Begins as root, as the image does, and ends as its user `rabbitmq`.
set -eu
umask 077
settings=/etc/rabbitmq/conf.d/20-admin.conf
printf 'default_user = admin\ndefault_pass = %s\n' "$(cat /run/secrets/admin)" >"$settings"
chown rabbitmq "$settings"
install -o rabbitmq -m 0400 /run/secrets/cookie /var/lib/rabbitmq/.erlang.cookie
umask 022
exec docker-entrypoint.sh rabbitmq-server
