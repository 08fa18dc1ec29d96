/* The lines of the log whose form others rely on. Pure. */
#ifndef TMOUT_TMOUTD_LOG_TEXT_H
#define TMOUT_TMOUTD_LOG_TEXT_H

#include "lib/host/journal.h"
#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"

struct disconnect {
    const struct session_record *login;
    const char *terminal; /* below /dev, or "-" */
    enum watch_reason reason;
    enum limit_rule idle_rule; /* the rule that a disconnect for idleness goes back to */
    int64_t idle_ms;           /* negative counts as 0 */
};

/* The line for a terminal or a login that is disconnected. */
void log_text_disconnect(const struct disconnect *disconnect, const struct user_limits *limits,
                         struct log_entry *entry);

#endif
