/* A login's record in the registry, also where its file is damaged. */
#ifndef TMOUT_TMOUTD_RECORD_H
#define TMOUT_TMOUTD_RECORD_H

#include "lib/sessions/registry.h"

enum record_status {
    RECORD_FOUND,
    RECORD_NONE, /* nobody's; removed where that is sure */
    RECORD_LATER /* cannot be told now, which was logged: ask again */
};

/*
 * The record of the login whose session this process opened. One that is
 * damaged is made anew from what the kernel knows, and one whose process has
 * ended is removed.
 */
enum record_status record_read(const char *sessions_dir, pid_t pid, const struct timestamp *now,
                               struct session_record *record);

#endif
