/* The installed shells, and from which file each takes the limit. */
#ifndef TMOUT_TMOUTCTL_SHELLS_LIST_H
#define TMOUT_TMOUTCTL_SHELLS_LIST_H

#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/shells/kinds.h"

#include <stdbool.h>
#include <stddef.h>

struct shell {
    char *path; /* of the program, symbolic links resolved */
    enum shell_kind kind;
    const char *login_file; /* that gives login shells the limit, or NULL */
    const char *rc_file;    /* that gives it to other interactive shells, or NULL */
    bool complete;          /* it has no timeout, or gets the limit wherever it can */
};

/* Start with {0}; end with shell_list_free(). */
struct shell_list {
    struct shell *shell;
    size_t count;
};

/* Finds the shells of /etc/shells, and programs that have the name of one, each
 * program once. Returns 0, or -1: out of memory. */
int shell_list_find(const struct host *host, struct shell_list *list);

void shell_list_free(struct shell_list *list);

/* How the shell at path takes a limit. */
enum shell_timeout shell_timeout_of(const struct host *host, const char *path);

/* Login shells, as getusershell(3) reads them. Start with {0}; end with
 * login_shells_free(). */
struct login_shells {
    char **path;
    size_t count;
};

/* Reads /etc/shells. Returns 0, or -1: out of memory. */
int login_shells_read(const struct host *host, struct login_shells *shells);

/* May users log in with this shell? */
bool login_shells_have(const struct login_shells *shells, const char *path);

void login_shells_free(struct login_shells *shells);

#endif
