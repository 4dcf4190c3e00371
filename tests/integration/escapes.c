/* Tries to get out of a sandbox in every way it knows. Prints "NAME ok" for what was possible, "NAME ERRNO" for
   what was refused. Its argument is a file of the machine that nothing in the sandbox should be able to read. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *secret;

static int readable(const char *path)
{
    int fd = open(path, O_RDONLY);
    char byte;
    return fd < 0 ? -1 : read(fd, &byte, 1) == 1 ? 0 : -1;
}

static int below(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", folder, secret);
    return readable(path);
}

static int writable(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    return fd < 0 ? -1 : write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static int try_mount(void) { return mount("none", "/mine", "tmpfs", 0, ""); }
static int try_remount(void) { return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL); }
static int try_remount_proc(void) { return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL); }
static int try_unmount(void) { return umount2("/proc/sys", MNT_DETACH); }
static int try_fsopen(void) { return syscall(SYS_fsopen, "tmpfs", 0) < 0 ? -1 : 0; }
static int try_open_tree(void) { return syscall(SYS_open_tree, AT_FDCWD, "/", 1) < 0 ? -1 : 0; }
static int try_pivot_root(void) { return syscall(SYS_pivot_root, "/mine", "/mine"); }
static int try_chroot(void) { return chroot("/"); }
static int try_mknod(void) { return mknod("/mine/disk", S_IFBLK | 0600, makedev(8, 0)); }
static int try_raw_socket(void) { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? -1 : 0; }
static int try_packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? -1 : 0; }
static int try_vsock(void) { return socket(AF_VSOCK, SOCK_STREAM, 0) < 0 ? -1 : 0; }
static int try_proc_sys(void) { return writable("/proc/sys/kernel/panic", "0"); }
static int try_core_pattern(void) { return writable("/proc/sys/kernel/core_pattern", "core"); }
static int try_irq(void) { return writable("/proc/irq/default_smp_affinity", "f"); }
static int try_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int try_mount_namespace(void) { return unshare(CLONE_NEWNS); }
static int try_setns(void) { return setns(open("/proc/1/ns/mnt", O_RDONLY), 0); }
static int try_hostname(void) { return sethostname("other", 5); }
static int try_keyring(void) { return syscall(SYS_keyctl, 0, -3, 0) < 0 ? -1 : 0; }
static int try_add_key(void) { return syscall(SYS_add_key, "user", "k", "v", 1, -3) < 0 ? -1 : 0; }
static int try_bpf(void) { char attr[128] = {0}; return syscall(SYS_bpf, 0, attr, sizeof attr) < 0 ? -1 : 0; }
static int try_perf(void) { char attr[128] = {0}; return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) < 0 ? -1 : 0; }
static int try_userfaultfd(void) { return syscall(SYS_userfaultfd, 0) < 0 ? -1 : 0; }
static int try_swap(void) { return swapon("/mine/swap", 0); }
static int try_module(void) { return syscall(SYS_init_module, "", 0, ""); }
static int try_personality(void) { return syscall(SYS_personality, 0x0040000) < 0 ? -1 : 0; }
static int try_kernel_log(void) { return syscall(SYS_syslog, 3, NULL, 0) < 0 ? -1 : 0; }
static int try_host_file(void) { return readable(secret); }
static int try_root_of_init(void) { return below("/proc/1/root"); }
static int try_root_of_self(void) { return below("/proc/self/root/../../../../../../../.."); }
static int try_folder_of_init(void) { return below("/proc/1/cwd/../../../../../../../.."); }
static int try_link(void) { return readable("/link"); }
static int try_climbing_link(void) { return readable("/climb"); }
static int try_memory(void) { return readable("/dev/mem"); }
static int try_kcore(void) { return readable("/proc/kcore"); }
static int try_program_of_init(void) { return open("/proc/1/exe", O_RDWR) < 0 ? -1 : 0; }
static int try_write_root(void) { return open("/written", O_CREAT | O_WRONLY, 0600) < 0 ? -1 : 0; }
static int try_file_handle(void)
{
    struct { struct file_handle head; char rest[128]; } handle = {.head = {.handle_bytes = 128}};
    int mount;
    return name_to_handle_at(AT_FDCWD, "/", &handle.head, &mount, 0);
}

static int try_clock(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return settimeofday(&now, NULL);
}

static int try_clone_user_namespace(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : 0;
}

static int try_clone3(void)
{
    unsigned long long args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(SYS_clone3, args, sizeof args);
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : 0;
}

static int try_ptrace_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    int result = ptrace(PTRACE_SEIZE, pid, 0, 0), why = errno;
    kill(pid, SIGKILL);
    errno = why;
    return result;
}

static int try_ptrace_init(void) { return ptrace(PTRACE_SEIZE, 1, 0, 0); }

static int try_memory_of_init(void)
{
    int fd = open("/proc/1/mem", O_RDWR);
    char byte;
    return fd < 0 ? -1 : pread(fd, &byte, 1, 0x400000) == 1 ? 0 : -1;
}

static int try_process_memory(void)
{
    char from = 1, to = 0;
    struct iovec here = {&to, 1}, there = {&from, 1};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) < 0 ? -1 : 0;
}

static int try_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), unlock = 0, number;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &number))
        return -2;
    char path[32];
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    setsid();
    int own = open(path, O_RDWR);
    return own < 0 ? -2 : ioctl(own, TIOCSTI, "x");
}

static int try_core_limit(void)
{
    struct rlimit wanted = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_CORE, &wanted);
}

static int try_core_dump(void)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 1);
        abort();
    }
    waitpid(pid, &status, 0);
    errno = 0;
    return WCOREDUMP(status) ? 0 : -1;
}

static int try_setuid_program(void)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        execl("/setuid", "setuid", "--who", NULL);
        _exit(2);
    }
    waitpid(pid, &status, 0);
    errno = WEXITSTATUS(status) == 2 ? ENOENT : EPERM;
    return status == 0 ? 0 : -1;
}

static int try_become_root(void) { return setuid(0); }

static int try_open_descriptors(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct stat status;
        if (fstat(fd, &status) == 0 && !S_ISFIFO(status.st_mode))
            return 0;
    }
    errno = EBADF;
    return -1;
}

#ifdef __x86_64__
static int try_i386_mount(void)
{
    long result;
    /* All pointers must be below 4 GiB, so there are none: EFAULT would tell that the call was let through. */
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(21), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
    errno = -result;
    return result == -EPERM || result == -ENOSYS ? -1 : 0;
}

static int try_i386_keyring(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(288), "b"(0), "c"(-3), "d"(0) : "memory");
    errno = -result;
    return result < 0 ? -1 : 0;
}
#endif

#define TRY(name) {#name, try_##name}
static const struct { const char *name; int (*function)(void); } attempts[] = {
    TRY(mount), TRY(remount), TRY(remount_proc), TRY(unmount), TRY(fsopen), TRY(open_tree), TRY(pivot_root),
    TRY(chroot), TRY(mknod), TRY(raw_socket), TRY(packet_socket), TRY(vsock), TRY(proc_sys), TRY(core_pattern),
    TRY(irq), TRY(user_namespace), TRY(mount_namespace), TRY(setns), TRY(hostname), TRY(keyring), TRY(add_key),
    TRY(bpf), TRY(perf), TRY(userfaultfd), TRY(swap), TRY(module), TRY(personality), TRY(kernel_log),
    TRY(host_file), TRY(root_of_init), TRY(root_of_self), TRY(folder_of_init), TRY(link), TRY(climbing_link),
    TRY(memory), TRY(kcore), TRY(write_root), TRY(file_handle), TRY(clock), TRY(clone_user_namespace),
    TRY(clone3), TRY(ptrace_child), TRY(ptrace_init), TRY(memory_of_init), TRY(program_of_init), TRY(process_memory), TRY(terminal),
    TRY(core_limit), TRY(core_dump), TRY(setuid_program), TRY(become_root), TRY(open_descriptors),
#ifdef __x86_64__
    TRY(i386_mount), TRY(i386_keyring),
#endif
};

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--who"))
        return geteuid() == 0 ? 0 : 1;
    secret = argc > 1 ? argv[1] : "/etc/shadow";
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            errno = 0;
            int result = attempts[i].function();
            printf("%s %s\n", attempts[i].name, result == 0 ? "ok" : result == -2 ? "absent" : strerrorname_np(errno));
            fflush(stdout);
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            printf("%s %s\n", attempts[i].name, sigabbrev_np(WTERMSIG(status)));
    }
    return 0;
}
