"""The options of engines' programs, by their manual pages and sources.

runc 1.0 to 1.3 and youki (as runc), crun 1.8 to 1.21, conmon 2.1, LXC 4 to 6, systemd-nspawn 239 to 257, util-linux
2.32 to 2.41, podman 3 to 5 and docker 20 to 28. Where versions differ the union stands here: no option has taken a
value in one version and none in another.
"""

from __future__ import annotations

from typing import Final

from annotator.linux.engines.options import Grammar, table

OCI_GLOBAL: Final = Grammar(
    table(
        flags="--debug --systemd-cgroup --help -h -? --version -v --usage",
        values="--root --log --log-format --log-level --criu --rootless --cgroup-manager --systemd-cgroup-path "
        "--console --log-file -l -r",
    ),
    clusters=False,
)
"""What stands before the verb."""

OCI: Final = Grammar(
    table(
        flags="--no-pivot --no-new-keyring --detach -d --keep --no-subreaper --tty -t --no-new-privs "
        "--ignore-paused --ext-unix-sk --file-locks --tcp-established --tcp-close --shell-job --auto-dedup "
        "--lazy-pages --link-remap --help -h -?",
        values="--bundle -b --console-socket --pidfd-socket --pid-file --preserve-fds --config -f --process -p "
        "--cwd --user -u --env -e --apparmor --process-label --cap -c --additional-gids -g --cgroup "
        "--image-path --work-path --parent-path --page-server --manage-cgroups-mode --lsm-profile "
        "--lsm-mount-context --empty-ns --status-fd --seccomp-notify-socket",
    ),
    clusters=False,
)
"""What stands behind create, run, restore and exec."""

CONMON: Final = Grammar(
    table(
        flags="--no-new-keyring --no-pivot --no-sync-log --replace-listen-pid --systemd-cgroup -s --stdin -i "
        "--leave-stdin-open --full-attach --sync --syslog --terminal -t --exec -e --exec-attach --version --help -h "
        "--no-container-partial-message",
        values="--api-version --bundle -b --cid -c --cuuid -u --exit-command --exit-command-arg "
        "--exit-delay --exit-dir "
        "--log-path -l --log-size-max --log-global-size-max --log-rotate --log-max-files --log-allowlist-dir "
        "--log-tag --log-label --log-level --name -n --container-pidfile -p --conmon-pidfile -P --persist-dir "
        "--restore --restore-arg --runtime -r --runtime-arg --runtime-opt --socket-dir-path --exec-process-spec "
        "--timeout -T --sdnotify-socket --seccomp-notify-socket --seccomp-notify-plugins --attach-socket",
    ),
    stops=False,
)

SHIM: Final = Grammar(
    table(
        flags="-debug -v -h -info",
        values="-namespace -id -address -bundle -publish-binary -socket -workdir -runtime-root "
        "-criu -containerd-binary",
    ),
    stops=False,
    clusters=False,
)

LXC: Final = Grammar(
    table(
        flags="-q --quiet -d --daemon -F --foreground -C --close-all-fds -R --remount-sys-proc --keep-env --clear-env "
        "-h --help --usage --version",
        values="-n --name -P --lxcpath -o --logfile -l --logpriority -f --rcfile -c --console -L --console-log -p "
        "--pidfile -s --define --share-net --share-ipc --share-uts --share-pid -u --uid -g --gid",
    )
)

LXC_ATTACH: Final = Grammar(
    table(
        flags="-q --quiet -R --remount-sys-proc --keep-env --clear-env -h --help --usage --version",
        values="-n --name -P --lxcpath -o --logfile -l --logpriority -f --rcfile -a --arch -s --namespaces -v "
        "--set-var --keep-var -L --pty-log -u --uid -g --gid -c --context",
        optional="-e --elevated-privileges",
    )
)

NSPAWN: Final = Grammar(
    table(
        flags="-q --quiet -x --ephemeral -b --boot -a --as-pid2 -n --network-veth --private-network -U -j --read-only "
        "--keep-unit --share-system -P --pipe --no-pager -h --help --version --cleanup",
        values="-D --directory -i --image --template -M --machine --hostname --uuid -u --user --uid -S --slice -E "
        "--setenv -Z --selinux-context -L --selinux-apifs-context -p --port --capability --drop-capability "
        "--ambient-capability --no-new-privileges --link-journal --bind --bind-ro --bind-user --bind-user-shell "
        "--bind-user-group --tmpfs --overlay --overlay-ro --inaccessible --rlimit --oom-score-adjust --cpu-affinity "
        "--personality --settings --notify-ready --root-hash --root-hash-sig --verity-data --private-users-ownership "
        "--network-namespace-path --network-zone --network-bridge --network-interface --network-macvlan "
        "--network-ipvlan --network-veth-extra --kill-signal --resolv-conf --timezone --console --oci-bundle "
        "--pivot-root --property --register --system-call-filter --load-credential --set-credential --image-policy "
        "--chdir --suppress-sync --background --restrict-address-families --private-users-delegate --user-ns",
        optional="--private-users --volatile",
    )
)

NSENTER: Final = Grammar(
    table(
        flags="-a --all -h --help -V --version -F --no-fork -e --env -c --join-cgroup --preserve-credentials "
        "--keep-caps -Z --follow-context --user-parent",
        values="-t --target -S --setuid -G --setgid -W --wdns -N --net-socket",
        optional="-m --mount -u --uts -i --ipc -n --net -p --pid -C --cgroup -U --user -T --time -r --root -w --wd",
    )
)

CLIENT_GLOBAL: Final = Grammar(
    table(
        flags="--debug -D --tls --tlsverify --help -h --version -v --remote -r --trace --syslog --transient-store "
        "--all-namespaces --insecure-registry",
        values="--root --runroot --log-level -l --host -H --context -c --connection --url --identity --config "
        "--tlscacert "
        "--tlscert --tlskey --cgroup-manager --conmon --runtime --runtime-flag --storage-driver --storage-opt "
        "--events-backend --hooks-dir --network-cmd-path --network-config-dir --out --module --volumepath --tmpdir "
        "--imagestore --namespace -n --address -a --snapshotter --cni-path --cni-netconfpath --data-root --ssh "
        "--default-mounts-file --network-backend --registries-conf --noout",
    )
)

CLIENT: Final = Grammar(
    table(
        flags="-i --interactive -t --tty -d --detach --privileged --rm --init --latest -l --no-healthcheck -a "
        "--all --publish-all -P --read-only --replace --quiet -q --oom-kill-disable --no-hosts --tls-verify --rmi "
        "--sig-proxy --disable-content-trust --no-session",
        values="-u --user -w --workdir -e --env --env-file --detach-keys --name -v --volume -p --publish "
        "--network --net "
        "--pid --entrypoint -h --hostname --label --cidfile --pod --preserve-fds --mount --tmpfs --device "
        "--cap-add --cap-drop --security-opt --cpus --cpu-shares -c --cpuset-cpus --memory -m --memory-swap --restart "
        "--ulimit --userns --uts --ipc --ipc6 --ip --dns --dns-search --dns-option --add-host --add-device --expose "
        "--group-add --health-cmd --health-interval --health-retries --health-timeout --health-start-period "
        "--init-path --isolation --label-file --link --log-driver --log-opt --mac-address --network-alias --annotation "
        "--attach --cgroup-parent --cgroupns --cgroups --conmon-pidfile --pidfile --pids-limit --platform --pull "
        "--arch --os --runtime --shm-size --stop-signal --stop-timeout --storage-opt --sysctl --systemd --timeout "
        "--tz --umask --uidmap --gidmap --subuidname --subgidname --volumes-from --volume-driver --volumes "
        "--secret --sdnotify "
        "--requires --rootfs --shm-size-systemd --gpus --authfile --env-merge --hostuser --image-volume --personality "
        "--passwd-entry --unsetenv --variant --blkio-weight --device-read-bps --device-write-bps --oom-score-adj "
        "--container-id-file --pod-id-file --seccomp-policy",
    )
)
"""Of exec, run, create, start and rename."""
