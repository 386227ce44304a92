#!/bin/sh
# Runs "$@" as root of a machine that is this one, and of which nothing is kept: `fresh.sh UPPER PREPARE COMMAND…`.
#
# A mount namespace of its own, with an overlay over /. What PREPARE (a directory) holds lies over the machine from the
# beginning; what COMMAND writes is in UPPER afterwards, and nowhere else. /run and /tmp are empty. The kernel is the
# same, and so are its audit, its network and its control groups.
set -eu
if [ "${FRESH:-}" != inside ]; then
    FRESH=inside exec unshare --mount --propagation private -- "$0" "$@"
fi
upper=$1 prepare=$2
shift 2
root=$upper.root
mkdir -p "$upper" "$upper.work" "$root"
mount -t overlay overlay -o "lowerdir=$prepare:/,upperdir=$upper,workdir=$upper.work" "$root"
for each in proc sys dev; do mount --rbind "/$each" "$root/$each"; done
for each in run tmp; do mount -t tmpfs -o mode=0755 none "$root/$each"; done
FRESH='' exec chroot "$root" "$@"
