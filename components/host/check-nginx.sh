#!/bin/sh
# Tests nginx.conf in the current directory with `nginx -t`, in a one-shot container.
#
# Arguments: ADDRESS, to which the configuration binds a listener. `nginx -t` binds the listeners too, and the one-shot
#   does not have this address.
# Exit codes: 0 the configuration is valid; 1 it is not, with nginx's reason on standard error.
set -eu

# nginx would change the owner of its directories to the workers' user, which the one-shot may not do.
{
  echo "user root;"
  sed "s/listen $1:/listen 127.0.0.1:/" nginx.conf
} > test.conf
nginx -t -q -c "$PWD/test.conf"
