/* Preloaded into the driver: counts what a process does to files, and at a chosen call fails it or kills the process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int fault_calls = 0;  /* calls so far */
int fault_at = 0;     /* the call that is struck, counting from 1; 0: none */
int fault_until = 0;  /* the last call that is struck */
int fault_errno = 0;  /* what the call fails with; 0: the process is killed */
int fault_spared = 2; /* a file that is the test's own */
int fault_talk = 0;   /* whether what is sent and received counts, too: in a worker, which writes hardly any files */

static int strikes(void) {
    int call = ++fault_calls;
    if (!fault_at || call < fault_at || call > fault_until) return 0;
    if (!fault_errno) kill(getpid(), SIGKILL);
    errno = fault_errno;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    return fd > 2 && fd != fault_spared && strikes() ? -1 : syscall(SYS_write, fd, data, size);
}
ssize_t send(int fd, const void *data, size_t size, int flags) {
    return fault_talk && strikes() ? -1 : syscall(SYS_sendto, fd, data, size, flags, 0, 0);
}
ssize_t recv(int fd, void *data, size_t size, int flags) {
    return fault_talk && strikes() ? -1 : syscall(SYS_recvfrom, fd, data, size, flags, 0, 0);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return strikes() ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return strikes() ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}
int fsync(int fd) { return strikes() ? -1 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return strikes() ? -1 : syscall(SYS_fdatasync, fd); }
int ftruncate(int fd, off_t size) { return strikes() ? -1 : syscall(SYS_ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) { return strikes() ? -1 : syscall(SYS_ftruncate, fd, size); }
int rename(const char *from, const char *to) {
    return strikes() ? -1 : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
