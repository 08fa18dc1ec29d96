/* Lines with fields: as text, and as the journal takes them. */
#include "tests/unit/check.h"

#include "tests/unit/temporary.h"

#include "lib/host/journal.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

/* The value of a field of a datagram, read as journald reads it, or NULL. */
static const char *field_of(const char *datagram, size_t size, const char *name)
{
    static char value[JOURNAL_ENTRY_MAX];
    size_t at = 0;

    while (at < size) {
        const char *end = memchr(datagram + at, '\n', size - at);
        assert_non_null(end);
        const size_t name_size = (size_t)(end - datagram) - at;
        uint64_t length = 0;
        for (unsigned i = 0; i < 8; i++)
            length |= (uint64_t)(unsigned char)end[1 + i] << (8 * i);
        assert_true((size_t)(end + 9 - datagram) + length < size);
        assert_int_equal(end[9 + length], '\n');
        if (name_size == strlen(name) && memcmp(datagram + at, name, name_size) == 0) {
            memcpy(value, end + 9, length);
            value[length] = '\0';
            return value;
        }
        at = (size_t)(end - datagram) + 9 + length + 1;
    }
    assert_int_equal(at, size);
    return NULL;
}

#define assert_field(datagram, size, name, expected)                                               \
    do {                                                                                           \
        const char *value = field_of((datagram), (size), (name));                                  \
        assert_non_null(value);                                                                    \
        assert_string_equal(value, (expected));                                                    \
    } while (0)

static void a_line_with_fields(void **state)
{
    char datagram[JOURNAL_ENTRY_MAX], pid[16];
    struct log_entry entry;

    (void)state;
    log_entry_begin(&entry, LOG_EVENT_LOCKED, LOG_WARNING, "locked after %d", 3);
    log_entry_add(&entry, "user", "%s", "kim");
    log_entry_add(&entry, "max_attempts", "%u", 3U);
    log_entry_add_field(&entry, "policy", "/etc/a.conf");
    assert_string_equal(entry.text, "locked after 3 user=kim max_attempts=3");
    const size_t size = journal_format(&entry, "sshd", "pam_tmout(sshd:auth): ", datagram);
    assert_field(datagram, size, "MESSAGE",
                 "pam_tmout(sshd:auth): locked after 3 user=kim max_attempts=3");
    assert_field(datagram, size, "MESSAGE_ID", log_event_id(LOG_EVENT_LOCKED));
    assert_field(datagram, size, "PRIORITY", "4");
    assert_field(datagram, size, "SYSLOG_FACILITY", "10");
    assert_field(datagram, size, "SYSLOG_IDENTIFIER", "sshd");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_field(datagram, size, "SYSLOG_PID", pid);
    assert_field(datagram, size, "TMOUT_USER", "kim");
    assert_field(datagram, size, "TMOUT_MAX_ATTEMPTS", "3");
    assert_field(datagram, size, "TMOUT_POLICY", "/etc/a.conf");
}

static void a_line_without_an_event(void **state)
{
    char datagram[JOURNAL_ENTRY_MAX];
    struct log_entry entry;

    (void)state;
    log_entry_begin(&entry, LOG_EVENT_NONE, LOG_INFO, "watching");
    const size_t size = journal_format(&entry, "tmoutd", "", datagram);
    assert_field(datagram, size, "MESSAGE", "watching");
    assert_null(field_of(datagram, size, "MESSAGE_ID"));
}

/* Whatever is in a value stays in that value. */
static void hostile_values(void **state)
{
    static const char hostile[] = "kim\nMESSAGE_ID=0\nPRIORITY=0\n\nTMOUT_USER\n";
    char datagram[JOURNAL_ENTRY_MAX];
    struct log_entry entry;

    (void)state;
    log_entry_begin(&entry, LOG_EVENT_NONE, LOG_INFO, "%s", hostile);
    log_entry_add(&entry, "user", "%s", hostile);
    const size_t size = journal_format(&entry, "tmoutd", "", datagram);
    assert_field(datagram, size, "TMOUT_USER", hostile);
    assert_field(datagram, size, "PRIORITY", "6");
    assert_null(field_of(datagram, size, "MESSAGE_ID"));
}

/* Text and fields beyond the room are cut off, and what is sent stays well-formed. */
static void too_much(void **state)
{
    char datagram[JOURNAL_ENTRY_MAX];
    static char much[4 * LOG_ENTRY_TEXT_MAX];
    struct log_entry entry;

    (void)state;
    memset(much, 'x', sizeof much - 1);
    log_entry_begin(&entry, LOG_EVENT_REJECTED, LOG_ERR, "%s", much);
    for (int i = 0; i < 8; i++)
        log_entry_add(&entry, "user", "%s", much);
    log_entry_add_field(&entry, much, "kim");
    log_entry_add_field(&entry, "rule", much);
    assert_int_equal(strlen(entry.text), LOG_ENTRY_TEXT_MAX - 1);
    const size_t size = journal_format(&entry, "tmoutd", "in front: ", datagram);
    assert_in_range(size, LOG_ENTRY_TEXT_MAX, JOURNAL_ENTRY_MAX);
    assert_non_null(field_of(datagram, size, "TMOUT_USER"));
    assert_field(datagram, size, "MESSAGE_ID", log_event_id(LOG_EVENT_REJECTED));
    assert_null(field_of(datagram, size, "none"));
}

static void each_event_has_an_identity_of_its_own(void **state)
{
    (void)state;
    assert_null(log_event_id(LOG_EVENT_NONE));
    for (enum log_event i = LOG_EVENT_NONE + 1; i < LOG_EVENT_COUNT; i++) {
        const char *id = log_event_id(i);
        assert_non_null(id);
        assert_int_equal(strlen(id), 32);
        for (const char *c = id; *c != '\0'; c++)
            assert_true(isxdigit((unsigned char)*c) && !isupper((unsigned char)*c));
        for (enum log_event j = i + 1; j < LOG_EVENT_COUNT; j++)
            assert_string_not_equal(id, log_event_id(j));
    }
}

/* The journal's only if the link says so: not a socket of another daemon's. */
static void whose_log_it_is(void **state)
{
    char *log = path_in(*state, "log");

    assert_false(journal_owns_log(log));
    assert_int_equal(symlink("/run/systemd/journal/dev-log", log), 0);
    assert_true(journal_owns_log(log));
    unlink(log);
    assert_int_equal(symlink("/run/rsyslog/dev-log", log), 0);
    assert_false(journal_owns_log(log));
    unlink(log);
    assert_int_equal(symlink("/run/systemd/journ", log), 0);
    assert_false(journal_owns_log(log));
    free(log);
}

static void sent_or_not(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = path_in(*state, "socket");
    const int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unsigned sent = 0;
    char text[16];

    assert_false(journal_send(path, "lost", 4));
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof address), 0);
    assert_true(journal_send(path, "heard", 5));
    assert_int_equal(recv(journal, text, sizeof text, 0), 5);
    assert_memory_equal(text, "heard", 5);
    /* Nobody reads: it is not waited for. */
    while (journal_send(path, "more", 4))
        sent++;
    assert_in_range(sent, 1, 100000);
    close(journal);
    assert_false(journal_send(path, "gone", 4));
    free(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_with_fields),
        cmocka_unit_test(a_line_without_an_event),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(too_much),
        cmocka_unit_test(each_event_has_an_identity_of_its_own),
        WITH_DIRECTORY(whose_log_it_is),
        WITH_DIRECTORY(sent_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
