#include "tools/tmoutctl/pam/propose.h"

#include "lib/policy/module_args.h"
#include "tools/tmoutctl/pam/generated.h"
#include "tools/tmoutctl/pam/modules.h"
#include "tools/tmoutctl/pam/rewrite.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- is a stack right ---------------------------------------------------- */

static size_t find_ours(const struct pam_stack *stack)
{
    return pam_find_kind(stack, PAM_KIND_OURS, 0);
}

static enum pam_kind find_check(const struct pam_stack *stack)
{
    if (pam_find_kind(stack, PAM_KIND_PASSWORD, 0) < stack->count)
        return PAM_KIND_PASSWORD;
    return pam_find_kind(stack, PAM_KIND_CODE, 0) < stack->count ? PAM_KIND_CODE : PAM_KIND_OTHER;
}

/* The flaws that a stack must not have, whatever it was before. */
static bool has_flaw(const struct pam_answer *answer, enum pam_type type)
{
    static const enum pam_flaw check[] = {PAM_FLAW_UNCOUNTED, PAM_FLAW_NOT_FINAL, PAM_FLAW_UNNEEDED,
                                          PAM_FLAW_PROMPT};
    static const enum pam_flaw session[] = {PAM_FLAW_MISSED, PAM_FLAW_OVERRIDDEN};
    const bool is_session = type == PAM_TYPE_SESSION;
    const size_t count =
        is_session ? sizeof session / sizeof *session : sizeof check / sizeof *check;

    for (size_t i = 0; i < count; i++)
        if (answer->flaw[is_session ? session[i] : check[i]].found)
            return true;
    return answer->flaw[PAM_FLAW_TWICE].found;
}

/* A failure of ours must not close a session. */
static bool session_line_blocks(const struct pam_stack *stack)
{
    for (size_t i = find_ours(stack); i < stack->count;
         i = pam_find_kind(stack, PAM_KIND_OURS, i + 1))
        if (!pam_control_never_blocks(stack->line[i].control))
            return true;
    return false;
}

void pam_wiring_look(const struct pam_stack *stack, enum pam_type type, struct pam_wiring *wiring)
{
    const bool is_session = type == PAM_TYPE_SESSION;
    const struct pam_question question = {
        .before = stack, .after = stack, .is_session = is_session};

    *wiring = (struct pam_wiring){.ours = find_ours(stack), .check = find_check(stack)};
    wiring->status = pam_prove(&question, &wiring->answer);
    wiring->is_right = wiring->status == PAM_PROOF_DONE && !has_flaw(&wiring->answer, type) &&
                       !(is_session && session_line_blocks(stack));
}

int pam_gaps_look(const struct pam_stack *stack, enum pam_type type,
                  const struct pam_wiring *wiring, struct pam_user *user, struct pam_gaps *gaps)
{
    const bool is_session = type == PAM_TYPE_SESSION;
    const enum pam_flaw flaw = is_session ? PAM_FLAW_MISSED : PAM_FLAW_UNCOUNTED;
    const struct pam_question question = {
        .before = stack, .after = stack, .is_session = is_session, .user = user};
    struct pam_answer answer;

    *gaps = (struct pam_gaps){.any = false};
    if (wiring->ours == stack->count ||
        (wiring->status == PAM_PROOF_DONE && !wiring->answer.flaw[flaw].found))
        return 0;
    for (user->kind = 0; user->kind < PAM_USER_KINDS; user->kind++) {
        const enum pam_proof_status status = pam_prove(&question, &answer);
        if (status == PAM_PROOF_FAILED)
            return -1;
        if (status == PAM_PROOF_UNLIKE)
            continue;
        /* What has been found is true even if there was more to look at. */
        gaps->of[user->kind] = answer.flaw[flaw];
        gaps->any |= answer.flaw[flaw].found;
    }
    return 0;
}

/* --- the search ---------------------------------------------------------- */

/* Room for a line of ours with its arguments. */
enum { TEXT_MAX = 512 };

struct search {
    struct pam_services *services;
    const struct pam_service *service;
    enum pam_type type;
    struct host host;           /* the host with the edits of the candidate */
    struct edits edits;         /* those of services, and those of the candidate */
    struct pam_changed changed; /* by the candidate */
    /* Why the candidate that came closest was dropped. */
    struct pam_answer rejected;
    bool has_rejected, breaks_others, is_offered, out_of_memory;
    bool jump_stays;         /* a jump over the line of a candidate could not be corrected */
    const char *locked_file; /* that the line would have to go into, but for this */
    const struct pam_lock *lock;
};

/* One change of our lines. */
struct candidate {
    bool removes;     /* all lines of ours that the stack has now */
    const char *file; /* where a line is inserted, or NULL */
    unsigned line;
    const char *text;
    const struct pam_line *changed; /* our line that is changed instead, or NULL */
    const char *control;            /* its new control, or NULL */
    bool toggles_prompt;            /* add or remove noprompt */
};

static const struct pam_stack *stack_of(const struct search *search)
{
    return &search->service->stack[search->type];
}

/* May the file be edited? Notes the first one that may not. */
static bool may_edit(struct search *search, const char *path)
{
    const struct host bare = {.root = search->services->host.root};
    const struct pam_lock *lock = pam_file_lock(&bare, path);

    if (lock == NULL)
        return true;
    search->out_of_memory = search->out_of_memory || errno == ENOMEM;
    if (search->locked_file == NULL) {
        search->locked_file = path;
        search->lock = lock;
    }
    return false;
}

static bool keep_all_but_noprompt(const char *word, size_t length)
{
    return length != 8 || strncmp(word, "noprompt", length) != 0;
}

/* Says whether a step has succeeded, and notes if it failed for want of memory: then
 * the answer must not be that there is no edit. */
static bool succeeded(struct search *search, int result)
{
    search->out_of_memory = search->out_of_memory || (result != 0 && errno == ENOMEM);
    return result == 0;
}

/* The same for a stack that was read, and for a proof. */
static bool has_read(struct search *search, enum pam_stack_status status)
{
    search->out_of_memory = search->out_of_memory || status == PAM_STACK_FAILED;
    return status == PAM_STACK_OK;
}

static bool has_proof(struct search *search, enum pam_proof_status status)
{
    search->out_of_memory = search->out_of_memory || status == PAM_PROOF_FAILED;
    return status == PAM_PROOF_DONE;
}

/* Adds the candidate's edits, without corrected jumps. Returns 0, or -1: it is
 * impossible. */
static int edit_candidate(struct search *search, const struct candidate *candidate)
{
    const struct pam_stack *stack = stack_of(search);
    const struct host *host = &search->services->host;

    for (size_t i = find_ours(stack); candidate->removes && i < stack->count;
         i = pam_find_kind(stack, PAM_KIND_OURS, i + 1))
        if (!may_edit(search, stack->line[i].file) ||
            pam_delete_line(&search->edits, &stack->line[i]) != 0)
            return -1;
    if (candidate->changed != NULL && !may_edit(search, candidate->changed->file))
        return -1;
    if (candidate->control != NULL)
        return pam_replace_control(host, &search->edits, candidate->changed, candidate->control);
    if (candidate->toggles_prompt) {
        const bool has = pam_line_has(candidate->changed, "noprompt");
        return pam_replace_arguments(host, &search->edits, candidate->changed,
                                     keep_all_but_noprompt, has ? NULL : "noprompt");
    }
    if (candidate->changed != NULL)
        return pam_delete_line(&search->edits, candidate->changed);
    if (!may_edit(search, candidate->file))
        return -1;
    const struct edit insert = {EDIT_INSERT, (char *)(uintptr_t)candidate->file, candidate->line,
                                (char *)(uintptr_t)candidate->text};
    return edits_add(&search->edits, &insert);
}

/* Does the edit do no harm to those who log in through a stack? */
static bool is_harmless(const struct pam_answer *answer)
{
    for (int flaw = 0; flaw <= PAM_FLAW_LOSES; flaw++)
        if (answer->flaw[flaw].found)
            return false;
    return true;
}

/* Does the stack have a flaw of its own that it did not have before? A line that it did
 * not have must be where it belongs. */
static bool is_worse(const struct pam_answer *before, const struct pam_answer *after, bool gains)
{
    for (int flaw = PAM_FLAW_BAD_JUMP; flaw < PAM_FLAWS; flaw++)
        if (after->flaw[flaw].found &&
            (!before->flaw[flaw].found || (gains && flaw != PAM_FLAW_BAD_JUMP)))
            return true;
    return false;
}

static enum pam_proof_status compare(const struct search *search, const struct pam_stack *before,
                                     const struct pam_stack *after, struct pam_answer *answer)
{
    const struct pam_question question = {
        .before = before, .after = after, .is_session = search->type == PAM_TYPE_SESSION};

    return pam_prove(&question, answer);
}

/* Is the stack of the service in question right after the edits? */
static bool is_proven(struct search *search, const struct pam_stack *after)
{
    const struct pam_stack *before = stack_of(search);
    struct pam_answer answer;
    struct pam_wiring now;

    pam_wiring_look(before, search->type, &now);
    if (!has_proof(search, now.status) ||
        !has_proof(search, compare(search, before, after, &answer)))
        return false;
    const bool is_right =
        is_harmless(&answer) && !has_flaw(&answer, search->type) &&
        !answer.flaw[PAM_FLAW_NEEDLESS].found &&
        (!answer.flaw[PAM_FLAW_BAD_JUMP].found || now.answer.flaw[PAM_FLAW_BAD_JUMP].found) &&
        !(search->type == PAM_TYPE_SESSION && session_line_blocks(after));
    if (!is_right && !search->has_rejected) {
        search->rejected = answer;
        search->has_rejected = true;
    }
    return is_right;
}

/* Has a stack a line of ours? */
static bool has_ours(const struct pam_stack *stack)
{
    return find_ours(stack) < stack->count;
}

/* Has the stack a line of ours that is new to it? */
static bool gains_line(const struct pam_stack *before, const struct pam_stack *after)
{
    return !has_ours(before) && has_ours(after);
}

/* Does it lose all of ours, although one belongs there? Even behind the check, one keeps
 * locked users out. */
static bool loses_line(const struct pam_stack *before, const struct pam_stack *after,
                       const struct pam_answer *answer)
{
    return has_ours(before) && !has_ours(after) &&
           (answer->flaw[PAM_FLAW_UNCOUNTED].found || answer->flaw[PAM_FLAW_MISSED].found);
}

/* Does another service that reads the same files come out no worse? */
static bool is_safe_for(struct search *search, const struct pam_service *other)
{
    const struct pam_stack *before = &other->stack[search->type];
    struct pam_answer answer;
    struct pam_wiring wiring;
    struct pam_stack after;
    bool is_safe = false;

    /* A fragment counts in the services that include it. */
    if (other->is_fragment || !pam_changed_affect(&search->changed, before))
        return true;
    if (has_read(search,
                 pam_stack_read(&search->host, other->name, pam_type_word(search->type), &after))) {
        pam_wiring_look(before, search->type, &wiring);
        const bool gains = gains_line(before, &after);
        /* In the service's sandbox, a line that cannot count would reject everybody. */
        const bool is_blocked = other->is_blocked && search->type != PAM_TYPE_SESSION;
        is_safe = has_proof(search, wiring.status) &&
                  has_proof(search, compare(search, before, &after, &answer)) &&
                  is_harmless(&answer) && !is_worse(&wiring.answer, &answer, gains) &&
                  !(gains && is_blocked) && !loses_line(before, &after, &answer);
    }
    pam_stack_free(&after);
    search->breaks_others = search->breaks_others || !is_safe;
    return is_safe;
}

/* Reads the stack as the candidate leaves it, with the jumps corrected. */
static bool read_after(struct search *search, struct pam_stack *after)
{
    const char *word = pam_type_word(search->type), *name = search->service->name;

    errno = 0;
    if (!has_read(search, pam_stack_read(&search->host, name, word, after)))
        return false;
    if (!succeeded(search, pam_correct_jumps(&search->services->host, stack_of(search), after,
                                             &search->edits))) {
        search->jump_stays = true;
        return false;
    }
    for (size_t i = search->services->edits.count; i < search->edits.count; i++)
        if (!may_edit(search, search->edits.item[i].file))
            return false;
    pam_stack_free(after);
    return has_read(search, pam_stack_read(&search->host, name, word, after)) &&
           after->problem == NULL;
}

/* Tries a candidate, and keeps its edits if it passes. */
static bool try_candidate(struct search *search, const struct candidate *candidate)
{
    struct pam_stack after = {0};
    bool passes;

    search->edits = (struct edits){0};
    search->host = (struct host){.root = search->services->host.root, .edits = &search->edits};
    errno = 0;
    passes = !search->out_of_memory &&
             succeeded(search, edits_add_all(&search->edits, &search->services->edits)) &&
             succeeded(search, edit_candidate(search, candidate)) && read_after(search, &after) &&
             is_proven(search, &after);
    passes = passes &&
             succeeded(search, pam_changed_find(&search->host, &search->edits,
                                                search->services->edits.count, &search->changed));
    for (size_t i = 0; passes && i < search->services->count; i++)
        passes = &search->services->item[i] == search->service ||
                 is_safe_for(search, &search->services->item[i]);
    pam_stack_free(&after);
    host_paths_free(&search->changed.file);
    if (passes) {
        edits_free(&search->services->edits);
        search->services->edits = search->edits;
    } else {
        edits_free(&search->edits);
    }
    search->edits = (struct edits){0};
    search->is_offered = passes;
    return passes;
}

/* --- candidates ---------------------------------------------------------- */

/* Our line's text, with the arguments that `like` has, except for noprompt and
 * those that the module does not accept. */
static void write_text(const struct search *search, const struct pam_line *like,
                       const char *control, bool prompts, char text[TEXT_MAX])
{
    const char *value = NULL;
    struct pam_argument argument;
    struct failure unused = {""};
    size_t used = (size_t)snprintf(text, TEXT_MAX, "%-10s %-12s " PAM_OUR_MODULE,
                                   pam_type_word(search->type), control);

    if (!prompts)
        used += (size_t)snprintf(text + used, TEXT_MAX - used, " noprompt");
    for (const char *at = like != NULL ? like->arguments : ""; pam_next_argument(&at, &argument);)
        if (keep_all_but_noprompt(argument.text, argument.length) &&
            module_arg_find(argument.text, argument.length, &value, &unused) >= 0 &&
            used + argument.written_length + 2 < TEXT_MAX)
            used += (size_t)snprintf(text + used, TEXT_MAX - used, " %.*s",
                                     (int)argument.written_length, argument.written);
}

/* Tries changes to our lines where they are. */
static bool change_in_place(struct search *search)
{
    static const char *const check[] = {"requisite", NULL};
    static const char *const session[] = {"optional", "[default=ignore]", NULL};
    const struct pam_stack *stack = stack_of(search);
    const bool is_session = search->type == PAM_TYPE_SESSION;

    for (size_t i = find_ours(stack); i < stack->count;
         i = pam_find_kind(stack, PAM_KIND_OURS, i + 1)) {
        const struct pam_line *line = &stack->line[i];
        struct candidate candidate = {.changed = line};
        for (const char *const *control = is_session ? session : check; *control != NULL;
             control++) {
            candidate.control = *control;
            if (try_candidate(search, &candidate))
                return true;
        }
        candidate.control = NULL;
        candidate.toggles_prompt = !is_session;
        if (candidate.toggles_prompt && try_candidate(search, &candidate))
            return true;
    }
    return false;
}

/* Tries to delete one of several lines, the last one first. */
static bool delete_one(struct search *search)
{
    const struct pam_stack *stack = stack_of(search);

    for (size_t i = stack->count; i-- > 0;)
        if (pam_line_is(&stack->line[i], PAM_OUR_MODULE) &&
            try_candidate(search, &(struct candidate){.changed = &stack->line[i]}))
            return true;
    return false;
}

/* Tries a place with each text. Ours go from where they are, or one is added. */
static bool try_place(struct search *search, const char *file, unsigned line, bool removes)
{
    const struct pam_stack *stack = stack_of(search);
    const size_t ours = find_ours(stack);
    const struct pam_line *like = ours < stack->count ? &stack->line[ours] : NULL;
    struct candidate candidate = {.removes = removes, .file = file, .line = line};
    const bool is_auth = search->type != PAM_TYPE_SESSION;
    char text[TEXT_MAX];

    candidate.text = text;
    write_text(search, like, is_auth ? "requisite" : "optional", true, text);
    if (try_candidate(search, &candidate))
        return true;
    write_text(search, like, is_auth ? "requisite" : "[default=ignore]", !is_auth, text);
    return try_candidate(search, &candidate);
}

/* The places before line i and before the line of the service's own file that
 * leads to it. */
static bool try_before(struct search *search, size_t i, bool in_own_file, bool removes)
{
    const struct pam_stack *stack = stack_of(search);
    const struct pam_line *line = &stack->line[i];
    const bool is_own = strcmp(line->file, stack->path) == 0;

    if (in_own_file && !stack->is_other && line->origin_on_host != 0 &&
        (i == 0 || stack->line[i - 1].origin != line->origin))
        return try_place(search, stack->path, line->origin_on_host, removes);
    return !in_own_file && !is_own && line->on_host != 0 &&
           try_place(search, line->file, line->on_host, removes);
}

/* auth and password: the places before the first check, the nearest first; in the service's own
 * file, then in those that it includes. A line that others share stays among them. */
static bool move_check(struct search *search)
{
    const struct pam_stack *stack = stack_of(search);
    const size_t check = pam_find_kind(stack, find_check(stack), 0);
    const size_t ours = find_ours(stack);
    const bool is_shared = ours < stack->count && strcmp(stack->line[ours].file, stack->path) != 0;

    if (check == stack->count)
        return false;
    for (int round = 0; round < 2; round++)
        for (size_t i = check + 1; i-- > 0;)
            if (try_before(search, i, (round == 0) != is_shared, true))
                return true;
    return false;
}

/* Is a line inserted at the top of the service's own file? With one at the end as
 * well, a patch of a short file has no context, and a second run would apply it
 * again. */
static bool is_edited_at_top(const struct search *search)
{
    const struct edits *edits = &search->services->edits;

    for (size_t i = 0; i < edits->count; i++)
        if (edits->item[i].kind == EDIT_INSERT && edits->item[i].line == 1 &&
            strcmp(edits->item[i].file, stack_of(search)->path) == 0)
            return true;
    return false;
}

/* session: the end of the service's own file, and the places before its lines, the
 * last one first. */
static bool move_session(struct search *search)
{
    const struct pam_stack *stack = stack_of(search);
    const size_t ours = find_ours(stack);
    /* Other services may need a line that they share where it is. */
    const bool is_own = ours == stack->count || strcmp(stack->line[ours].file, stack->path) == 0;
    const bool end_last = is_edited_at_top(search);

    if (stack->is_other && stack->count > 0)
        return false;
    if (!end_last && try_place(search, stack->path, EDIT_END, is_own))
        return true;
    for (size_t i = stack->count; i-- > 0;)
        if (try_before(search, i, true, is_own))
            return true;
    return end_last && try_place(search, stack->path, EDIT_END, is_own);
}

static void explain(const struct search *search, struct failure *why)
{
    const struct pam_example *flaw = search->rejected.flaw;
    const bool is_session = search->type == PAM_TYPE_SESSION;

    if (search->locked_file != NULL)
        failure_set(why, "%s %s: %s", search->locked_file, search->lock->because,
                    search->lock->instead);
    else if (search->breaks_others)
        failure_set(why, "no edit is offered, because other services share the file and would "
                         "come out worse");
    else if (!search->has_rejected || search->jump_stays)
        failure_set(why, "no edit is offered, because the line or a jump over it cannot be changed "
                         "by itself");
    else if (!is_session && flaw[PAM_FLAW_ASKS_MORE].found)
        failure_set(why, "no edit is offered, because wherever the line goes, somebody would be "
                         "asked for a password that they do not need today");
    else if (flaw[PAM_FLAW_REFUSES].found || flaw[PAM_FLAW_SECOND].found)
        failure_set(why, "no edit is offered, because wherever the line goes, somebody who gets "
                         "in today might be refused");
    else if (flaw[PAM_FLAW_ADMITS].found)
        failure_set(why, "no edit is offered, because wherever the line goes, somebody who is "
                         "refused today might get in");
    else
        failure_set(why,
                    "no edit is offered, because there is no place for the line that every "
                    "%s exactly once",
                    is_session ? "session that opens gets to" : "way to the check leads through");
}

bool pam_edits_are_safe(struct pam_services *services, const struct edits *edits)
{
    struct search search = {.services = services,
                            .host = {.root = services->host.root, .edits = edits},
                            .edits = *edits};
    bool safe = succeeded(&search, pam_changed_find(&search.host, edits, 0, &search.changed));

    for (search.type = 0; search.type <= PAM_TYPE_PASSWORD; search.type++)
        for (size_t i = 0; i < services->count; i++)
            safe = safe && is_safe_for(&search, &services->item[i]);
    host_paths_free(&search.changed.file);
    return safe && !search.out_of_memory;
}

enum pam_offer pam_propose(struct pam_services *services, const char *service, enum pam_type type,
                           size_t *first, struct failure *why)
{
    struct search search = {.services = services, .type = type};

    *first = services->edits.count;
    search.service = pam_services_find(services, service);
    if (search.service == NULL)
        return PAM_OFFER_FAILED;
    const struct pam_stack *stack = stack_of(&search);
    if (stack->problem != NULL) {
        failure_set(why, "no edit is offered until libpam can read the stack");
        return PAM_NOT_OFFERED;
    }
    const bool found = change_in_place(&search) || delete_one(&search) ||
                       (type == PAM_TYPE_SESSION ? move_session(&search) : move_check(&search));
    if (search.out_of_memory)
        return PAM_OFFER_FAILED;
    if (found)
        return pam_services_read_again(services, *first) == 0 ? PAM_OFFERED : PAM_OFFER_FAILED;
    explain(&search, why);
    return PAM_NOT_OFFERED;
}
