#!/bin/sh
# Puts the passwords in /run/secrets where trunkline reads them, and becomes the command that it is given.
# ROLE: the broker's user, `trunkline-<role>`, or `admin`, who gets those of all roles. NODES: the broker's hosts.
set -eu
: "${ROLE:?}" "${NODES:?}"
secrets=/run/secrets

case $ROLE in
    admin) user=$ROLE ;;
    *) user=trunkline-$ROLE ;;
esac
password=$(cat "$secrets/$ROLE")
export TRUNKLINE_BUS="amqp://$user:$password@$NODES/"
if [ "$ROLE" = admin ]; then
    for role in shop stock operator topology; do
        name=TRUNKLINE_PASSWORD_$(echo "$role" | tr '[:lower:]' '[:upper:]')
        password=$(cat "$secrets/$role")
        export "$name=$password"
    done
fi
if [ -e "$secrets/erp" ]; then
    password=$(cat "$secrets/erp")
    export ERP_URL="postgres://erp:$password@erp/erp"
fi
if [ -e "$secrets/webhook" ]; then
    SHOP_SECRET=$(cat "$secrets/webhook")
    export SHOP_SECRET
fi
exec "$@"
