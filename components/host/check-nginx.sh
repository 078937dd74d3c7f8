#!/bin/sh
# Has nginx judge a configuration, nginx.conf in the current directory, in a one-shot container.
#
# Arguments: ADDRESS, one to which the configuration listens and that is nobody's here: `nginx -t` binds the listeners.
# Exit codes: 0 nginx takes it; 1 it does not, and has said why.
set -eu

# nginx gives its directories to the workers' user, which the one-shot may not.
{
  echo "user root;"
  sed "s/listen $1:/listen 127.0.0.1:/" nginx.conf
} > test.conf
nginx -t -q -c "$PWD/test.conf"
