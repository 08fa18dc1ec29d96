/* The processes and terminals of a login, with a process in sshd's place that
 * holds the master sides of some terminals, and has children. */
#include "child.h"

#include "../../lib/sessions/login_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

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
    unsigned index[LOGIN_TERMINALS_MOST];
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
    unsigned index[LOGIN_TERMINALS_MOST];
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
    unsigned index[LOGIN_TERMINALS_MOST];

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

enum { CHUNK = 1000 };

/* By the letters a, b and c, the first, second and third process writes some
 * bytes; by s and S, the first or second opens one more socket; p asks for the
 * three numbers. Each process hands on to the next what is not for it. */
static void move_bytes(int level, int commands)
{
    static const char own[] = {'a', 'b', 'c'}, sockets[] = {'s', 'S', '\0'};
    static const char chunk[CHUNK];
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
    while ((letter = command(commands)) != '\0') {
        if (letter == own[level]) {
            assert_int_equal(write(0, chunk, sizeof chunk), (ssize_t)sizeof chunk);
        } else if (letter == sockets[level]) {
            assert_true(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
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

static void family(void)
{
    move_bytes(0, TO_FD);
}

static const char *own_path;

/* The same, called as sshd's process for a user who is not root. */
static void family_of_a_monitor(void)
{
    execl(own_path, "sshd: kim [priv]", (char *)NULL);
    _exit(127);
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
    const uint64_t moved = bytes_of(login) - before;
    if (counts ? moved < CHUNK : moved >= CHUNK)
        fail_msg("%c moved %llu bytes", letter, (unsigned long long)moved);
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
    pid_t *pids = NULL;

    assert_int_equal(login_processes(login, &pids), count);
    for (ssize_t i = 0; i < count; i++)
        assert_int_equal(pids[i], expected[i]);
    free(pids);
}

/* root's login, where one process does it all: what its children and theirs
 * move counts, and what it moves itself does not, unless it forwards. */
static void a_family(void **state)
{
    struct stand_in s;
    pid_t pid[3];

    (void)state;
    stand_in_begin(&s, family);
    const struct session_record login = login_of(s.pid);
    family_pids(&s, pid);
    assert_int_equal(pid[0], s.pid);
    assert_processes(&login, pid, 3);
    const uint64_t before = bytes_of(&login);
    assert_true(bytes_of(&login) == before);
    assert_moves(&s, &login, 'b', true);
    assert_moves(&s, &login, 'c', true);
    assert_moves(&s, &login, 'a', false);
    /* to the client, to the monitor */
    tell(&s, 's');
    tell(&s, 's');
    assert_moves(&s, &login, 'a', false);
    /* and a third: somebody's forwarded connection */
    tell(&s, 's');
    assert_moves(&s, &login, 'a', true);
    stand_in_end(&s);
}

/* Everybody else's: the monitor, and the connection below it. */
static void a_family_with_a_monitor(void **state)
{
    struct stand_in s;
    pid_t pid[3];

    (void)state;
    stand_in_begin(&s, family_of_a_monitor);
    family_pids(&s, pid);
    const struct session_record login = login_of(s.pid);
    assert_int_equal(pid[0], s.pid);
    assert_processes(&login, pid + 1, 2);
    const uint64_t before = bytes_of(&login);
    assert_true(bytes_of(&login) == before);
    assert_moves(&s, &login, 'c', true);
    assert_moves(&s, &login, 'b', false);
    assert_moves(&s, &login, 'a', false);
    for (int i = 0; i < 3; i++)
        tell(&s, 's');
    assert_moves(&s, &login, 'a', false);
    tell(&s, 'S');
    tell(&s, 'S');
    assert_moves(&s, &login, 'b', false);
    tell(&s, 'S');
    assert_moves(&s, &login, 'b', true);
    assert_moves(&s, &login, 'a', false);
    stand_in_end(&s);
}

/* Only to the byte where nothing stands between the process and the kernel. */
static void to_the_byte(void **state)
{
    struct stand_in s;
    pid_t pid[3];

    (void)state;
    if (slow())
        LEFT_OUT("the kernel counts what the tool reads that the test runs under");
    stand_in_begin(&s, family);
    const struct session_record login = login_of(s.pid);
    family_pids(&s, pid);
    const uint64_t before = bytes_of(&login);
    tell(&s, 'c');
    /* c and the answer, and c on its way down */
    assert_int_equal(bytes_of(&login) - before, CHUNK + 1 + 1 + 2);
    tell(&s, 'b');
    assert_int_equal(bytes_of(&login) - before, 2 * CHUNK + 4 + 2);
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
    pid_t *pids = NULL;
    uint64_t bytes;

    (void)state;
    stand_in_begin(&s, family);
    struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    login.start_ticks--;
    const ssize_t count = login_processes(&login, &pids);
    const int moved = login_bytes_moved(&login, &bytes);
    free(pids);
    stand_in_end(&s);
    assert_true(count <= 0);
    assert_int_equal(moved, -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminals_of_a_login),    cmocka_unit_test(a_terminal_is_closed),
        cmocka_unit_test(a_login_at_a_terminal),   cmocka_unit_test(terminals_of_the_dead),
        cmocka_unit_test(a_terminal_of_the_dead),  cmocka_unit_test(a_family),
        cmocka_unit_test(a_family_with_a_monitor), cmocka_unit_test(to_the_byte),
        cmocka_unit_test(bytes_of_the_dead),       cmocka_unit_test(processes_of_somebody_else),
    };

    if (argc > 0 && strncmp(argv[0], "sshd: ", 6) == 0) {
        family();
        return 0;
    }
    own_path = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
