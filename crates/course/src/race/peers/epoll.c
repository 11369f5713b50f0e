/* What others are measured by: an echo server as it is written in C, one thread and epoll(7).
 *
 * It does what the steps do: it sends back what it reads, keeps what a client does not take yet, and reads nothing more
 * from that client meanwhile. Readiness is level-triggered, so a read is never tried again to see whether there is more.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 16384, EVENTS = 1024, BACKLOG = 4096 };

/* What waits to be written to a client, by its descriptor; no bytes while nothing does. */
struct rest {
    char *bytes;
    size_t at, length;
};

static struct rest *rests;
static int epoll;
static char buffer[BUFFER];

static void fail(const char *what) {
    fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int operation, int fd, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        fail("epoll_ctl");
}

static void end(int fd) {
    free(rests[fd].bytes);
    rests[fd] = (struct rest){0};
    close(fd); /* and epoll forgets it */
}

static void let_in(int listener, int limit) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return; /* nobody is left in the queue, or no descriptor is */
        if (fd >= limit) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

/* Keeps what did not fit, and waits for room instead of bytes. */
static void keep(int fd, const char *bytes, size_t length) {
    char *kept = malloc(length);
    if (!kept) {
        end(fd);
        return;
    }
    memcpy(kept, bytes, length);
    rests[fd] = (struct rest){kept, 0, length};
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void echo(int fd) {
    ssize_t count = read(fd, buffer, BUFFER);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        end(fd);
        return;
    }
    ssize_t written = write(fd, buffer, count);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
        end(fd);
        return;
    }
    if (written < 0)
        written = 0;
    if (written < count)
        keep(fd, buffer + written, count - written);
}

static void go_on_writing(int fd) {
    struct rest *rest = &rests[fd];
    ssize_t written = write(fd, rest->bytes + rest->at, rest->length - rest->at);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (written < 0) {
        end(fd);
        return;
    }
    rest->at += written;
    if (rest->at == rest->length) {
        free(rest->bytes);
        *rest = (struct rest){0};
        watch(EPOLL_CTL_MOD, fd, EPOLLIN);
    }
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s HOST PORT\n", arguments[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || !(rests = calloc(limit.rlim_cur, sizeof *rests)))
        fail("no memory for its clients");

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1 || listener < 0 ||
        bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("cannot listen");
    if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail("epoll_create1");
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    printf("listening on %s:%d\n", arguments[1], ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        static struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                let_in(listener, (int)limit.rlim_cur);
            else if (rests[fd].bytes)
                go_on_writing(fd);
            else
                echo(fd);
        }
    }
}
