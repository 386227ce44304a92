"""Names and meanings out of the audit library. Generated; do not edit: change the generator and run it again.

Generator: scripts/gen-tables
Library: audit 3.0.9

The length of this module is the library's, not ours.
"""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

LIBRARY = "3.0.9"

ARCHES = {
    "c000003e": "x86_64",
    "40000003": "i386",
    "c00000b7": "aarch64",
    "40000028": "armeb",
    "c0000015": "ppc64le",
    "80000015": "ppc64",
    "14": "ppc",
    "80000016": "s390x",
    "16": "s390",
    "c00000f3": "riscv64",
    "400000f3": "riscv32",
    "c0000102": "loongarch64",
    "40000008": "mips",
}
"""arch= in hex to the machine."""

_CALLS = {
    "x86_64": (
        "read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask "
        "rt_sigreturn ioctl pread pwrite readv writev access pipe select sched_yield mremap msync mincore madvise shmget "
        "shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept sendto "
        "recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt clone "
        "fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl flock fsync "
        "fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink readlink "
        "chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace getuid syslog "
        "getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups setgroups "
        "setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending "
        "rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib personality ustat statfs fstatfs "
        "sysfs getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler "
        "sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall vhangup "
        "modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2 "
        "swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module delete_module "
        "get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security gettid readahead "
        "setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr "
        "lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity set_thread_area io_setup "
        "io_destroy io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old "
        "epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64 timer_create "
        "timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres "
        "clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes vserver mbind set_mempolicy get_mempolicy mq_open "
        "mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid add_key request_key keyctl "
        "ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat "
        "fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll "
        "unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice move_pages utimensat epoll_pwait "
        "signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2 "
        "epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init "
        "fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu "
        "process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom "
        "memfd_create kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 "
        "pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen "
        "fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise "
        "epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self "
        "memfd_secret process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "i386": (
        "restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown "
        "break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause utime stty gtty access "
        "nice ftime sync kill rename mkdir rmdir dup pipe times prof brk setgid getgid signal geteuid getegid acct "
        "umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname umask chroot ustat dup2 getppid getpgrp setsid sigaction "
        "sgetmask ssetmask setreuid setregid sigsuspend sigpending sethostname setrlimit getrlimit getrusage gettimeofday "
        "settimeofday getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap "
        "truncate ftruncate fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall syslog "
        "setitimer getitimer stat lstat fstat olduname iopl vhangup idle vm86old wait4 swapoff sysinfo ipc fsync "
        "sigreturn clone setdomainname uname modify_ldt adjtimex mprotect sigprocmask create_module init_module "
        "delete_module get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid "
        "_llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall "
        "sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max "
        "sched_get_priority_min sched_rr_get_interval nanosleep mremap setresuid getresuid vm86 query_module poll "
        "nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait "
        "rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile getpmsg putpmsg "
        "vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32 "
        "getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32 setresgid32 getresgid32 "
        "chown32 setuid32 setgid32 setfsuid32 setfsgid32 pivot_root mincore madvise getdents64 fcntl64 - - gettid "
        "readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr "
        "lremovexattr fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity set_thread_area "
        "get_thread_area io_setup io_destroy io_getevents io_submit io_cancel fadvise64 - exit_group lookup_dcookie "
        "epoll_create epoll_ctl epoll_wait remap_file_pages set_tid_address timer_create timer_settime timer_gettime "
        "timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep statfs64 fstatfs64 tgkill "
        "utimes fadvise64_64 vserver mbind get_mempolicy set_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive "
        "mq_notify mq_getsetattr sys_kexec_load waitid - add_key request_key keyctl ioprio_set ioprio_get inotify_init "
        "inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat "
        "renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare set_robust_list get_robust_list "
        "splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait utimensat signalfd timerfd_create eventfd "
        "fallocate timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv "
        "pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at "
        "open_by_handle_at clock_adjtime syncfs sendmmsg setns process_vm_readv process_vm_writev kcmp finit_module "
        "sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat socket socketpair bind connect "
        "listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg recvfrom recvmsg shutdown "
        "userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx "
        "arch_prctl io_pgetevents rseq - - - - - - semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl "
        "clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 "
        "timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 - "
        "io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 "
        "rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval64 pidfd_send_signal io_uring_setup io_uring_enter "
        "io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 "
        "pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset "
        "landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "aarch64": (
        "io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr "
        "listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd lookup_dcookie eventfd2 "
        "epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1 inotify_add_watch inotify_rm_watch ioctl "
        "ioprio_set ioprio_get flock mknodat mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root "
        "nfsservctl statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat "
        "fchown openat close vhangup pipe2 quotactl getdents lseek read write readv writev pread pwrite preadv pwritev "
        "sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat newfstatat newfstat sync fsync fdatasync "
        "sync_file_range timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset personality exit "
        "exit_group waitid set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer "
        "kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun timer_settime timer_delete "
        "clock_settime clock_gettime clock_getres clock_nanosleep syslog ptrace sched_setparam sched_setscheduler "
        "sched_getscheduler sched_getparam sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max "
        "sched_get_priority_min sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend "
        "rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority "
        "reboot setregid setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid "
        "getpgid getsid setsid getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask "
        "prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid sysinfo "
        "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd semget semctl "
        "semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen accept connect getsockname getpeername "
        "sendto recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key request_key "
        "keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall mincore "
        "madvise remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages rt_tgsigqueueinfo "
        "perf_event_open accept4 recvmmsg - - - - - - - - - - - - - - - - wait4 prlimit64 fanotify_init fanotify_mark "
        "name_to_handle_at open_by_handle_at clock_adjtime syncfs setns sendmmsg process_vm_readv process_vm_writev kcmp "
        "finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat userfaultfd "
        "membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq "
        "kexec_file_load - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - - - - - - - - - - - - - - - - - - - pidfd_send_signal io_uring_setup io_uring_enter "
        "io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 "
        "pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset "
        "landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "armeb": (
        "restart_syscall exit fork read write open close - creat link unlink execve chdir time mknod chmod lchown - - "
        "lseek getpid mount umount setuid getuid stime ptrace alarm - pause utime - - access nice - sync kill rename "
        "mkdir rmdir dup pipe times - brk setgid getgid - geteuid getegid acct umount2 - ioctl fcntl - setpgid - - umask "
        "chroot ustat dup2 getppid getpgrp setsid sigaction - - setreuid setregid sigsuspend sigpending sethostname "
        "setrlimit getrlimit getrusage gettimeofday settimeofday getgroups setgroups select symlink - readlink uselib "
        "swapon reboot readdir mmap munmap truncate ftruncate fchmod fchown getpriority setpriority - statfs fstatfs - "
        "socketcall syslog setitimer getitimer stat lstat fstat - - vhangup - syscall wait4 swapoff sysinfo ipc fsync "
        "sigreturn clone setdomainname uname - adjtimex mprotect sigprocmask - init_module delete_module - quotactl "
        "getpgid fchdir bdflush sysfs personality - setfsuid setfsgid llseek getdents newselect flock msync readv writev "
        "getsid fdatasync sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam sched_setscheduler "
        "sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep "
        "mremap setresuid getresuid - - poll nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction "
        "rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd capget "
        "capset sigaltstack sendfile - - vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 "
        "getuid32 getgid32 geteuid32 getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 "
        "getresuid32 setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32 getdents64 pivot_root "
        "mincore madvise fcntl64 - - gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr "
        "llistxattr flistxattr removexattr lremovexattr fremovexattr tkill sendfile64 futex sched_setaffinity "
        "sched_getaffinity io_setup io_destroy io_getevents io_submit io_cancel exit_group lookup_dcookie epoll_create "
        "epoll_ctl epoll_wait remap_file_pages - - set_tid_address timer_create timer_settime timer_gettime "
        "timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep statfs64 fstatfs64 tgkill "
        "utimes fadvise64_64 pciconfig_iobase pciconfig_read pciconfig_write mq_open mq_unlink mq_timedsend "
        "mq_timedreceive mq_notify mq_getsetattr waitid socket bind connect listen accept getsockname getpeername "
        "socketpair send sendto recv recvfrom shutdown setsockopt getsockopt sendmsg recvmsg semop semget semctl msgsnd "
        "msgrcv msgget msgctl shmat shmdt shmget shmctl add_key request_key keyctl semtimedop vserver ioprio_set "
        "ioprio_get inotify_init inotify_add_watch inotify_rm_watch mbind get_mempolicy set_mempolicy openat mkdirat "
        "mknodat fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat - - "
        "unshare set_robust_list get_robust_list splice sync_file_range tee vmsplice move_pages getcpu - kexec_load "
        "utimensat signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4 eventfd2 "
        "epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg accept4 "
        "fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns "
        "process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom "
        "memfd_create bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect "
        "pkey_alloc pkey_free statx rseq io_pgetevents migrate_pages kexec_file_load - clock_gettime64 clock_settime64 "
        "clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64 "
        "timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 - io_pgetevents_time64 recvmmsg_time64 "
        "mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 rt_sigtimedwait_time64 futex_time64 "
        "sched_rr_get_interval64 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount "
        "fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise "
        "epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self - "
        "process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "ppc64le": (
        "- exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown break oldstat "
        "lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause utime stty gtty access nice ftime sync "
        "kill rename mkdir rmdir dup pipe times prof brk setgid getgid signal geteuid getegid acct umount2 lock ioctl "
        "fcntl mpx setpgid ulimit oldolduname umask chroot ustat dup2 getppid getpgrp setsid sigaction sgetmask ssetmask "
        "setreuid setregid sigsuspend sigpending sethostname setrlimit getrlimit getrusage gettimeofday settimeofday "
        "getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap truncate ftruncate "
        "fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall syslog setitimer getitimer stat "
        "lstat fstat olduname iopl vhangup idle vm86 wait4 swapoff sysinfo ipc fsync sigreturn clone setdomainname uname "
        "modify_ldt adjtimex mprotect sigprocmask create_module init_module delete_module get_kernel_syms quotactl "
        "getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid _llseek getdents _newselect flock msync "
        "readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam "
        "sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval nanosleep mremap setresuid getresuid query_module poll nfsservctl setresgid getresgid "
        "prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread "
        "pwrite chown getcwd capget capset sigaltstack sendfile getpmsg putpmsg vfork ugetrlimit readahead mmap2 "
        "truncate64 ftruncate64 stat64 lstat64 fstat64 pciconfig_read pciconfig_write pciconfig_iobase multiplexer "
        "getdents64 pivot_root fcntl64 madvise mincore gettid tkill setxattr lsetxattr fsetxattr getxattr lgetxattr "
        "fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr futex sched_setaffinity "
        "sched_getaffinity - tuxcall sendfile64 io_setup io_destroy io_getevents io_submit io_cancel set_tid_address "
        "fadvise64 exit_group lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages timer_create "
        "timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres "
        "clock_nanosleep swapcontext tgkill utimes statfs64 fstatfs64 fadvise64_64 rtas - - - - - - mq_open mq_unlink "
        "mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load add_key request_key keyctl waitid ioprio_set "
        "ioprio_get inotify_init inotify_add_watch inotify_rm_watch spu_run spu_create pselect6 ppoll unshare splice tee "
        "vmsplice openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat readlinkat "
        "fchmodat faccessat get_robust_list set_robust_list move_pages getcpu epoll_pwait utimensat signalfd timerfd "
        "eventfd sync_file_range2 fallocate subpage_prot timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1 "
        "dup3 pipe2 inotify_init1 perf_counter_open preadv pwritev rt_tgsigqueueinfo fanotify_init fanotify_mark "
        "prlimit64 socket bind connect listen accept getsockname getpeername socketpair send sendto recv recvfrom "
        "shutdown setsockopt getsockopt sendmsg recvmsg recvmmsg accept4 name_to_handle_at open_by_handle_at "
        "clock_adjtime syncfs sendmmsg setns process_vm_readv process_vm_writev finit_module kcmp sched_setattr "
        "sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat switch_endian userfaultfd membarrier - - - - "
        "- - - - - - - - mlock2 copy_file_range preadv2 pwritev2 kexec_file_load statx pkey_alloc pkey_free pkey_mprotect "
        "rseq io_pgetevents - - - semtimedop semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl "
        "clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 "
        "timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 - "
        "io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 "
        "rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64 pidfd_send_signal io_uring_setup io_uring_enter "
        "io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 "
        "pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset "
        "landlock_add_rule landlock_restrict_self - process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "ppc64": (
        "- exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown break oldstat "
        "lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause utime stty gtty access nice ftime sync "
        "kill rename mkdir rmdir dup pipe times prof brk setgid getgid signal geteuid getegid acct umount2 lock ioctl "
        "fcntl mpx setpgid ulimit oldolduname umask chroot ustat dup2 getppid getpgrp setsid sigaction sgetmask ssetmask "
        "setreuid setregid sigsuspend sigpending sethostname setrlimit getrlimit getrusage gettimeofday settimeofday "
        "getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap truncate ftruncate "
        "fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall syslog setitimer getitimer stat "
        "lstat fstat olduname iopl vhangup idle vm86 wait4 swapoff sysinfo ipc fsync sigreturn clone setdomainname uname "
        "modify_ldt adjtimex mprotect sigprocmask create_module init_module delete_module get_kernel_syms quotactl "
        "getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid _llseek getdents _newselect flock msync "
        "readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam "
        "sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval nanosleep mremap setresuid getresuid query_module poll nfsservctl setresgid getresgid "
        "prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread "
        "pwrite chown getcwd capget capset sigaltstack sendfile getpmsg putpmsg vfork ugetrlimit readahead mmap2 "
        "truncate64 ftruncate64 stat64 lstat64 fstat64 pciconfig_read pciconfig_write pciconfig_iobase multiplexer "
        "getdents64 pivot_root fcntl64 madvise mincore gettid tkill setxattr lsetxattr fsetxattr getxattr lgetxattr "
        "fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr futex sched_setaffinity "
        "sched_getaffinity - tuxcall sendfile64 io_setup io_destroy io_getevents io_submit io_cancel set_tid_address "
        "fadvise64 exit_group lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages timer_create "
        "timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres "
        "clock_nanosleep swapcontext tgkill utimes statfs64 fstatfs64 fadvise64_64 rtas - - - - - - mq_open mq_unlink "
        "mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load add_key request_key keyctl waitid ioprio_set "
        "ioprio_get inotify_init inotify_add_watch inotify_rm_watch spu_run spu_create pselect6 ppoll unshare splice tee "
        "vmsplice openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat readlinkat "
        "fchmodat faccessat get_robust_list set_robust_list move_pages getcpu epoll_pwait utimensat signalfd timerfd "
        "eventfd sync_file_range2 fallocate subpage_prot timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1 "
        "dup3 pipe2 inotify_init1 perf_counter_open preadv pwritev rt_tgsigqueueinfo fanotify_init fanotify_mark "
        "prlimit64 socket bind connect listen accept getsockname getpeername socketpair send sendto recv recvfrom "
        "shutdown setsockopt getsockopt sendmsg recvmsg recvmmsg accept4 name_to_handle_at open_by_handle_at "
        "clock_adjtime syncfs sendmmsg setns process_vm_readv process_vm_writev finit_module kcmp sched_setattr "
        "sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat switch_endian userfaultfd membarrier - - - - "
        "- - - - - - - - mlock2 copy_file_range preadv2 pwritev2 kexec_file_load statx pkey_alloc pkey_free pkey_mprotect "
        "rseq io_pgetevents - - - semtimedop semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl "
        "clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 "
        "timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 - "
        "io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 "
        "rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64 pidfd_send_signal io_uring_setup io_uring_enter "
        "io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 "
        "pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset "
        "landlock_add_rule landlock_restrict_self - process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "ppc": (
        "- exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown break oldstat "
        "lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause utime stty gtty access nice ftime sync "
        "kill rename mkdir rmdir dup pipe times prof brk setgid getgid signal geteuid getegid acct umount2 lock ioctl "
        "fcntl mpx setpgid ulimit oldolduname umask chroot ustat dup2 getppid getpgrp setsid sigaction sgetmask ssetmask "
        "setreuid setregid sigsuspend sigpending sethostname setrlimit getrlimit getrusage gettimeofday settimeofday "
        "getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap truncate ftruncate "
        "fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall syslog setitimer getitimer stat "
        "lstat fstat olduname iopl vhangup idle vm86 wait4 swapoff sysinfo ipc fsync sigreturn clone setdomainname uname "
        "modify_ldt adjtimex mprotect sigprocmask create_module init_module delete_module get_kernel_syms quotactl "
        "getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid _llseek getdents _newselect flock msync "
        "readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam "
        "sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval nanosleep mremap setresuid getresuid query_module poll nfsservctl setresgid getresgid "
        "prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread "
        "pwrite chown getcwd capget capset sigaltstack sendfile getpmsg putpmsg vfork ugetrlimit readahead mmap2 "
        "truncate64 ftruncate64 stat64 lstat64 fstat64 pciconfig_read pciconfig_write pciconfig_iobase multiplexer "
        "getdents64 pivot_root fcntl64 madvise mincore gettid tkill setxattr lsetxattr fsetxattr getxattr lgetxattr "
        "fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr futex sched_setaffinity "
        "sched_getaffinity - tuxcall sendfile64 io_setup io_destroy io_getevents io_submit io_cancel set_tid_address "
        "fadvise64 exit_group lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages timer_create "
        "timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres "
        "clock_nanosleep swapcontext tgkill utimes statfs64 fstatfs64 fadvise64_64 rtas - - - - - - mq_open mq_unlink "
        "mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load add_key request_key keyctl waitid ioprio_set "
        "ioprio_get inotify_init inotify_add_watch inotify_rm_watch spu_run spu_create pselect6 ppoll unshare splice tee "
        "vmsplice openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat readlinkat "
        "fchmodat faccessat get_robust_list set_robust_list move_pages getcpu epoll_pwait utimensat signalfd timerfd "
        "eventfd sync_file_range2 fallocate subpage_prot timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1 "
        "dup3 pipe2 inotify_init1 perf_counter_open preadv pwritev rt_tgsigqueueinfo fanotify_init fanotify_mark "
        "prlimit64 socket bind connect listen accept getsockname getpeername socketpair send sendto recv recvfrom "
        "shutdown setsockopt getsockopt sendmsg recvmsg recvmmsg accept4 name_to_handle_at open_by_handle_at "
        "clock_adjtime syncfs sendmmsg setns process_vm_readv process_vm_writev finit_module kcmp sched_setattr "
        "sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat switch_endian userfaultfd membarrier - - - - "
        "- - - - - - - - mlock2 copy_file_range preadv2 pwritev2 kexec_file_load statx pkey_alloc pkey_free pkey_mprotect "
        "rseq io_pgetevents - - - semtimedop semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl "
        "clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 "
        "timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 - "
        "io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 "
        "rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64 pidfd_send_signal io_uring_setup io_uring_enter "
        "io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 "
        "pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset "
        "landlock_add_rule landlock_restrict_self - process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "s390x": (
        "- exit fork read write open close - creat link unlink execve chdir - mknod chmod - - - lseek getpid mount umount "
        "- - - ptrace alarm - pause utime - - access nice - sync kill rename mkdir rmdir dup pipe times - brk - - signal "
        "- - acct umount2 - ioctl fcntl - setpgid - - umask chroot ustat dup2 getppid getpgrp setsid sigaction - - - - "
        "sigsuspend sigpending sethostname setrlimit - getrusage gettimeofday settimeofday - - - symlink - readlink "
        "uselib swapon reboot readdir mmap munmap truncate ftruncate fchmod - getpriority setpriority - statfs fstatfs - "
        "socketcall syslog setitimer getitimer stat lstat fstat - - vhangup idle - wait4 swapoff sysinfo ipc fsync "
        "sigreturn clone setdomainname uname - adjtimex mprotect sigprocmask create_module init_module delete_module "
        "get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality afs_syscall - - - getdents select flock msync "
        "readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam "
        "sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval nanosleep mremap - - - query_module poll nfsservctl - - prctl rt_sigreturn rt_sigaction "
        "rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread pwrite - getcwd capget capset "
        "sigaltstack sendfile getpmsg putpmsg vfork getrlimit - - - - - - lchown getuid getgid geteuid getegid setreuid "
        "setregid getgroups setgroups fchown setresuid getresuid setresgid getresgid chown setuid setgid setfsuid "
        "setfsgid pivot_root mincore madvise - - readahead - setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr "
        "listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr gettid tkill futex sched_setaffinity "
        "sched_getaffinity tgkill - io_setup io_destroy io_getevents io_submit io_cancel exit_group epoll_create "
        "epoll_ctl epoll_wait set_tid_address fadvise64 timer_create timer_settime timer_gettime timer_getoverrun "
        "timer_delete clock_settime clock_gettime clock_getres clock_nanosleep - - statfs64 fstatfs64 remap_file_pages - "
        "- - mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load add_key request_key keyctl "
        "waitid ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch - openat mkdirat mknodat fchownat "
        "futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare "
        "set_robust_list get_robust_list splice sync_file_range tee vmsplice - getcpu epoll_pwait utimes fallocate "
        "utimensat signalfd timerfd eventfd timerfd_create timerfd_settime timerfd_gettime signalfd4 eventfd2 "
        "inotify_init1 pipe2 dup3 epoll_create1 preadv pwritev rt_tgsigqueueinfo perf_event_open fanotify_init "
        "fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs setns process_vm_readv "
        "process_vm_writev s390_runtime_instr kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom "
        "memfd_create bpf s390_pci_mmio_write s390_pci_mmio_read execveat userfaultfd membarrier recvmmsg sendmmsg socket "
        "socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg recvfrom "
        "recvmsg shutdown mlock2 copy_file_range preadv2 pwritev2 - statx s390_sthyi kexec_file_load io_pgetevents rseq "
        "pkey_mprotect pkey_alloc pkey_free - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount "
        "fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr "
        "quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self - process_mrelease futex_waitv "
        "set_mempolicy_home_node "
    ),
    "s390": (
        "- exit fork read write open close - creat link unlink execve chdir time mknod chmod lchown - - lseek getpid "
        "mount umount setuid getuid stime ptrace alarm - pause utime - - access nice - sync kill rename mkdir rmdir dup "
        "pipe times - brk setgid getgid signal geteuid getegid acct umount2 - ioctl fcntl - setpgid - - umask chroot "
        "ustat dup2 getppid getpgrp setsid sigaction - - setreuid setregid sigsuspend sigpending sethostname setrlimit "
        "getrlimit getrusage gettimeofday settimeofday getgroups setgroups - symlink - readlink uselib swapon reboot "
        "readdir mmap munmap truncate ftruncate fchmod fchown getpriority setpriority - statfs fstatfs ioperm socketcall "
        "syslog setitimer getitimer stat lstat fstat - - vhangup idle - wait4 swapoff sysinfo ipc fsync sigreturn clone "
        "setdomainname uname - adjtimex mprotect sigprocmask create_module init_module delete_module get_kernel_syms "
        "quotactl getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid _llseek getdents _newselect "
        "flock msync readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam "
        "sched_getparam sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval nanosleep mremap setresuid getresuid - query_module poll nfsservctl setresgid getresgid "
        "prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread "
        "pwrite chown getcwd capget capset sigaltstack sendfile getpmsg putpmsg vfork ugetrlimit mmap2 truncate64 "
        "ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32 getegid32 setreuid32 setregid32 "
        "getgroups32 setgroups32 fchown32 setresuid32 getresuid32 setresgid32 getresgid32 chown32 setuid32 setgid32 "
        "setfsuid32 setfsgid32 pivot_root mincore madvise getdents64 fcntl64 readahead sendfile64 setxattr lsetxattr "
        "fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr "
        "gettid tkill futex sched_setaffinity sched_getaffinity tgkill - io_setup io_destroy io_getevents io_submit "
        "io_cancel exit_group epoll_create epoll_ctl epoll_wait set_tid_address fadvise64 timer_create timer_settime "
        "timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep - "
        "fadvise64_64 statfs64 fstatfs64 remap_file_pages - - - mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify "
        "mq_getsetattr kexec_load add_key request_key keyctl waitid ioprio_set ioprio_get inotify_init inotify_add_watch "
        "inotify_rm_watch - openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat "
        "readlinkat fchmodat faccessat pselect6 ppoll unshare set_robust_list get_robust_list splice sync_file_range tee "
        "vmsplice - getcpu epoll_pwait utimes fallocate utimensat signalfd timerfd eventfd timerfd_create timerfd_settime "
        "timerfd_gettime signalfd4 eventfd2 inotify_init1 pipe2 dup3 epoll_create1 preadv pwritev rt_tgsigqueueinfo "
        "perf_event_open fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs "
        "setns process_vm_readv process_vm_writev s390_runtime_instr kcmp finit_module sched_setattr sched_getattr "
        "renameat2 seccomp getrandom memfd_create bpf s390_pci_mmio_write s390_pci_mmio_read execveat userfaultfd "
        "membarrier recvmmsg sendmmsg socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname "
        "getpeername sendto sendmsg recvfrom recvmsg shutdown mlock2 copy_file_range preadv2 pwritev2 - statx s390_sthyi "
        "kexec_file_load io_pgetevents rseq pkey_mprotect pkey_alloc pkey_free - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - - - - - - - - - - pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree "
        "move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 "
        "process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule "
        "landlock_restrict_self - process_mrelease futex_waitv set_mempolicy_home_node "
    ),
    "riscv64": (
        "io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr "
        "listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd lookup_dcookie eventfd2 "
        "epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1 inotify_add_watch inotify_rm_watch ioctl "
        "ioprio_set ioprio_get flock mknodat mkdirat unlinkat symlinkat linkat - umount2 mount pivot_root nfsservctl "
        "statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat fchown openat "
        "close vhangup pipe2 quotactl getdents lseek read write readv writev pread pwrite preadv pwritev sendfile "
        "pselect6 ppoll signalfd4 vmsplice splice tee readlinkat newfstatat newfstat sync fsync fdatasync sync_file_range "
        "timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset personality exit exit_group waitid "
        "set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer kexec_load "
        "init_module delete_module timer_create timer_gettime timer_getoverrun timer_settime timer_delete clock_settime "
        "clock_gettime clock_getres clock_nanosleep syslog ptrace sched_setparam sched_setscheduler sched_getscheduler "
        "sched_getparam sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend rt_sigaction rt_sigprocmask "
        "rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority reboot setregid setgid "
        "setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid getpgid getsid setsid "
        "getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask prctl getcpu "
        "gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid sysinfo mq_open mq_unlink "
        "mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd semget semctl semtimedop semop "
        "shmget shmctl shmat shmdt socket socketpair bind listen accept connect getsockname getpeername sendto recvfrom "
        "setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key request_key keyctl clone "
        "execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall mincore madvise "
        "remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages rt_tgsigqueueinfo perf_event_open "
        "accept4 recvmmsg - - - - - - - - - - - - - - riscv_hwprobe riscv_flush_icache wait4 prlimit64 fanotify_init "
        "fanotify_mark name_to_handle_at open_by_handle_at clock_adjtime syncfs setns sendmmsg process_vm_readv "
        "process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf "
        "execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx "
        "io_pgetevents rseq kexec_file_load - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
        "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - pidfd_send_signal io_uring_setup "
        "io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 "
        "close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd "
        "landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv "
        "set_mempolicy_home_node "
    ),
}

SYSCALLS = {
    machine: {str(at): name for at, name in enumerate(names.split()) if name != "-"}
    for machine, names in _CALLS.items()
}
"""Machine to the names of its system calls, by their number in decimal text."""

TYPES = {
    1005: "USER",
    1006: "LOGIN",
    1100: "USER_AUTH",
    1101: "USER_ACCT",
    1102: "USER_MGMT",
    1103: "CRED_ACQ",
    1104: "CRED_DISP",
    1105: "USER_START",
    1106: "USER_END",
    1107: "USER_AVC",
    1108: "USER_CHAUTHTOK",
    1109: "USER_ERR",
    1110: "CRED_REFR",
    1111: "USYS_CONFIG",
    1112: "USER_LOGIN",
    1113: "USER_LOGOUT",
    1114: "ADD_USER",
    1115: "DEL_USER",
    1116: "ADD_GROUP",
    1117: "DEL_GROUP",
    1118: "DAC_CHECK",
    1119: "CHGRP_ID",
    1120: "TEST",
    1121: "TRUSTED_APP",
    1122: "USER_SELINUX_ERR",
    1123: "USER_CMD",
    1124: "USER_TTY",
    1125: "CHUSER_ID",
    1126: "GRP_AUTH",
    1127: "SYSTEM_BOOT",
    1128: "SYSTEM_SHUTDOWN",
    1129: "SYSTEM_RUNLEVEL",
    1130: "SERVICE_START",
    1131: "SERVICE_STOP",
    1132: "GRP_MGMT",
    1133: "GRP_CHAUTHTOK",
    1134: "MAC_CHECK",
    1135: "ACCT_LOCK",
    1136: "ACCT_UNLOCK",
    1137: "USER_DEVICE",
    1138: "SOFTWARE_UPDATE",
    1200: "DAEMON_START",
    1201: "DAEMON_END",
    1202: "DAEMON_ABORT",
    1203: "DAEMON_CONFIG",
    1205: "DAEMON_ROTATE",
    1206: "DAEMON_RESUME",
    1207: "DAEMON_ACCEPT",
    1208: "DAEMON_CLOSE",
    1209: "DAEMON_ERR",
    1300: "SYSCALL",
    1302: "PATH",
    1303: "IPC",
    1304: "SOCKETCALL",
    1305: "CONFIG_CHANGE",
    1306: "SOCKADDR",
    1307: "CWD",
    1309: "EXECVE",
    1311: "IPC_SET_PERM",
    1312: "MQ_OPEN",
    1313: "MQ_SENDRECV",
    1314: "MQ_NOTIFY",
    1315: "MQ_GETSETATTR",
    1316: "KERNEL_OTHER",
    1317: "FD_PAIR",
    1318: "OBJ_PID",
    1319: "TTY",
    1320: "EOE",
    1321: "BPRM_FCAPS",
    1322: "CAPSET",
    1323: "MMAP",
    1324: "NETFILTER_PKT",
    1325: "NETFILTER_CFG",
    1326: "SECCOMP",
    1327: "PROCTITLE",
    1328: "FEATURE_CHANGE",
    1330: "KERN_MODULE",
    1331: "FANOTIFY",
    1332: "TIME_INJOFFSET",
    1333: "TIME_ADJNTPVAL",
    1334: "BPF",
    1335: "EVENT_LISTENER",
    1336: "URINGOP",
    1337: "OPENAT2",
    1400: "AVC",
    1401: "SELINUX_ERR",
    1402: "AVC_PATH",
    1403: "MAC_POLICY_LOAD",
    1404: "MAC_STATUS",
    1405: "MAC_CONFIG_CHANGE",
    1406: "MAC_UNLBL_ALLOW",
    1407: "MAC_CIPSOV4_ADD",
    1408: "MAC_CIPSOV4_DEL",
    1409: "MAC_MAP_ADD",
    1410: "MAC_MAP_DEL",
    1411: "MAC_IPSEC_ADDSA",
    1412: "MAC_IPSEC_DELSA",
    1413: "MAC_IPSEC_ADDSPD",
    1414: "MAC_IPSEC_DELSPD",
    1415: "MAC_IPSEC_EVENT",
    1416: "MAC_UNLBL_STCADD",
    1417: "MAC_UNLBL_STCDEL",
    1418: "MAC_CALIPSO_ADD",
    1419: "MAC_CALIPSO_DEL",
    1500: "APPARMOR",
    1501: "APPARMOR_AUDIT",
    1502: "APPARMOR_ALLOWED",
    1503: "APPARMOR_DENIED",
    1504: "APPARMOR_HINT",
    1505: "APPARMOR_STATUS",
    1506: "APPARMOR_ERROR",
    1507: "APPARMOR_KILL",
    1700: "ANOM_PROMISCUOUS",
    1701: "ANOM_ABEND",
    1702: "ANOM_LINK",
    1703: "ANOM_CREAT",
    1800: "INTEGRITY_DATA",
    1801: "INTEGRITY_METADATA",
    1802: "INTEGRITY_STATUS",
    1803: "INTEGRITY_HASH",
    1804: "INTEGRITY_PCR",
    1805: "INTEGRITY_RULE",
    1806: "INTEGRITY_EVM_XATTR",
    1807: "INTEGRITY_POLICY_RULE",
    2000: "KERNEL",
    2100: "ANOM_LOGIN_FAILURES",
    2101: "ANOM_LOGIN_TIME",
    2102: "ANOM_LOGIN_SESSIONS",
    2103: "ANOM_LOGIN_ACCT",
    2104: "ANOM_LOGIN_LOCATION",
    2105: "ANOM_MAX_DAC",
    2106: "ANOM_MAX_MAC",
    2107: "ANOM_AMTU_FAIL",
    2108: "ANOM_RBAC_FAIL",
    2109: "ANOM_RBAC_INTEGRITY_FAIL",
    2110: "ANOM_CRYPTO_FAIL",
    2111: "ANOM_ACCESS_FS",
    2112: "ANOM_EXEC",
    2113: "ANOM_MK_EXEC",
    2114: "ANOM_ADD_ACCT",
    2115: "ANOM_DEL_ACCT",
    2116: "ANOM_MOD_ACCT",
    2117: "ANOM_ROOT_TRANS",
    2118: "ANOM_LOGIN_SERVICE",
    2119: "ANOM_LOGIN_ROOT",
    2120: "ANOM_ORIGIN_FAILURES",
    2121: "ANOM_SESSION",
    2200: "RESP_ANOMALY",
    2201: "RESP_ALERT",
    2202: "RESP_KILL_PROC",
    2203: "RESP_TERM_ACCESS",
    2204: "RESP_ACCT_REMOTE",
    2205: "RESP_ACCT_LOCK_TIMED",
    2206: "RESP_ACCT_UNLOCK_TIMED",
    2207: "RESP_ACCT_LOCK",
    2208: "RESP_TERM_LOCK",
    2209: "RESP_SEBOOL",
    2210: "RESP_EXEC",
    2211: "RESP_SINGLE",
    2212: "RESP_HALT",
    2213: "RESP_ORIGIN_BLOCK",
    2214: "RESP_ORIGIN_BLOCK_TIMED",
    2215: "RESP_ORIGIN_UNBLOCK_TIMED",
    2300: "USER_ROLE_CHANGE",
    2301: "ROLE_ASSIGN",
    2302: "ROLE_REMOVE",
    2303: "LABEL_OVERRIDE",
    2304: "LABEL_LEVEL_CHANGE",
    2305: "USER_LABELED_EXPORT",
    2306: "USER_UNLABELED_EXPORT",
    2307: "DEV_ALLOC",
    2308: "DEV_DEALLOC",
    2309: "FS_RELABEL",
    2310: "USER_MAC_POLICY_LOAD",
    2311: "ROLE_MODIFY",
    2312: "USER_MAC_CONFIG_CHANGE",
    2313: "USER_MAC_STATUS",
    2400: "CRYPTO_TEST_USER",
    2401: "CRYPTO_PARAM_CHANGE_USER",
    2402: "CRYPTO_LOGIN",
    2403: "CRYPTO_LOGOUT",
    2404: "CRYPTO_KEY_USER",
    2405: "CRYPTO_FAILURE_USER",
    2406: "CRYPTO_REPLAY_USER",
    2407: "CRYPTO_SESSION",
    2408: "CRYPTO_IKE_SA",
    2409: "CRYPTO_IPSEC_SA",
    2500: "VIRT_CONTROL",
    2501: "VIRT_RESOURCE",
    2502: "VIRT_MACHINE_ID",
    2503: "VIRT_INTEGRITY_CHECK",
    2504: "VIRT_CREATE",
    2505: "VIRT_DESTROY",
    2506: "VIRT_MIGRATE_IN",
    2507: "VIRT_MIGRATE_OUT",
}
"""Record type numbers to names."""

ERRORS = {
    "-1": "EPERM(Operation not permitted)",
    "-2": "ENOENT(No such file or directory)",
    "-3": "ESRCH(No such process)",
    "-4": "EINTR(Interrupted system call)",
    "-5": "EIO(Input/output error)",
    "-6": "ENXIO(No such device or address)",
    "-7": "E2BIG(Argument list too long)",
    "-8": "ENOEXEC(Exec format error)",
    "-9": "EBADF(Bad file descriptor)",
    "-10": "ECHILD(No child processes)",
    "-11": "EAGAIN(Resource temporarily unavailable)",
    "-12": "ENOMEM(Cannot allocate memory)",
    "-13": "EACCES(Permission denied)",
    "-14": "EFAULT(Bad address)",
    "-15": "ENOTBLK(Block device required)",
    "-16": "EBUSY(Device or resource busy)",
    "-17": "EEXIST(File exists)",
    "-18": "EXDEV(Invalid cross-device link)",
    "-19": "ENODEV(No such device)",
    "-20": "ENOTDIR(Not a directory)",
    "-21": "EISDIR(Is a directory)",
    "-22": "EINVAL(Invalid argument)",
    "-23": "ENFILE(Too many open files in system)",
    "-24": "EMFILE(Too many open files)",
    "-25": "ENOTTY(Inappropriate ioctl for device)",
    "-26": "ETXTBSY(Text file busy)",
    "-27": "EFBIG(File too large)",
    "-28": "ENOSPC(No space left on device)",
    "-29": "ESPIPE(Illegal seek)",
    "-30": "EROFS(Read-only file system)",
    "-31": "EMLINK(Too many links)",
    "-32": "EPIPE(Broken pipe)",
    "-33": "EDOM(Numerical argument out of domain)",
    "-34": "ERANGE(Numerical result out of range)",
    "-35": "EDEADLK(Resource deadlock avoided)",
    "-36": "ENAMETOOLONG(File name too long)",
    "-37": "ENOLCK(No locks available)",
    "-38": "ENOSYS(Function not implemented)",
    "-39": "ENOTEMPTY(Directory not empty)",
    "-40": "ELOOP(Too many levels of symbolic links)",
    "-42": "ENOMSG(No message of desired type)",
    "-43": "EIDRM(Identifier removed)",
    "-44": "ECHRNG(Channel number out of range)",
    "-45": "EL2NSYNC(Level 2 not synchronized)",
    "-46": "EL3HLT(Level 3 halted)",
    "-47": "EL3RST(Level 3 reset)",
    "-48": "ELNRNG(Link number out of range)",
    "-49": "EUNATCH(Protocol driver not attached)",
    "-50": "ENOCSI(No CSI structure available)",
    "-51": "EL2HLT(Level 2 halted)",
    "-52": "EBADE(Invalid exchange)",
    "-53": "EBADR(Invalid request descriptor)",
    "-54": "EXFULL(Exchange full)",
    "-55": "ENOANO(No anode)",
    "-56": "EBADRQC(Invalid request code)",
    "-57": "EBADSLT(Invalid slot)",
    "-59": "EBFONT(Bad font file format)",
    "-60": "ENOSTR(Device not a stream)",
    "-61": "ENODATA(No data available)",
    "-62": "ETIME(Timer expired)",
    "-63": "ENOSR(Out of streams resources)",
    "-64": "ENONET(Machine is not on the network)",
    "-65": "ENOPKG(Package not installed)",
    "-66": "EREMOTE(Object is remote)",
    "-67": "ENOLINK(Link has been severed)",
    "-68": "EADV(Advertise error)",
    "-69": "ESRMNT(Srmount error)",
    "-70": "ECOMM(Communication error on send)",
    "-71": "EPROTO(Protocol error)",
    "-72": "EMULTIHOP(Multihop attempted)",
    "-73": "EDOTDOT(RFS specific error)",
    "-74": "EBADMSG(Bad message)",
    "-75": "EOVERFLOW(Value too large for defined data type)",
    "-76": "ENOTUNIQ(Name not unique on network)",
    "-77": "EBADFD(File descriptor in bad state)",
    "-78": "EREMCHG(Remote address changed)",
    "-79": "ELIBACC(Can not access a needed shared library)",
    "-80": "ELIBBAD(Accessing a corrupted shared library)",
    "-81": "ELIBSCN(.lib section in a.out corrupted)",
    "-82": "ELIBMAX(Attempting to link in too many shared libraries)",
    "-83": "ELIBEXEC(Cannot exec a shared library directly)",
    "-84": "EILSEQ(Invalid or incomplete multibyte or wide character)",
    "-85": "ERESTART(Interrupted system call should be restarted)",
    "-86": "ESTRPIPE(Streams pipe error)",
    "-87": "EUSERS(Too many users)",
    "-88": "ENOTSOCK(Socket operation on non-socket)",
    "-89": "EDESTADDRREQ(Destination address required)",
    "-90": "EMSGSIZE(Message too long)",
    "-91": "EPROTOTYPE(Protocol wrong type for socket)",
    "-92": "ENOPROTOOPT(Protocol not available)",
    "-93": "EPROTONOSUPPORT(Protocol not supported)",
    "-94": "ESOCKTNOSUPPORT(Socket type not supported)",
    "-95": "EOPNOTSUPP(Operation not supported)",
    "-96": "EPFNOSUPPORT(Protocol family not supported)",
    "-97": "EAFNOSUPPORT(Address family not supported by protocol)",
    "-98": "EADDRINUSE(Address already in use)",
    "-99": "EADDRNOTAVAIL(Cannot assign requested address)",
    "-100": "ENETDOWN(Network is down)",
    "-101": "ENETUNREACH(Network is unreachable)",
    "-102": "ENETRESET(Network dropped connection on reset)",
    "-103": "ECONNABORTED(Software caused connection abort)",
    "-104": "ECONNRESET(Connection reset by peer)",
    "-105": "ENOBUFS(No buffer space available)",
    "-106": "EISCONN(Transport endpoint is already connected)",
    "-107": "ENOTCONN(Transport endpoint is not connected)",
    "-108": "ESHUTDOWN(Cannot send after transport endpoint shutdown)",
    "-109": "ETOOMANYREFS(Too many references: cannot splice)",
    "-110": "ETIMEDOUT(Connection timed out)",
    "-111": "ECONNREFUSED(Connection refused)",
    "-112": "EHOSTDOWN(Host is down)",
    "-113": "EHOSTUNREACH(No route to host)",
    "-114": "EALREADY(Operation already in progress)",
    "-115": "EINPROGRESS(Operation now in progress)",
    "-116": "ESTALE(Stale file handle)",
    "-117": "EUCLEAN(Structure needs cleaning)",
    "-118": "ENOTNAM(Not a XENIX named type file)",
    "-119": "ENAVAIL(No XENIX semaphores available)",
    "-120": "EISNAM(Is a named type file)",
    "-121": "EREMOTEIO(Remote I/O error)",
    "-122": "EDQUOT(Disk quota exceeded)",
    "-123": "ENOMEDIUM(No medium found)",
    "-124": "EMEDIUMTYPE(Wrong medium type)",
    "-125": "ECANCELED(Operation canceled)",
    "-126": "ENOKEY(Required key not available)",
    "-127": "EKEYEXPIRED(Key has expired)",
    "-128": "EKEYREVOKED(Key has been revoked)",
    "-129": "EKEYREJECTED(Key was rejected by service)",
    "-130": "EOWNERDEAD(Owner died)",
    "-131": "ENOTRECOVERABLE(State not recoverable)",
    "-132": "ERFKILL(Operation not possible due to RF-kill)",
    "-133": "EHWPOISON(Memory page has hardware error)",
    "-512": "ERESTARTSYS",
    "-513": "ERESTARTNOINTR",
    "-514": "ERESTARTNOHAND",
    "-516": "ERESTART_RESTARTBLOCK",
}
"""exit= of a system call that failed, as the library prints it."""

FAMILIES = {
    1: "local",
    2: "inet",
    3: "ax25",
    4: "ipx",
    5: "appletalk",
    6: "netrom",
    7: "bridge",
    8: "atmpvc",
    9: "x25",
    10: "inet6",
    11: "rose",
    12: "decnet",
    13: "netbeui",
    14: "security",
    15: "key",
    16: "netlink",
    17: "packet",
    18: "ash",
    19: "econet",
    20: "atmsvc",
    21: "rds",
    22: "sna",
    23: "irda",
    24: "pppox",
    25: "wanpipe",
    26: "llc",
    29: "can",
    30: "tipc",
    31: "bluetooth",
    32: "iucv",
    33: "rxrpc",
    34: "isdn",
    35: "phonet",
    36: "ieee802154",
    37: "caif",
    38: "alg",
    39: "nfc",
    40: "vsock",
    41: "kcm",
    42: "qipcrtr",
    43: "smc",
    44: "xdp",
}
"""Address family to its word."""

RECORDS = {
    "ACCT_LOCK": ("locked-account", "user-account", "account", "id", "auid", "uid"),
    "ACCT_UNLOCK": ("unlocked-account", "user-account", "account", "id", "auid", "uid"),
    "ADD_GROUP": ("added-group-account-to", "user-account", "account", "id", "auid", "uid"),
    "ADD_USER": ("added-user-account", "user-account", "account", "id", "auid", "uid"),
    "ANOM_ABEND": ("crashed-program", "anomaly", "process", "exe", "auid", "uid"),
    "ANOM_CREAT": ("created-suspicious-file", "anomaly", "unknown", "", "auid", "uid"),
    "ANOM_EXEC": ("attempted-execution-of-forbidden-program", "anomaly", "process", "cmd", "auid", "uid"),
    "ANOM_LINK": ("used-suspcious-link", "anomaly", "unknown", "", "auid", "uid"),
    "ANOM_LOGIN_FAILURES": ("failed-log-in-too-many-times-to", "anomaly", "user-session", "acct", "auid", "uid"),
    "ANOM_LOGIN_LOCATION": ("attempted-log-in-from-unusual-place-to", "anomaly", "user-session", "acct", "auid", "uid"),
    "ANOM_LOGIN_SESSIONS": ("opened-too-many-sessions-to", "anomaly", "user-session", "acct", "auid", "uid"),
    "ANOM_LOGIN_TIME": ("attempted-log-in-during-unusual-hour-to", "anomaly", "user-session", "acct", "auid", "uid"),
    "ANOM_PROMISCUOUS": ("changed-socket-promiscuous-mode", "anomaly", "socket", "dev", "auid", ""),
    "ANOM_RBAC_INTEGRITY_FAIL": ("tested-file-system-integrity-of", "integrity", "file-system", "hostname", "auid", "uid"),
    "AVC": ("accessed-mac-policy-controlled-object", "mac-decision", "unknown", "tcontext", "scontext", ""),
    "BPF": ("unloaded-bpf-program", "bpf-program", "process", "prog-id", "", ""),
    "CHGRP_ID": ("changed-group", "group-change", "unknown", "", "auid", "uid"),
    "CHUSER_ID": ("changed-user-id", "user-space", "unknown", "", "auid", "uid"),
    "CONFIG_CHANGE": ("changed-audit-configuration", "configuration", "audit-config", "audit_enabled", "auid", ""),
    "CRED_ACQ": ("acquired-credentials", "user-login", "user-session", "acct", "auid", "uid"),
    "CRED_DISP": ("disposed-credentials", "user-login", "user-session", "acct", "auid", "uid"),
    "CRED_REFR": ("refreshed-credentials", "user-login", "user-session", "acct", "auid", "uid"),
    "CRYPTO_KEY_USER": ("negotiated-crypto-key", "crypto", "user-session", "fp", "auid", "uid"),
    "CRYPTO_LOGIN": ("crypto-officer-logged-in", "crypto", "unknown", "", "auid", "uid"),
    "CRYPTO_LOGOUT": ("crypto-officer-logged-out", "crypto", "unknown", "", "auid", "uid"),
    "CRYPTO_SESSION": ("started-crypto-session", "crypto", "user-session", "addr", "auid", "uid"),
    "DAC_CHECK": ("access-result", "unknown", "unknown", "", "auid", "uid"),
    "DAEMON_ABORT": ("aborted-auditd-startup", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_ACCEPT": ("remote-audit-connected", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_CLOSE": ("remote-audit-disconnected", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_CONFIG": ("changed-auditd-configuration", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_END": ("shutdown-audit", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_ERR": ("audit-error", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_RESUME": ("resumed-audit-logging", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_ROTATE": ("rotated-audit-logs", "audit-daemon", "service", "", "auid", ""),
    "DAEMON_START": ("started-audit", "audit-daemon", "service", "", "auid", ""),
    "DEL_GROUP": ("deleted-group-account-from", "user-account", "account", "id", "auid", "uid"),
    "DEL_USER": ("deleted-user-account", "user-account", "account", "id", "auid", "uid"),
    "EVENT_LISTENER": ("disconnected-from", "audit-daemon", "socket", "nl-mcgrp", "auid", "uid"),
    "FANOTIFY": ("accessed-policy-controlled-file", "av-decision", "unknown", "", "auid", "uid"),
    "FEATURE_CHANGE": ("changed-audit-feature", "configuration", "system", "", "auid", "uid"),
    "FS_RELABEL": ("relabeled-filesystem", "mac", "mac-config", "", "auid", "uid"),
    "GRP_AUTH": ("authenticated-to-group", "group-change", "unknown", "", "auid", "uid"),
    "GRP_CHAUTHTOK": ("changed-group-password", "user-account", "user-session", "acct", "auid", "uid"),
    "GRP_MGMT": ("modified-group-account", "user-account", "account", "id", "auid", "uid"),
    "KERNEL": ("initialized-audit-subsystem", "system-services", "unknown", "", "auid", "uid"),
    "KERN_MODULE": ("loaded-kernel-module", "unknown", "unknown", "", "auid", "uid"),
    "LABEL_LEVEL_CHANGE": ("modified-level-of", "mac", "printer", "printer", "auid", "uid"),
    "LABEL_OVERRIDE": ("overrode-label-of", "mac", "mac-config", "", "auid", "uid"),
    "LOGIN": ("changed-login-id-to", "user-login", "user-session", "auid", "", "uid"),
    "MAC_CHECK": ("mac-permission", "unknown", "unknown", "", "auid", "uid"),
    "MAC_CONFIG_CHANGE": ("changed-selinux-boolean", "mac", "mac-config", "bool", "auid", "uid"),
    "MAC_MAP_ADD": ("added-mac-network-domain-mapping-to", "mac", "mac-config", "nlbl_domain", "auid", ""),
    "MAC_MAP_DEL": ("deleted-mac-network-domain-mapping-from", "mac", "mac-config", "nlbl_domain", "auid", ""),
    "MAC_POLICY_LOAD": ("loaded-selinux-policy", "mac", "mac-config", "", "auid", "uid"),
    "MAC_STATUS": ("changed-selinux-enforcement-to", "mac", "mac-config", "enforcing", "auid", "uid"),
    "NETFILTER_CFG": ("loaded-firewall-rule-to", "configuration", "firewall", "table", "", ""),
    "ROLE_ASSIGN": ("assigned-user-role-to", "mac", "account", "id", "auid", "uid"),
    "ROLE_MODIFY": ("modified-role", "mac", "mac-config", "", "auid", "uid"),
    "ROLE_REMOVE": ("removed-use-role-from", "mac", "account", "id", "auid", "uid"),
    "SECCOMP": ("called-seccomp-controlled-syscall", "dac-decision", "process", "syscall", "auid", "uid"),
    "SERVICE_START": ("started-service", "system-services", "service", "unit", "auid", "uid"),
    "SERVICE_STOP": ("stopped-service", "system-services", "service", "unit", "auid", "uid"),
    "SOFTWARE_UPDATE": ("installed-software", "configuration", "software", "sw", "auid", "uid"),
    "SYSCALL": ("triggered-unknown-audit-rule", "audit-rule", "admin-defined-rule", "", "auid", ""),
    "SYSTEM_BOOT": ("booted-system", "system-services", "system", "", "auid", "uid"),
    "SYSTEM_RUNLEVEL": ("changed-to-runlevel", "system-services", "system", "new-level", "auid", "uid"),
    "SYSTEM_SHUTDOWN": ("shutdown-system", "system-services", "service", "", "auid", "uid"),
    "TEST": ("sent-test", "user-space", "unknown", "", "auid", "uid"),
    "TRUSTED_APP": ("unknown", "user-space", "unknown", "", "auid", "uid"),
    "TTY": ("typed", "TTY", "keystrokes", "data", "auid", "uid"),
    "USER": ("sent-message", "unknown", "unknown", "addr", "auid", "uid"),
    "USER_ACCT": ("was-authorized", "user-login", "user-session", "acct", "auid", "uid"),
    "USER_AUTH": ("authenticated", "user-login", "user-session", "acct", "auid", "uid"),
    "USER_AVC": ("accessed-mac-policy-controlled-object", "mac-decision", "unknown", "tcontext", "scontext", "uid"),
    "USER_CHAUTHTOK": ("changed-password", "user-login", "user-session", "acct", "auid", "uid"),
    "USER_CMD": ("ran-command", "user-space", "process", "cmd", "auid", "uid"),
    "USER_DEVICE": ("=op", "configuration", "keystrokes", "device", "auid", "uid"),
    "USER_END": ("ended-session", "user-login", "user-session", "terminal", "auid", "uid"),
    "USER_ERR": ("caused-account-error", "user-login", "user-session", "terminal", "auid", "uid"),
    "USER_LOGIN": ("logged-in", "user-login", "user-session", "terminal", "id", ""),
    "USER_LOGOUT": ("logged-out", "user-login", "user-session", "terminal", "auid", "uid"),
    "USER_MAC_CONFIG_CHANGE": ("changed-mac-configuration", "mac", "mac-config", "", "auid", "uid"),
    "USER_MAC_POLICY_LOAD": ("loaded-mac-policy", "mac", "mac-config", "", "auid", "uid"),
    "USER_MAC_STATUS": ("changed-selinux-enforcement-to", "mac", "unknown", "", "auid", "uid"),
    "USER_MGMT": ("modified-user-account", "user-account", "account", "id", "auid", "uid"),
    "USER_ROLE_CHANGE": ("changed-role-to", "mac", "user-session", "selected-context", "auid", "uid"),
    "USER_SELINUX_ERR": ("access-error", "mac-decision", "unknown", "", "auid", "uid"),
    "USER_START": ("started-session", "user-login", "user-session", "terminal", "auid", "uid"),
    "USER_TTY": ("typed", "TTY", "keystrokes", "data", "auid", "uid"),
    "USYS_CONFIG": ("=op", "configuration", "system", "", "auid", "uid"),
    "VIRT_CONTROL": ("issued-vm-control", "virt", "virtual-machine", "op", "auid", "uid"),
    "VIRT_CREATE": ("created-vm-image", "virt", "unknown", "", "auid", "uid"),
    "VIRT_DESTROY": ("deleted-vm-image", "virt", "unknown", "", "auid", "uid"),
    "VIRT_INTEGRITY_CHECK": ("checked-integrity-of", "virt", "unknown", "", "auid", "uid"),
    "VIRT_MACHINE_ID": ("assigned-vm-id", "virt", "virtual-machine", "vm", "auid", "uid"),
    "VIRT_MIGRATE_IN": ("migrated-vm-from", "virt", "unknown", "", "auid", "uid"),
    "VIRT_MIGRATE_OUT": ("migrated-vm-to", "virt", "unknown", "", "auid", "uid"),
    "VIRT_RESOURCE": ("assigned-vm-resource", "virt", "virtual-machine", "resrc", "auid", "uid"),
}
"""Type to action, kind, object kind, and the fields of the object, the subject, the second subject."""

CALLS = {
    "accept": ("accepted-connection-from", "saddr", "accepted-connection-from", "saddr", "socket"),
    "accept4": ("accepted-connection-from", "saddr", "accepted-connection-from", "saddr", "socket"),
    "access": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "adjtimex": ("changed-system-time", "", "changed-system-time", "", "system"),
    "bind": ("bound-socket", "saddr", "bound-socket", "saddr", "socket"),
    "brk": ("allocated-memory-in", "comm", "allocated-memory", "", "memory"),
    "chmod": ("changed-file-permissions-of", "@2", "changed-file-permissions-of", "@2", "*file"),
    "chown": ("changed-file-ownership-of", "@2", "changed-file-ownership-of", "@2", "*file"),
    "clock_settime": ("changed-system-time", "", "changed-system-time", "", "system"),
    "connect": ("connected-to", "saddr", "connected-to", "saddr", "socket"),
    "creat": ("opened-file", "@2", "opened-file", "@2", "file"),
    "delete_module": ("unloaded-kernel-module", "", "unloaded-kernel-module", "", "file"),
    "execve": ("executed", "@3", "executed", "@3", "*file"),
    "execveat": ("executed", "@3", "executed", "@3", "*file"),
    "faccessat": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "faccessat2": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "fallocate": ("opened-file", "@2", "opened-file", "@2", "file"),
    "fchmod": ("changed-file-permissions-of", "@2", "changed-file-permissions-of", "@2", "*file"),
    "fchmodat": ("changed-file-permissions-of", "@2", "changed-file-permissions-of", "@2", "*file"),
    "fchown": ("changed-file-ownership-of", "@2", "changed-file-ownership-of", "@2", "*file"),
    "fchownat": ("changed-file-ownership-of", "@2", "changed-file-ownership-of", "@2", "*file"),
    "finit_module": ("loaded-kernel-module", "", "loaded-kernel-module", "", "file"),
    "fremovexattr": ("changed-file-attributes-of", "@2", "changed-file-attributes-of", "@2", "*file"),
    "fsetxattr": ("changed-file-attributes-of", "@2", "changed-file-attributes-of", "@2", "*file"),
    "fsmount": ("mounted", "@3", "mounted", "@2", "*file-system"),
    "fspick": ("mounted", "@3", "mounted", "@2", "*file-system"),
    "fstat": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "fstatfs": ("checked-filesystem-metadata-of", "@2", "checked-filesystem-metadata-of", "@2", "*file-system"),
    "ftruncate": ("opened-file", "@2", "opened-file", "@2", "file"),
    "futimesat": ("changed-timestamp-of", "@2", "changed-timestamp-of", "@2", "*file"),
    "init_module": ("loaded-kernel-module", "", "loaded-kernel-module", "", "file"),
    "kill": ("killed-list-of-pids", "saddr", "killed-list-of-pids", "saddr", "process"),
    "lchown": ("changed-file-ownership-of", "@2", "changed-file-ownership-of", "@2", "*file"),
    "lremovexattr": ("changed-file-attributes-of", "@2", "changed-file-attributes-of", "@2", "*file"),
    "lsetxattr": ("changed-file-attributes-of", "@2", "changed-file-attributes-of", "@2", "*file"),
    "lstat": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "memfd_create": ("opened-file", "@2", "opened-file", "@2", "file"),
    "mkdir": ("created-directory", "@3", "created-directory", "@3", "*file"),
    "mkdirat": ("created-directory", "@3", "created-directory", "@3", "*file"),
    "mknod": ("make-device", "@2", "make-device", "@2", "*unknown"),
    "mknodat": ("make-device", "@2", "make-device", "@2", "*unknown"),
    "mmap": ("allocated-memory-in", "comm", "allocated-memory", "", "memory"),
    "mount": ("mounted", "@3", "mounted", "@2", "*file-system"),
    "move_mount": ("mounted", "@3", "mounted", "@2", "*file-system"),
    "newfstatat": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "open": ("opened-file", "@2", "opened-file", "@2", "file"),
    "openat": ("opened-file", "@2", "opened-file", "@2", "file"),
    "openat2": ("opened-file", "@2", "opened-file", "@2", "file"),
    "readlink": ("opened-file", "@2", "opened-file", "@2", "file"),
    "readlinkat": ("opened-file", "@2", "opened-file", "@2", "file"),
    "recvfrom": ("received-from", "saddr", "received-from", "saddr", "socket"),
    "recvmsg": ("received-from", "saddr", "received-from", "saddr", "socket"),
    "removexattr": ("changed-file-attributes-of", "@2", "changed-file-attributes-of", "@2", "*file"),
    "rename": ("renamed", "@4", "renamed", "@4", "*file"),
    "renameat": ("renamed", "@4", "renamed", "@4", "*file"),
    "renameat2": ("renamed", "@4", "renamed", "@4", "*file"),
    "rmdir": ("deleted", "@2", "deleted", "@2", "*file"),
    "sched_setattr": ("adjusted-scheduling-policy-of", "exe", "adjusted-scheduling-policy-of", "exe", "process"),
    "sched_setparam": ("adjusted-scheduling-policy-of", "exe", "adjusted-scheduling-policy-of", "exe", "process"),
    "sched_setscheduler": ("adjusted-scheduling-policy-of", "exe", "adjusted-scheduling-policy-of", "exe", "process"),
    "sendmsg": ("sent-to", "saddr", "sent-to", "saddr", "socket"),
    "sendto": ("sent-to", "saddr", "sent-to", "saddr", "socket"),
    "setdomainname": ("changed-system-name", "", "changed-system-name", "", "system"),
    "setfsgid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "setfsuid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "setgid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "sethostname": ("changed-system-name", "", "changed-system-name", "", "system"),
    "setregid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "setresgid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "setresuid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "setreuid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "settimeofday": ("changed-system-time", "", "changed-system-time", "", "system"),
    "setuid": ("changed-identity-of", "exe", "changed-identity-of", "exe", "process"),
    "setxattr": ("changed-file-attributes-of", "@2", "changed-file-attributes-of", "@2", "*file"),
    "stat": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "stat64": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "statfs": ("checked-filesystem-metadata-of", "@2", "checked-filesystem-metadata-of", "@2", "*file-system"),
    "statx": ("checked-metadata-of", "@2", "checked-metadata-of", "@2", "*file"),
    "stime": ("changed-system-time", "", "changed-system-time", "", "system"),
    "symlink": ("symlinked", "@4", "symlinked", "@4", "*file"),
    "symlinkat": ("symlinked", "@4", "symlinked", "@4", "*file"),
    "tgkill": ("killed-list-of-pids", "saddr", "killed-list-of-pids", "saddr", "process"),
    "tkill": ("killed-list-of-pids", "saddr", "killed-list-of-pids", "saddr", "process"),
    "truncate": ("opened-file", "@2", "opened-file", "@2", "file"),
    "umount": ("unmounted", "@2", "unmounted", "@2", "*file-system"),
    "umount2": ("unmounted", "@2", "unmounted", "@2", "*file-system"),
    "unlink": ("deleted", "@2", "deleted", "@2", "*file"),
    "unlinkat": ("deleted", "@2", "deleted", "@2", "*file"),
    "utime": ("changed-timestamp-of", "@2", "changed-timestamp-of", "@2", "*file"),
    "utimensat": ("changed-timestamp-of", "@2", "changed-timestamp-of", "@2", "*file"),
    "utimes": ("changed-timestamp-of", "@2", "changed-timestamp-of", "@2", "*file"),
}
"""System call to action and object on success, the same on failure, and the kind of the object
(`*KIND`: by the mode of the path, else KIND)."""

LEADERS = {
    "ANOM_LINK": ("used-suspcious-link", "anomaly", "unknown", ""),
    "AVC": ("accessed-mac-policy-controlled-object", "mac-decision", "admin-defined-rule", "key"),
    "BPF": ("unloaded-bpf-program", "bpf-program", "process", "prog-id"),
    "CONFIG_CHANGE": ("=op", "configuration", "audit-config", "hostname"),
    "EVENT_LISTENER": ("disconnected-from", "audit-daemon", "socket", "nl-mcgrp"),
    "FANOTIFY": ("accessed-policy-controlled-file", "av-decision", "admin-defined-rule", "key"),
    "KERN_MODULE": ("loaded-kernel-module", "unknown", "file", ""),
    "MAC_CONFIG_CHANGE": ("changed-selinux-boolean", "mac", "mac-config", "bool"),
    "MAC_POLICY_LOAD": ("loaded-selinux-policy", "mac", "mac-config", ""),
    "MAC_STATUS": ("changed-selinux-enforcement-to", "mac", "mac-config", "enforcing"),
    "NETFILTER_CFG": ("loaded-firewall-rule-to", "configuration", "firewall", "table"),
    "SELINUX_ERR": ("caused-mac-policy-error", "mac-decision", "system", ""),
    "TIME_ADJNTPVAL": ("changed-system-time", "configuration", "system", ""),
    "TIME_INJOFFSET": ("changed-system-time", "configuration", "system", ""),
}
"""Type that leads a system call's event to action, kind, object kind, object field."""
