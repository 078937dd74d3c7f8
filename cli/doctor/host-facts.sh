#!/bin/sh
# Runs on the VM and changes nothing: prints what `audit doctor` wants to know of it, one fact a line.
#
# Arguments: for each address to try from there HOST PORT, without brackets.
# Environment: PROC, for tests.
# Output: clock SECONDS; disk PATH FREE TOTAL (KiB, of Docker's directory); memory KiB; mtu INTERFACE BYTES;
#   route DEVICE TARGET MASK (hexadecimal, as the kernel writes them); listen PORT (hexadecimal);
#   reach HOST PORT yes|no|unknown
set -u

proc=${PROC:-/proc}
echo "clock $(date +%s)"

root=$(docker info --format '{{.DockerRootDir}}' 2> /dev/null) || root=/var/lib/docker
for path in "$root" "${root%/*}" /; do
  if line=$(df -Pk "${path:-/}" 2> /dev/null | sed -n 2p) && [ -n "$line" ]; then
    echo "$line" | while read -r _ total _ free _; do echo "disk ${path:-/} $free $total"; done
    break
  fi
done

sed -n 's/^MemAvailable: *\([0-9]*\) kB/memory \1/p' "$proc/meminfo"

while read -r device target _ _ _ _ _ mask _; do
  case "$mask" in
    Mask) ;;
    00000000)
      echo "mtu $device $(cat "/sys/class/net/$device/mtu" 2> /dev/null || echo 0)"
      ;;
    *) echo "route $device $target $mask" ;;
  esac
done < "$proc/net/route"

# State 0A: it listens. Ports of addresses on the loopback alone, 127.0.0.0/8, are nobody else's.
for table in "$proc/net/tcp" "$proc/net/tcp6"; do
  [ -r "$table" ] || continue
  sed -n 's/^ *[0-9]*: \([0-9A-F]*\):\([0-9A-F]*\) [0-9A-F:]* 0A .*/\1 \2/p' "$table" | while read -r address port; do
    case "$address" in ??????7F) ;; *) echo "listen $port" ;; esac
  done
done

# Whether something accepts connections at $1, port $2. A VM needs no program for that, so any of these will do.
reaches() {
  if command -v bash > /dev/null && command -v timeout > /dev/null; then
    # shellcheck disable=SC2016 # the parameters of that shell
    timeout 5 bash -c ': < "/dev/tcp/$0/$1"' "$1" "$2" 2> /dev/null && echo yes || echo no
  elif command -v nc > /dev/null; then
    nc -z -w 5 "$1" "$2" > /dev/null 2>&1 && echo yes || echo no
  elif command -v python3 > /dev/null; then
    python3 -c 'import socket, sys; socket.create_connection(sys.argv[1:], 5)' "$1" "$2" 2> /dev/null && echo yes || echo no
  else
    echo unknown
  fi
}

while [ $# -gt 1 ]; do
  echo "reach $1 $2 $(reaches "$1" "$2")" &
  shift 2
done
wait
