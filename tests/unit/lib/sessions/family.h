/*
 * A login of three processes, each the child of the one before, with a client
 * that is connected over TCP: in the place of sshd, a shell and a program.
 */
#ifndef TMOUT_TESTS_UNIT_LIB_SESSIONS_FAMILY_H
#define TMOUT_TESTS_UNIT_LIB_SESSIONS_FAMILY_H

#include "tests/unit/lib/sessions/stand_in.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { CHUNK = 1000, HOLE_FD = FREE_FD, CLIENT_FD = FREE_FD + 1 };

static const char chunk[CHUNK];

/* Where the test listens, as the client and as the target of forwardings; 0: the
 * login does not come over TCP. */
static in_port_t port;

/* Which of the processes talks to the client. */
static int connection_level;

static inline void write_whole(int fd)
{
    assert_int_equal(write(fd, chunk, sizeof chunk), (ssize_t)sizeof chunk);
}

/* By read() and write(), as sshd does: /proc/PID/io does not count recv() and
 * send(). */
static inline void read_whole(int fd)
{
    char buffer[CHUNK];
    size_t got = 0;

    while (got < sizeof buffer) {
        const ssize_t n = read(fd, buffer + got, sizeof buffer - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

static inline int connect_to_test(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* k: answers a keep-alive of the client; w: writes to it until that would block;
 * f: opens a forwarded connection; F: relays data to it; t: opens one, relays data
 * and closes it; l: listens for more; o: takes a program's output. */
static inline void speak(char letter)
{
    static int forwarded = -1;
    int fd;

    switch (letter) {
    case 'k':
        read_whole(CLIENT_FD);
        write_whole(CLIENT_FD);
        break;
    case 'w':
        assert_int_equal(fcntl(CLIENT_FD, F_SETFL, O_NONBLOCK), 0);
        while (write(CLIENT_FD, chunk, sizeof chunk) > 0)
            ;
        break;
    case 'f':
        forwarded = connect_to_test();
        break;
    case 'F':
        write_whole(forwarded);
        break;
    case 't':
        fd = connect_to_test();
        write_whole(fd);
        close(fd);
        break;
    case 'o':
        fd = open("/dev/zero", O_RDONLY);
        read_whole(fd);
        close(fd);
        break;
    default:
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(listen(fd, 1), 0);
        break;
    }
}

/* a, b, c: the first, second, third process writes some bytes; n: the connection
 * has another child; s: the program below it gives it one; p: asks for the three pids; the
 * connection has those of speak(). Each process passes on what is not meant for it. */
static inline void move_bytes(int level, int commands)
{
    static const char own[] = {'a', 'b', 'c'};
    int below[2] = {-1, -1};
    char letter;
    pid_t child = 0;

    if (level < 2) {
        assert_int_equal(pipe(below), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(below[1]);
            move_bytes(level + 1, below[0]);
            _exit(0);
        }
        close(below[0]);
    }
    if (level > 0)
        close(HOLE_FD);
    if (level != connection_level && level > 0)
        close(CLIENT_FD);
    while ((letter = command(commands)) != '\0') {
        if (letter == own[level]) {
            write_whole(0);
        } else if (letter == 'n' && level == connection_level) {
            if (fork() == 0)
                _exit(0); /* it stays a zombie */
        } else if (letter == 's' && level == connection_level + 1) {
            if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0)
                _exit(0);
        } else if (level == connection_level && strchr("kwfFtlo", letter) != NULL) {
            speak(letter);
        } else if (letter == 'p') {
            answer_number((unsigned)getpid());
            if (level < 2)
                send_byte(below[1], letter);
            continue;
        } else if (level < 2) {
            send_byte(below[1], letter);
            continue;
        }
        send_byte(FROM_FD, letter);
    }
    close(below[1]);
    if (child != 0)
        waitpid(child, NULL, 0);
}

/* A free descriptor that a later connection will get, the connection to the
 * client and, as with OpenSSH 9.2, sockets that are no longer used. */
static inline void family(void)
{
    int unused[2];

    assert_int_equal(dup2(0, HOLE_FD), HOLE_FD);
    if (port != 0)
        assert_int_equal(connect_to_test(), CLIENT_FD);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, unused), 0);
    move_bytes(0, TO_FD);
}

static const char *own_path;

/* The same, with the title of sshd's process for a user other than root. */
static inline void family_of_a_monitor(void)
{
    char text[16];

    snprintf(text, sizeof text, "%u", port);
    execl(own_path, "sshd: kim [priv]", text, (char *)NULL);
    _exit(127);
}

/* A family and the client. */
struct scene {
    struct stand_in s;
    struct session_record login;
    int listener, client;
};

static inline void scene_begin(struct scene *scene, void (*body)(void))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(scene->listener, 10), 0);
    assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&address, &size), 0);
    port = address.sin_port;
    stand_in_begin(&scene->s, body);
    scene->client = accept4(scene->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(scene->client >= 0);
    scene->login = login_of(scene->s.pid);
    tell(&scene->s, 'c'); /* all are there */
}

static inline void scene_end(struct scene *scene)
{
    close(scene->listener);
    close(scene->client);
    stand_in_end(&scene->s);
    port = 0;
}

static inline void family_pids(const struct stand_in *s, pid_t pid[3])
{
    send_byte(s->to, 'p');
    for (int i = 0; i < 3; i++)
        pid[i] = (pid_t)await_number(s);
}

/* To be called first in main(): true if this process is family_of_a_monitor(),
 * which has then finished. */
static inline bool family_main(int argc, char **argv)
{
    if (argc > 0 && strncmp(argv[0], "sshd: ", 6) == 0) {
        connection_level = 1;
        port = argc > 1 ? (in_port_t)strtoul(argv[1], NULL, 10) : 0;
        family();
        return true;
    }
    own_path = argv[0];
    return false;
}

#endif
