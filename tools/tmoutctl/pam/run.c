#include "tools/tmoutctl/pam/run.h"

/* What a stack returns that has decided nothing (PAM_MUST_FAIL_CODE). */
enum { UNDECIDED = PAM_PERM_DENIED };

/* Goes to line `at` or, past the beginnings of substacks, to the next one that
 * is called. */
static void go_to(const struct pam_stack *stack, struct pam_run *run, size_t at)
{
    for (; at < stack->count; at++) {
        const struct pam_line *line = &stack->line[at];
        if (run->level < line->level)
            run->saved[line->level] = run->verdict;
        if (line->kind != PAM_LINE_SUBSTACK)
            break;
        run->level = line->level;
    }
    run->at = at;
    /* Nothing goes back to a substack that has ended. */
    for (unsigned i = at < stack->count ? stack->line[at].level + 1 : 1; i <= PAM_LEVELS_MAX; i++)
        run->saved[i] = (struct pam_verdict){IMPRESSION_NONE, UNDECIDED};
}

void pam_run_start(const struct pam_stack *stack, struct pam_run *run)
{
    *run = (struct pam_run){.verdict = {IMPRESSION_NONE, UNDECIDED}};
    run->saved[0] = run->verdict;
    go_to(stack, run, stack->aborts ? stack->count : 0);
}

size_t pam_run_jump(const struct pam_stack *stack, size_t from, int jump, bool *past)
{
    const unsigned level = stack->line[from].level;
    size_t at = from;

    while (jump > 0 && at + 1 < stack->count && stack->line[at + 1].level >= level) {
        do
            at++;
        while (at + 1 < stack->count && stack->line[at + 1].level > level);
        jump--;
    }
    *past = jump > 0;
    return at + 1;
}

static void note_good(struct pam_verdict *verdict, int decided, int result)
{
    if (verdict->impression == IMPRESSION_BAD ||
        (verdict->impression == IMPRESSION_GOOD && verdict->status != PAM_SUCCESS))
        return;
    /* In a frozen chain, PAM_IGNORE may be what is left of another result. */
    if (result == PAM_IGNORE && decided != result)
        return;
    verdict->impression = IMPRESSION_GOOD;
    verdict->status = result;
}

static void note_bad(struct pam_verdict *verdict, int result)
{
    if (verdict->impression == IMPRESSION_BAD)
        return;
    verdict->impression = IMPRESSION_BAD;
    verdict->status = result == PAM_IGNORE ? UNDECIDED : result;
}

/* The first line after `from` that is not in its substack, nor below. */
static size_t after_substack(const struct pam_stack *stack, size_t from)
{
    size_t at = from + 1;

    while (at < stack->count && stack->line[at].level >= stack->line[from].level)
        at++;
    return at;
}

void pam_run_return(const struct pam_stack *stack, struct pam_run *run, enum pam_call call,
                    int decided, int result)
{
    const size_t from = run->at;
    const struct pam_line *line = &stack->line[from];
    const bool is_valid = decided >= 0 && decided < PAM_RESULTS;
    const int action = is_valid ? line->action[decided] : ACTION_BAD;
    size_t next = from + 1;

    if (!is_valid)
        result = UNDECIDED;
    run->level = line->level;
    switch (action) {
    case ACTION_IGNORE:
        break;
    case ACTION_RESET:
        run->verdict = run->saved[line->level];
        break;
    case ACTION_OK:
    case ACTION_DONE:
        note_good(&run->verdict, decided, result);
        if (action == ACTION_DONE && run->verdict.impression == IMPRESSION_GOOD)
            next = after_substack(stack, from);
        break;
    case ACTION_BAD:
    case ACTION_DIE:
        note_bad(&run->verdict, result);
        if (action == ACTION_DIE)
            next = after_substack(stack, from);
        break;
    default: {
        bool past;
        if (call == PAM_CALL_SECOND)
            note_good(&run->verdict, decided, result);
        next = pam_run_jump(stack, from, action, &past);
        if (past) {
            run->verdict = (struct pam_verdict){IMPRESSION_BAD, UNDECIDED};
            run->bad_jump = true;
        }
    }
    }
    go_to(stack, run, next);
}

int pam_run_status(const struct pam_stack *stack, const struct pam_run *run)
{
    if (stack->aborts)
        return PAM_ABORT;
    if (run->verdict.status == PAM_SUCCESS && run->verdict.impression != IMPRESSION_GOOD)
        return UNDECIDED;
    return run->verdict.status;
}
