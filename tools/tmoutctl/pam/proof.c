#include "tools/tmoutctl/pam/proof.h"

#include "lib/host/array.h"
#include "lib/host/checksum.h"
#include "lib/host/map.h"
#include "tools/tmoutctl/pam/modules.h"
#include "tools/tmoutctl/pam/run.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* More lines than any stack has that a person wrote; and more states than one of
 * them reaches. */
enum { LINES_MAX = 120, STATES_MAX = 60000, VARIABLES_MAX = 6 };

/* A call of the stacks, and what our line returns in it. */
struct mode {
    enum pam_call call;
    bool rejects; /* auth: ours does */
    int decided;  /* by the first call, if this is the second */
    int result;
};

/* One of the two stacks on a way through both. */
struct side {
    struct pam_run run;
    bool has_answer; /* a password that a module has asked for and shared */
};

struct state {
    struct side before, after;
    signed char passwords, codes; /* asked for after, less those asked for before */
    unsigned char ours;           /* calls of our line after, at most 2 */
    unsigned char ours_before;
    bool checked;           /* after our line something was checked that can be guessed */
    bool overridden;        /* the user's environment came after our line */
    bool own_prompt;        /* ours has asked */
    unsigned char unneeded; /* the line after ours that made a password unnecessary, as index + 1 */
    unsigned char variable[VARIABLES_MAX]; /* results of conditions, as index + 1 */
    size_t parent;                         /* the state before, or PAM_NO_LINE */
    size_t called;                         /* the line called on the way here, or PAM_NO_LINE */
    size_t earlier;                        /* the state before with the same hash, plus one */
};

/* What the proof knows of a line that is in both stacks. */
struct common {
    size_t before, after;
    struct pam_traits traits;
    int result[PAM_RESULTS]; /* one of each class of results that are treated alike */
    size_t results;
    int variable; /* of the condition, or -1 */
};

struct proof {
    const struct pam_question *question;
    struct pam_answer *answer;
    struct pam_answer without; /* the same without the modules that may be absent */
    struct mode mode;
    struct common *common;
    size_t commons;
    size_t order_before[LINES_MAX + 1], order_after[LINES_MAX + 1];
    enum pam_kind checks; /* what counts as a check in this stack */
    struct state *state;
    size_t states;
    struct map reached; /* by the hash of a state's key: the last one with it, plus one */
    bool absent_fail;   /* modules that may be absent are */
    bool too_large, out_of_memory;
};

/* --- the lines ----------------------------------------------------------- */

static bool is_ours(const struct pam_line *line)
{
    return line->kind == PAM_LINE_MODULE && pam_line_is(line, PAM_OUR_MODULE);
}

static bool is_same_line(const struct pam_line *one, const struct pam_line *other)
{
    return one->kind == other->kind && one->on_host == other->on_host && one->on_host != 0 &&
           strcmp(one->file, other->file) == 0 && strcmp(one->module, other->module) == 0 &&
           strcmp(one->arguments, other->arguments) == 0;
}

/* Is the line's module missing in what is explored now? libpam calls nothing then. */
static bool is_missing(const struct proof *proof, const struct pam_line *line)
{
    return proof->absent_fail && line->may_be_absent;
}

/* Numbers the lines of both stacks so that lines in both have the same odd
 * number, and ours an even one, in their order. */
static bool match_lines(struct proof *proof)
{
    const struct pam_stack *before = proof->question->before, *after = proof->question->after;
    size_t b = 0, a = 0, number = 0;

    for (;;) {
        for (; b < before->count && is_ours(&before->line[b]); b++)
            proof->order_before[b] = 2 * number;
        for (; a < after->count && is_ours(&after->line[a]); a++)
            proof->order_after[a] = 2 * number;
        if (b == before->count || a == after->count)
            break;
        if (!is_same_line(&before->line[b], &after->line[a]))
            return false;
        const struct pam_traits absent = {.kind = PAM_KIND_OTHER};
        proof->common[number] = (struct common){
            .before = b,
            .after = a,
            .traits = is_missing(proof, &after->line[a]) ? absent : pam_traits_of(&after->line[a]),
            .variable = -1};
        proof->order_before[b++] = 2 * number + 1;
        proof->order_after[a++] = 2 * number + 1;
        number++;
    }
    proof->order_before[before->count] = proof->order_after[after->count] = SIZE_MAX;
    proof->commons = number;
    return b == before->count && a == after->count;
}

static bool is_same_question(const struct pam_line *one, const struct pam_line *other)
{
    return strcmp(one->module, other->module) == 0 && strcmp(one->arguments, other->arguments) == 0;
}

/* Are two results treated alike by all lines that ask the same question? */
static bool is_alike(const struct proof *proof, const struct common *common, int one, int other)
{
    const struct pam_stack *before = proof->question->before, *after = proof->question->after;

    for (size_t i = 0; i < proof->commons; i++) {
        const struct common *same = &proof->common[i];
        const int *b = before->line[same->before].action, *a = after->line[same->after].action;
        if (same != common && (common->variable < 0 || same->variable != common->variable))
            continue;
        if (b[one] != b[other] || a[one] != a[other])
            return false;
    }
    return (one == PAM_SUCCESS) == (other == PAM_SUCCESS) &&
           (one == PAM_IGNORE) == (other == PAM_IGNORE);
}

/* May the line return this? PAM_INCOMPLETE only interrupts the call. */
static bool may_return(const struct proof *proof, const struct common *common, int result)
{
    const struct pam_line *line = &proof->question->after->line[common->after];

    if (line->kind == PAM_LINE_MUST_FAIL)
        return result == PAM_PERM_DENIED;
    if (is_missing(proof, line))
        return result == PAM_MODULE_UNKNOWN;
    if (proof->question->user != NULL && !pam_user_may_get(proof->question->user, line, result))
        return false;
    return result != PAM_INCOMPLETE && !(common->traits.decides && result == PAM_IGNORE) &&
           !(common->traits.kind == PAM_KIND_DENY && result == PAM_SUCCESS);
}

static void find_results(struct proof *proof, struct common *common)
{
    for (int result = 0; result < PAM_RESULTS; result++) {
        bool is_new = may_return(proof, common, result);
        for (size_t i = 0; is_new && i < common->results; i++)
            is_new = !is_alike(proof, common, result, common->result[i]);
        if (is_new)
            common->result[common->results++] = result;
    }
}

/* Conditions that are asked for more than once share a variable. */
static void find_variables(struct proof *proof)
{
    const struct pam_stack *after = proof->question->after;
    int variables = 0;

    for (size_t i = 0; i < proof->commons; i++) {
        struct common *common = &proof->common[i];
        if (!common->traits.repeats || common->variable >= 0 || variables == VARIABLES_MAX)
            continue;
        for (size_t k = i + 1; k < proof->commons; k++) {
            struct common *other = &proof->common[k];
            if (!is_same_question(&after->line[common->after], &after->line[other->after]))
                continue;
            common->variable = other->variable = variables;
        }
        variables += common->variable >= 0;
    }
}

/* --- states -------------------------------------------------------------- */

/* The part of a state on which everything that follows depends, as bytes. */
struct key {
    unsigned char byte[2 * (3 * (PAM_LEVELS_MAX + 2) + 8) + 9 + VARIABLES_MAX];
    size_t size;
};

static void key_add(struct key *key, size_t value)
{
    key->byte[key->size++] = (unsigned char)value;
}

static void key_add_verdict(struct key *key, const struct pam_verdict *verdict)
{
    key_add(key, verdict->impression);
    key_add(key, (size_t)verdict->status);
}

static void key_add_side(struct key *key, const struct pam_stack *stack, const struct side *side)
{
    const unsigned level = side->run.at < stack->count ? stack->line[side->run.at].level : 0;

    key_add(key, side->run.at);
    key_add(key, side->run.level);
    key_add(key, side->run.bad_jump);
    key_add(key, side->has_answer);
    key_add_verdict(key, &side->run.verdict);
    for (unsigned i = 1; i <= level; i++)
        key_add_verdict(key, &side->run.saved[i]);
}

static void key_make(const struct proof *proof, const struct state *state, struct key *key)
{
    memset(key, 0, sizeof *key);
    key_add_side(key, proof->question->before, &state->before);
    key_add_side(key, proof->question->after, &state->after);
    key_add(key, (size_t)state->passwords);
    key_add(key, (size_t)state->codes);
    key_add(key, state->ours);
    key_add(key, state->ours_before);
    key_add(key, state->checked);
    key_add(key, state->overridden);
    key_add(key, state->own_prompt);
    key_add(key, state->unneeded);
    for (size_t i = 0; i < VARIABLES_MAX; i++)
        key_add(key, state->variable[i]);
}

static void add_state(struct proof *proof, const struct state *state)
{
    struct state *grown = NULL;

    proof->too_large = proof->states == STATES_MAX;
    if (!proof->too_large)
        grown = array_grow(proof->state, proof->states, sizeof *grown);
    proof->out_of_memory = grown == NULL && !proof->too_large;
    if (grown == NULL)
        return;
    proof->state = grown;
    proof->state[proof->states++] = *state;
}

/* Adds a state unless it was reached before. */
static void reach(struct proof *proof, const struct state *state)
{
    struct key key, other;

    if (proof->too_large || proof->out_of_memory)
        return;
    key_make(proof, state, &key);
    const uint64_t hash = checksum(CHECKSUM_START, key.byte, key.size);
    const size_t earlier = (size_t)(uintptr_t)map_find(&proof->reached, hash);
    for (size_t i = earlier; i > 0; i = proof->state[i - 1].earlier) {
        key_make(proof, &proof->state[i - 1], &other);
        if (key.size == other.size && memcmp(key.byte, other.byte, key.size) == 0)
            return;
    }
    add_state(proof, state);
    if (proof->too_large || proof->out_of_memory)
        return;
    proof->state[proof->states - 1].earlier = earlier;
    proof->out_of_memory = !map_put(&proof->reached, hash, (void *)(uintptr_t)proof->states);
}

/* --- flaws --------------------------------------------------------------- */

/* The line that led from before our next line to behind it, on the way to the
 * state; PAM_NO_LINE if there is none. */
static size_t find_bypass(const struct proof *proof, const struct state *state)
{
    const struct pam_stack *after = proof->question->after;
    size_t to = state->after.run.at;

    for (size_t i = state->parent, called = state->called; i != PAM_NO_LINE;
         i = proof->state[i].parent) {
        const size_t from = proof->state[i].after.run.at;
        if (called != PAM_NO_LINE && called == from)
            for (size_t k = from + 1; k < to && k < after->count; k++)
                if (is_ours(&after->line[k]))
                    return from;
        called = proof->state[i].called;
        to = from;
    }
    return PAM_NO_LINE;
}

static void note_flaw(struct proof *proof, enum pam_flaw flaw, const struct state *state,
                      size_t line)
{
    struct pam_example *example = &proof->answer->flaw[flaw];

    if (example->found)
        return;
    *example = (struct pam_example){.found = true, .line = line, .by = PAM_NO_LINE};
    if (flaw == PAM_FLAW_UNCOUNTED || flaw == PAM_FLAW_MISSED)
        example->by = find_bypass(proof, state);
}

static void judge_end(struct proof *proof, const struct state *state)
{
    const bool before = pam_run_status(proof->question->before, &state->before.run) == PAM_SUCCESS;
    const bool after = pam_run_status(proof->question->after, &state->after.run) == PAM_SUCCESS;

    /* Whether a failure of ours closes a session is for its own line to say. */
    const bool is_own =
        proof->question->is_session && proof->mode.decided != PAM_SUCCESS && state->ours_before > 0;

    if (proof->mode.call != PAM_CALL_FIRST) {
        if (before != after && !is_own)
            note_flaw(proof, PAM_FLAW_SECOND, state, PAM_NO_LINE);
        return;
    }
    if (proof->mode.rejects) {
        if (after && state->ours > 0)
            note_flaw(proof, PAM_FLAW_NOT_FINAL, state, PAM_NO_LINE);
        return;
    }
    if (before && !after)
        note_flaw(proof, PAM_FLAW_REFUSES, state, PAM_NO_LINE);
    if (after && !before && !is_own)
        note_flaw(proof, PAM_FLAW_ADMITS, state, PAM_NO_LINE);
    if (state->passwords > 0 || state->codes > 0)
        note_flaw(proof, PAM_FLAW_ASKS_MORE, state, PAM_NO_LINE);
    if (!proof->question->is_session && state->ours > 0 && !state->checked)
        note_flaw(proof, PAM_FLAW_NEEDLESS, state, PAM_NO_LINE);
    if (after && state->unneeded > 0 && !state->checked)
        note_flaw(proof, PAM_FLAW_UNNEEDED, state, state->unneeded - 1u);
    if (proof->question->is_session && after && state->ours == 0 && !state->overridden)
        note_flaw(proof, PAM_FLAW_MISSED, state, PAM_NO_LINE);
    if (proof->question->is_session && after && state->ours == 0 && !state->overridden &&
        state->ours_before > 0)
        note_flaw(proof, PAM_FLAW_LOSES, state, PAM_NO_LINE);
    if (proof->question->is_session && after && state->overridden)
        note_flaw(proof, PAM_FLAW_OVERRIDDEN, state, PAM_NO_LINE);
}

/* --- steps --------------------------------------------------------------- */

/* How many passwords or codes the line asks for now. */
static signed char ask(struct side *side, const struct pam_traits *traits)
{
    const bool asks =
        traits->asks == PAM_ASKS_ITSELF || (traits->asks == PAM_ASKS_ONCE && !side->has_answer);

    side->has_answer = side->has_answer || (asks && traits->shares);
    return asks;
}

/* The line of one stack has returned this. What follows depends on success
 * alone, so that other statuses need not be told apart. */
static void go_on(const struct pam_stack *stack, struct side *side, const struct mode *mode,
                  int decided, int result)
{
    pam_run_return(stack, &side->run, mode->call, decided, result);
    if (side->run.verdict.status != PAM_SUCCESS)
        side->run.verdict.status = PAM_PERM_DENIED;
}

/* Our line in the stack after the edit. */
static void call_ours_after(struct proof *proof, struct state *next)
{
    const size_t at = next->after.run.at;
    const struct pam_traits traits = pam_traits_of(&proof->question->after->line[at]);
    const bool is_auth = !proof->question->is_session;

    if (next->ours > 0 && proof->mode.call == PAM_CALL_FIRST)
        note_flaw(proof, PAM_FLAW_TWICE, next, at);
    if (is_auth) {
        const signed char asked = ask(&next->after, &traits);
        next->passwords = (signed char)(next->passwords + asked);
        next->own_prompt = next->own_prompt || asked;
    }
    next->ours = 1;
    next->overridden = false;
}

/* Our line in the stack before the edit. */
static void call_ours_before(const struct proof *proof, struct state *next)
{
    const size_t at = next->before.run.at;
    const struct pam_traits traits = pam_traits_of(&proof->question->before->line[at]);

    if (!proof->question->is_session)
        next->passwords = (signed char)(next->passwords - ask(&next->before, &traits));
    next->ours_before = 1;
}

/* A line of ours was called, or is not there to be. */
static void go_on_after_ours(const struct proof *proof, const struct pam_stack *stack,
                             struct side *side)
{
    if (is_missing(proof, &stack->line[side->run.at]))
        go_on(stack, side, &proof->mode, PAM_MODULE_UNKNOWN, PAM_MODULE_UNKNOWN);
    else
        go_on(stack, side, &proof->mode, proof->mode.decided, proof->mode.result);
}

/* Our lines, which may be in one stack only. */
static void step_ours(struct proof *proof, const struct state *from, size_t order)
{
    const struct pam_stack *before = proof->question->before, *after = proof->question->after;
    struct state next = *from;

    if (before->count > next.before.run.at && proof->order_before[next.before.run.at] == order) {
        if (!is_missing(proof, &before->line[next.before.run.at]))
            call_ours_before(proof, &next);
        go_on_after_ours(proof, before, &next.before);
    }
    if (after->count > next.after.run.at && proof->order_after[next.after.run.at] == order) {
        next.called = next.after.run.at;
        if (!is_missing(proof, &after->line[next.after.run.at]))
            call_ours_after(proof, &next);
        go_on_after_ours(proof, after, &next.after);
    }
    reach(proof, &next);
}

/* A line that can be guessed at, or the end of the environment, in the stack
 * after the edit. */
static void look_after(struct proof *proof, const struct common *common, struct state *next)
{
    const struct pam_line *line = &proof->question->after->line[common->after];

    if (proof->mode.call != PAM_CALL_FIRST)
        return;
    if (proof->question->is_session) {
        if (next->ours > 0 && pam_line_is(line, "pam_env.so") &&
            pam_line_has(line, "user_readenv=1")) {
            next->overridden = true;
            next->ours = 0; /* a second line of ours repairs it */
        }
        return;
    }
    if (common->traits.kind != proof->checks)
        return;
    if (next->own_prompt && common->traits.asks == PAM_ASKS_ITSELF)
        note_flaw(proof, PAM_FLAW_PROMPT, next, common->after);
    if (next->ours == 0 && !proof->mode.rejects)
        note_flaw(proof, PAM_FLAW_UNCOUNTED, next, common->after);
    if (next->ours == 0 && next->ours_before > 0)
        note_flaw(proof, PAM_FLAW_LOSES, next, common->after);
    if (next->ours > 0 && proof->mode.rejects)
        note_flaw(proof, PAM_FLAW_NOT_FINAL, next, common->after);
    next->checked = next->checked || next->ours > 0;
}

/* Asks and answers on one side of a line that both stacks have. unanswered is the result
 * of a module that needs an answer and has none. */
static int answer_on(struct side *side, const struct pam_traits *traits, int unanswered, int result,
                     signed char *asked)
{
    const bool lacks_answer = traits->needs_answer && !side->has_answer;

    *asked = ask(side, traits);
    if (!lacks_answer)
        return result;
    return unanswered == PAM_SUCCESS ? PAM_AUTH_ERR : unanswered;
}

/* Both stacks, or one of them, at a line that both have. decided is the result of the first
 * call, if this is the second; in the first call, that without an answer. */
static void step_common(struct proof *proof, const struct state *from, const struct common *common,
                        int decided, int result)
{
    const struct pam_question *question = proof->question;
    const bool is_first = proof->mode.call == PAM_CALL_FIRST;
    struct state next = *from;
    signed char before = 0, after = 0;

    if (next.before.run.at == common->before) {
        const int got =
            is_first ? answer_on(&next.before, &common->traits, decided, result, &before) : result;
        go_on(question->before, &next.before, &proof->mode, is_first ? got : decided, got);
    }
    if (next.after.run.at == common->after) {
        const enum pam_kind kind = common->traits.kind;
        const bool had_bad_jump = next.after.run.bad_jump;
        const int got =
            is_first ? answer_on(&next.after, &common->traits, decided, result, &after) : result;
        next.called = common->after;
        look_after(proof, common, &next);
        if (next.ours > 0 && got == PAM_SUCCESS &&
            (kind == PAM_KIND_PRESENCE || kind == PAM_KIND_PRIVILEGE))
            next.unneeded = (unsigned char)(common->after + 1);
        go_on(question->after, &next.after, &proof->mode, is_first ? got : decided, got);
        if (is_first && next.after.run.bad_jump && !had_bad_jump)
            note_flaw(proof, PAM_FLAW_BAD_JUMP, &next, common->after);
    }
    if (common->traits.kind == PAM_KIND_CODE)
        next.codes = (signed char)(next.codes + after - before);
    else
        next.passwords = (signed char)(next.passwords + after - before);
    reach(proof, &next);
}

static void step_all_results(struct proof *proof, const struct state *from,
                             const struct common *common)
{
    const bool is_first = proof->mode.call == PAM_CALL_FIRST;

    for (size_t i = 0; i < common->results; i++) {
        struct state with = *from;
        if (is_first && common->variable >= 0) {
            unsigned char *variable = &with.variable[common->variable];
            if (*variable != 0 && *variable != i + 1)
                continue;
            *variable = (unsigned char)(i + 1);
        }
        step_common(proof, &with, common, common->result[i], common->result[i]);
        if (is_first && common->traits.needs_answer)
            step_common(proof, &with, common, PAM_AUTH_ERR, common->result[i]);
        /* In a second call, the first one's result may be any other. */
        for (size_t k = 0; !is_first && k < common->results; k++)
            step_common(proof, &with, common, common->result[k], common->result[i]);
    }
}

static void step(struct proof *proof, size_t index)
{
    struct state from = proof->state[index];
    const size_t before = proof->order_before[from.before.run.at];
    const size_t after = proof->order_after[from.after.run.at];
    const size_t order = before < after ? before : after;

    from.parent = index;
    from.called = PAM_NO_LINE;
    if (order == SIZE_MAX)
        judge_end(proof, &proof->state[index]);
    else if (order % 2 == 0)
        step_ours(proof, &from, order);
    else
        step_all_results(proof, &from, &proof->common[order / 2]);
}

/* Goes through all states of one call. */
static void explore(struct proof *proof, const struct mode *mode)
{
    struct state start = {.parent = PAM_NO_LINE, .called = PAM_NO_LINE};

    proof->mode = *mode;
    proof->states = 0;
    map_free(&proof->reached);
    pam_run_start(proof->question->before, &start.before.run);
    pam_run_start(proof->question->after, &start.after.run);
    reach(proof, &start);
    for (size_t i = 0; i < proof->states && !proof->too_large && !proof->out_of_memory; i++)
        step(proof, i);
}

static void explore_all(struct proof *proof)
{
    static const struct mode auth[] = {{PAM_CALL_FIRST, false, PAM_IGNORE, PAM_IGNORE},
                                       {PAM_CALL_FIRST, true, PAM_AUTH_ERR, PAM_AUTH_ERR},
                                       {PAM_CALL_FIRST, true, PAM_SERVICE_ERR, PAM_SERVICE_ERR},
                                       {PAM_CALL_SECOND, false, PAM_IGNORE, PAM_IGNORE},
                                       {PAM_CALL_SECOND_DEBIAN, false, PAM_IGNORE, PAM_IGNORE}};
    /* Its close_session only fails where its open_session does. */
    static const struct mode session[] = {
        {PAM_CALL_FIRST, false, PAM_SUCCESS, PAM_SUCCESS},
        {PAM_CALL_FIRST, false, PAM_SESSION_ERR, PAM_SESSION_ERR},
        {PAM_CALL_SECOND, false, PAM_SUCCESS, PAM_SUCCESS},
        {PAM_CALL_SECOND, false, PAM_SESSION_ERR, PAM_SUCCESS},
        {PAM_CALL_SECOND, false, PAM_SESSION_ERR, PAM_SESSION_ERR},
        {PAM_CALL_SECOND_DEBIAN, false, PAM_SUCCESS, PAM_SUCCESS},
        {PAM_CALL_SECOND_DEBIAN, false, PAM_SESSION_ERR, PAM_SUCCESS},
        {PAM_CALL_SECOND_DEBIAN, false, PAM_SESSION_ERR, PAM_SESSION_ERR}};
    const bool is_session = proof->question->is_session;
    const size_t count = is_session ? sizeof session / sizeof *session : sizeof auth / sizeof *auth;

    for (size_t i = 0; i < count && !proof->too_large && !proof->out_of_memory; i++)
        explore(proof, is_session ? &session[i] : &auth[i]);
}

/* What counts as a check: passwords or, in a stack without, codes. */
static enum pam_kind find_checks(const struct pam_stack *stack)
{
    return pam_find_kind(stack, PAM_KIND_PASSWORD, 0) < stack->count ? PAM_KIND_PASSWORD
                                                                     : PAM_KIND_CODE;
}

/* Explores all calls with modules that may be absent as proof->absent_fail says. */
static enum pam_proof_status explore_with(struct proof *proof)
{
    if (!match_lines(proof))
        return PAM_PROOF_UNLIKE;
    find_variables(proof);
    for (size_t i = 0; i < proof->commons; i++)
        find_results(proof, &proof->common[i]);
    explore_all(proof);
    if (proof->out_of_memory)
        return PAM_PROOF_FAILED;
    return proof->too_large ? PAM_PROOF_TOO_LARGE : PAM_PROOF_DONE;
}

static bool has_doubtful(const struct pam_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        if (stack->line[i].may_be_absent)
            return true;
    return false;
}

/* The same once more, without the modules that may be absent; adds what is wrong with the
 * edit. What is wrong with the stack is about the one that was meant, with all modules. */
static enum pam_proof_status explore_without(struct proof *proof)
{
    struct pam_answer *answer = proof->answer;

    proof->absent_fail = true;
    proof->answer = &proof->without;
    const enum pam_proof_status status = explore_with(proof);
    for (int flaw = 0; flaw <= PAM_FLAW_LOSES; flaw++)
        if (!answer->flaw[flaw].found)
            answer->flaw[flaw] = proof->without.flaw[flaw];
    return status;
}

enum pam_proof_status pam_prove(const struct pam_question *question, struct pam_answer *answer)
{
    struct proof proof = {.question = question, .answer = answer};
    enum pam_proof_status status = PAM_PROOF_FAILED;

    *answer = (struct pam_answer){0};
    if (question->before->count > LINES_MAX || question->after->count > LINES_MAX)
        return PAM_PROOF_TOO_LARGE;
    proof.common = calloc(LINES_MAX, sizeof *proof.common);
    if (proof.common == NULL)
        goto cleanup;
    proof.checks = find_checks(question->after);
    status = explore_with(&proof);
    /* A stack that is looked at, not edited, differs from itself in nothing. */
    if (status == PAM_PROOF_DONE && question->before != question->after &&
        (has_doubtful(question->before) || has_doubtful(question->after)))
        status = explore_without(&proof);

cleanup:
    map_free(&proof.reached);
    free(proof.state);
    free(proof.common);
    return status;
}
