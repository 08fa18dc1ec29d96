/* The services of a host: every file in its PAM directories that a program may
 * name, with its stacks. */
#ifndef TMOUT_TMOUTCTL_PAM_SERVICES_H
#define TMOUT_TMOUTCTL_PAM_SERVICES_H

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/pam/stack.h"

#include <stdbool.h>
#include <stddef.h>

/* Ours are in the first three. */
enum pam_type { PAM_TYPE_AUTH, PAM_TYPE_SESSION, PAM_TYPE_PASSWORD, PAM_TYPE_ACCOUNT, PAM_TYPES };

/* "auth" and so on. */
const char *pam_type_word(enum pam_type type);

struct pam_service {
    char *name;
    bool is_fragment; /* only other files include it */
    bool is_blocked;  /* its unit's sandbox keeps the module from counting (unit.h) */
    struct pam_stack stack[PAM_TYPES];
};

/* Start with pam_services_read(); end with pam_services_free(). */
struct pam_services {
    struct host host;   /* with the edits */
    struct edits edits; /* that the stacks are read with */
    struct pam_service *item;
    size_t count;
};

/*
 * Reads all services of the host in /etc/pam.d and /usr/lib/pam.d, by name. A
 * file that others include is a fragment, unless it is called like a program
 * that has a service of its own (su, which su-l includes); so is one with a name
 * that distributions give to fragments. services must stay where it is. Returns
 * 0, or -1: out of memory.
 */
int pam_services_read(const struct host *host, struct pam_services *services);

/* Files that edits change. */
struct pam_changed {
    struct host_paths file; /* without symbolic links, as pam_stack.file */
    uint64_t file_bits;     /* as in struct pam_stack */
    bool is_any;            /* one is new: any stack may read it */
};

/* Finds the files of edits->item[first...]. Returns 0, or -1: out of memory. changed is to
 * be freed with host_paths_free() either way. */
int pam_changed_find(const struct host *host, const struct edits *edits, size_t first,
                     struct pam_changed *changed);

/* Does the stack read one of them? */
bool pam_changed_affect(const struct pam_changed *changed, const struct pam_stack *stack);

/* Reads those stacks again that the edits from number `first` on change. Returns 0 or -1. */
int pam_services_read_again(struct pam_services *services, size_t first);

/* Reads the stacks as they are on the host. Returns 0 or -1. */
int pam_services_drop_edits(struct pam_services *services);

/* The service of this name, or NULL. */
const struct pam_service *pam_services_find(const struct pam_services *services, const char *name);

void pam_services_free(struct pam_services *services);

#endif
