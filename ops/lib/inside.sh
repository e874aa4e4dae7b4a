#!/bin/sh
# inside.sh ROOT STATE COMMAND…: becomes a command of an unpacked Debian (see
# newer.sh), in a mount namespace of its own and without any right outside it.
# Erlang hangs without a word where /dev or /proc is missing.
set -eu
root=$1 state=$2
shift 2
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$state" "$root$state"
cd /
exec chroot "$root" "$@"
