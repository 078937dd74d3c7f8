#!/bin/sh
# Runs on the VM before any of its networks is replaced: fails if one could not be created as wanted, or could not be
# used. A network that already exists as wanted is not checked.
#
# Arguments, for each network: NAME, SUBNET (`-`: Docker chooses it), MTU (`-`: Docker's default, or what the network
#   has) and `internal`, or `external` if containers reach the outside through it.
# Environment: RANGE_SETTING and MTU_SETTING, the settings that choose subnets and MTU; PEERS, lines "HOST SETTING" of what the containers
#   must reach; ROUTES and INTERFACES, for tests.
# Exit codes: 0 all of them can be created; 1 one cannot, with the reason and the cure on standard error.
set -eu

option=com.docker.network.driver.mtu
trials=

tidy() {
  for trial in $trials; do docker network rm "$trial" > /dev/null 2>&1 || :; done
}
trap tidy EXIT

# Refuses the network $1 for the reason $2, with the cure $3.
refuse() {
  echo "network $1 $2. $3. Nothing was changed." >&2
  exit 1
}

# The last part of Docker's message $1, such as "Pool overlaps with other one on this address space".
reason() {
  last=$(printf '%s\n' "$1" | sed -n 's/\.$//; s/^.*Error response from daemon: \(.*: \)\{0,1\}//p')
  printf '%s\n' "${last:-$1}"
}

docker_networks() {
  docker network ls --quiet | xargs docker network inspect --format '{{.Name}}{{range .IPAM.Config}} {{.Subnet}}{{end}}' | grep / | paste -s -d , -
}

# Sets $first and $mask, numbers, to those of the range $1 in the form 10.0.0.0/24.
parse() {
  bits=${1#*/}
  IFS=./ read -r a b c d _ << END
$1
END
  mask=$(( (0xffffffff << (32 - bits)) & 0xffffffff ))
  first=$(( ((a << 24) + (b << 16) + (c << 8) + d) & mask ))
}

# Whether the range $1 shares addresses with another, given as the numbers $2, its first address, and $3, its mask.
overlaps() {
  parse "$1"
  [ $(( first & mask & $3 )) = $(( $2 & mask & $3 )) ]
}

# Sets $number to the hexadecimal $1, whose bytes the kernel writes in reverse.
number() {
  swapped=$((0x$1))
  number=$(( (swapped & 255) << 24 | (swapped >> 8 & 255) << 16 | (swapped >> 16 & 255) << 8 | swapped >> 24 ))
}

# The range with the first address $1 and the mask $2, both numbers, in the form 10.0.0.0/24.
range() {
  ones=$2
  length=0
  while [ "$ones" -gt 0 ]; do
    length=$((length + (ones & 1)))
    ones=$((ones >> 1))
  done
  echo "$(($1 >> 24)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))/$length"
}

# Refuses the network $1 if the host has a route into its subnet $2, other than the default route.
no_route_into() {
  while read -r device target _ _ _ _ _ mask_of_route _; do
    case "$mask_of_route" in Mask | 00000000) continue ;; esac
    number "$target"
    target=$number
    number "$mask_of_route"
    overlaps "$2" "$target" "$number" || continue
    case "$device" in '*') by= ;; *) by=" by $device" ;; esac
    refuse "$1" "cannot have $2 on this host: it has a route to $(range "$target" "$number")$by" \
      "Choose another range by $RANGE_SETTING"
  done << END
$routes
END
}

# Refuses the network $1 if an address that its containers must reach is in its subnet $2: they would look for it on
# their own network.
no_peer_in() {
  while read -r host setting; do
    [ -n "$host" ] || continue
    for address in $(getent ahostsv4 "$host" 2> /dev/null | cut -d " " -f 1 | sort -u); do
      parse "$address/32"
      if overlaps "$2" "$first" "$mask"; then
        refuse "$1" "would have $2 on this host, where $host ($address, $setting) is" "Choose another range by $RANGE_SETTING"
      fi
    done
  done << END
${PEERS:-}
END
}

# Sets $uplink and $uplink_mtu to the interface of the default route, if there is one.
find_uplink() {
  uplink=
  while read -r device _ _ _ _ _ _ mask_of_route _; do
    if [ "$mask_of_route" = 00000000 ] && [ -z "$uplink" ]; then uplink=$device; fi
  done << END
$routes
END
  uplink_mtu=$(cat "${INTERFACES:-/sys/class/net}/$uplink/mtu" 2> /dev/null || :)
}

# Before the trial networks are created: they add routes.
routes=$(cat "${ROUTES:-/proc/net/route}")
find_uplink

while [ $# -gt 0 ]; do
  name=$1 subnet=$2 mtu=$3 kind=$4
  shift 4
  there=$(docker network inspect --format "{{range .IPAM.Config}}{{.Subnet}} {{end}}mtu {{index .Options \"$option\"}}" "$name" 2> /dev/null || :)
  own_mtu=${there##*mtu}
  own_mtu=${own_mtu# }
  looked_at=yes
  case "$subnet $there" in
    "- ") ;;
    "- "*) looked_at= ;;
    *" $subnet "*) looked_at= ;;
  esac

  if [ -n "$looked_at" ]; then
    trial=$name-trial
    docker network rm "$trial" > /dev/null 2>&1 || :
    set_subnet=
    what="a subnet"
    if [ "$subnet" != - ]; then
      set_subnet="--subnet $subnet"
      what=$subnet
    fi
    # shellcheck disable=SC2086 # two words, or none
    output=$(docker network create --internal $set_subnet "$trial" 2>&1) ||
      refuse "$name" "cannot have $what on this host: $(reason "$output"). Networks there: $(docker_networks)" \
        "Choose another range by $RANGE_SETTING"
    trials="$trials $trial"
    if [ "$subnet" != - ]; then
      no_route_into "$name" "$subnet"
    else
      # A subnet that Docker chooses itself already avoids the host's routes.
      subnet=$(docker network inspect --format '{{range .IPAM.Config}}{{.Subnet}}{{end}}' "$trial")
    fi
    no_peer_in "$name" "$subnet"
  fi

  if [ "$kind" = external ] && [ -n "$uplink_mtu" ]; then
    before=
    if [ -n "$there" ]; then before=${own_mtu:-1500}; fi
    wanted=$mtu
    if [ "$mtu" = - ]; then wanted=${before:-1500}; fi
    if [ "$wanted" -gt "$uplink_mtu" ]; then
      problem="has an MTU of $wanted, larger than the $uplink_mtu of $uplink, by which this host reaches others: large packets may be lost"
      cure="Set $MTU_SETTING to $uplink_mtu or less"
      if [ "$wanted" != "$before" ]; then refuse "$name" "$problem" "$cure"; fi
      echo "warning: network $name $problem. $cure." >&2
    fi
  fi
done
