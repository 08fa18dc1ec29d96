/* The processes and terminals of a login, with a process in sshd's place that
 * holds the master sides of some terminals, and has children. */
#include "tests/unit/child.h"

#include "lib/sessions/login_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* A process that does what it is told, letter by letter. It has no
 * descriptors but these two, and /dev/null. */
struct stand_in {
    pid_t pid;
    int to, from;
};

enum { TO_FD = 3, FROM_FD = 4, FREE_FD = 5 };

static void stand_in_begin(struct stand_in *s, void (*body)(void))
{
    int to[2], from[2];

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    s->pid = child_begin();
    if (s->pid == 0) {
        const int commands = fcntl(to[0], F_DUPFD, 20), answers = fcntl(from[1], F_DUPFD, 20);
        const int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, 0);
        dup2(null, 1);
        assert_int_equal(dup2(commands, TO_FD), TO_FD);
        assert_int_equal(dup2(answers, FROM_FD), FROM_FD);
        for (int fd = FREE_FD; fd < 100; fd++)
            close(fd);
        body();
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    s->to = to[1];
    s->from = from[0];
}

static void stand_in_end(struct stand_in *s)
{
    close(s->to);
    close(s->from);
    assert_true(child_end(s->pid));
}

/* The next letter, 0 at the end. */
static char command(int fd)
{
    char byte = 0;

    return read(fd, &byte, 1) == 1 ? byte : '\0';
}

static void tell(const struct stand_in *s, char letter)
{
    send_byte(s->to, letter);
    assert_int_equal(await_byte(s->from), letter);
}

static struct session_record login_of(pid_t pid)
{
    struct session_record login;
    struct process process;

    assert_int_equal(process_read(pid, &process), 0);
    memset(&login, 0, sizeof login);
    login.pid = pid;
    login.start_ticks = process.start_ticks;
    login.is_ssh = true;
    return login;
}

/* --- terminals ------------------------------------------------------------- */

/* Returns the master, and the terminal's number. */
static int open_master(unsigned *index)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TIOCGPTN, index), 0);
    return fd;
}

static void answer_number(unsigned number)
{
    assert_int_equal(write(FROM_FD, &number, sizeof number), (ssize_t)sizeof number);
}

static unsigned await_number(const struct stand_in *s)
{
    unsigned number = 0;

    assert_int_equal(read(s->from, &number, sizeof number), (ssize_t)sizeof number);
    return number;
}

/* As screen(1) does, a child holds the master of a terminal of its own, and a
 * slave. Ends with its parent. */
static void hold_a_terminal_below(void)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    if (fork() == 0) {
        unsigned index;
        char byte;
        open_master(&index);
        close(ends[1]);
        answer_number(index);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    close(ends[0]);
}

/* m: one more terminal; d: a second descriptor for the last one; s: its slave
 * side; c: close the first; b: one that a child holds. */
static void hold_terminals(void)
{
    unsigned index = 0;
    int first = -1, last = -1;
    char path[64];
    char letter;

    while ((letter = command(TO_FD)) != '\0') {
        switch (letter) {
        case 'm':
            last = open_master(&index);
            first = first < 0 ? last : first;
            answer_number(index);
            continue;
        case 'd':
            assert_true(dup(last) >= 0);
            break;
        case 's':
            assert_int_equal(grantpt(last), 0);
            assert_int_equal(unlockpt(last), 0);
            assert_int_equal(ptsname_r(last, path, sizeof path), 0);
            assert_true(open(path, O_RDWR | O_NOCTTY) >= 0);
            break;
        case 'c':
            close(first);
            break;
        case 'b':
            hold_a_terminal_below();
            continue;
        default:
            break;
        }
        send_byte(FROM_FD, letter);
    }
}

static unsigned told_number(const struct stand_in *s, char letter)
{
    send_byte(s->to, letter);
    return await_number(s);
}

static void assert_terminals(const struct session_record *login, const unsigned *expected,
                             int count)
{
    unsigned index[LOGIN_TERMINALS_MAX];
    const int found = login_terminals(login, index);

    assert_int_equal(found, count);
    for (int i = 0; i < count; i++) {
        int times = 0;
        for (int k = 0; k < found; k++)
            times += index[k] == expected[i];
        if (times != 1)
            fail_msg("terminal %u is there %d times", expected[i], times);
    }
}

static bool has_terminals(void)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void terminals_of_a_login(void **state)
{
    struct stand_in s;
    unsigned index[8];

    (void)state;
    if (!has_terminals())
        LEFT_OUT("there is no terminal to be had");
    stand_in_begin(&s, hold_terminals);
    const struct session_record login = login_of(s.pid);
    tell(&s, '-');
    assert_terminals(&login, NULL, 0);
    index[0] = told_number(&s, 'm');
    assert_terminals(&login, index, 1);
    index[1] = told_number(&s, 'm');
    index[2] = told_number(&s, 'm');
    assert_terminals(&login, index, 3);
    tell(&s, 'd');
    tell(&s, 's');
    assert_terminals(&login, index, 3);
    told_number(&s, 'b');
    assert_terminals(&login, index, 3);
    for (int i = 3; i < 8; i++)
        index[i] = told_number(&s, 'm');
    assert_terminals(&login, index, 8);
    tell(&s, 'c');
    stand_in_end(&s);
}

/* Each terminal that was closed is gone; a child that has it still is the
 * child's business. */
static void a_terminal_is_closed(void **state)
{
    struct stand_in s;
    unsigned index[2];

    (void)state;
    if (!has_terminals())
        LEFT_OUT("there is no terminal to be had");
    stand_in_begin(&s, hold_terminals);
    const struct session_record login = login_of(s.pid);
    index[0] = told_number(&s, 'm');
    index[1] = told_number(&s, 'm');
    told_number(&s, 'b');
    tell(&s, 'c');
    assert_terminals(&login, index + 1, 1);
    stand_in_end(&s);
}

static void a_login_at_a_terminal(void **state)
{
    struct session_record login = login_of(getpid());
    unsigned index[LOGIN_TERMINALS_MAX];
    char path[64];

    (void)state;
    login.is_ssh = false;
    assert_int_equal(login_terminals(&login, index), 0);
    snprintf(login.terminal, sizeof login.terminal, "tty1");
    assert_int_equal(login_terminals(&login, index), 1);
    terminal_path(&login, index[0], path, sizeof path);
    assert_string_equal(path, "/dev/tty1");
    login.is_ssh = true;
    terminal_path(&login, 4711, path, sizeof path);
    assert_string_equal(path, "/dev/pts/4711");
}

static void assert_gone(const struct session_record *login)
{
    unsigned index[LOGIN_TERMINALS_MAX];

    errno = 0;
    assert_int_equal(login_terminals(login, index), -1);
    assert_true(errno == ENOENT || errno == ESRCH);
}

static void wait_for_the_end(void)
{
    while (command(TO_FD) != '\0')
        send_byte(FROM_FD, '-');
}

/* The login has ended, or its number is another process's by now. */
static void terminals_of_the_dead(void **state)
{
    struct stand_in s;

    (void)state;
    stand_in_begin(&s, wait_for_the_end);
    struct session_record login = login_of(s.pid);
    assert_terminals(&login, NULL, 0);
    login.start_ticks++;
    assert_gone(&login);
    login.start_ticks--;
    stand_in_end(&s);
    assert_gone(&login);
}

static void a_terminal_of_the_dead(void **state)
{
    struct stand_in s;

    (void)state;
    stand_in_begin(&s, wait_for_the_end);
    struct session_record login = login_of(s.pid);
    login.is_ssh = false;
    snprintf(login.terminal, sizeof login.terminal, "tty1");
    stand_in_end(&s);
    assert_gone(&login);
}

/* --- bytes and processes ------------------------------------------------------ */

enum { CHUNK = 1000, HOLE_FD = FREE_FD, CLIENT_FD = FREE_FD + 1 };

static const char chunk[CHUNK];

/* Where the test listens, as client and as what is forwarded to; 0: the login
 * comes over something else than TCP. */
static in_port_t port;

/* Of the processes, the one that speaks with the client. */
static int connection_level;

static void write_whole(int fd)
{
    assert_int_equal(write(fd, chunk, sizeof chunk), (ssize_t)sizeof chunk);
}

/* By read() and write(), as sshd does: the kernel does not count the calls that
 * are for sockets alone. */
static void read_whole(int fd)
{
    char buffer[CHUNK];
    size_t got = 0;

    while (got < sizeof buffer) {
        const ssize_t n = read(fd, buffer + got, sizeof buffer - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

static int connect_to_test(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* k: answers a keep-alive of the client; w: writes to it until it would have to
 * wait. f: opens a forwarded connection; F: hands something on to it; t: opens
 * one, hands something on and closes it. l: listens for more. */
static void speak(char letter)
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
    default:
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(listen(fd, 1), 0);
        break;
    }
}

/* By the letters a, b and c, the first, second and third process writes some
 * bytes; p asks for the three numbers; speak() has those of the connection.
 * Each process hands on to the next what is not for it. */
static void move_bytes(int level, int commands)
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
        } else if (level == connection_level && strchr("kwfFtl", letter) != NULL) {
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

/* A hole that a later connection falls into, the connection to the client and,
 * as with OpenSSH 9.2, sockets that are of no more use. */
static void family(void)
{
    int of_no_use[2];

    assert_int_equal(dup2(0, HOLE_FD), HOLE_FD);
    if (port != 0)
        assert_int_equal(connect_to_test(), CLIENT_FD);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, of_no_use), 0);
    move_bytes(0, TO_FD);
}

static const char *own_path;

/* The same, called as sshd's process for a user who is not root. */
static void family_of_a_monitor(void)
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

static void scene_begin(struct scene *scene, void (*body)(void))
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

static void scene_end(struct scene *scene)
{
    close(scene->listener);
    close(scene->client);
    stand_in_end(&scene->s);
    port = 0;
}

/* Old kernels can't copy a descriptor, nor can what some tools make of them. */
static bool has_pidfd_getfd(void)
{
    const int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    const int copy = (int)syscall(SYS_pidfd_getfd, self, 0, 0);

    if (self >= 0)
        close(self);
    if (copy >= 0)
        close(copy);
    return copy >= 0;
}

static uint64_t bytes_of(const struct session_record *login)
{
    uint64_t bytes = 0;

    assert_int_equal(login_bytes_moved(login, &bytes), 0);
    return bytes;
}

/* So many bytes and few more: letters, and what a tool under the test may
 * read. */
static void assert_moves(const struct stand_in *s, const struct session_record *login, char letter,
                         bool counts)
{
    const uint64_t before = bytes_of(login);

    tell(s, letter);
    const int64_t moved = (int64_t)(bytes_of(login) - before);
    if (counts ? moved < CHUNK : moved >= CHUNK || moved <= -CHUNK)
        fail_msg("%c moved %lld bytes", letter, (long long)moved);
}

static void family_pids(const struct stand_in *s, pid_t pid[3])
{
    send_byte(s->to, 'p');
    for (int i = 0; i < 3; i++)
        pid[i] = (pid_t)await_number(s);
}

static void assert_processes(const struct session_record *login, const pid_t *expected,
                             ssize_t count)
{
    struct process *processes = NULL, now;

    assert_int_equal(login_connection(login), expected[0]);
    assert_int_equal(login_processes(login, &processes), count);
    for (ssize_t i = 0; i < count; i++) {
        assert_int_equal(processes[i].pid, expected[i]);
        assert_int_equal(process_read(expected[i], &now), 0);
        assert_true(processes[i].start_ticks == now.start_ticks);
        assert_int_equal(process_is_same(&processes[i]), 1);
        processes[i].start_ticks++;
        assert_int_equal(process_is_same(&processes[i]), 0);
    }
    free(processes);
}

/* Everybody's but root's begins with the monitor, which is none of them. */
static void processes_of_a_login(void **state)
{
    struct scene scene;
    pid_t pid[3];

    (void)state;
    scene_begin(&scene, family);
    family_pids(&scene.s, pid);
    assert_int_equal(pid[0], scene.s.pid);
    assert_processes(&scene.login, pid, 3);
    scene_end(&scene);
    scene_begin(&scene, family_of_a_monitor);
    family_pids(&scene.s, pid);
    assert_int_equal(pid[0], scene.s.pid);
    assert_processes(&scene.login, pid + 1, 2);
    scene_end(&scene);
}

/* What the client and sshd have to say to each other counts nothing; what sshd
 * hands on does, over connections that are still there or not. */
static void assert_only_data_counts(const struct scene *scene)
{
    const struct stand_in *s = &scene->s;

    for (int i = 0; i < 3; i++) {
        write_whole(scene->client);
        assert_moves(s, &scene->login, 'k', false);
    }
    const uint64_t before = bytes_of(&scene->login);
    write_whole(scene->client);
    assert_true(bytes_of(&scene->login) == before); /* nobody has read it */
    assert_moves(s, &scene->login, 'f', false);
    assert_moves(s, &scene->login, 'l', false);
    write_whole(scene->client);
    assert_moves(s, &scene->login, 'k', false);
    assert_moves(s, &scene->login, 'F', true);
    assert_moves(s, &scene->login, 't', true);
}

/* root's login, where one process does it all. */
static void a_family(void **state)
{
    struct scene scene;

    (void)state;
    if (!has_pidfd_getfd())
        LEFT_OUT("there is no pidfd_getfd() here");
    scene_begin(&scene, family);
    const uint64_t before = bytes_of(&scene.login);
    assert_true(bytes_of(&scene.login) == before);
    assert_moves(&scene.s, &scene.login, 'a', true);
    assert_moves(&scene.s, &scene.login, 'b', true);
    assert_moves(&scene.s, &scene.login, 'c', true);
    assert_only_data_counts(&scene);
    scene_end(&scene);
}

/* Everybody else's: the monitor, and the connection below it. What the monitor
 * does is taken from what the connection does, for they speak with each other. */
static void a_family_with_a_monitor(void **state)
{
    struct scene scene;

    (void)state;
    if (!has_pidfd_getfd())
        LEFT_OUT("there is no pidfd_getfd() here");
    scene_begin(&scene, family_of_a_monitor);
    const uint64_t before = bytes_of(&scene.login);
    assert_true(bytes_of(&scene.login) == before);
    assert_moves(&scene.s, &scene.login, 'b', true);
    assert_moves(&scene.s, &scene.login, 'c', true);
    assert_only_data_counts(&scene);
    scene_end(&scene);
}

/* Only to the byte where nothing stands between the process and the kernel. */
static void to_the_byte(void **state)
{
    struct scene scene;

    (void)state;
    if (slow())
        LEFT_OUT("the kernel counts what the tool reads that the test runs under");
    if (!has_pidfd_getfd())
        LEFT_OUT("there is no pidfd_getfd() here");
    scene_begin(&scene, family);
    uint64_t before = bytes_of(&scene.login);
    tell(&scene.s, 'c');
    /* c and the answer, and c on its way down: read and written twice */
    assert_int_equal(bytes_of(&scene.login) - before, CHUNK + 2 + 4);
    before = bytes_of(&scene.login);
    write_whole(scene.client);
    tell(&scene.s, 'k');
    assert_int_equal(bytes_of(&scene.login) - before, 2);
    scene_end(&scene);
    scene_begin(&scene, family_of_a_monitor);
    before = bytes_of(&scene.login);
    write_whole(scene.client);
    tell(&scene.s, 'k');
    assert_int_equal(bytes_of(&scene.login) - before, 0);
    scene_end(&scene);
}

/* A queue moves while the client takes something out of it, and only then. */
static void a_queue(void **state)
{
    struct scene scene;
    char buffer[CHUNK];
    uint64_t before;

    (void)state;
    if (!has_pidfd_getfd())
        LEFT_OUT("there is no pidfd_getfd() here");
    scene_begin(&scene, family_of_a_monitor);
    tell(&scene.s, 'w');
    /* The last acknowledgement may be late. */
    do
        before = bytes_of(&scene.login);
    while (bytes_of(&scene.login) != before);
    while (bytes_of(&scene.login) == before)
        assert_true(recv(scene.client, buffer, sizeof buffer, MSG_DONTWAIT) > 0);
    scene_end(&scene);
}

/* Where the client comes by something else, nothing can be told apart: better
 * a login that is not idle than a transfer that is cut. */
static void not_over_tcp(void **state)
{
    struct stand_in s;

    (void)state;
    stand_in_begin(&s, family);
    const struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    assert_moves(&s, &login, 'a', true);
    assert_moves(&s, &login, 'c', true);
    stand_in_end(&s);
}

static void bytes_of_the_dead(void **state)
{
    struct stand_in s;
    uint64_t bytes;

    (void)state;
    stand_in_begin(&s, wait_for_the_end);
    struct session_record login = login_of(s.pid);
    assert_int_equal(login_bytes_moved(&login, &bytes), 0);
    stand_in_end(&s);
    assert_int_equal(login_bytes_moved(&login, &bytes), -1);
}

/* The login's number went to somebody else: his processes are not to end. */
static void processes_of_somebody_else(void **state)
{
    struct stand_in s;
    struct process *processes = NULL;
    uint64_t bytes;

    (void)state;
    stand_in_begin(&s, family);
    struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    login.start_ticks--;
    const ssize_t count = login_processes(&login, &processes);
    const int moved = login_bytes_moved(&login, &bytes);
    free(processes);
    stand_in_end(&s);
    assert_true(count <= 0);
    assert_int_equal(moved, -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminals_of_a_login),
        cmocka_unit_test(a_terminal_is_closed),
        cmocka_unit_test(a_login_at_a_terminal),
        cmocka_unit_test(terminals_of_the_dead),
        cmocka_unit_test(a_terminal_of_the_dead),
        cmocka_unit_test(processes_of_a_login),
        cmocka_unit_test(a_family),
        cmocka_unit_test(a_family_with_a_monitor),
        cmocka_unit_test(to_the_byte),
        cmocka_unit_test(a_queue),
        cmocka_unit_test(not_over_tcp),
        cmocka_unit_test(bytes_of_the_dead),
        cmocka_unit_test(processes_of_somebody_else),
    };

    if (argc > 0 && strncmp(argv[0], "sshd: ", 6) == 0) {
        connection_level = 1;
        port = argc > 1 ? (in_port_t)strtoul(argv[1], NULL, 10) : 0;
        family();
        return 0;
    }
    own_path = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
