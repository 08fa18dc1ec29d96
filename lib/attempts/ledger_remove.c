#include "lib/attempts/ledger_remove.h"

#include "lib/attempts/ledger_lock.h"
#include "lib/host/atomic_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Under both locks. */
static bool is_in_use(const struct ledger *ledger, const struct attempt_limits *limits,
                      const struct timestamp *now)
{
    if (!ledger_is_current(ledger))
        return true;
    for (uint32_t i = 1; i < ledger->record_count; i++) {
        struct attempt_state state;
        if (ledger_look(ledger, i, limits, now, &state) < 0 || state.in_flight > 0 ||
            state.lock_left_ms > 0)
            return true;
    }
    return false;
}

static enum ledger_removal remove_under_locks(const struct ledger *ledger,
                                              const struct attempt_limits *limits,
                                              const struct timestamp *now, struct failure *failure)
{
    char name[LEDGER_NAME_SIZE];

    /* Closing the file releases the locks. */
    if (ledger_lock_all(ledger, failure) != 0)
        return LEDGER_REMOVAL_FAILED;
    if (is_in_use(ledger, limits, now))
        return LEDGER_IN_USE;
    ledger_file_name(name, ledger->uid);
    if (unlinkat(ledger->directory_fd, name, 0) == 0)
        return LEDGER_REMOVED;
    failure_set(failure, "cannot be removed: %s", failure_reason(errno));
    return LEDGER_REMOVAL_FAILED;
}

enum ledger_removal ledger_remove(const char *state_dir, uid_t uid, uid_t owner,
                                  const struct attempt_limits *limits, struct failure *failure)
{
    struct timestamp now;
    struct ledger ledger;

    if (clock_now(&now, failure) != 0)
        return LEDGER_REMOVAL_FAILED;
    switch (ledger_open(state_dir, uid, owner, &now, &ledger, failure)) {
    case LEDGER_OK:
        break;
    case LEDGER_DAMAGED:
        ledger_close(&ledger);
        return LEDGER_IN_USE;
    case LEDGER_ABSENT:
    case LEDGER_FAILED:
    default:
        return LEDGER_REMOVAL_FAILED;
    }
    const enum ledger_removal result = remove_under_locks(&ledger, limits, &now, failure);
    ledger_close(&ledger);
    return result;
}

void ledger_remove_strays(const char *state_dir, uid_t owner)
{
    struct failure failure = {""};
    const int fd = ledger_open_directory(state_dir, owner, false, &failure);

    if (fd < 0)
        return;
    atomic_remove_strays(fd);
    close(fd);
}
