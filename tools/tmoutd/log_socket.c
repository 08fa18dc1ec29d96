#include "tools/tmoutd/log_socket.h"

#include "lib/host/clock.h"
#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
    RETRY_MIN_MS = 10,  /* doubles with each failure: */
    FULL_MAX_MS = 640,  /* for a socket that is full */
    GONE_MAX_MS = 5000, /* after this, nobody is looked for any more */
    ACCURACY_US = 1000,
    LAST_WAIT_MS = 1000,
    LINE_ROOM = 128 /* for what is in front of a text */
};

/* As it is sent: for the journal in its own format. */
struct kept_line {
    STAILQ_ENTRY(kept_line) link;
    size_t size;
    char text[];
};

STAILQ_HEAD(kept_lines, kept_line);

struct log_socket {
    struct sockaddr_un address;
    enum log_reader reader;
    int fd; /* connected, or -1 */
    struct kept_lines kept;
    size_t kept_size;
    unsigned long lost; /* after the lines that are kept */
    int64_t retry_ms;   /* the pause after the last failure, or 0 */
    sd_event_source *retry;
    int stderr_fd; /* or -1 */
    unsigned long stderr_lost;
};

/* --- the socket -------------------------------------------------------------- */

static struct kept_line *journal_line_new(const struct log_entry *entry)
{
    char datagram[JOURNAL_ENTRY_MAX];
    const size_t size = journal_format(entry, "tmoutd", "", datagram);
    struct kept_line *line = malloc(sizeof *line + size);

    if (line == NULL)
        return NULL;
    line->size = size;
    memcpy(line->text, datagram, size);
    return line;
}

/* As syslog(3) has it: with the time, the name, and the pid. */
static struct kept_line *syslog_line_new(const struct log_entry *entry)
{
    const size_t room = strlen(entry->text) + LINE_ROOM;
    struct kept_line *line = malloc(sizeof *line + room);
    const time_t now = time(NULL);
    struct tm local;
    char stamp[32] = "";

    if (line == NULL)
        return NULL;
    if (localtime_r(&now, &local) != NULL)
        strftime(stamp, sizeof stamp, "%b %e %T ", &local);
    const int size = snprintf(line->text, room, "<%d>%stmoutd[%d]: %s",
                              LOG_AUTHPRIV | entry->priority, stamp, (int)getpid(), entry->text);
    line->size = size > 0 ? (size_t)size : 0;
    return line;
}

static struct kept_line *line_new(const struct log_socket *log, const struct log_entry *entry)
{
    return log->reader == LOG_READER_JOURNAL ? journal_line_new(entry) : syslog_line_new(entry);
}

static bool connect_socket(struct log_socket *log)
{
    if (log->fd >= 0)
        return true;
    log->fd = fd_above_stdio(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (log->fd < 0)
        return false;
    if (connect(log->fd, (struct sockaddr *)&log->address, sizeof log->address) == 0)
        return true;
    const int error = errno;
    close(log->fd);
    log->fd = -1;
    errno = error;
    return false;
}

/* False with errno. A logger that was started again has another socket. */
static bool send_text(struct log_socket *log, const char *text, size_t size)
{
    for (int i = 0; i < 2 && connect_socket(log); i++) {
        if (send(log->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        const int error = errno;
        if (error != EAGAIN && error != ENOBUFS && error != EINTR && error != ENOMEM) {
            close(log->fd);
            log->fd = -1;
        }
        errno = error;
        if (error == EAGAIN)
            return false;
    }
    return false;
}

static void drop_first(struct log_socket *log)
{
    struct kept_line *line = STAILQ_FIRST(&log->kept);

    STAILQ_REMOVE_HEAD(&log->kept, link);
    log->kept_size -= line->size;
    free(line);
}

static bool report_lost(struct log_socket *log)
{
    struct log_entry entry;

    log_entry_begin(&entry, LOG_EVENT_NONE, LOG_WARNING,
                    "%lu lines of this log were lost: nobody had read it; see tmout-recovery(7)",
                    log->lost);
    struct kept_line *line = line_new(log, &entry);
    const bool is_sent = line != NULL && send_text(log, line->text, line->size);
    free(line);
    if (is_sent)
        log->lost = 0;
    return is_sent;
}

/* Sends what is kept. False, with errno, if something is left. */
static bool send_kept(struct log_socket *log)
{
    struct kept_line *line;

    while ((line = STAILQ_FIRST(&log->kept)) != NULL) {
        if (!send_text(log, line->text, line->size)) {
            if (errno != EMSGSIZE)
                return false;
            log->lost++;
        }
        drop_first(log);
        log->retry_ms = 0;
    }
    return log->lost == 0 || report_lost(log);
}

static void set_retry(struct log_socket *log)
{
    const int64_t due_ms = clock_ms(CLOCK_MONOTONIC) + log->retry_ms;

    sd_event_source_set_time(log->retry, (uint64_t)due_ms * 1000);
    sd_event_source_set_enabled(log->retry, SD_EVENT_ONESHOT);
}

static void retry_later(struct log_socket *log, int error)
{
    const bool is_full = error == EAGAIN;

    log->retry_ms = log->retry_ms == 0 ? RETRY_MIN_MS : log->retry_ms * 2;
    if (is_full && log->retry_ms > FULL_MAX_MS)
        log->retry_ms = FULL_MAX_MS;
    /* There may never be a logger on this host: then the next line looks for one. */
    if (!is_full && log->retry_ms > GONE_MAX_MS)
        log->retry_ms = GONE_MAX_MS;
    else if (log->retry != NULL)
        set_retry(log);
}

static int on_retry(sd_event_source *source, uint64_t due_us, void *userdata)
{
    struct log_socket *log = userdata;

    (void)source;
    (void)due_us;
    if (send_kept(log))
        log->retry_ms = 0;
    else
        retry_later(log, errno);
    return 0;
}

static void send_or_keep(struct log_socket *log, const struct log_entry *entry)
{
    struct kept_line *line = line_new(log, entry);
    const bool was_waiting = !STAILQ_EMPTY(&log->kept) || log->lost > 0;

    /* Those that follow one that was lost are lost as well: its place is told. */
    if (line == NULL || log->lost > 0 || log->kept_size + line->size > LOG_KEPT_MAX) {
        free(line);
        log->lost++;
    } else {
        STAILQ_INSERT_TAIL(&log->kept, line, link);
        log->kept_size += line->size;
    }
    /* With a retry ahead, each line more would only be another system call. */
    if (was_waiting && log->retry != NULL && log->fd >= 0)
        return;
    if (!send_kept(log))
        retry_later(log, errno);
}

/* --- standard error ---------------------------------------------------------- */

/* Opened again if it may block: O_NONBLOCK on what the caller opened would be
 * theirs, too. */
static int open_stderr(void)
{
    struct stat status;
    int fd = -1;

    if (fstat(STDERR_FILENO, &status) != 0)
        return -1;
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))
        fd = fd_above_stdio(
            open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND | O_CLOEXEC));
    return fd >= 0 ? fd : STDERR_FILENO;
}

static bool write_stderr(struct log_socket *log, const char *text, size_t size)
{
    struct pollfd ready = {.fd = log->stderr_fd, .events = POLLOUT};

    if (poll(&ready, 1, 0) <= 0 || (ready.revents & POLLOUT) == 0)
        return false;
    ssize_t written = send(log->stderr_fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK)
        written = write(log->stderr_fd, text, size);
    return written == (ssize_t)size;
}

static void copy_to_stderr(struct log_socket *log, const char *text)
{
    char *line = NULL;
    int size;

    if (log->stderr_lost > 0)
        size =
            asprintf(&line, "tmoutd: (%lu lines were lost)\ntmoutd: %s\n", log->stderr_lost, text);
    else
        size = asprintf(&line, "tmoutd: %s\n", text);
    if (size >= 0 && write_stderr(log, line, (size_t)size))
        log->stderr_lost = 0;
    else
        log->stderr_lost++;
    if (size >= 0)
        free(line);
}

/* --- the interface ----------------------------------------------------------- */

struct log_socket *log_socket_new(const char *path, enum log_reader reader, bool to_stderr)
{
    struct log_socket *log = calloc(1, sizeof *log);

    if (log == NULL)
        return NULL;
    log->address.sun_family = AF_UNIX;
    snprintf(log->address.sun_path, sizeof log->address.sun_path, "%s", path);
    log->reader = reader;
    log->fd = -1;
    log->stderr_fd = to_stderr ? open_stderr() : -1;
    STAILQ_INIT(&log->kept);
    return log;
}

void log_socket_free(struct log_socket *log)
{
    if (log == NULL)
        return;
    log_socket_attach(log, NULL);
    struct pollfd room = {.fd = log->fd, .events = POLLOUT};
    if ((!STAILQ_EMPTY(&log->kept) || log->lost > 0) && !send_kept(log) && errno == EAGAIN &&
        poll(&room, 1, LAST_WAIT_MS) > 0)
        send_kept(log);
    while (!STAILQ_EMPTY(&log->kept))
        drop_first(log);
    if (log->fd >= 0)
        close(log->fd);
    if (log->stderr_fd > STDERR_FILENO)
        close(log->stderr_fd);
    free(log);
}

void log_socket_attach(struct log_socket *log, sd_event *event)
{
    if (log == NULL)
        return;
    log->retry = sd_event_source_disable_unref(log->retry);
    if (event == NULL)
        return;
    if (sd_event_add_time(event, &log->retry, CLOCK_MONOTONIC, 0, ACCURACY_US, on_retry, log) < 0)
        return;
    sd_event_source_set_enabled(log->retry, SD_EVENT_OFF);
    if (!STAILQ_EMPTY(&log->kept) || log->lost > 0)
        retry_later(log, EAGAIN);
}

void log_socket_write(struct log_socket *log, const struct log_entry *entry)
{
    if (log == NULL)
        return;
    send_or_keep(log, entry);
    if (log->stderr_fd >= 0)
        copy_to_stderr(log, entry->text);
}
