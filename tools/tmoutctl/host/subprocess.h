/* Running another program for what it prints, within a time limit. */
#ifndef TMOUT_TMOUTCTL_HOST_SUBPROCESS_H
#define TMOUT_TMOUTCTL_HOST_SUBPROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum subprocess_stream { SUBPROCESS_OUT, SUBPROCESS_ERR, SUBPROCESS_STREAMS };

/* What came of a run. Start with {0}; end with subprocess_free(). */
struct subprocess {
    char *text[SUBPROCESS_STREAMS]; /* ends with a NUL; NULL where nothing was read */
    size_t size[SUBPROCESS_STREAMS];
    int status; /* as of waitpid(2) */
};

/*
 * Runs argv[0], which is a path, and collects what it prints until it has
 * ended. It gets an empty environment, /dev/null as its standard input, / as its
 * directory and no other descriptor of ours. Returns 0 if it ended within timeout_ms, whatever its
 * status; exit status 127 means that it could not be executed. Else -1 with
 * errno: ETIMEDOUT, or EFBIG where it printed more than a megabyte; it has
 * then been killed. *result is to be freed either way.
 */
int subprocess_run(const char *const *argv, int64_t timeout_ms, struct subprocess *result);

/* Did it exit with status 0? */
bool subprocess_succeeded(const struct subprocess *result);

void subprocess_free(struct subprocess *result);

/* How a child ends that cannot become the program. */
enum { SUBPROCESS_EXEC_FAILED = 127 };

/* In a child of fork(): becomes the program, with no more than descriptors 0 to 2. */
void subprocess_exec(const char *const *argv, const char *const *environment)
    __attribute__((noreturn));

#endif
