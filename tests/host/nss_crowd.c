/*
 * A name service for tests, libnss_crowd.so.2, that is slow and knows many. Its users
 * are each0, each1, ... with uids from 100000; all of them are in the groups c0, c1, ...
 * /etc/nss_crowd holds how many groups these are, and the microseconds that each answer
 * takes.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CROWD_UID = 100000, CROWD_USERS = 10000, CROWD_GID = 200000 };

enum nss_status _nss_crowd_getpwnam_r(const char *name, struct passwd *entry, char *buffer,
                                      size_t size, int *error);
enum nss_status _nss_crowd_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size,
                                      int *error);
enum nss_status _nss_crowd_getgrnam_r(const char *name, struct group *entry, char *buffer,
                                      size_t size, int *error);
enum nss_status _nss_crowd_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                                      int *error);
enum nss_status _nss_crowd_initgroups_dyn(const char *user, gid_t skipped, long *start, long *size,
                                          gid_t **groups, long limit, int *error);

/* Returns how many groups there are, after the time that an answer takes. */
static long crowd_asked(void)
{
    FILE *file = fopen("/etc/nss_crowd", "re");
    long groups = 0, us = 0;

    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &groups, &us) != 2)
            groups = 0;
        fclose(file);
    }
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
    return groups;
}

/* The number behind this letter or word, or -1. */
static long number_after(const char *prefix, const char *name)
{
    const size_t length = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, length) != 0 || name[length] == '\0')
        return -1;
    const long number = strtol(name + length, &end, 10);
    return *end == '\0' ? number : -1;
}

static enum nss_status crowd_user(long number, struct passwd *entry, char *buffer, size_t size,
                                  int *error)
{
    crowd_asked();
    if (number < 0 || number >= CROWD_USERS)
        return NSS_STATUS_NOTFOUND;
    if (size < 64) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    memset(buffer, 0, 64);
    snprintf(buffer, 32, "each%ld", number);
    strcpy(buffer + 32, "/");
    strcpy(buffer + 40, "/bin/sh");
    *entry = (struct passwd){.pw_name = buffer,
                             .pw_passwd = buffer + 63,
                             .pw_uid = (uid_t)(CROWD_UID + number),
                             .pw_gid = CROWD_GID,
                             .pw_gecos = buffer + 63,
                             .pw_dir = buffer + 32,
                             .pw_shell = buffer + 40};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_crowd_getpwnam_r(const char *name, struct passwd *entry, char *buffer,
                                      size_t size, int *error)
{
    return crowd_user(number_after("each", name), entry, buffer, size, error);
}

enum nss_status _nss_crowd_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size,
                                      int *error)
{
    return crowd_user((long)uid - CROWD_UID, entry, buffer, size, error);
}

static enum nss_status crowd_group(long number, struct group *entry, char *buffer, size_t size,
                                   int *error)
{
    if (number < 0 || number >= crowd_asked())
        return NSS_STATUS_NOTFOUND;
    if (size < 64) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    memset(buffer, 0, 64);
    snprintf(buffer + 16, 32, "c%ld", number);
    *entry = (struct group){.gr_name = buffer + 16,
                            .gr_passwd = buffer + 63,
                            .gr_gid = (gid_t)(CROWD_GID + number),
                            .gr_mem = (char **)(void *)buffer};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_crowd_getgrnam_r(const char *name, struct group *entry, char *buffer,
                                      size_t size, int *error)
{
    return crowd_group(number_after("c", name), entry, buffer, size, error);
}

enum nss_status _nss_crowd_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size,
                                      int *error)
{
    return crowd_group((long)gid - CROWD_GID, entry, buffer, size, error);
}

enum nss_status _nss_crowd_initgroups_dyn(const char *user, gid_t skipped, long *start, long *size,
                                          gid_t **groups, long limit, int *error)
{
    const long count = crowd_asked();

    (void)limit;
    if (number_after("each", user) < 0)
        return NSS_STATUS_NOTFOUND;
    gid_t *grown = realloc(*groups, (size_t)(*start + count) * sizeof *grown);
    if (grown == NULL) {
        *error = ENOMEM;
        return NSS_STATUS_TRYAGAIN;
    }
    *groups = grown;
    *size = *start + count;
    for (long number = 0; number < count; number++)
        if (CROWD_GID + (gid_t)number != skipped)
            grown[(*start)++] = CROWD_GID + (gid_t)number;
    return NSS_STATUS_SUCCESS;
}
