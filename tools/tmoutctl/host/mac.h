/*
 * Mandatory access control: would the loaded policy of SELinux or Smack let login
 * programs use our state? The kernel is asked about the domains that they run in and
 * the labels that the files have: trying it as root would only show what an unconfined
 * root may do. AppArmor's kernel cannot be asked: there, the text of the profiles
 * in force counts.
 */
#ifndef TMOUT_TMOUTCTL_HOST_MAC_H
#define TMOUT_TMOUTCTL_HOST_MAC_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

enum mac_kind { MAC_NONE, MAC_SELINUX, MAC_SMACK, MAC_APPARMOR };

/* What a program has to do with our files, in the order in which it matters. */
enum mac_need { MAC_READ_SNAPSHOT, MAC_WRITE_LEDGERS, MAC_WRITE_REGISTRY, MAC_NEEDS };

/*
 * The kernel's side, for tests to replace. ask() writes a question into a file below
 * the host's root, unless it is NULL, and reads the answer, without a newline at its
 * end. label() reads the label of a file, with symbolic links followed. Both return 0, or -1.
 */
struct mac_kernel {
    int (*ask)(const struct host *host, const char *file, const char *question, char *answer,
               size_t size);
    int (*label)(const struct host *host, const char *path, const char *attribute, char *label,
                 size_t size);
};

extern const struct mac_kernel mac_running_kernel;

enum { MAC_LABEL_MAX = 256 };

struct mac_denial {
    const char *program; /* "sshd" */
    char domain[MAC_LABEL_MAX];
    enum mac_need need;
    const char *path;          /* what it may not use, and its label: valid during the call. */
    char label[MAC_LABEL_MAX]; /* AppArmor: the profile, and "" */
};

/* The names of the state's places; none of them has to exist. */
struct mac_places {
    const char *state_dir, *sessions_dir;
};

typedef void mac_visit(void *context, const struct mac_denial *denial);

/*
 * Calls visit for each login program on the host and each thing that it could not do if
 * the policy were enforced. *is_enforced: is it? Returns what the host has.
 */
enum mac_kind mac_find_denials(const struct host *host, const struct mac_kernel *kernel,
                               const struct mac_places *places, bool *is_enforced, mac_visit *visit,
                               void *context);

/* What is known of the labels of single ledgers: most have the same. */
struct mac_ledgers {
    const struct host *host;
    const struct mac_kernel *kernel;
    const char *state_dir;
    bool is_enforced; /* SELinux; nothing else is asked */
    size_t count;
    struct {
        bool is_denied;
        struct mac_denial denial;
    } known[8]; /* by denial.label */
};

void mac_ledgers_begin(struct mac_ledgers *ledgers, const struct host *host,
                       const struct mac_kernel *kernel, const char *state_dir);

/*
 * Whom SELinux denies the use of the ledger at this path because it has another label than
 * new ones, which they may use: after a restore from a backup, for example. NULL: nobody.
 * Valid until the next call.
 */
const struct mac_denial *mac_ledger_denial(struct mac_ledgers *ledgers, const char *path);

#endif
