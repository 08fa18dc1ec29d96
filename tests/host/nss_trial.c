/*
 * A name service for tests, libnss_trial.so.2. It knows the user "trial", who is in
 * the groups t0, t1, ..., and so is "shared", a user of another source. /etc/nss_trial
 * holds how many groups there are, and the status and errno of every answer about
 * groups by name or number, about users, and of every list of a user's groups: 1 and 0
 * where it does not fail. With status 100 it never answers. Compiled with WITHOUT_LISTS,
 * it lists all groups with their members instead, as old sources do; "trial" is the one
 * member then. Each question about groups adds a character to /run/nss_trial: n for one
 * by name, g by number, i for the list of a user's groups.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIAL_UID = 7100, TRIAL_GID = 7200, NEVER = 100 };

enum nss_status _nss_trial_getpwnam_r(const char *name, struct passwd *entry, char *buffer,
                                      size_t size, int *error);
enum nss_status _nss_trial_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size,
                                      int *error);
enum nss_status _nss_trial_getgrnam_r(const char *name, struct group *entry, char *buffer,
                                      size_t size, int *error);
enum nss_status _nss_trial_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                                      int *error);
enum nss_status _nss_trial_initgroups_dyn(const char *user, gid_t skipped, long *start, long *size,
                                          gid_t **groups, long limit, int *error);

struct trial {
    unsigned groups;
    int status, error;
    int user_status, user_error;
    int list_status, list_error;
};

static struct trial trial_read(void)
{
    struct trial trial = {.status = NSS_STATUS_SUCCESS,
                          .user_status = NSS_STATUS_SUCCESS,
                          .list_status = NSS_STATUS_SUCCESS};
    FILE *file = fopen("/etc/nss_trial", "re");

    if (file != NULL) {
        if (fscanf(file, "%u %d %d %d %d %d %d", &trial.groups, &trial.status, &trial.error,
                   &trial.user_status, &trial.user_error, &trial.list_status,
                   &trial.list_error) != 7)
            trial.groups = 0;
        fclose(file);
    }
    while (trial.status == NEVER)
        pause();
    return trial;
}

static struct trial trial_asked(char question)
{
    struct trial trial = trial_read();
    const int log = open("/run/nss_trial", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (log >= 0) {
        if (write(log, &question, 1) != 1)
            trial.groups = 0;
        close(log);
    }
    return trial;
}

static enum nss_status user(bool known, struct passwd *entry, char *buffer, size_t size, int *error)
{
    static const char text[] = "trial\0x\0\0/home/trial\0/bin/bash";
    const struct trial trial = trial_read();

    if (trial.user_status != NSS_STATUS_SUCCESS) {
        if (trial.user_error != 0)
            *error = trial.user_error;
        return (enum nss_status)trial.user_status;
    }
    if (!known)
        return NSS_STATUS_NOTFOUND;
    if (size < sizeof text) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    memcpy(buffer, text, sizeof text);
    *entry = (struct passwd){.pw_name = buffer,
                             .pw_passwd = buffer + 6,
                             .pw_uid = TRIAL_UID,
                             .pw_gid = TRIAL_GID,
                             .pw_gecos = buffer + 8,
                             .pw_dir = buffer + 9,
                             .pw_shell = buffer + 21};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_trial_getpwnam_r(const char *name, struct passwd *entry, char *buffer,
                                      size_t size, int *error)
{
    return user(strcmp(name, "trial") == 0, entry, buffer, size, error);
}

enum nss_status _nss_trial_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size,
                                      int *error)
{
    return user(uid == TRIAL_UID, entry, buffer, size, error);
}

static enum nss_status group(unsigned number, const struct trial *trial, struct group *entry,
                             char *buffer, size_t size, int *error)
{
    char **members = (char **)(void *)buffer; /* aligned as malloc(3) does it */

    if (trial->status != NSS_STATUS_SUCCESS) {
        if (trial->error != 0)
            *error = trial->error;
        return (enum nss_status)trial->status;
    }
    if (number >= trial->groups)
        return NSS_STATUS_NOTFOUND;
    if (size < 64) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    members[0] = NULL;
    buffer += 2 * sizeof *members; /* room for one */
    snprintf(buffer, 32, "t%u", number);
    *entry = (struct group){
        .gr_name = buffer, .gr_passwd = buffer, .gr_gid = TRIAL_GID + number, .gr_mem = members};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_trial_getgrnam_r(const char *name, struct group *entry, char *buffer,
                                      size_t size, int *error)
{
    const struct trial trial = trial_asked('n');
    unsigned number;
    char end;

    if (sscanf(name, "t%u%c", &number, &end) != 1)
        number = trial.groups;
    return group(number, &trial, entry, buffer, size, error);
}

enum nss_status _nss_trial_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                                      int *error)
{
    const struct trial trial = trial_asked('g');

    return group(gid - TRIAL_GID, &trial, entry, buffer, size, error);
}

#ifndef WITHOUT_LISTS

enum nss_status _nss_trial_initgroups_dyn(const char *name, gid_t skipped, long *start, long *size,
                                          gid_t **groups, long limit, int *error)
{
    const struct trial trial = trial_asked('i');

    if (trial.list_status != NSS_STATUS_SUCCESS) {
        if (trial.list_error != 0)
            *error = trial.list_error;
        return (enum nss_status)trial.list_status;
    }
    if (strcmp(name, "trial") != 0 && strcmp(name, "shared") != 0)
        return NSS_STATUS_NOTFOUND;
    for (unsigned i = 0; i < trial.groups; i++) {
        if (TRIAL_GID + i == skipped || (limit > 0 && *start >= limit))
            continue;
        if (*start == *size) {
            gid_t *grown = realloc(*groups, 2 * (size_t)*size * sizeof *grown);
            if (grown == NULL) {
                *error = ENOMEM;
                return NSS_STATUS_TRYAGAIN;
            }
            *groups = grown;
            *size *= 2;
        }
        (*groups)[(*start)++] = TRIAL_GID + i;
    }
    return NSS_STATUS_SUCCESS;
}

#else

static unsigned next_group;

enum nss_status _nss_trial_setgrent(int stay_open);
enum nss_status _nss_trial_getgrent_r(struct group *entry, char *buffer, size_t size, int *error);

enum nss_status _nss_trial_setgrent(int stay_open)
{
    (void)stay_open;
    next_group = 0;
    return NSS_STATUS_SUCCESS;
}

/* The list fails at its end, as one that comes over a network may. */
enum nss_status _nss_trial_getgrent_r(struct group *entry, char *buffer, size_t size, int *error)
{
    static char member[] = "trial";
    const struct trial trial = trial_read();

    if (next_group >= trial.groups && trial.list_status != NSS_STATUS_SUCCESS) {
        if (trial.list_error != 0)
            *error = trial.list_error;
        return (enum nss_status)trial.list_status;
    }
    const enum nss_status status = group(next_group, &trial, entry, buffer, size, error);
    if (status == NSS_STATUS_SUCCESS) {
        entry->gr_mem[0] = member;
        entry->gr_mem[1] = NULL;
        next_group++;
    }
    return status;
}

#endif
