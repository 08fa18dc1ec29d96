/* The areas of an audit. Each reads its part of the host and adds what it
 * finds to audit->findings; without memory, findings.out_of_memory is set. */
#ifndef TMOUT_TMOUTCTL_AUDIT_AREAS_H
#define TMOUT_TMOUTCTL_AUDIT_AREAS_H

#include "tools/tmoutctl/audit/audit.h"
#include "tools/tmoutctl/host/mac.h"

#include <stdbool.h>
#include <sys/statvfs.h>

/* Where libpam looks for the module. */
extern const char audit_module_path[];

/* Starts the audit and runs all areas, with the preset of this name unless it is NULL.
 * Returns 0, or -1 with the reason, as audit_baseline(). */
int audit_areas(struct audit *audit, const char *baseline, struct failure *failure);

/* Starts the audit and runs the check of this name only. Returns 0, or -1 with the reason. */
int audit_one_check(struct audit *audit, const char *id, struct failure *failure);

void audit_policy(struct audit *audit);
void audit_pam(struct audit *audit);
void audit_sshd(struct audit *audit);
void audit_shells(struct audit *audit);
void audit_host(struct audit *audit);
void audit_attempts(struct audit *audit);
void audit_fleet(struct audit *audit);

/* Part of audit_policy(): all but finding out whether tmoutd is running. */
void audit_policy_checks(struct audit *audit);

/* Part of audit_host(): is there room in a directory, given its file system? */
void audit_room(struct audit *audit, const char *directory, const struct statvfs *room);

/* Part of audit_host(): what SELinux, Smack or AppArmor would deny login programs. */
void audit_mac(struct audit *audit, const struct mac_kernel *kernel);

/*
 * Finds out what the policy will be once it meets the preset of this name, as far as the
 * patch can edit it: audit->plan. The host is then to be compared with that one, so that
 * one patch has the whole difference. Comes after audit_policy(). Returns 0, or -1 with
 * the reason, as audit_baseline().
 */
int audit_baseline_plan(struct audit *audit, const char *name, struct failure *failure);

/*
 * Compares the policy, and what the areas above have found on the host, with
 * the preset of this name; so it comes last. Returns 0, or -1 with the reason:
 * there is no such preset, or it cannot be read.
 */
int audit_baseline(struct audit *audit, const char *name, struct failure *failure);

#endif
