/* Whether what a program prints ends up in the journal. */
#ifndef TMOUT_TMOUTCTL_HOST_JOURNAL_STREAM_H
#define TMOUT_TMOUTCTL_HOST_JOURNAL_STREAM_H

#include <stdbool.h>

/* Has systemd connected this descriptor to the journal? systemd.exec(5) has
 * $JOURNAL_STREAM, the device and inode of such a descriptor. */
bool is_journal_stream(int fd);

#endif
