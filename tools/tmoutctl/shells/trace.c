#include "tools/tmoutctl/shells/trace.h"

#include "tools/tmoutctl/shells/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_MARK "tmout-at:"

const char *shell_trace_prompt(enum shell_kind kind)
{
    switch (kind) {
    case SHELL_BASH:
        return "PS4=+" TRACE_MARK "$BASH_SOURCE:$LINENO:";
    case SHELL_ZSH:
        return "PS4=+" TRACE_MARK "%x:%I:";
    default: /* mksh has no name of the file, and ksh93 counts the lines of all of them */
        return NULL;
    }
}

/* Do others than a site decide what is in the file, or is it read only when a shell ends? */
static bool trace_is_innocent(const char *file)
{
    return strcmp(file, PROFILE_SH) == 0 ||
           strncmp(file, SHELL_FRAGMENTS "/", strlen(SHELL_FRAGMENTS "/")) == 0 ||
           strstr(file, "logout") != NULL;
}

/* Where a command is, if text begins with its file and line. Returns the command; NULL:
 * it does not, or the file is innocent. */
static const char *trace_read(const char *text, struct shell_place *place)
{
    const size_t length = strcspn(text, ":\r\n");
    char *end;

    if (text[0] != '/' || text[length] != ':' || length >= sizeof place->file)
        return NULL;
    snprintf(place->file, sizeof place->file, "%.*s", (int)length, text);
    place->line = (unsigned)strtoul(text + length + 1, &end, 10);
    return *end == ':' && place->line > 0 && !trace_is_innocent(place->file) ? end + 1 : NULL;
}

/* Does a command name the limit, the decision about it, or what our scripts use? */
static bool trace_is_about_limit(const char *command)
{
    static const char *const names[] = {"TMOUT", "tmout_"};
    const char *end = command + strcspn(command, "\r\n");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = strstr(command, names[i]);
        if (name != NULL && name < end)
            return true;
    }
    return false;
}

bool shell_trace_find(const char *printed, const char *shell, bool all, struct shell_place *place)
{
    bool found = false;

    for (const char *at = printed; (at = strstr(at, TRACE_MARK)) != NULL;) {
        struct shell_place here;
        at += strlen(TRACE_MARK);
        const char *command = trace_read(at, &here);
        /* What is typed to zsh has its own path as that of a file. */
        if (command == NULL || strcmp(here.file, shell) == 0 ||
            (!all && !trace_is_about_limit(command)))
            continue;
        *place = here;
        found = true;
    }
    return found;
}
