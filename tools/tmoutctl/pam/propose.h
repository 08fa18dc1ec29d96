/*
 * The search for an edit that puts our line where it belongs and harms nobody.
 * Every candidate is tried on a copy of the files and proven over all services
 * that read them (proof.h); the first that passes is offered.
 */
#ifndef TMOUT_TMOUTCTL_PAM_PROPOSE_H
#define TMOUT_TMOUTCTL_PAM_PROPOSE_H

#include "lib/host/failure.h"
#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/pam/modules.h"
#include "tools/tmoutctl/pam/proof.h"
#include "tools/tmoutctl/pam/services.h"

/* What is wrong with our line in a stack as it is. */
struct pam_wiring {
    enum pam_proof_status status; /* what follows holds only if this is PAM_PROOF_DONE */
    struct pam_answer answer;
    size_t ours;         /* the first line of ours, or stack->count */
    enum pam_kind check; /* PAM_KIND_PASSWORD or PAM_KIND_CODE, or PAM_KIND_OTHER: nothing is
                            checked that can be guessed */
    bool is_right;
};

/* Looks at a stack as it is. */
void pam_wiring_look(const struct pam_stack *stack, enum pam_type type, struct pam_wiring *wiring);

/* Per kind of user: a way on which something is checked that was not counted, or a
 * session opens without our line. A kind without one has found == false. */
struct pam_gaps {
    struct pam_example of[PAM_USER_KINDS];
    bool any;
};

/* Looks for such ways through the stack of a service. It must have been looked at:
 * where nobody at all has such a way, nothing is done again. Returns 0, or -1: out of
 * memory. */
int pam_gaps_look(const struct pam_stack *stack, enum pam_type type,
                  const struct pam_wiring *wiring, struct pam_user *user, struct pam_gaps *gaps);

enum pam_offer { PAM_OFFERED, PAM_NOT_OFFERED, PAM_OFFER_FAILED };

/*
 * Looks for an edit after which the service's stack is right. If there is one, it
 * is added to services->edits, so that the next one builds on it; its parts are
 * services->edits.item[*first ...]. Else says why in words, as a sentence.
 * PAM_OFFER_FAILED: out of memory.
 */
enum pam_offer pam_propose(struct pam_services *services, const char *service, enum pam_type type,
                           size_t *first, struct failure *why);

/*
 * Do all services come out no worse of these edits than they are with
 * services->edits, which must be empty? For edits that were proven one by one,
 * of which some may have been dropped.
 */
bool pam_edits_are_safe(struct pam_services *services, const struct edits *edits);

#endif
