/* The areas of an audit. Each reads its part of the host and adds what it
 * finds to audit->findings; without memory, findings.out_of_memory is set. */
#ifndef TMOUT_TMOUTCTL_AUDIT_AREAS_H
#define TMOUT_TMOUTCTL_AUDIT_AREAS_H

#include "tools/tmoutctl/audit/audit.h"

#include <stdbool.h>
#include <sys/statvfs.h>

/* Where libpam looks for the module. */
extern const char audit_module_path[];

/* All of them, after audit_start(). */
void audit_areas(struct audit *audit);

void audit_policy(struct audit *audit);
void audit_pam(struct audit *audit);
void audit_sshd(struct audit *audit);
void audit_shells(struct audit *audit);
void audit_host(struct audit *audit);
void audit_attempts(struct audit *audit);

/* Part of audit_policy(): all but finding out whether tmoutd is running. */
void audit_policy_checks(struct audit *audit);

/* Part of audit_host(): is there room in a directory, given its file system? */
void audit_room(struct audit *audit, const char *directory, const struct statvfs *room);

/*
 * Compares the policy, and what the areas above have found on the host, with
 * the preset of this name; so it comes last. Returns 0, or -1 with the reason:
 * there is no such preset, or it cannot be read.
 */
int audit_baseline(struct audit *audit, const char *name, struct failure *failure);

#endif
