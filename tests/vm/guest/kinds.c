/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of one kind, for checkpoints that are looked into: it opens what the kind has, makes /ready, and sleeps until it is ended,
 * so that nothing of it changes while somebody looks.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a call answers, unless it failed. */
#define GOOD(call) good(#call, (long)(call))
static long good(const char *call, long result)
{
    if (result < 0)
        err(1, "%s", call);
    return result;
}

static void *mapped(void *address)
{
    if (address == MAP_FAILED)
        err(1, "mmap");
    return address;
}

static void sleep_on(void)
{
    for (;;)
        pause();
}

/* A child that does this and sleeps on. */
static pid_t child(void (*work)(void))
{
    pid_t pid = (pid_t)GOOD(fork());

    if (pid == 0) {
        work();
        sleep_on();
    }
    return pid;
}

static void nothing(void)
{
}

static void *thread(void *name)
{
    pthread_setname_np(pthread_self(), name);
    sleep_on();
    return NULL;
}

static void threads(void)
{
    static char names[3][16] = { "first", "second one", "fifteen letters" };
    pthread_t made;

    for (int i = 0; i < 3; i++) {
        if (pthread_create(&made, NULL, thread, names[i]) != 0)
            errx(1, "pthread_create");
    }
}

/* Files without a name, read and written in part, one of them by a duplicate; a pipe and a fifo with something in them. */
static void files(void)
{
    char text[100] = "text", directory[] = "/data/deep";
    int ends[2], file = (int)GOOD(open("/data/gone", O_RDWR | O_CREAT | O_CLOEXEC, 0640));

    GOOD(write(file, text, sizeof(text)));
    GOOD(lseek(file, 42, SEEK_SET));
    GOOD(unlink("/data/gone"));
    GOOD(dup2(file, 50));
    file = (int)GOOD(open("/dev/shm/gone", O_WRONLY | O_CREAT | O_APPEND, 0600));
    GOOD(write(file, text, 10));
    GOOD(unlink("/dev/shm/gone"));
    file = (int)GOOD(open("/data/kept", O_RDONLY | O_CREAT | O_NOATIME, 0600));
    GOOD(mkdir(directory, 0755));
    GOOD(chdir(directory));
    GOOD(open(".", O_RDONLY | O_DIRECTORY));
    GOOD(pipe2(ends, O_NONBLOCK));
    GOOD(write(ends[1], text, 7));
    GOOD(mkfifo("/data/fifo", 0600));
    file = (int)GOOD(open("/data/fifo", O_RDWR));
    GOOD(write(file, text, 3));
    umask(027);
    child(nothing);
}

static void tcp(int family, const void *address, socklen_t size, const char *unread)
{
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof(bound);
    int listener = (int)GOOD(socket(family, SOCK_STREAM, 0)), one;

    GOOD(bind(listener, address, size));
    GOOD(listen(listener, 5));
    GOOD(getsockname(listener, (struct sockaddr *)&bound, &bound_size));
    one = (int)GOOD(socket(family, SOCK_STREAM, 0));
    GOOD(connect(one, (struct sockaddr *)&bound, bound_size));
    GOOD(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    GOOD(write(one, unread, strlen(unread)));
}

static void internet(void)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(4711) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(4712), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int datagrams;

    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    tcp(AF_INET, &four, sizeof(four), "unread");
    tcp(AF_INET6, &six, sizeof(six), "");
    datagrams = (int)GOOD(socket(AF_INET, SOCK_DGRAM, 0));
    GOOD(bind(datagrams, (struct sockaddr *)&four, sizeof(four)));
}

static void local(void)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/data/socket" };
    struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0abstract" };
    int pair[2], one = (int)GOOD(socket(AF_UNIX, SOCK_STREAM, 0));

    GOOD(bind(one, (struct sockaddr *)&name, sizeof(name)));
    GOOD(listen(one, 7));
    one = (int)GOOD(socket(AF_UNIX, SOCK_DGRAM, 0));
    GOOD(bind(one, (struct sockaddr *)&abstract, offsetof(struct sockaddr_un, sun_path) + 9));
    GOOD(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    GOOD(write(pair[0], "12345", 5));
    GOOD(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    child(nothing);
}

static void memfd(void)
{
    int file = (int)GOOD(memfd_create("a region", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    char *shared;

    GOOD(ftruncate(file, 64 << 10));
    shared = mapped(mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    memset(shared, 'm', 5000);
    mapped(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 8192));
    GOOD(lseek(file, 33, SEEK_SET));
    child(nothing);
}

static char *shared, *segment;

static void write_to_both(void)
{
    shared[20000] = 'c';
    segment[5000] = 'c';
}

static void memory(void)
{
    int id = (int)GOOD(shmget(IPC_PRIVATE, 16 << 10, IPC_CREAT | 0600));
    char *guarded = mapped(mmap(NULL, 3 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    shared = mapped(mmap(NULL, 128 << 10, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    segment = mapped(shmat(id, NULL, 0));
    memset(shared, 'p', 9000);
    memset(segment, 'p', 100);
    GOOD(mprotect(guarded + 4096, 4096, PROT_NONE));
    guarded[0] = guarded[2 << 12] = 'g';
    GOOD((intptr_t)sbrk(100 << 10));
    child(write_to_both);
}

static void timers(void)
{
    struct itimerspec far = { .it_value = { .tv_sec = 100000 }, .it_interval = { .tv_sec = 7 } };
    struct itimerval real = { .it_value = { .tv_sec = 100000 } };
    struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = 42 } };
    struct sigevent signal = { .sigev_notify = SIGEV_NONE };
    int timer = (int)GOOD(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), poll, watch;
    sigset_t set;
    timer_t made;

    GOOD(timerfd_settime(timer, 0, &far, NULL));
    poll = (int)GOOD(epoll_create1(EPOLL_CLOEXEC));
    GOOD(epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event));
    GOOD(eventfd(9, EFD_NONBLOCK));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    GOOD(signalfd(-1, &set, 0));
    watch = (int)GOOD(inotify_init1(IN_NONBLOCK));
    GOOD(inotify_add_watch(watch, "/dev/shm", IN_CREATE));
    GOOD(setitimer(ITIMER_REAL, &real, NULL));
    GOOD(timer_create(CLOCK_MONOTONIC, &signal, &made));
    GOOD(timer_settime(made, 0, &far, NULL));
}

static void lead_a_session(void)
{
    GOOD(setsid());
    GOOD(setpriority(PRIO_PROCESS, 0, 5));
}

static void be_somebody(void)
{
    gid_t groups[] = { 77, 88 };
    struct rlimit limit = { .rlim_cur = 100, .rlim_max = 200 };

    GOOD(setrlimit(RLIMIT_NOFILE, &limit));
    GOOD(setpgid(0, 0));
    GOOD(setgroups(2, groups));
    GOOD(setresgid(12, 13, 14));
    GOOD(setresuid(21, 22, 23));
}

static void end(void)
{
    exit(3);
}

/* A child in a session of its own, one that is somebody else, one that is stopped, and one that has ended. */
static void family(void)
{
    siginfo_t ended;
    int status;
    pid_t stopped;

    child(lead_a_session);
    child(be_somebody);
    stopped = child(nothing);
    GOOD(kill(stopped, SIGSTOP));
    GOOD(waitpid(stopped, &status, WUNTRACED));
    GOOD(waitid(P_PID, (id_t)child(end), &ended, WEXITED | WNOWAIT));
}

static const struct {
    const char *name;
    void (*work)(void);
} kinds[] = {
    { "threads", threads }, { "files", files }, { "tcp", internet },  { "unix", local },
    { "memfd", memfd },     { "memory", memory }, { "timers", timers }, { "family", family },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        kinds[i].work();
        /* Children that are still about to do their work. */
        sleep(1);
        GOOD(open("/ready", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        sleep_on();
    }
    errx(2, "no such kind");
}
