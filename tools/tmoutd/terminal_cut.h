/*
 * Hanging up one terminal, step by step: hangup.h in helpers, with the time in
 * between for a shell to write its history, and for programs to notice.
 */
#ifndef TMOUT_TMOUTD_TERMINAL_CUT_H
#define TMOUT_TMOUTD_TERMINAL_CUT_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/loop.h"

enum cut_result {
    CUT_DONE,
    CUT_GONE,    /* the terminal is gone, or another login's */
    CUT_BLOCKED, /* a helper did not return: what it was to do cannot be done this way */
    CUT_FAILED   /* with an errno: it could not be tried */
};

struct terminal_cut;

/* Called after the last step, or when a step failed. */
typedef void (*terminal_cut_function)(void *context, enum cut_result result, int error);

/*
 * Begins. The cut goes on by itself, and frees itself after it has called done.
 * NULL without memory.
 */
struct terminal_cut *terminal_cut_begin(struct loop *loop, about_t about,
                                        const struct session_record *login, unsigned index,
                                        terminal_cut_function done, void *context);

/* Nobody wants to know any more how it ends. It goes on. */
void terminal_cut_detach(struct terminal_cut *cut);

/* What an answer without data means. A helper that could not be had, or that was
 * killed for want of memory, is no sign of anything. */
enum cut_result cut_result_of(const struct answer *answer);

/* Stops all of them. */
void terminal_cuts_free(struct loop *loop);

#endif
