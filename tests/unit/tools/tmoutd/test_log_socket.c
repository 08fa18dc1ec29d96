/* The log's socket while nobody reads it, while it is not there, and afterwards. */
#include "tests/unit/check.h"

#include "tests/unit/temporary.h"

#include "tools/tmoutd/log_socket.h"

#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

struct scene {
    char *path;
    int logger; /* the socket that lines are sent to */
    sd_event *event;
    struct log_socket *log;
};

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void scene_begin(struct scene *scene, const char *directory)
{
    scene->path = path_in(directory, "log");
    scene->logger = listen_at(scene->path);
    assert_true(sd_event_new(&scene->event) >= 0);
    scene->log = log_socket_new(scene->path, LOG_READER_SYSLOG, false);
    assert_non_null(scene->log);
    log_socket_attach(scene->log, scene->event);
}

static void scene_end(struct scene *scene)
{
    log_socket_free(scene->log);
    sd_event_unref(scene->event);
    if (scene->logger >= 0)
        close(scene->logger);
    free(scene->path);
}

/* The next line; false if there is none now. */
static bool read_line(const struct scene *scene, char *line, size_t size)
{
    const ssize_t got = recv(scene->logger, line, size - 1, 0);

    line[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The same, after as many turns of the loop as it takes. */
static void wait_for_line(const struct scene *scene, char *line, size_t size)
{
    while (!read_line(scene, line, size))
        assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
}

static void write_line_of(struct log_socket *log, int priority, const char *text)
{
    struct log_entry entry;

    log_entry_begin(&entry, LOG_EVENT_NONE, priority, "%s", text);
    log_socket_write(log, &entry);
}

static void write_number(const struct scene *scene, unsigned number)
{
    char text[32];

    snprintf(text, sizeof text, "line %u of many", number);
    write_line_of(scene->log, LOG_NOTICE, text);
}

static void a_line(void **state)
{
    struct scene scene;
    char line[256], pattern[128];
    regex_t regex;

    scene_begin(&scene, *state);
    write_line_of(scene.log, LOG_ERR, "100 % of it");
    assert_true(read_line(&scene, line, sizeof line));
    snprintf(pattern, sizeof pattern,
             "^<83>[A-Z][a-z][a-z] [ 1-3][0-9] [0-9:]{8} tmoutd\\[%d\\]: 100 %% of it$",
             (int)getpid());
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
    assert_int_equal(regexec(&regex, line, 0, NULL, 0), 0);
    regfree(&regex);
    scene_end(&scene);
}

/* Far more than the socket holds: none is lost, and they come in their order. */
static void nobody_reads_for_a_while(void **state)
{
    enum { LINES = 3000 };
    struct scene scene;
    char line[256], expected[32];

    scene_begin(&scene, *state);
    for (unsigned i = 0; i < LINES; i++)
        write_number(&scene, i);
    for (unsigned i = 0; i < LINES; i++) {
        wait_for_line(&scene, line, sizeof line);
        snprintf(expected, sizeof expected, ": line %u of many", i);
        assert_non_null(strstr(line, expected));
    }
    assert_false(read_line(&scene, line, sizeof line));
    scene_end(&scene);
}

/* More than is kept: the first ones come, and then the number of the others. */
static void more_than_is_kept(void **state)
{
    enum { LINES = 30000 };
    struct scene scene;
    unsigned read = 0;
    char line[256], expected[64];

    scene_begin(&scene, *state);
    for (unsigned i = 0; i < LINES; i++)
        write_number(&scene, i);
    for (wait_for_line(&scene, line, sizeof line); strstr(line, " of many") != NULL; read++)
        wait_for_line(&scene, line, sizeof line);
    assert_in_range(read, LOG_KEPT_MAX / 128, LINES - 1);
    assert_ptr_equal(strstr(line, "<84>"), line);
    snprintf(expected, sizeof expected, ": %u lines of this log were lost", LINES - read);
    assert_non_null(strstr(line, expected));
    write_number(&scene, 1);
    assert_true(read_line(&scene, line, sizeof line));
    assert_non_null(strstr(line, ": line 1 of many"));
    scene_end(&scene);
}

/* A logger that is started again, after lines were written without any. */
static void a_new_logger(void **state)
{
    struct scene scene;
    char line[256];

    scene_begin(&scene, *state);
    write_number(&scene, 1);
    assert_true(read_line(&scene, line, sizeof line));
    close(scene.logger);
    write_number(&scene, 2);
    unlink(scene.path);
    write_number(&scene, 3);
    scene.logger = listen_at(scene.path);
    write_number(&scene, 4);
    for (unsigned i = 2; i <= 4; i++) {
        char expected[32];
        assert_true(read_line(&scene, line, sizeof line));
        snprintf(expected, sizeof expected, ": line %u of many", i);
        assert_non_null(strstr(line, expected));
    }
    scene_end(&scene);
}

/* What the loop did not get rid of is sent at the end. */
static void the_last_lines(void **state)
{
    struct scene scene;
    char line[256];

    scene_begin(&scene, *state);
    close(scene.logger);
    write_number(&scene, 1);
    scene.logger = listen_at(scene.path);
    log_socket_free(scene.log);
    scene.log = NULL;
    assert_true(read_line(&scene, line, sizeof line));
    scene_end(&scene);
}

/* Standard error is a pipe that nobody empties: lines that find no room are
 * counted. */
static void standard_error_is_full(void **state)
{
    enum { LINES = 5000 };
    struct scene scene;
    int end[2];
    const int before = dup(STDERR_FILENO);
    static char text[1 << 20];
    size_t size = 0;
    ssize_t got;

    scene_begin(&scene, *state);
    assert_int_equal(pipe(end), 0);
    dup2(end[1], STDERR_FILENO);
    struct log_socket *log = log_socket_new(scene.path, LOG_READER_SYSLOG, true);
    for (unsigned i = 0; i < LINES; i++)
        write_line_of(log, LOG_INFO, "to standard error");
    fcntl(end[0], F_SETFL, O_NONBLOCK);
    while ((got = read(end[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    assert_ptr_equal(strstr(text, "tmoutd: to standard error\n"), text);
    write_line_of(log, LOG_INFO, "again");
    got = read(end[0], text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_non_null(strstr(text, " lines were lost)\ntmoutd: again\n"));
    /* The caller's descriptor is as it was. */
    assert_int_equal(fcntl(end[1], F_GETFL) & O_NONBLOCK, 0);
    while (recv(scene.logger, text, sizeof text, 0) > 0)
        continue;
    log_socket_free(log);
    dup2(before, STDERR_FILENO);
    close(before);
    close(end[0]);
    close(end[1]);
    scene_end(&scene);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(a_line),
        WITH_DIRECTORY(nobody_reads_for_a_while),
        WITH_DIRECTORY(more_than_is_kept),
        WITH_DIRECTORY(a_new_logger),
        WITH_DIRECTORY(the_last_lines),
        WITH_DIRECTORY(standard_error_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
