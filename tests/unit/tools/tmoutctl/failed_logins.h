/* Failed logins in the ledger of a state directory. */
#ifndef TMOUT_TESTS_UNIT_TMOUTCTL_FAILED_LOGINS_H
#define TMOUT_TESTS_UNIT_TMOUTCTL_FAILED_LOGINS_H

#include "tests/unit/tools/tmoutctl/captured.h"

#include "lib/attempts/ledger.h"
#include "tools/tmoutctl/host/event_log.h"

/* What was logged last. This program's own functions take the place of libc's,
 * with and without _FORTIFY_SOURCE, so that nothing goes to this machine's log. */
static char logged[512];
/* The journal takes events, where it is the host's log. */
static bool has_journal;
static struct log_entry in_journal;

bool event_to_journal(const struct log_entry *entry)
{
    in_journal = *entry;
    return has_journal;
}

void syslog(int priority, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);

void __attribute__((format(printf, 2, 3))) syslog(int priority, const char *format, ...)
{
    va_list arguments;

    (void)priority;
    va_start(arguments, format);
    vsnprintf(logged, sizeof logged, format, arguments);
    va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)priority;
    (void)flag;
    va_start(arguments, format);
    vsnprintf(logged, sizeof logged, format, arguments);
    va_end(arguments);
}

/* What was last sent to the audit system, and nothing goes to this machine's. These
 * take the place of libaudit's, whose header clashes with the above. */
enum { AUDIT_USER_MGMT = 1102 };
static char audited[256];

int audit_open(void);
int audit_log_acct_message(int fd, int type, const char *program, const char *operation,
                           const char *name, unsigned int id, const char *host, const char *address,
                           const char *terminal, int result);

int audit_open(void)
{
    return dup(STDERR_FILENO);
}

int audit_log_acct_message(int fd, int type, const char *program, const char *operation,
                           const char *name, unsigned int id, const char *host, const char *address,
                           const char *terminal, int result)
{
    assert_true(fd >= 0 && program == NULL && host == NULL && address == NULL && terminal == NULL);
    snprintf(audited, sizeof audited, "%d op=%s acct=%s id=%u res=%d", type, operation, name, id,
             result);
    return 1;
}

/* As many as these limits let through, at most times. */
static inline void fail_logins(const char *state_dir, uid_t uid, const struct origin *origin,
                               const struct attempt_limits *limits, unsigned times)
{
    struct failure failure = {""};

    mkdir(state_dir, 0755);
    for (unsigned i = 0; i < times; i++) {
        struct ledger ledger;
        struct attempt_report report;
        struct timestamp now;
        assert_int_equal(clock_now(&now, &failure), 0);
        assert_int_equal(ledger_open(state_dir, uid, geteuid(), &now, &ledger, &failure),
                         LEDGER_OK);
        assert_int_equal(ledger_admit(&ledger, origin, limits, &now, &report, &failure), LEDGER_OK);
        if (report.admission == ADMITTED)
            assert_int_equal(
                ledger_settle(&ledger, ATTEMPT_FAILED, limits, &now, &report, &failure), LEDGER_OK);
        ledger_close(&ledger);
    }
}

/* A ledger that no program can have written. */
static inline void damage_ledger(const char *state_dir, uid_t uid)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY "/%u", state_dir, (unsigned)uid);
    write_text(path, "nonsense");
}

/* As a later version of pam_tmout may write it. */
static inline void put_newer_ledger(const char *state, unsigned uid)
{
    const struct ledger_head head = {
        .magic = LEDGER_HEAD_MAGIC, .version = 99, .version_inverted = ~UINT32_C(99)};
    char path[4096], bytes[sizeof head];

    memcpy(bytes, &head, sizeof bytes);
    snprintf(path, sizeof path, "%s/" LEDGER_DIRECTORY "/%u", state, uid);
    write_bytes(path, bytes, sizeof bytes);
}

#endif
