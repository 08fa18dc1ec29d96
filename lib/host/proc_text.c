#include "lib/host/proc_text.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* The fields of /proc/PID/stat behind the third, the state: proc_pid_stat(5). */
enum {
    STAT_PARENT = 0,
    STAT_SESSION = 2,
    STAT_TERMINAL = 3,
    STAT_MINOR_FAULTS = 6,
    STAT_START = 18,
    STAT_FIELDS_AFTER_STATE = 19
};

/* At every login: sscanf(3) would take four times as long as strtoull(3). */
bool proc_text_stat(const char *text, struct process *process)
{
    /* The second field is the program's name, which the user chooses: it ends
     * with the last parenthesis. */
    const char *rest = strrchr(text, ')');
    int64_t field[STAT_FIELDS_AFTER_STATE];
    char *end;

    if (rest == NULL || rest[1] != ' ' || rest[2] == '\0')
        return false;
    const char state = rest[2];
    rest += 3;
    for (size_t i = 0; i < STAT_FIELDS_AFTER_STATE; i++, rest = end) {
        field[i] = (int64_t)strtoull(rest, &end, 10); /* which takes a minus, too */
        if (end == rest)
            return false;
    }
    const unsigned long long number = strtoull(text, &end, 10);
    if (end == text)
        return false;
    memset(process, 0, sizeof *process);
    process->pid = (pid_t)number;
    process->parent = (pid_t)field[STAT_PARENT];
    process->session = (pid_t)field[STAT_SESSION];
    process->state = state;
    process->terminal = (uint32_t)field[STAT_TERMINAL];
    process->start_ticks = (uint64_t)field[STAT_START];
    process->minor_faults = (uint64_t)field[STAT_MINOR_FAULTS];
    return true;
}

bool proc_text_uids(const char *text, uid_t uid[4])
{
    /* The user chooses the name in the first line, but a newline in it is
     * written as an escape. */
    const char *line = strstr(text, "\nUid:");

    return line != NULL &&
           sscanf(line, "\nUid: %u %u %u %u", &uid[0], &uid[1], &uid[2], &uid[3]) == 4;
}

bool proc_text_parent(const char *text, pid_t *parent)
{
    const char *line = strstr(text, "\nPPid:");

    return line != NULL && sscanf(line, "\nPPid: %d", parent) == 1;
}

/* The letter, or NUL. */
static char state_in(const char *text)
{
    const char *line = strstr(text, "\nState:");
    char state;

    return line != NULL && sscanf(line, "\nState: %c", &state) == 1 ? state : '\0';
}

bool proc_text_is_runnable(const char *text)
{
    return state_in(text) == 'R';
}

bool proc_text_is_moving(const char *text)
{
    const char state = state_in(text);

    return state != '\0' && strchr("TtDX", state) == NULL;
}

bool proc_text_cpu_use(const char *text, struct cpu_use *use)
{
    struct cpu_use found;

    if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &found.ran_ns, &found.waited_ns,
               &found.turns) != 3)
        return false;
    *use = found;
    return true;
}

bool proc_text_io(const char *text, struct io_bytes *bytes)
{
    const char *read_line = strstr(text, "rchar:"), *write_line = strstr(text, "wchar:");
    struct io_bytes found;

    if (read_line == NULL || sscanf(read_line, "rchar: %" SCNu64, &found.read) != 1 ||
        write_line == NULL || sscanf(write_line, "wchar: %" SCNu64, &found.written) != 1)
        return false;
    *bytes = found;
    return true;
}

bool proc_text_tty_index(const char *text, unsigned *index)
{
    const char *line = strstr(text, "tty-index:");

    return line != NULL && sscanf(line, "tty-index: %u", index) == 1;
}

bool proc_text_audit_number(const char *text, uint32_t *number)
{
    char *end = NULL;

    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || value >= UINT32_MAX)
        return false; /* UINT32_MAX is how the kernel writes "none" */
    *number = (uint32_t)value;
    return true;
}

pid_t proc_text_next_child(char **rest)
{
    char *word, *end;

    do
        word = strsep(rest, " \n");
    while (word != NULL && word[0] == '\0');
    if (word == NULL)
        return 0;
    errno = 0;
    const long pid = strtol(word, &end, 10);
    return errno == 0 && *end == '\0' && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

void terminal_name_of_stat(uint32_t terminal, char *name, size_t size)
{
    enum { MINORS_PER_MAJOR = 1 << 20 };
    const unsigned major_number = terminal >> 8 & 0xfff;
    const unsigned minor_number = (terminal & 0xff) | (terminal >> 12 & 0xfff00);

    name[0] = '\0';
    if (major_number >= UNIX98_PTY_SLAVE_MAJOR &&
        major_number < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT)
        snprintf(name, size, "pts/%u",
                 (major_number - UNIX98_PTY_SLAVE_MAJOR) * MINORS_PER_MAJOR + minor_number);
    else if (major_number == TTY_MAJOR)
        snprintf(name, size, "tty%u", minor_number);
}

uint32_t terminal_in_stat(dev_t device)
{
    return (minor(device) & 0xff) | major(device) << 8 | (minor(device) & ~0xffU) << 12;
}
